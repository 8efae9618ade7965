"""Engineering, P0: security vulnerabilities."""
