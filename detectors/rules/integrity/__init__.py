"""Engineering, P0: data integrity issues."""
