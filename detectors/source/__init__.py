"""Where the rows come from: a PostgreSQL database or a folder of exports, under one set of canonical tables."""

from __future__ import annotations

from pathlib import Path

from detectors.source.base import Check, Counters, Notice, QueryError, Reach, Schema, Source, SourceError, SubjectError
from detectors.source.folder import FolderSource
from detectors.source.mapping import CANONICAL, EVENT_TYPES, SourceMapping
from detectors.source.postgres import PostgresSource
from detectors.source.tables import Tables

__all__ = [
    "CANONICAL",
    "EVENT_TYPES",
    "Check",
    "Counters",
    "Notice",
    "QueryError",
    "Reach",
    "Schema",
    "Source",
    "SourceError",
    "SourceMapping",
    "SubjectError",
    "Tables",
    "open_source",
]


def open_source(where: str, mapping: SourceMapping, *, statement_seconds: int = 300) -> Source:
    """The source at `where`: a postgresql:// URL, or the path of a folder of CSV or Parquet files.

    Raises SourceError with one line that says what is wrong and what to do.
    """
    if where.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
        return PostgresSource(
            where.replace("postgres:", "postgresql:", 1), mapping, statement_seconds=statement_seconds
        )
    if "://" in where:
        raise SourceError("the source is neither a postgresql:// URL nor a folder of CSV or Parquet files")
    return FolderSource(Path(where), mapping)
