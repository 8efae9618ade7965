"""Rows that were exported twice: each is read once, and a line says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from detectors.source.base import Notice

_MOST_NAMED = 3


def read_once(
    table: str, columns: Sequence[str], execute: Callable[[str], Sequence[Any]], into_memory: Callable[[], None]
) -> list[Notice]:
    """Leave one row of each id. Of rows that differ it is the one that was written last, as exports follow a table's life."""
    if "id" not in columns:
        return []
    # Numbers of the ids are counted with a fraction of the memory; where two ids share one, the next step sees it.
    (probe,) = execute(f"SELECT count(id), count(DISTINCT hash(id)) FROM {table}")
    if probe[0] == probe[1]:
        return []
    execute(
        f"CREATE OR REPLACE TEMP TABLE twice AS SELECT id FROM {table} WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1"
    )
    (found,) = execute("SELECT count(*) FROM twice")
    if not found[0]:
        return []
    into_memory()
    notices = _told(table, columns, execute)
    latest = "updated_at DESC NULLS LAST, " if "updated_at" in columns else ""
    execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT place FROM (SELECT rowid AS place, "
        f"row_number() OVER (PARTITION BY id ORDER BY {latest}rowid DESC) AS nth FROM {table} SEMI JOIN twice USING (id)) "
        "WHERE nth > 1)"
    )
    return notices


def _told(table: str, columns: Sequence[str], execute: Callable[[str], Sequence[Any]]) -> list[Notice]:
    others = [column for column in columns if column != "id"]
    distinct = f"SELECT DISTINCT {', '.join(columns)} FROM {table} SEMI JOIN twice USING (id)"
    # A column differs where it holds two values, or one and none.
    differs = ", ".join(
        f"count(DISTINCT {column}) + CAST(count({column}) < count(*) AND count({column}) > 0 AS INTEGER) > 1 AS {column}"
        for column in others
    )
    execute(
        f"CREATE OR REPLACE TEMP TABLE differing AS SELECT id, {differs} FROM ({distinct}) GROUP BY id HAVING count(*) > 1"
    )
    (counts,) = execute(
        f"SELECT (SELECT count(*) FROM {table} SEMI JOIN twice USING (id)), (SELECT count(*) FROM twice), "
        f"(SELECT count(*) FROM {table} SEMI JOIN differing USING (id)), (SELECT count(*) FROM differing)"
    )
    rows, ids, rows_that_differ, ids_that_differ = counts
    notices = []
    if ids > ids_that_differ:
        more = (rows - rows_that_differ) - (ids - ids_that_differ)
        said = f"{more:,} row{'' if more == 1 else 's'} of {table} repeat{'s' if more == 1 else ''} another row, id and all: read once"
        notices.append(Notice(table, said))
    if ids_that_differ:
        (row,) = execute(f"SELECT {', '.join(f'bool_or({column})' for column in others)} FROM differing")
        differing = [column for column, is_so in zip(others, row, strict=True) if is_so]
        named = execute(f"SELECT id FROM differing ORDER BY id LIMIT {_MOST_NAMED}")
        kept = "the one updated last" if "updated_at" in columns else "the last in the files"
        said = (
            f"{ids_that_differ:,} id{'' if ids_that_differ == 1 else 's'} of {table} in several rows that differ in "
            f"{', '.join(differing)}: only {kept} is read ({', '.join(str(each[0]) for each in named)})"
        )
        notices.append(Notice(table, said, frozenset(f"{table}.{column}" for column in differing)))
    return notices
