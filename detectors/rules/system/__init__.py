"""Engineering, P0: system failures."""
