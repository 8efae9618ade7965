"""Tables that end at the most rows that a program hands out at once: an API's page, a report's limit, a spreadsheet's last row."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import func, select

from detectors.source.base import Source
from detectors.source.sampled_homes import Home

_LEAST, _ROUND = 500, 100
_SPREADSHEETS = frozenset({65_535, 65_536, 1_048_575, 1_048_576})
_EMPTY = 0.1
"""A larger share of households without any row, so that the tables do not belong together."""


def capped(source: Source, homes: Collection[Home]) -> Iterator[str]:
    """A line where two tables or more have the same round number of rows, none has more, and households lack their rows.

    Raises QueryError.
    """
    if sum(not home.rows for home in homes) <= _EMPTY * len(homes):
        return
    names = list(source.schema.tables)
    counts = (select(func.count()).select_from(source.tables[name]).scalar_subquery().label(name) for name in names)
    (rows,) = source.rows(select(*counts), "rows read", reach="whole")
    most = max(rows[name] for name in names)
    full = [name for name in names if rows[name] == most]
    if len(full) > 1 and is_cap(most):
        yield (
            f"{' and '.join(full)} hold exactly {most:,} rows each, and many households lack theirs: what exported them hands out so "
            "many rows at once; export all pages"
        )


def is_cap(rows: int) -> bool:
    """Whether a table of so many rows may have been cut there."""
    return rows in _SPREADSHEETS or (rows >= _LEAST and not rows % _ROUND)
