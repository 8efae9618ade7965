"""Trust & Safety: abuse, compromise, and policy violations."""
