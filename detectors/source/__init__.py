"""Where the rows come from: a PostgreSQL database or a folder of exports, under one set of canonical tables."""

from __future__ import annotations

from pathlib import Path

from detectors.source.base import (
    Check,
    Counters,
    LostError,
    Notice,
    QueryError,
    Reach,
    Schema,
    SlowError,
    Source,
    SourceError,
    SubjectError,
)
from detectors.source.mapping import CANONICAL, SourceMapping
from detectors.source.tables import Tables
from detectors.source.urls import AddressError, is_server, may_hold_a_secret, server_at

__all__ = [
    "CANONICAL",
    "EVENT_TYPES",
    "Check",
    "Counters",
    "LostError",
    "Notice",
    "QueryError",
    "Reach",
    "Schema",
    "SlowError",
    "Source",
    "SourceError",
    "SourceMapping",
    "SubjectError",
    "Tables",
    "open_source",
]


def open_source(where: str, mapping: SourceMapping, *, glance: bool = False) -> Source:
    """The source at `where`: what libpq takes for a PostgreSQL server, or the path of a folder of CSV or Parquet files.

    How a big table writes its ids and objects is seen at a `glance` where somebody waits for one household.

    Raises SourceError with one line that says what is wrong and what to do, and that shows nothing of a mistyped address.
    """
    if is_server(where):
        try:
            server = server_at(where)
        except AddressError as error:
            raise SourceError(f"the source's address {error}") from None
        from detectors.source.postgres import PostgresSource  # noqa: PLC0415  # only the engine that is asked for, as somebody waits

        return PostgresSource(server, mapping, glance=glance)
    folder = Path(where)
    if may_hold_a_secret(where) and not folder.is_dir():
        raise SourceError(
            "the source is neither a folder of CSV or Parquet files nor a postgresql:// URL: "
            "write postgresql://USER@HOST:5432/NAME"
        )
    from detectors.source.folder import FolderSource  # noqa: PLC0415  # as above

    return FolderSource(folder, mapping)
