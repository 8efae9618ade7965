"""Columns that hold nothing in any row: they were not exported, or another one holds what they should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, func, select

from detectors.source.base import Notice, Source
from detectors.source.mapping import CANONICAL
from detectors.source.mixed_up import SHOWN
from detectors.source.moments import EVER
from detectors.source.zero_times import Zero, may_be_zero, zeros_of

FEW = 10
"""Of fewer rows each may be a real fault; only a time is in every row that was ever written."""
MANY = 100
"""Of fewer households all may have lost their leader."""
GAPS = 0.05
"""Where a column that every row fills is empty in a larger share than this, another one stands in its place."""
BACKWARDS = 0.5
"""Where more of the answered requests than this were answered before they were made, the two times are confused."""
_EVENTS, _AT = "household_events", "event_timestamp"
_SMALL = 500_000
FIRST = 1_000
NEVER = datetime(2200, 1, 1, tzinfo=UTC)
"""Later times are no times: infinity, the year 9999, a unit mistaken."""
MOST_LATER = 5
"""Percent of a table's rows. Where more have not happened yet, the times of the others cannot be believed either."""
MOST_NAMED = 10_000
"""So many households are told apart from the others at most."""
_STATE = frozenset({"households", "household_members", "household_join_requests"})
TOLERATED = timedelta(hours=1)
"""Clocks differ by so much at most."""
MAY_LACK = frozenset({("households", "leader_id"), (_EVENTS, "household_id"), (_EVENTS, "user_id")})
"""A household without a leader is a finding, and events need not be anybody's, or any household's."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a table, `MANY` at most, and which of the columns that were asked for none of them fills."""

    rows: int
    bare: frozenset[str]
    first: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Later:
    """How many of a state table's rows lie after the scan's own time, by the column `place` (table.column)."""

    place: str
    rows: int
    of: int
    households: frozenset[str] = frozenset()


def sample_of(source: Source, table: str, elements: Iterable[str]) -> Sample:
    """One short statement for all that the first rows of `table` can tell; rules conclude from `elements`. Raises QueryError."""
    found = source.schema.tables[table].columns
    columns = {
        *_indispensable(table),
        *_columns(source, table, elements),
        *(one for one in SHOWN[table] if one in found),
    }
    theirs = source.tables[table].c
    first = source.rows(select(*(theirs[column] for column in sorted(columns))).limit(MANY), "words")
    return Sample(len(first), frozenset(one for one in columns if all(row[one] is None for row in first)), first)


def is_column(element: str) -> bool:
    """Whether what a rule concludes from is a column of a table, not a type of event."""
    table, _, column = element.partition(".")
    return table in CANONICAL and column in CANONICAL[table].columns


def unfilled(source: Source, elements: Iterable[str], samples: Mapping[str, Sample]) -> frozenset[str]:
    """Those of `elements` that are columns (table.column), and empty in every one of several rows. Raises QueryError."""
    told = list(elements)
    return frozenset(
        f"{table}.{column}"
        for table, sample in samples.items()
        for column in _empty(source, table, sample, _columns(source, table, told))
    )


def _columns(source: Source, table: str, elements: Iterable[str]) -> list[str]:
    """The columns of `table` that are among `elements` and that the source has."""
    own = [element for element in elements if is_column(element) and element.partition(".")[0] == table]
    return [element.partition(".")[2] for element in own if source.schema.has(element)]


def unfilled_faults(source: Source, samples: Mapping[str, Sample]) -> Iterator[str]:
    """A line for each column that no rule can do without and that is empty in every row. Raises QueryError."""
    for table, sample in samples.items():
        needed = [one for one in _indispensable(table) if not _may_be_nobodys(table, one)]
        for column in _empty(source, table, sample, needed):
            yield (
                f"{_named(source, table, column)} is empty in every row: map the column that holds it, "
                f'[source.tables.{table}.columns] {column} = "…", or export it again'
            )


def incomplete(source: Source, samples: Mapping[str, Sample], as_of: datetime) -> Iterator[Notice | Later | Zero | str]:
    """What to say of rows that no rule can place, as they lack a value or lie in no time, and which lie after `as_of`.

    A text is a fault. Raises QueryError.

    A big table of a server is not read for it alone: there such columns are declared to be filled.
    """
    for table, sample in samples.items():
        for column in _empty(
            source, table, sample, [one for one in _indispensable(table) if _may_be_nobodys(table, one)]
        ):
            yield Notice(table, f"{table}.{column} is empty in every row", frozenset({f"{table}.{column}"}))
        if is_big(source, table):
            # What its first rows hold answers for most.
            yield from zeros_of(source, table, FIRST)
        else:
            yield from _unplaced(source, table, as_of)


def _unplaced(source: Source, table: str, as_of: datetime) -> Iterator[Notice | Later | Zero | str]:
    """The rows of one table that no rule can place, counted by what is wrong with them."""
    wrong = list(_wrong(source, table, as_of))
    counts = [func.count().filter(one.condition).label(f"n{place}") for place, one in enumerate(wrong)]
    (row,) = source.rows(select(*counts, func.count().label("rows")).select_from(source.tables[table]), "words")
    of = row["rows"]
    for place, one in enumerate(wrong):
        number, full = row[f"n{place}"], f"{table}.{one.column}"
        if not number:
            continue
        many = number >= FEW and number * 100 > MOST_LATER * of
        if one.is_zero:
            yield Zero(full, number, of)
        elif one.is_later:
            yield Later(full, number, of, homes_of(source, table, one.condition))
        elif many and one.is_gap and table in _STATE:
            if number < of:
                yield _gaps(source, table, one.column, number, of)
        elif many and one.is_late and table in {*_STATE, _EVENTS}:
            yield (
                f"{_named(source, table, one.column)} {one.words} in {number:,} of {of:,} rows: these times are wrong, so "
                "export or map the column again"
            )
        else:
            rows = f"{number:,} row{'s' if number > 1 else ''}"
            # Whoever joined, or was made, before all clocks did so long ago; the others' rows are none that rules can read.
            whose = frozenset[str]() if one.is_early else homes_of(source, table, one.condition)
            yield Notice(
                table,
                f"{full} {one.words} in {rows}, which no rule can place",
                frozenset({full}),
                "correct them in the source, or export them again",
                households=whose,
            )


@dataclass(frozen=True, slots=True)
class _Wrong:
    """One way in which rows cannot be placed: the condition on them, and how it is told."""

    column: str
    condition: ColumnElement[bool]
    words: str = ""
    is_gap: bool = False
    is_later: bool = False
    is_late: bool = False
    is_early: bool = False
    is_zero: bool = False


def _wrong(source: Source, table: str, as_of: datetime) -> Iterator[_Wrong]:
    theirs = source.tables[table].c
    for column in _indispensable(table):
        if (table, column) in MAY_LACK:
            continue
        yield _Wrong(column, theirs[column].is_(None), "is empty", is_gap=column in _ids(table))
        if CANONICAL[table].columns[column].kind != "time":
            continue
        yield _Wrong(column, theirs[column] > NEVER, f"lies after {NEVER:%Y}", is_late=True)
        yield _Wrong(column, theirs[column] < EVER, f"lies before {EVER:%Y}", is_early=True)
        if table != _EVENTS:
            later = and_(theirs[column] > as_of + TOLERATED, theirs[column] <= NEVER)
            yield _Wrong(column, later, is_later=True)
    for column in may_be_zero(source, table):
        yield _Wrong(column, theirs[column] < EVER, is_zero=True)


def homes_of(source: Source, table: str, condition: ColumnElement[bool]) -> frozenset[str]:
    """The households whose rows of a state table these are, up to MOST_NAMED; of other tables nobody's. Raises QueryError."""
    if table not in _STATE:
        return frozenset()
    home = source.tables[table].c["id" if table == "households" else "household_id"]
    named = select(cast(home, Text).label("home")).where(condition, home.is_not(None)).distinct().limit(MOST_NAMED)
    return frozenset(row["home"] for row in source.rows(named, "words"))


def answered_backwards(source: Source) -> Notice | str | None:
    """What to say of requests that were answered before they were made: a text is a fault. Raises QueryError."""
    place = "household_join_requests.responded_at"
    table = "household_join_requests"
    if not source.schema.has(place) or is_big(source, table):
        return None
    asked = source.tables[table].c
    early = and_(asked.responded_at < asked.requested_at, asked.responded_at >= EVER)
    counts = func.count(asked.responded_at).label("answered"), func.count().filter(early).label("early")
    (row,) = source.rows(select(*counts).select_from(source.tables[table]), "words")
    if row["early"] < FEW or row["early"] <= GAPS * row["answered"]:
        # Answers carry the time of somebody's browser, whose clock may be slow.
        return None
    said = f"{row['early']:,} of {row['answered']:,} answered rows of {table}"
    if row["early"] > BACKWARDS * row["answered"]:
        return (
            f"{said} were answered before they were made (responded_at before requested_at): each of the two stands in the "
            f'other\'s place; map them, [source.tables.{table}.columns] requested_at = "…", responded_at = "…", or export it again'
        )
    return Notice(
        table, f"{said} have a responded_at before their requested_at", frozenset({place}), "correct them in the source"
    )


def is_big(source: Source, table: str, small: int = _SMALL) -> bool:
    """Whether a table is not read for a question of health alone: one of a server, of more than so many rows."""
    return source.engine != "duckdb" and (source.schema.tables[table].estimated_rows or 0) > small


def _ids(table: str) -> list[str]:
    """The columns of `table` that say whose row it is."""
    columns = CANONICAL[table].columns.items()
    return [name for name, what in columns if what.kind in {"user", "household", "id"} and not what.optional]


def _gaps(source: Source, table: str, column: str, empty: int, rows: int) -> str:
    return (
        f"{_named(source, table, column)} is empty in {empty:,} of {rows:,} rows, and every row has one: map the column that "
        f'holds it, [source.tables.{table}.columns] {column} = "…", or export it again'
    )


def _named(source: Source, table: str, column: str) -> str:
    theirs = source.schema.tables[table].column_names.get(column, column)
    return f"{table}.{column}" if theirs == column else f"{table}.{column} (in the source: {theirs})"


def _indispensable(table: str) -> list[str]:
    """The columns that each row has a value in; what words the state tables hold is looked at more closely elsewhere."""
    columns = CANONICAL[table].columns.items()
    return [name for name, what in columns if not what.optional and (what.kind != "text" or table == _EVENTS)]


def _empty(source: Source, table: str, sample: Sample, columns: Sequence[str]) -> list[str]:
    """Which of `columns` hold nothing in any row, where there are enough rows to say so. A few rows answer for most."""
    theirs = source.tables[table].c
    enough = [one for one in columns if one in sample.bare and sample.rows >= _enough(table, one)]
    return [
        column
        for column in enough
        if sample.rows < MANY
        or not source.rows(select(theirs[column]).where(theirs[column].is_not(None)).limit(1), "words")
    ]


def _enough(table: str, column: str) -> int:
    """Of how many rows it says something that none has a value."""
    if (table, column) == (_EVENTS, _AT):
        return 1
    return MANY if (table, column) in MAY_LACK else FEW


def _may_be_nobodys(table: str, column: str) -> bool:
    return table == _EVENTS and (table, column) in MAY_LACK
