"""What people say: their own escalations, silences, progress and outcomes."""
