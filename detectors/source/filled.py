"""Columns that hold nothing in any row: they were not exported, or another one holds what they should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, select

from detectors.source.base import Notice, Source
from detectors.source.mapping import CANONICAL

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
NEVER = datetime(2200, 1, 1, tzinfo=UTC)
"""Later times are no times: infinity, the year 9999, a unit mistaken."""
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


@dataclass(frozen=True, slots=True)
class Later:
    """How many of a state table's rows lie after the scan's own time, by the column `place` (table.column)."""

    place: str
    rows: int
    of: int


def sample_of(source: Source, table: str, elements: Iterable[str]) -> Sample:
    """One short statement for all that the first rows of `table` can tell; rules conclude from `elements`. Raises QueryError."""
    columns = {*_indispensable(table), *_columns(source, table, elements)} or {next(iter(source.tables[table].c)).name}
    theirs = source.tables[table].c
    first = source.rows(select(*(theirs[column] for column in sorted(columns))).limit(MANY), "words")
    return Sample(len(first), frozenset(one for one in columns if all(row[one] is None for row in first)))


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


def incomplete(source: Source, samples: Mapping[str, Sample], as_of: datetime) -> Iterator[Notice | Later | str]:
    """What to say of rows that no rule can place, as they lack a value or lie in no time, and which lie after `as_of`.

    A text is a fault. Raises QueryError.

    A big table of a server is not read for it alone: there such columns are declared to be filled.
    """
    for table, sample in samples.items():
        for column in _empty(
            source, table, sample, [one for one in _indispensable(table) if _may_be_nobodys(table, one)]
        ):
            yield Notice(table, f"{table}.{column} is empty in every row", frozenset({f"{table}.{column}"}))
        if source.engine != "duckdb" and _is_big(source, table):
            continue
        columns = [column for column in _indispensable(table) if (table, column) not in MAY_LACK]
        theirs = source.tables[table].c
        bad: dict[str, ColumnElement[bool]] = {column: theirs[column].is_(None) for column in columns}
        words = dict.fromkeys(columns, "is empty")
        later: dict[str, ColumnElement[bool]] = {}
        for column in columns:
            if CANONICAL[table].columns[column].kind == "time":
                if table != _EVENTS:
                    later[column] = and_(theirs[column] > as_of + TOLERATED, theirs[column] <= NEVER)
                bad[f"{column}_late"], words[f"{column}_late"] = theirs[column] > NEVER, f"lies after {NEVER:%Y}"
        counts = [func.count().filter(condition).label(name) for name, condition in bad.items()]
        counts += [func.count().filter(condition).label(f"{name}_later") for name, condition in later.items()]
        counts.append(func.count().label("rows"))
        (row,) = source.rows(select(*counts).select_from(source.tables[table]), "words")
        for name in filter(row.__getitem__, bad):
            column = name.removesuffix("_late")
            if row[name] >= FEW and row[name] > GAPS * row["rows"] and table in _STATE and name in _ids(table):
                if row[name] < row["rows"]:
                    yield _gaps(source, table, column, row[name], row["rows"])
                continue
            rows = f"{row[name]:,} row{'s' if row[name] > 1 else ''}"
            said = f"{table}.{column} {words[name]} in {rows}, which no rule can place"
            yield Notice(
                table, said, frozenset({f"{table}.{column}"}), "correct them in the source, or export them again"
            )
        for column in later:
            if row[f"{column}_later"]:
                yield Later(f"{table}.{column}", row[f"{column}_later"], row["rows"])


def answered_backwards(source: Source) -> Notice | str | None:
    """What to say of requests that were answered before they were made: a text is a fault. Raises QueryError."""
    place = "household_join_requests.responded_at"
    table = "household_join_requests"
    if not source.schema.has(place) or (source.engine != "duckdb" and _is_big(source, table)):
        return None
    asked = source.tables[table].c
    early = asked.responded_at < asked.requested_at
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


def _is_big(source: Source, table: str) -> bool:
    return (source.schema.tables[table].estimated_rows or 0) > _SMALL


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
