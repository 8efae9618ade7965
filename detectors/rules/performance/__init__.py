"""Engineering, P1: performance."""
