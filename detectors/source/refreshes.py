"""A server's log of refreshes in the place of its sessions: one row for each token, though a session is one row to every rule."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func, select

from detectors.source.base import QueryError, Source
from detectors.source.copies import APART, Repeats

_SESSIONS = "sessions"
_LOOKED_AT = 100_000


def leave_out_refreshes(source: Source) -> None:
    """Take sessions from the source's tables where their ids stand in rows of several births, with the reason. A folder's are left out earlier."""
    found = source.schema.tables.get(_SESSIONS)
    if found is None or source.engine == "duckdb" or source.schema.unique_on(_SESSIONS, "id") is not None:
        return
    rows = source.tables[_SESSIONS].c
    some = select(rows.id, rows.created_at).where(rows.id.is_not(None)).limit(_LOOKED_AT).subquery("some").c
    reborn = (func.max(some.created_at) > func.min(some.created_at) + APART).label("reborn")
    each = select(func.count().label("rows"), reborn).group_by(some.id).subquery("each").c
    counts = select(
        func.count().label("ids"),
        func.count().filter(each.rows > 1).label("repeated"),
        func.count().filter(each.reborn).label("reborn"),
    )
    try:
        (row,) = source.rows(counts, "words")
    except QueryError:  # what rests on sessions will say why it cannot be looked at
        return
    repeats = Repeats(row["ids"], row["repeated"], row["repeated"], row["reborn"])
    if repeats.of_others(_SESSIONS) is None:
        return
    why = (
        f"{repeats.reborn:,} ids of sessions stand in rows whose created_at differs by more than a day, as in a log of refreshes, "
        "or in rows of several databases: name a view with one row for each session, and the time at which it began"
    )
    kept = {name: table for name, table in source.schema.tables.items() if name != _SESSIONS}
    source.schema = replace(source.schema, tables=kept, unusable={**source.schema.unusable, _SESSIONS: why})
    source.tables = source.tables.of(source.schema)
