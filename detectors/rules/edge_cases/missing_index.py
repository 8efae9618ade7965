"""A missing index

Problem
-------
A query that the app or this catalogue makes all the time has to read a whole table.

Fires when
----------
A table of the source lacks a valid index, over all rows, that begins with a column by which rows are looked up: the app's
keys (ids, the invite code, household and user of a member) and what the catalogue's own queries use (see NEEDED). An index
that exists but is invalid counts as missing.

Stays silent when
-----------------
A valid index begins with the column, whatever follows and whether it is unique or not; a composite key that begins with
another column or an expression does not count, nor does an index over some rows only. Views and foreign tables cannot
have one. A time that is kept as a number or without a zone is asked for none: it would not serve. Files have no catalog: not
applicable.

Evidence
--------
The columns, the statement that makes the index without blocking writers, and the invalid index if there is one.

What to do
----------
1. Run the statement below outside a transaction at a quiet hour; it does not block writers.
2. Rebuild an invalid index with REINDEX INDEX CONCURRENTLY.
3. On a partitioned table it cannot be made concurrently: where writers must not wait, make one on each partition
   first.

How to check
------------
The indexes that there are: the one that is asked for is not among them.

    SELECT i.indexname, i.indexdef
      FROM pg_catalog.pg_indexes i
     WHERE i.tablename = :table
"""

from __future__ import annotations

from collections.abc import Iterator

from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, find
from detectors.source import Schema
from detectors.source.base import FoundTable, Index
from detectors.source.quoting import quoted
from detectors.text.wording import count, listed

META = Meta(
    id="missing-index",
    title="Missing or Invalid Index",
    team="engineering",
    severity="P2",
    kind="state",
    subject=("table",),
    needs=frozenset(),
    sure="rows",
    refuted_by="an index over an expression or a wider key serves the same statements",
    process="Engineering Escalations, P2: Database indexing improvements",
    feature="database",
)
NEEDED: dict[str, tuple[tuple[str, str], ...]] = {
    "households": (("id", "the primary key"), ("invite_code", "joining by code")),
    "household_members": (
        ("id", "the primary key"),
        ("household_id", "a household's members"),
        ("user_id", "a user's households"),
    ),
    "household_join_requests": (
        ("id", "the primary key"),
        ("household_id", "a household's requests"),
        ("user_id", "a user's requests"),
    ),
    "users": (("id", "the primary key"),),
    "support_requests": (("id", "the primary key"),),
    "sessions": (("id", "the primary key"),),
    "household_events": (
        ("event_timestamp", "the events of one night"),
        ("event_type", "the rare kinds of events"),
        ("household_id", "a household's trail"),
        ("user_id", "a user's trail"),
    ),
}
"""By table, the columns that some index must begin with, and what for."""


def inspect(schema: Schema, context: Context) -> Iterator[Finding]:
    for name, wanted in NEEDED.items():
        table = schema.tables.get(name)
        if table is None or not table.indexable:
            continue
        # A time that is stored as a number, or without a zone, is compared as something else than what an index holds.
        told = {column for column in table.read_as if table.columns.get(column) == "time"}
        there = table.columns.keys() - table.computed - told
        missing = [(c, why) for c, why in wanted if c in there and not _indexed(table, c, valid=True)]
        if missing:
            yield _finding(name, table, missing, context)


def _indexed(table: FoundTable, column: str, *, valid: bool) -> Index | None:
    """A full index that begins with `column` (canonical name) and is valid, or is not; None if there is none."""
    wanted = table.column_names[column]
    for index in table.indexes:
        if not index.partial and index.valid is valid and index.columns[:1] == (wanted,):
            return index
    return None


def remedy(table: FoundTable, column: str) -> str:
    """The statement that gives `table` a valid index on `column`, without blocking writers wherever that is possible."""
    invalid = _indexed(table, column, valid=False)
    schema, plain = table.place or ("", table.name)
    if invalid is not None:
        return f"REINDEX INDEX CONCURRENTLY {quoted(schema, invalid.name)};"
    how = "INDEX" if table.partitioned else "INDEX CONCURRENTLY"
    return f"CREATE {how} ON {quoted(schema, plain)} ({quoted(table.column_names[column])});"


def _finding(name: str, table: FoundTable, missing: list[tuple[str, str]], context: Context) -> Finding:
    rows = []
    for column, why in missing:
        invalid = _indexed(table, column, valid=False)
        rows.append(
            {
                "column": table.column_names[column],
                "needed_for": why,
                "invalid_index": invalid.name if invalid else None,
                "statement": remedy(table, column),
            }
        )
    columns = listed([str(row["column"]) for row in rows])
    return find(
        META,
        context,
        {"table": name},
        impact=Impact(users=0, households=0),
        evidence={"table": table.name, "estimated_rows": table.estimated_rows, "indexes": rows},
        story=Story(
            issue=f"Table {table.name} lacks {count(len(rows), 'valid index', 'valid indexes')}: {columns}.",
            steps=tuple(f"Look up {why} by {table.name}.{table.column_names[column]}" for column, why in missing),
            expected="An index answers the lookup",
            actual="The database reads the whole table"
            + (f" of about {table.estimated_rows:,} rows" if table.estimated_rows else ""),
            impact="Everybody waits longer, and more so as the table grows",
            screenshots="None; the database's catalog was read",
            requesting="Run: " + " ".join(str(row["statement"]) for row in rows),
        ),
    )


DETECTOR = Detector(META, __doc__, (), inspect=inspect)
