"""Columns that hold when their rows were loaded, in the place of when something happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import or_, select

from detectors.source.base import Notice, QueryError, Source
from detectors.source.filled import FEW, NEVER
from detectors.source.first_rows import Samples
from detectors.source.masked import leave_out_masked, without_column

_PLACES = (
    ("household_members", "joined_at"),
    ("households", "created_at"),
    ("household_join_requests", "requested_at"),
    ("sessions", "created_at"),
)
_USED = ("sessions", "last_activity_at")
_DAYS, _MOMENT = 3, timedelta(minutes=1)
"""So long before tell other tables of life that nobody could have lived then; so long lasts a load that gives one time to all rows."""


def untrue_columns(source: Source, samples: Samples) -> Iterator[Notice]:
    """Notices on columns that hold something else than they should in every row; those that may lack are taken from the tables."""
    yield from leave_out_masked(source, samples)
    yield from _loaded_at_once(source, samples)


def _loaded_at_once(source: Source, samples: Samples) -> Iterator[Notice]:
    """Notices on times that are one moment in every row, though other tables tell of days before it.

    When sessions were last used is not read then: all would have been used after whatever happened. Of a town that was made up in one
    moment nothing is said.
    """
    told = {place: _times(samples, *place) for place in (*_PLACES, _USED)}
    for place, times in told.items():
        if not _is_moment(times):
            continue
        others = [at for other, ats in told.items() if other[0] != place[0] or place == _USED for at in ats]
        days = {at.date() for at in others if at < min(times) - _MOMENT}
        if len(days) < _DAYS or not (samples[place[0]].whole or _is_everywhere(source, *place, times)):
            continue
        table, column = place
        said = f"{table}.{column} is one moment in every row, though other times tell of days before it: it holds when the rows were loaded"
        if place == _USED:
            source.schema = without_column(source.schema, table, column, "holds when the rows were loaded")
            source.tables = source.tables.of(source.schema)
            said += ", and is not read"
        remedy = "export or map the column that holds when it happened"
        yield Notice(table, said, frozenset({f"{table}.{column}"}), remedy, everywhere=True)


def _times(samples: Samples, table: str, column: str) -> list[datetime]:
    return samples[table].of(column) if table in samples else []


def _is_moment(times: list[datetime]) -> bool:
    return len(times) >= FEW and max(times) - min(times) < _MOMENT and max(times) < NEVER


def _is_everywhere(source: Source, table: str, column: str, times: list[datetime]) -> bool:
    """Whether the rows behind the first ones are of the same moment. The first that is not ends the search."""
    at = source.tables[table].c[column]
    other = select(at).where(or_(at < max(times) - _MOMENT, at > min(times) + _MOMENT)).limit(1)
    try:
        return not source.rows(other, "words")
    except QueryError:
        return False
