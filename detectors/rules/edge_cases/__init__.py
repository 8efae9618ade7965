"""Engineering, P2: edge cases and enhancements."""
