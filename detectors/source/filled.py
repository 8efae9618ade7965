"""Columns that hold nothing in any row: they were not exported, or another one holds what they should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, FromClause, Text, and_, cast, func, select

from detectors.source.base import Notice, Source
from detectors.source.canonical import CANONICAL
from detectors.source.first_rows import MANY, Sample, Samples, columns_among, indispensable
from detectors.source.moments import EVER
from detectors.source.zero_times import Zero, may_be_zero, zeros_of

FEW = 10
"""Of fewer rows each may be a real fault; only a time is in every row that was ever written."""
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
class Later:
    """How many of a state table's rows lie after the scan's own time, by the column `place` (table.column)."""

    place: str
    rows: int
    of: int
    households: frozenset[str] = frozenset()


def unfilled(source: Source, elements: Iterable[str], samples: Samples) -> frozenset[str]:
    """Those of `elements` that are columns (table.column), and empty in every one of several rows. Raises QueryError."""
    told = list(elements)
    return frozenset(
        f"{table}.{column}"
        for table, sample in samples.items()
        for column in _empty(source, table, sample, columns_among(source, table, told))
    )


def unfilled_faults(source: Source, samples: Samples) -> Iterator[str]:
    """A line for each column that no rule can do without and that is empty in every row. Raises QueryError."""
    for table, sample in samples.items():
        needed = [one for one in indispensable(table) if not _may_be_nobodys(table, one)]
        for column in _empty(source, table, sample, needed):
            yield (
                f"{_named(source, table, column)} is empty in every row: map the column that holds it, "
                f'[source.tables.{table}.columns] {column} = "…", or export it again'
            )


def incomplete(source: Source, samples: Samples, as_of: datetime) -> Iterator[Notice | Later | Zero | str]:
    """What to say of rows that no rule can place, as they lack a value or lie in no time, and which lie after `as_of`.

    A text is a fault. Raises QueryError.

    A big table of a server is not read for it alone: there such columns are declared to be filled.
    """
    # What the first rows of a big one hold answers for most.
    zeros = zeros_of(source, {table: FIRST for table in samples if is_big(source, table)})
    for table, sample in samples.items():
        for column in _empty(
            source, table, sample, [one for one in indispensable(table) if _may_be_nobodys(table, one)]
        ):
            yield Notice(table, f"{table}.{column} is empty in every row", frozenset({f"{table}.{column}"}))
        if is_big(source, table):
            yield from zeros.get(table, ())
        else:
            yield from _unplaced(source, table, as_of, sample)


def _unplaced(source: Source, table: str, as_of: datetime, sample: Sample) -> Iterator[Notice | Later | Zero | str]:
    """The rows of one table that no rule can place, counted by what is wrong with them."""
    wrong = list(_wrong(source, table, as_of))
    of, numbers = _counted(source, table, wrong, sample)
    for number, one in zip(numbers, wrong, strict=True):
        full = f"{table}.{one.column}"
        if not number:
            continue
        many = number >= FEW and number * 100 > MOST_LATER * of
        if one.is_zero:
            yield Zero(full, number, of)
        elif one.is_later:
            yield Later(full, number, of, _whose(source, table, one, sample))
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
            whose = frozenset[str]() if one.is_early else _whose(source, table, one, sample)
            yield Notice(
                table,
                f"{full} {one.words} in {rows}, which no rule can place",
                frozenset({full}),
                "correct them in the source, or export them again",
                households=whose,
            )


def _counted(source: Source, table: str, wrong: Sequence[_Wrong], sample: Sample) -> tuple[int, list[int]]:
    """How many rows a table has, and in how many each thing is `wrong`."""
    if sample.whole:
        return sample.rows, [sum(one.holds(row[one.column]) for row in sample.first) for one in wrong]
    rows = source.tables[table]
    counts = [func.count().filter(one.condition(rows)).label(f"n{place}") for place, one in enumerate(wrong)]
    (row,) = source.rows(select(*counts, func.count().label("rows")).select_from(rows), "words")
    return row["rows"], [row[f"n{place}"] for place in range(len(wrong))]


def _whose(source: Source, table: str, one: _Wrong, sample: Sample) -> frozenset[str]:
    """The households whose rows are wrong in this way."""
    if not sample.whole or table not in _STATE:
        return homes_of(source, table, one.condition(source.tables[table]))
    homes = (row[_home(table)] for row in sample.first if one.holds(row[one.column]))
    return frozenset(str(home) for home in homes if home is not None)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """One way in which rows cannot be placed, and how it is told: an empty column, or a time that lies so."""

    column: str
    words: str = ""
    before: datetime | None = None
    after: datetime | None = None
    until: datetime | None = None
    is_gap: bool = False
    is_later: bool = False
    is_late: bool = False
    is_early: bool = False
    is_zero: bool = False

    def condition(self, rows: FromClause) -> ColumnElement[bool]:
        value = rows.c[self.column]
        if self.before is not None:
            return value < self.before
        if self.after is None:
            return value.is_(None)
        return value > self.after if self.until is None else and_(value > self.after, value <= self.until)

    def holds(self, value: datetime | None) -> bool:
        """The same of one value."""
        if self.before is None and self.after is None:
            return value is None
        return (
            value is not None
            and (self.before is None or value < self.before)
            and (self.after is None or value > self.after)
            and (self.until is None or value <= self.until)
        )


def _wrong(source: Source, table: str, as_of: datetime) -> Iterator[_Wrong]:
    for column in indispensable(table):
        if (table, column) in MAY_LACK:
            continue
        yield _Wrong(column, "is empty", is_gap=column in _ids(table))
        if CANONICAL[table].columns[column].kind != "time":
            continue
        yield _Wrong(column, f"lies after {NEVER:%Y}", after=NEVER, is_late=True)
        yield _Wrong(column, f"lies before {EVER:%Y}", before=EVER, is_early=True)
        if table != _EVENTS:
            yield _Wrong(column, after=as_of + TOLERATED, until=NEVER, is_later=True)
    for column in may_be_zero(source, table):
        yield _Wrong(column, before=EVER, is_zero=True)


def homes_of(source: Source, table: str, condition: ColumnElement[bool]) -> frozenset[str]:
    """The households whose rows of a state table these are, up to MOST_NAMED; of other tables nobody's. Raises QueryError."""
    if table not in _STATE:
        return frozenset()
    home = source.tables[table].c[_home(table)]
    named = select(cast(home, Text).label("home")).where(condition, home.is_not(None)).distinct().limit(MOST_NAMED)
    return frozenset(row["home"] for row in source.rows(named, "words"))


def answered_backwards(source: Source, samples: Samples) -> Notice | str | None:
    """What to say of requests that were answered before they were made: a text is a fault. Raises QueryError."""
    place = "household_join_requests.responded_at"
    table = "household_join_requests"
    if not source.schema.has(place) or is_big(source, table) or _few_backwards(samples.get(table)):
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


def _few_backwards(sample: Sample | None) -> bool:
    """Whether the first rows tell that there are few of them."""
    if sample is None or not sample.whole:
        return False
    both: Iterator[tuple[datetime | None, datetime | None]]
    both = ((row["responded_at"], row["requested_at"]) for row in sample.first)
    return sum(answered is not None and asked is not None and answered < asked for answered, asked in both) < FEW


def is_big(source: Source, table: str, small: int = _SMALL) -> bool:
    """Whether a table is not read for a question of health alone: one of a server, of more than so many rows."""
    return source.engine != "duckdb" and (source.schema.tables[table].estimated_rows or 0) > small


def _home(table: str) -> str:
    """The column of a table of state that names the household."""
    return "id" if table == "households" else "household_id"


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
