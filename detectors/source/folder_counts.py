"""How many values of each column of a file are not simply what they should be: first the cheap question, then the dear ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from detectors.source.folder_shapes import Execute, Shape
from detectors.source.folder_values import Reading


def counts_of(shape: Shape, readings: Mapping[str, Reading], execute: Execute) -> Counter[tuple[str, str]]:
    """By column: how many values are `odd`, `bad`, `lost` or `beyond`, and `any` at all where there is need to know.

    Nearly all columns hold nothing odd, and it takes DuckDB longer to plan what asks closely than to read a small file.
    """
    if shape.empty:
        return Counter()
    first = {(column, "doubt"): _number_with(each.first_asked) for column, each in readings.items() if each.first_asked}
    first |= {(column, "any"): _values_of(shape, column) for column, each in readings.items() if each.worked_out}
    first |= {
        # Reading a text to its end is what shows that it is one.
        (column, "text"): f"sum(strlen({field.sql}))"
        for column, field in shape.fields.items()
        if field.stored == "VARCHAR" and column in readings and shape.options
    }
    found = _asked(shape, first, execute)
    closer = {
        (column, what): _number_with(condition)
        for column, each in readings.items()
        if found[column, "doubt"]
        for what, condition in (("odd", each.odd), ("bad", each.bad), ("lost", each.lost))
        if condition
    }
    closer |= {(column, "any"): _values_of(shape, column) for column, what in closer if what == "bad"}
    found |= _asked(shape, closer, execute)
    for column, each in readings.items():
        if each.beyond:
            # The files' statistics answer this. Conditions on a time that is worked out could no longer use them.
            found[column, "beyond"] = len(execute(f"SELECT 1 FROM {shape.relation} WHERE {each.beyond} LIMIT 1"))
    return found


def _asked(shape: Shape, asked: Mapping[tuple[str, str], str], execute: Execute) -> Counter[tuple[str, str]]:
    if not asked:
        return Counter()
    (row,) = execute(f"SELECT {', '.join(asked.values())} FROM {shape.relation}")
    return Counter({key: int(value or 0) for key, value in zip(asked, row, strict=True)})


def _number_with(condition: str) -> str:
    return f"count(*) FILTER (WHERE {condition})"


def _values_of(shape: Shape, column: str) -> str:
    return f"count({shape.fields[column].sql})"
