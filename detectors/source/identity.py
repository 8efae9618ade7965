"""Which server a source is on: another one's rows tell nothing of what was repaired on the first."""

from __future__ import annotations

from sqlalchemy import text

from detectors.source.base import QueryError, Source

_MAY_ASK = text(
    "SELECT bool_and(has_function_privilege(name || '()', 'EXECUTE')) AS may "
    "FROM unnest(ARRAY['pg_control_system', 'pg_control_checkpoint']) AS name"
)
_SERVER = text("SELECT system_identifier::text AS number FROM pg_control_system()")
"""Stays the same through restarts and fail-overs, on standbys, and where a base backup was restored."""


def server_of(source: Source) -> str | None:
    """The number of a PostgreSQL server, where this role may ask for it; folders and lakes have none.

    Of the database itself nothing is asked: many are made anew each night from a dump, on the same server.
    """
    if source.engine != "postgresql":
        return None
    try:
        if not may_ask(source):
            return None
        (found,) = source.rows(_SERVER, "identity")
    except QueryError:
        return None
    return str(found["number"])


def may_ask(source: Source) -> bool:
    """Whether this role may ask PostgreSQL which server it is; to ask without that right would end the scan."""
    (found,) = source.rows(_MAY_ASK, "identity")
    return bool(found["may"])
