"""Which server a source is on: another one's rows tell nothing of what was repaired on the first."""

from __future__ import annotations

from sqlalchemy import text

from detectors.source.base import QueryError, Source

_SERVER = text("SELECT system_identifier::text AS number FROM pg_control_system()")
"""Stays the same through restarts and fail-overs, on standbys, and where a base backup was restored."""


def server_of(source: Source) -> str | None:
    """The number of a PostgreSQL server, where this role may ask for it; folders and lakes have none.

    Of the database itself nothing is asked: many are made anew each night from a dump, on the same server.
    """
    if source.engine != "postgresql":
        return None
    try:
        (found,) = source.rows(_SERVER, "identity")
    except QueryError:
        return None
    return str(found["number"])
