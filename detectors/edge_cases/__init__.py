"""Engineering, P2: edge cases."""
