"""Texts: how people's words are read, and how a ticket's are written."""
