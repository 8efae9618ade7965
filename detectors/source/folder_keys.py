"""Rows that were exported twice: each is read once, and a line says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from detectors.source.base import Notice, and_others
from detectors.source.copies import APART, BORN, Repeats
from detectors.source.folder_copies import refuse_copies
from detectors.source.folder_shapes import Shape
from detectors.source.repeated import ACT, LATEST, MOST_DOUBTED, key_of

_MOST_NAMED = 3
_THINGS = {
    "household_events": "acts",
    "household_members": "memberships",
    "household_join_requests": "requests",
}

Execute = Callable[[str], Sequence[Any]]


def read_once(
    table: str, columns: Sequence[str], parts: Sequence[Shape], execute: Execute, into_memory: Callable[[], None]
) -> list[Notice]:
    """Leave one row of each id. Of rows that differ it is the one that was written last, as exports follow a table's life.

    Raises SourceError where the table's files, its `parts`, are copies of several times, or of several databases.
    """
    if "id" not in columns:
        return []
    # Numbers of the ids are counted with a fraction of the memory; where two ids share one, the next step sees it.
    (probe,) = execute(f"SELECT count(id), count(DISTINCT hash(id)) FROM {table}")
    if probe[0] == probe[1]:
        return []
    key = ", ".join(key_of(table))
    execute(
        f"CREATE OR REPLACE TEMP TABLE twice AS SELECT {key}, count(*) AS times FROM {table} WHERE id IS NOT NULL "
        "GROUP BY ALL HAVING count(*) > 1"
    )
    notices = _acts_of_one_id(table, execute) if table in ACT else []
    if not execute("SELECT 1 FROM twice LIMIT 1"):
        return notices
    into_memory()
    if table != "household_events":
        refuse_copies(table, parts, _repeats(table, key, columns, execute), execute)
    notices += _told(table, key, columns, execute)
    told_by = LATEST.get(table, "")
    latest = f"{told_by} DESC NULLS LAST, " if told_by in columns else ""
    execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT place FROM (SELECT rowid AS place, row_number() OVER "
        f"(PARTITION BY {key} ORDER BY {latest}rowid DESC) AS nth FROM {table} SEMI JOIN twice USING (id)) WHERE nth > 1)"
    )
    return notices


def _repeats(table: str, key: str, columns: Sequence[str], execute: Execute) -> Repeats:
    """What of the ids in `twice` shows that they are more than single rows that were exported twice."""
    rows = f"FROM {table} SEMI JOIN twice USING (id)"
    born = BORN.get(table)
    apart = f"max({born}) - min({born}) > INTERVAL {APART.days} DAYS" if born in columns else "false"
    # An id of several memberships tells nothing of any of them.
    of_one = f"GROUP BY id HAVING count(DISTINCT ({key})) = 1"
    each = (
        f"SELECT count(*) > 1 AS differs, {apart} AS reborn FROM (SELECT DISTINCT {', '.join(columns)} {rows}) {of_one}"
    )
    ((repeated, differing, reborn),) = execute(
        f"SELECT count(*), count(*) FILTER (WHERE differs), count(*) FILTER (WHERE reborn) FROM ({each})"
    )
    ((ids,),) = execute(f"SELECT count(DISTINCT id) FROM {table}")
    return Repeats(ids, repeated, differing, reborn)


def _acts_of_one_id(table: str, execute: Execute) -> list[Notice]:
    acts = ", ".join(ACT[table])
    (row,) = execute(
        f"SELECT count(*) FROM (SELECT id FROM (SELECT DISTINCT id, {acts} FROM {table} WHERE id IS NOT NULL) "
        "GROUP BY id HAVING count(*) > 1)"
    )
    if not row[0]:
        return []
    return [
        Notice(
            table,
            f"{_counted(row[0], 'id')} of {table} {'stands' if row[0] == 1 else 'stand'} for several {_THINGS[table]}: each is read",
        )
    ]


def _told(table: str, key: str, columns: Sequence[str], execute: Execute) -> list[Notice]:
    others = [column for column in columns if column not in key.split(", ")]
    distinct = f"SELECT DISTINCT {', '.join(columns)} FROM {table} SEMI JOIN twice USING (id)"
    # A column differs where it holds two values, or one and none.
    differs = ", ".join(
        f"count(DISTINCT {column}) + CAST(count({column}) < count(*) AND count({column}) > 0 AS INTEGER) > 1 AS {column}"
        for column in others
    )
    execute(
        f"CREATE OR REPLACE TEMP TABLE differing AS SELECT {', '.join(filter(None, (key, differs)))} FROM ({distinct}) "
        f"GROUP BY {key} HAVING count(*) > 1"
    )
    same = " AND ".join(f"t.{column} IS NOT DISTINCT FROM d.{column}" for column in key.split(", "))
    alike = f"FROM twice t WHERE NOT EXISTS (SELECT 1 FROM differing d WHERE {same})"
    ((repeated,),) = execute(f"SELECT sum(times) - count(*) {alike}")
    ((several,),) = execute("SELECT count(*) FROM differing")
    notices = []
    if repeated:
        named = execute(f"SELECT DISTINCT id {alike} ORDER BY id LIMIT {_MOST_NAMED + 1}")
        ids = and_others([str(each[0]) for each in named], _MOST_NAMED)
        said = f"{_counted(repeated, 'row')} of {table} repeat{'s' if repeated == 1 else ''} another row, id and all: read once ({ids})"
        notices.append(Notice(table, said))
    if several:
        notices.append(_several(table, key, columns, several, execute))
    return notices


def _several(table: str, key: str, columns: Sequence[str], several: int, execute: Execute) -> Notice:
    """Rows of one id that differ. Of whom it is not known which row is the later one nothing is concluded."""
    others = [column for column in columns if column not in key.split(", ")]
    (row,) = execute(f"SELECT {', '.join(f'bool_or({column})' for column in others)} FROM differing")
    differing = [column for column, is_so in zip(others, row, strict=True) if is_so]
    named = execute(f"SELECT DISTINCT id FROM differing ORDER BY id LIMIT {_MOST_NAMED + 1}")
    told_by = LATEST.get(table, "")
    kept = f"the one with the latest {told_by}" if told_by in columns else "the last in the files"
    said = (
        f"{_counted(several, 'id')} of {table} in several rows that differ in {', '.join(differing)}: "
        f"only {kept} is read ({and_others([str(each[0]) for each in named], _MOST_NAMED)})"
    )
    owner = {"households": "id", "users": "id", "sessions": "user_id"}.get(table, "household_id")
    doubted: frozenset[str] = frozenset()
    # One audit row more or less says little of a household; a row of state says what it is.
    if owner in columns and table != "household_events":
        rows = (
            f"SELECT *, {told_by if told_by in columns else 'NULL'} AS told FROM {table} SEMI JOIN differing USING (id)"
        )
        unknown = (
            f"SELECT DISTINCT {owner} FROM (SELECT *, rank() OVER (PARTITION BY {key} ORDER BY told DESC NULLS LAST) AS nth FROM "
            f"(SELECT DISTINCT {', '.join(columns)}, told FROM ({rows}))) WHERE nth = 1 AND {owner} IS NOT NULL "
            f"GROUP BY {key}, {owner} HAVING count(*) > 1 LIMIT {MOST_DOUBTED}"
        )
        doubted = frozenset(str(each[0]) for each in execute(unknown))
    if doubted and told_by in columns:
        said += "; of some it is not known which is later"
    people = table in {"users", "sessions"}
    return Notice(
        table,
        said,
        frozenset(f"{table}.{column}" for column in differing),
        households=frozenset() if people else doubted,
        users=doubted if people else frozenset(),
    )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
