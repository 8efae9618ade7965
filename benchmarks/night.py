"""Which night a benchmark scans."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import psycopg


def last_night(connection: psycopg.Connection) -> datetime:
    """The moment of the newest audit row: the job of that night looks at the day that closed before it.

    Ends the program where the audit table is empty.
    """
    row = connection.execute("SELECT max(event_timestamp) FROM household_events").fetchone()
    connection.rollback()
    if not row or row[0] is None:
        sys.exit("the audit table is empty: name the night with --as-of")
    newest: datetime = row[0].astimezone(UTC)
    return newest
