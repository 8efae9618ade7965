"""Engineering, P0: security."""
