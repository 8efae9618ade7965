"""Looking a column's values up in other columns: how many of a sample of them are there."""

from __future__ import annotations

from typing import Any
from typing import cast as typing_cast

from sqlalchemy import ColumnElement, FromClause, Select, case, exists, func, or_, select

from detectors.source.base import Source

SAMPLE = 1_000
Side = tuple[str, str]
"""A column: its table and its name."""


def present(source: Source, table: str, column: str) -> bool:
    """Whether the source has a column of ours."""
    return table in source.schema.tables and column in source.schema.tables[table].columns


def sample_of_column(source: Source, side: Side) -> FromClause:
    """Up to SAMPLE values of a column, as `value`."""
    column = source.tables[side[0]].c[side[1]]
    return select(column.label("value")).where(column.is_not(None)).limit(SAMPLE).subquery("sample")


def known_of(source: Source, side: Side, others: tuple[Side, ...]) -> tuple[int, int]:
    """How many different values a sample of `side` has, and how many of those are in one of `others`."""
    (row,) = source.rows(counting_known(source, side, others), "agreement")
    return row["number"], row["known"]


def counting_known(source: Source, side: Side, others: tuple[Side, ...]) -> Select[Any]:
    """The statement of `known_of`: one row with `number` and `known`."""
    distinct = select(sample_of_column(source, side).c.value).distinct().subquery("distinct_value")
    known = or_(*(_is_in(source, distinct.c.value, other) for other in others))
    looked_up = select(known.label("known")).select_from(distinct).subquery("looked_up")
    counted = select(func.count().label("number"), func.count(case((looked_up.c.known, 1))).label("known"))
    return typing_cast(Select[Any], counted.select_from(looked_up))


def _is_in(source: Source, value: ColumnElement[Any], other: Side) -> ColumnElement[bool]:
    table = source.tables[other[0]].alias()
    return exists(select(table.c[other[1]]).where(table.c[other[1]] == value))


def own_name(source: Source, side: Side) -> str:
    """What the source itself calls a column."""
    return source.schema.tables[side[0]].column_names.get(side[1], side[1])


def named(source: Source, side: Side) -> str:
    """A column by our name, and by the source's own where that is another."""
    theirs = own_name(source, side)
    return ".".join(side) if theirs == side[1] else f"{'.'.join(side)} (in the source: {theirs})"
