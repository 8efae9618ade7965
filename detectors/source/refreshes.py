"""A server's log of refreshes in the place of its sessions: one row for each token, though a session is one row to every rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import func, or_, select

from detectors.source.base import Notice, QueryError, Source
from detectors.source.copies import APART, Repeats

_SESSIONS = "sessions"
_LOOKED_AT = 100_000


def leave_out_refreshes(source: Source) -> Iterator[Notice]:
    """Take sessions from the source's tables where their ids stand in rows of several births, with the reason; a notice where rows differ otherwise.

    A folder's are left out earlier.
    """
    found = source.schema.tables.get(_SESSIONS)
    if found is None or source.engine == "duckdb" or source.schema.unique_on(_SESSIONS, "id") is not None:
        return
    rows = source.tables[_SESSIONS].c
    used = rows.last_activity_at.label("used")
    some = select(rows.id, rows.created_at, used).where(rows.id.is_not(None)).limit(_LOOKED_AT).subquery("some").c
    reborn = (func.max(some.created_at) > func.min(some.created_at) + APART).label("reborn")
    differing = or_(*(func.max(one) > func.min(one) for one in (some.created_at, some.used))).label("differing")
    each = select(func.count().label("rows"), reborn, differing).group_by(some.id).subquery("each").c
    counts = select(
        func.count().label("ids"),
        func.count().filter(each.rows > 1).label("repeated"),
        func.count().filter(each.reborn).label("reborn"),
        func.count().filter(each.differing).label("differing"),
    )
    try:
        (row,) = source.rows(counts, "words")
    except QueryError:  # what rests on sessions will say why it cannot be looked at
        return
    repeats = Repeats(row["ids"], row["repeated"], row["differing"], row["reborn"])
    if repeats.of_others(_SESSIONS) is None:
        if repeats.differing:
            yield _notice(repeats)
        return
    why = (
        f"{repeats.reborn:,} ids of sessions stand in rows whose created_at differs by more than a day, as in a log of refreshes, "
        "or in rows of several databases: name a view with one row for each session, and the time at which it began"
    )
    kept = {name: table for name, table in source.schema.tables.items() if name != _SESSIONS}
    source.schema = replace(source.schema, tables=kept, unusable={**source.schema.unusable, _SESSIONS: why})
    source.tables = source.tables.of(source.schema)


def _notice(repeats: Repeats) -> Notice:
    said = (
        f"{repeats.differing:,} ids of sessions stand in several rows that differ in when they began or were last used, as in a log of "
        "refreshes: each row is read as a session of its own"
    )
    columns = frozenset({f"{_SESSIONS}.created_at", f"{_SESSIONS}.last_activity_at"})
    return Notice(_SESSIONS, said, columns, "name a view with one row for each session, and the time at which it began")
