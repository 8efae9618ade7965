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
from detectors.source.canonical import CANONICAL
from detectors.source.mapping import SourceMapping
from detectors.source.oddities import NEWS, ONE_HOUSEHOLD, WHOLE, Glance
from detectors.source.spark.address import SparkAddressError, is_spark, place_at
from detectors.source.tables import Tables
from detectors.source.urls import AddressError, is_server, may_hold_a_secret, server_at

__all__ = [
    "CANONICAL",
    "NEWS",
    "ONE_HOUSEHOLD",
    "WHOLE",
    "Check",
    "Counters",
    "Glance",
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


def open_source(where: str, mapping: SourceMapping, *, glance: Glance = WHOLE, token: str = "") -> Source:
    """The source at `where`: a server of PostgreSQL or Spark Connect, or the path of a folder of CSV or Parquet files.

    A PostgreSQL server is named as libpq takes it; `token` is what a Spark server may want to see. How a big table writes its ids and objects is seen at a `glance`.

    Raises SourceError with one line that says what is wrong and what to do, and that shows nothing of a mistyped address.
    """
    if is_server(where):
        try:
            server = server_at(where)
        except AddressError as error:
            raise SourceError(f"the source's address {error}") from None
        from detectors.source.postgres import PostgresSource  # noqa: PLC0415  # only the engine that is asked for, as somebody waits

        return PostgresSource(server, mapping, glance=glance)
    if is_spark(where):
        return _lake(where, mapping, glance=glance, token=token)
    folder = Path(where)
    if may_hold_a_secret(where) and not folder.is_dir():
        raise SourceError(
            "the source is neither a folder of CSV or Parquet files nor a postgresql:// URL: "
            "write postgresql://USER@HOST:5432/NAME"
        )
    from detectors.source.folder import FolderSource  # noqa: PLC0415  # as above

    return FolderSource(folder, mapping)


def _lake(where: str, mapping: SourceMapping, *, glance: Glance, token: str) -> Source:
    try:
        place = place_at(where)
    except SparkAddressError as error:
        raise SourceError(f"the source's address {error}") from None
    try:
        from detectors.source.spark.source import SparkSource  # noqa: PLC0415  # most have neither this library nor a cluster
    except ImportError as error:
        raise SourceError(
            "a Spark cluster is read with libraries that are not installed: pip install 'hearthwatch[spark]'"
        ) from error
    return SparkSource(place, mapping, token=token, glance=glance)
