"""The escalation process as validated data."""
