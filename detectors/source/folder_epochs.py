"""Columns of files that hold times as numbers since 1970."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from detectors.source.epochs import MICROS, UNITS, unit_of
from detectors.source.folder_shapes import Execute, Field, Shape
from detectors.source.folder_values import INTEGERS, Reading

_NUMBERS = INTEGERS | {"DOUBLE", "DECIMAL"}
"""A FLOAT holds seconds of today to two minutes only."""
_DIGITS = "^ *(0|[0-9]{9,19})([.][0-9]*)? *$"


def counted_times(shape: Shape, kinds: Mapping[str, str]) -> dict[str, Field]:
    """The columns of times, by their `kinds`, that are stored as numbers."""
    return {
        column: field
        for column, field in shape.fields.items()
        if kinds[column] == "time" and field.stored.partition("(")[0] in _NUMBERS
    }


def read_digits(
    shape: Shape,
    readings: dict[str, Reading],
    count: Counter[tuple[str, str]],
    kinds: Mapping[str, str],
    execute: Execute,
) -> None:
    """Read as numbers those texts that are no times, and so bad by the `count`, where all of a column may be."""
    texts = {
        column: shape.fields[column]
        for column in readings
        if count[column, "bad"] and kinds[column] == "time" and shape.fields[column].stored == "VARCHAR"
    }
    for column, found in readings_of_numbers(shape, texts, execute).items():
        readings[column] = found
        for what in ("odd", "bad"):
            del count[column, what]


def readings_of_numbers(shape: Shape, columns: Mapping[str, Field], execute: Execute) -> dict[str, Reading]:
    """How those of the `columns` are read that hold times as numbers of one unit and nothing else; a zero says nothing of it."""
    asked = []
    for field in columns.values():
        number, sound = _number(field), "true"
        if field.stored == "VARCHAR":
            sound = f"coalesce(bool_and(regexp_matches({field.sql}, '{_DIGITS}')), true)"
        asked.append(f"{sound}, min({number}) FILTER (WHERE {number} <> 0), max({number}) FILTER (WHERE {number} <> 0)")
    if not asked:
        return {}
    (row,) = execute(f"SELECT {', '.join(asked)} FROM {shape.relation}")
    found = {}
    for place, (column, field) in enumerate(columns.items()):
        sound, least, most = row[3 * place : 3 * place + 3]
        unit = unit_of(least, most) if sound else None
        if unit is not None:
            found[column] = Reading(_moment(_number(field), UNITS[unit]))
    return found


def _number(field: Field) -> str:
    # Of nanoseconds nineteen digits stand before the point; a DECIMAL holds each, where a DOUBLE would not.
    return f"TRY_CAST({field.sql} AS DECIMAL(28, 6))"


def _moment(number: str, parts: int) -> str:
    micros = f"{number} * {MICROS // parts}" if parts <= MICROS else f"floor({number} / {parts // MICROS})"
    return f"timezone('UTC', make_timestamp(CAST({micros} AS BIGINT)))"
