"""Times at the zero of some clock where a time may lack (1970-01-01, 0001-01-01, -infinity): they say "never", and are read so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select

from detectors.source.base import Notice, Source
from detectors.source.mapping import CANONICAL
from detectors.source.moments import EVER


@dataclass(frozen=True, slots=True)
class Zero:
    """How many rows of a table have such a time, by the column `place` (table.column)."""

    place: str
    rows: int
    of: int

    @property
    def notice(self) -> Notice:
        said = f"{self.place} lies before {EVER:%Y} in {self.rows:,} of {self.of:,} rows: read as missing"
        return Notice(self.place.partition(".")[0], said, frozenset({self.place}), "export such times as missing")


def may_be_zero(source: Source, table: str) -> list[str]:
    """The columns of times that may lack, as far as the source has them."""
    columns = CANONICAL[table].columns.items()
    found = source.schema.tables[table].columns
    return [name for name, column in columns if column.kind == "time" and column.optional and name in found]


def zeros_of(source: Source, table: str, first: int | None = None) -> Iterator[Zero]:
    """The columns of a table that hold such times; in its `first` rows, if given. Raises QueryError."""
    columns, rows = may_be_zero(source, table), source.tables[table]
    if not columns:
        return
    if first is not None:
        rows = select(*(rows.c[name] for name in columns)).limit(first).subquery("first_rows")
    counts = [func.count().filter(rows.c[name] < EVER).label(name) for name in columns]
    (row,) = source.rows(select(*counts, func.count().label("rows")).select_from(rows), "words")
    for name in columns:
        if row[name]:
            yield Zero(f"{table}.{name}", row[name], row["rows"])
