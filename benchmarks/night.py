"""Which database a benchmark measures, and which night it scans."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import psycopg

from detectors.source.urls import refusal

TOWN = "`python -m benchmarks.town --size large --plant 3 --postgres URL` puts a town into an empty one"


def connected(url: str) -> psycopg.Connection:
    """A connection to the database that is measured. Ends the program where none is named, or none is made."""
    if not url.strip():
        sys.exit(f"name the database that is measured, as in make bench POSTGRES=postgresql://…; {TOWN}")
    try:
        return psycopg.connect(url)
    except psycopg.Error as error:
        # The driver's own words may repeat the address, and with it a password.
        sys.exit(f"POSTGRES: {refusal(error)}")


def last_night(connection: psycopg.Connection) -> datetime:
    """The moment of the newest audit row: the job of that night looks at the day that closed before it.

    Ends the program where there is no audit table, or it is empty.
    """
    try:
        row = connection.execute("SELECT max(event_timestamp) FROM household_events").fetchone()
    except psycopg.errors.UndefinedTable:
        sys.exit(f"POSTGRES: this database has no tables of the app; {TOWN}")
    connection.rollback()
    if not row or row[0] is None:
        sys.exit("the audit table is empty: name the night with --as-of")
    newest: datetime = row[0].astimezone(UTC)
    return newest
