"""Engineering, P1: feature malfunctions."""
