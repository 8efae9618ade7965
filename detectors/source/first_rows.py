"""The first rows of each table: one short statement answers many questions, and of a short table these are all its rows.

Whoever can tell from them that there is nothing to ask does not ask: a small town is looked at in a dozen statements.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from detectors.source.base import Source
from detectors.source.canonical import CANONICAL, WORDS, folded
from detectors.source.mixed_up import SHOWN
from detectors.source.zero_times import may_be_zero

_EVENTS = "household_events"
MANY = 100
"""So many rows are read. Of fewer households all may have lost their leader."""


BARE = (("households", "name"), ("household_join_requests", "invite_code"), ("household_members", "is_temporary"))
"""Columns that an app fills, and that an export may leave empty without looking cut."""
_SEVERAL = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a table, `MANY` at most, and which of the columns that were asked for none of them fills."""

    rows: int
    bare: frozenset[str]
    first: Sequence[Mapping[str, Any]] = ()

    @property
    def whole(self) -> bool:
        """Whether these are all rows of the table."""
        return self.rows < MANY

    def has(self, column: str) -> bool:
        """Whether the rows were asked for a column."""
        return not self.first or column in self.first[0]

    def of(self, column: str) -> list[Any]:
        """The values of a column that the rows have."""
        return [value for row in self.first if (value := row.get(column)) is not None]


Samples = Mapping[str, Sample]


def sample_of(source: Source, table: str, elements: Iterable[str]) -> Sample:
    """One short statement for all that the first rows of `table` can tell; rules conclude from `elements`. Raises QueryError."""
    found = source.schema.tables[table].columns
    words = (place.partition(".") for place in WORDS)
    columns = {
        *indispensable(table),
        # Ids of another table's rows may stand where those of this one should.
        *({"id"} & found.keys()),
        *columns_among(source, table, elements),
        *(one for one in SHOWN[table] if one in found),
        *may_be_zero(source, table),
        *(column for name, _, column in words if name == table and column in found),
    }
    theirs = source.tables[table].c
    first = source.rows(select(*(theirs[column] for column in sorted(columns))).limit(MANY), "words")
    return Sample(len(first), frozenset(one for one in columns if all(row[one] is None for row in first)), first)


def bare_of(samples: Samples) -> frozenset[str]:
    """The columns of BARE that are empty in each of several first rows: what was found in them before is not found any more."""
    return frozenset(
        f"{table}.{column}"
        for table, column in BARE
        if table in samples and samples[table].rows >= _SEVERAL and not any(map(bool, _told(samples[table], column)))
    )


def _told(sample: Sample, column: str) -> list[Any]:
    """The values of a column; a flag that is false is one, an empty text is none."""
    return [value is False or value for value in sample.of(column)] if sample.has(column) else [True]


def is_column(element: str) -> bool:
    """Whether what a rule concludes from is a column of a table, not a type of event."""
    table, _, column = element.partition(".")
    return table in CANONICAL and column in CANONICAL[table].columns


def columns_among(source: Source, table: str, elements: Iterable[str]) -> list[str]:
    """The columns of `table` that are among `elements` and that the source has."""
    own = [element for element in elements if is_column(element) and element.partition(".")[0] == table]
    return [element.partition(".")[2] for element in own if source.schema.has(element)]


def indispensable(table: str) -> list[str]:
    """The columns that each row has a value in; what words the state tables hold is looked at more closely elsewhere."""
    columns = CANONICAL[table].columns.items()
    return [name for name, what in columns if not what.optional and (what.kind != "text" or table == _EVENTS)]


def whole_of(samples: Samples, *tables: str) -> bool:
    """Whether all rows of these tables are among the first ones."""
    return all(table in samples and samples[table].whole for table in tables)


def acts_among(samples: Samples, names: Collection[str]) -> Sequence[Mapping[str, Any]] | None:
    """All audit rows of the types that the source calls so; None where the table has more rows than were read.

    However they are compared there: in any case, and with whatever blanks around them.
    """
    if not whole_of(samples, _EVENTS):
        return None
    known = {folded(name) for name in names}
    return [row for row in samples[_EVENTS].first if folded(str(row["event_type"])) in known]


def known_among(samples: Samples, side: tuple[str, str], other: tuple[str, str]) -> tuple[int, int] | None:
    """How many different values a column of a short table has, and how many of them are in another one.

    None for longer tables, and for columns that were not asked for. Values that are equal here are so for every engine. For servers others may be equal, too.
    """
    if not all(whole_of(samples, table) and samples[table].has(column) for table, column in (side, other)):
        return None
    values, others = set(samples[side[0]].of(side[1])), set(samples[other[0]].of(other[1]))
    return len(values), len(values & others)


def in_each(samples: Samples, side: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether at least half of the different values of one column are in another one, as the rows of short tables tell."""
    found = known_among(samples, side, other)
    return found is not None and 2 * found[1] >= found[0]
