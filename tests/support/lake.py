"""A Spark Connect server without Spark: Sail, in this process, and towns as Parquet files that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.source import CANONICAL
from detectors.source.spark.address import place_at
from detectors.source.spark.client import Client
from tests.support.towns import cell

_SECONDS = 60.0
_TYPES = {"time": pa.timestamp("us", "UTC"), "flag": pa.bool_(), "number": pa.decimal128(18, 4)}


@contextmanager
def sail() -> Iterator[str]:
    """The address of a new server, as --source takes it before `;folder=…`."""
    from pysail.spark import SparkConnectServer  # noqa: PLC0415  # its wheel is not there for every machine

    server = SparkConnectServer("127.0.0.1", 0)
    server.start()
    try:
        _, port = server.listening_address
        yield f"spark:sc://127.0.0.1:{port}/"
    finally:
        server.stop()


def write_parquet(folder: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """The tables as Parquet files in `folder`, with every canonical column in its own type."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        columns = {
            column: pa.array(
                [_value(canonical.kind, row.get(column)) for row in rows], _TYPES.get(canonical.kind, pa.string())
            )
            for column, canonical in CANONICAL[name].columns.items()
        }
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def _value(kind: str, value: Any) -> Any:
    if kind == "number":
        return None if value is None else Decimal(str(value))
    return value if value is None or kind in _TYPES else str(cell(value))


def without_uuids(folder: Path) -> None:
    """Write the ids of a folder's Parquet files as texts: Spark itself reads no column of the type UUID."""
    for path in folder.glob("*.parquet"):
        rows, written = duckdb.read_parquet(str(path)), path.with_suffix(".texts")
        named = zip(rows.columns, rows.types, strict=True)
        cast = [f"CAST({name} AS VARCHAR) AS {name}" if str(kind) == "UUID" else name for name, kind in named]
        rows.project(", ".join(cast)).write_parquet(str(written), compression="zstd")
        written.replace(path)


def told(url: str, *statements: str) -> None:
    """Have a server carry out statements."""
    client = Client(place_at(url), "")
    try:
        for statement in statements:
            client.rows(statement, {}, _SECONDS)
    finally:
        client.close()


def into_catalog(url: str, folder: Path, schema: str, form: str) -> None:
    """The Parquet files of a folder as tables of a server's catalog, the audit table by day."""
    made = [f"CREATE SCHEMA {schema}"]
    for path in folder.glob("*.parquet"):
        by = day = ""
        if path.stem == "household_events":
            derived = form == "iceberg"
            by = f"PARTITIONED BY ({'days(event_timestamp)' if derived else 'day'})"
            day = "" if derived else ", CAST(event_timestamp AS DATE) AS day"
        made.append(f"CREATE TABLE {schema}.{path.stem} USING {form} {by} AS SELECT *{day} FROM parquet.`{path}`")
    told(url, *made)
