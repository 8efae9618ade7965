"""Times at the zero of some clock where a time may lack (1970-01-01, 0001-01-01, -infinity): they say "never", and are read so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import FromClause, func, select, true

from detectors.source.base import Notice, Source
from detectors.source.canonical import CANONICAL
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


def zeros_of(source: Source, first: Mapping[str, int | None]) -> dict[str, list[Zero]]:
    """By table, the columns that hold such times; in its `first` rows, if a number is given. Raises QueryError."""
    asked = {table: columns for table in first if (columns := may_be_zero(source, table))}
    if not asked:
        return {}
    counts = [_counted(source, table, columns, first[table]) for table, columns in asked.items()]
    together: FromClause = counts[0]
    for one in counts[1:]:
        together = together.join(one, true())
    (row,) = source.rows(select(*(column for one in counts for column in one.c)).select_from(together), "words")
    return {
        table: [
            Zero(f"{table}.{name}", row[f"{table}_{name}"], row[f"{table}_rows"])
            for name in columns
            if row[f"{table}_{name}"]
        ]
        for table, columns in asked.items()
    }


def _counted(source: Source, table: str, columns: Sequence[str], first: int | None) -> FromClause:
    rows = source.tables[table]
    if first is not None:
        rows = select(*(rows.c[name] for name in columns)).limit(first).subquery(f"first_of_{table}")
    counts = [func.count().filter(rows.c[name] < EVER).label(f"{table}_{name}") for name in columns]
    return select(*counts, func.count().label(f"{table}_rows")).select_from(rows).subquery(f"zeros_of_{table}")
