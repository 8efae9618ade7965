"""The types of a PostgreSQL server: what each is read as, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Text, cast, func, literal_column
from sqlalchemy.types import TypeEngine

from detectors.source.base import NativeType
from detectors.source.epochs import OF_NO_UNIT
from detectors.source.flags import YES
from detectors.source.typed_ids import TYPES

Reading = Callable[[ColumnElement[Any]], ColumnElement[Any]]

NATIVE: dict[str, NativeType] = {
    "uuid": "uuid",
    "text": "text",
    "varchar": "text",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "numeric": "number",
    "float4": "number",
    "float8": "number",
    "bool": "flag",
    "timestamptz": "time",
    "json": "json",
    "jsonb": "jsonb",
    "bytea": "bytes",
}
# Stored another way, and read as texts: without the blanks that fill a char(n) up, and without citext's own comparisons.
AS_TEXT = {"bpchar", "citext", "name", "cidr", "macaddr", "macaddr8"}
BASE = {native: TYPES[native] for native in ("uuid", "text", "integer", "number", "flag", "time")}
_IDS: set[NativeType] = {"uuid", "text", "integer", "number", "bytes"}
ACCEPTED: dict[str, set[NativeType]] = {
    "user": _IDS,
    "household": _IDS,
    "id": _IDS,
    "text": {"uuid", "text", "integer"},
    "word": {"uuid", "text", "integer", "flag"},
    "flag": {"flag"},
    "time": {"time"},
    "json": {"json", "jsonb", "text", "bytes"},
    "number": {"number", "integer"},
}
WANTED = {
    "user": "uuid, text, bytea or a number",
    "household": "uuid, text, bytea or a number",
    "id": "uuid, text, bytea or a number",
    "text": "text",
    "word": "text",
    "flag": "boolean",
    "time": "timestamp with time zone",
    "json": "jsonb",
    "number": "numeric",
}


NUMBERS = {"int4", "int8", "numeric", "float8"}
"""The types in which times may be counted."""
FLAGS_AS_NUMBERS = {"int2", "int4", "int8", "numeric", "float4", "float8"}
"""As a database without booleans leaves them."""


def instead(row: Any, kind: str) -> str:
    if kind == "time" and row["type_name"] in NUMBERS:
        return f"map a view with to_timestamp(…) in its place, as it holds {OF_NO_UNIT}"
    if kind == "time" and row["type_name"] == "date":
        return "map another column, as a day has no time of day"
    return "map another column, or a view with a cast"


def cast_to(kind: TypeEngine[Any]) -> Reading:
    return lambda column: cast(column, kind)


def is_not_zero(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column != literal_column("0")


def is_yes(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.nullif(func.lower(func.btrim(cast(column, Text))), "").in_(YES)


def in_zone(zone: str) -> Reading:
    # Written out: as a parameter it would make two different expressions of one column that is selected and grouped by.
    return lambda column: func.timezone(literal_column(f"'{zone}'"), column, type_=DateTime(timezone=True))


def byte_by_byte(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """As patterns need it, which a collation that takes different texts for equal does not allow."""
    return column.collate("C")


def one_after_the_other(steps: Sequence[Reading]) -> Reading:
    def read(column: ColumnElement[Any]) -> ColumnElement[Any]:
        for step in steps:
            column = step(column)
        return column

    return read
