"""Telling the helpdesk and the messenger what was decided, each thing exactly once."""
