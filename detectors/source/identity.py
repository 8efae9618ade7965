"""Which database a source reads: a copy of it, or another one, tells nothing of what was repaired in the first."""

from __future__ import annotations

from sqlalchemy import text

from detectors.source.base import QueryError, Source

_DATABASE = text(
    "SELECT concat((SELECT system_identifier FROM pg_control_system()), ' ', "
    "(SELECT oid FROM pg_database WHERE datname = current_database())) AS number"
)
"""Stays the same through restarts, fail-overs and standbys, and in what was restored from a base backup."""


def database_of(source: Source) -> str:
    """The kind of the source, and of a PostgreSQL database its number and its server's, where this role may ask.

    Folders and lakes have no number.
    """
    if source.engine != "postgresql":
        return source.engine
    try:
        (found,) = source.rows(_DATABASE, "identity")
    except QueryError:
        return source.engine
    return f"{source.engine} {found['number']}"


def is_another(before: str | None, now: str | None) -> bool:
    """Whether two answers of `database_of` are of different databases, as far as both tell."""
    if before is None or now is None:
        return False
    kinds, numbers = zip(*(one.partition(" ")[::2] for one in (before, now)), strict=True)
    return kinds[0] != kinds[1] or (all(numbers) and numbers[0] != numbers[1])
