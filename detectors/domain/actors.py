"""Who acts: a user, or an IP address where nobody is named."""

from __future__ import annotations

IP_ACTOR = "ip:"
"""Begins the key of an actor that is known by an IP address alone."""
