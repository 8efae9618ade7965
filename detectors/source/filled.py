"""Columns that hold nothing in any row: they were not exported, or another one holds what they should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func, select

from detectors.source.base import Notice, Source
from detectors.source.mapping import CANONICAL

FEW = 10
"""Of fewer rows each may be a real fault; only a time is in every row that was ever written."""
MANY = 100
"""Of fewer households all may have lost their leader."""
_EVENTS, _AT = "household_events", "event_timestamp"
_SMALL = 500_000
_NEVER = datetime(2200, 1, 1, tzinfo=UTC)
"""Later times are no times: infinity, the year 9999, a unit mistaken."""
MAY_LACK = frozenset({("households", "leader_id"), (_EVENTS, "household_id"), (_EVENTS, "user_id")})
"""A household without a leader is a finding, and events need not be anybody's, or any household's."""


def is_column(element: str) -> bool:
    """Whether what a rule concludes from is a column of a table, not a type of event."""
    table, _, column = element.partition(".")
    return table in CANONICAL and column in CANONICAL[table].columns


def unfilled(source: Source, elements: Iterable[str]) -> frozenset[str]:
    """Those of `elements` that are columns (table.column), and empty in every one of several rows. Raises QueryError."""
    wanted: dict[str, list[str]] = {}
    for element in filter(is_column, elements):
        table, _, column = element.partition(".")
        if source.schema.has(element):
            wanted.setdefault(table, []).append(column)
    return frozenset(f"{table}.{column}" for table in wanted for column in _empty(source, table, wanted[table]))


def unfilled_faults(source: Source) -> Iterator[str]:
    """A line for each column that no rule can do without and that is empty in every row. Raises QueryError."""
    for table in source.schema.tables:
        for column in _empty(source, table, [one for one in _indispensable(table) if not _may_be_nobodys(table, one)]):
            theirs = source.schema.tables[table].column_names.get(column, column)
            named = f"{table}.{column}" if theirs == column else f"{table}.{column} (in the source: {theirs})"
            yield (
                f"{named} is empty in every row: map the column that holds it, "
                f'[source.tables.{table}.columns] {column} = "…", or export it again'
            )


def incomplete(source: Source) -> Iterator[Notice]:
    """What to say of rows that no rule can place, as they lack a value or lie in no time. Raises QueryError.

    A big table of a server is not read for it alone: there such columns are declared to be filled.
    """
    for table, told in source.schema.tables.items():
        for column in _empty(source, table, [one for one in _indispensable(table) if _may_be_nobodys(table, one)]):
            yield Notice(table, f"{table}.{column} is empty in every row", frozenset({f"{table}.{column}"}))
        if source.engine != "duckdb" and (told.estimated_rows or 0) > _SMALL:
            continue
        columns = [column for column in _indispensable(table) if (table, column) not in MAY_LACK]
        theirs = source.tables[table].c
        bad: dict[str, ColumnElement[bool]] = {column: theirs[column].is_(None) for column in columns}
        words = dict.fromkeys(columns, "is empty")
        for column in columns:
            if CANONICAL[table].columns[column].kind == "time":
                bad[f"{column}_late"], words[f"{column}_late"] = theirs[column] > _NEVER, f"lies after {_NEVER:%Y}"
        counts = [func.count().filter(condition).label(name) for name, condition in bad.items()]
        (row,) = source.rows(select(*counts).select_from(source.tables[table]), "words")
        for name in filter(row.__getitem__, bad):
            column = name.removesuffix("_late")
            rows = f"{row[name]:,} row{'s' if row[name] > 1 else ''}"
            said = f"{table}.{column} {words[name]} in {rows}, which no rule can place"
            yield Notice(table, said, frozenset({f"{table}.{column}"}))


def _indispensable(table: str) -> list[str]:
    """The columns that each row has a value in; what words the state tables hold is looked at more closely elsewhere."""
    columns = CANONICAL[table].columns.items()
    return [name for name, what in columns if not what.optional and (what.kind != "text" or table == _EVENTS)]


def _empty(source: Source, table: str, columns: Sequence[str]) -> list[str]:
    """Which of `columns` hold nothing in any row, where there are enough rows to say so. A few rows answer for most."""
    if not columns:
        return []
    theirs = source.tables[table].c
    first = source.rows(select(*(theirs[column] for column in columns)).limit(MANY), "words")
    doubtful = [column for column in columns if first and all(row[column] is None for row in first)]
    enough = [column for column in doubtful if len(first) >= _enough(table, column)]
    return [
        column
        for column in enough
        if not source.rows(select(theirs[column]).where(theirs[column].is_not(None)).limit(1), "words")
    ]


def _enough(table: str, column: str) -> int:
    """Of how many rows it says something that none has a value."""
    if (table, column) == (_EVENTS, _AT):
        return 1
    return MANY if (table, column) in MAY_LACK else FEW


def _may_be_nobodys(table: str, column: str) -> bool:
    return table == _EVENTS and (table, column) in MAY_LACK
