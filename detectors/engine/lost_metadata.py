"""Audit rows whose metadata holds neither an object nor a text with one: counted and named, as rules saw them as empty."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select

from detectors.contract import Context
from detectors.domain.values import text_of
from detectors.passes.base import Scope, of_households, of_users, since
from detectors.source import Notice, QueryError, Source
from detectors.source.base import and_others
from detectors.source.sql import json_is_lost

_COLUMN = "household_events.metadata"
_REMEDY = "have the app write a JSON object there; the rows count, what their metadata would say does not"
_NAMED = 3
"""So many households are named."""
_SMALL = 500_000
"""Rows. A bigger audit table is looked through for the scan's window, and for what was read of it besides."""


def lost_rows(source: Source, scope: Scope | None, context: Context) -> dict[str, int]:
    """By household (empty where a row names none), how many rows that a scan reads have lost their metadata.

    The three households with the most stand by their ids, all others together under the empty one. Files are looked through
    when they are opened. Nothing is counted where the question fails, as it is no rule's.
    """
    if source.engine == "duckdb" or not source.schema.has(_COLUMN):
        return {}
    events = source.tables["household_events"]
    lost = (
        select(cast(events.c.household_id, Text).label("household"), func.count().label("rows"))
        .where(_looked_at(source, scope, context), json_is_lost(events.c.metadata))
        .group_by(events.c.household_id)
        .subquery("lost")
    )
    most = (
        select(lost.c.household, lost.c.rows, func.sum(lost.c.rows).over().label("all_rows"))
        .order_by(lost.c.rows.desc(), lost.c.household)
        .limit(_NAMED)
    )
    try:
        rows = source.rows(most, "lost metadata", reach="picked" if scope is not None or context.so_far else "days")
    except QueryError:
        return {}
    found = {text_of(row["household"]): int(row["rows"]) for row in rows}
    if rows:
        found[""] = found.get("", 0) + int(rows[0]["all_rows"]) - sum(int(row["rows"]) for row in rows)
    return found


def _looked_at(source: Source, scope: Scope | None, context: Context) -> ColumnElement[bool]:
    events = source.tables["household_events"]
    before: ColumnElement[bool] = events.c.event_timestamp < context.window.end
    if scope is not None:
        mine = (
            of_households(source.tables, scope, events.c.household_id),
            of_users(source.tables, scope, events.c.user_id),
        )
        return and_(before, or_(*mine))
    return and_(before, since(events, _looked_at_since(source, context)))


def _looked_at_since(source: Source, context: Context) -> Any:
    estimated = source.schema.tables["household_events"].estimated_rows
    small = estimated is None or estimated <= _SMALL
    start = context.history_start if small else context.window.start
    return None if start is None else context.news_since(start)


def notice_of(source: Source, context: Context, counted: dict[str, int]) -> Notice | None:
    """What to say of the rows that were `counted`, and of the older ones that were met among the facts of cases."""
    if not source.schema.has(_COLUMN) or not (counted or source.counters.lost):
        return None
    by_household = dict(counted)
    since_when = None if source.engine == "duckdb" or context.everything else _looked_at_since(source, context)
    for household, at in source.counters.lost.values():
        # What lies in the counted stretch of time was counted there.
        if source.engine == "duckdb" or (since_when is not None and at < since_when):
            by_household[household] = by_household.get(household, 0) + 1
    rows = sum(by_household.values())
    if not rows:
        return None
    others = [""] if by_household.get("") else []
    named = [*sorted(set(by_household) - {""}, key=lambda household: (-by_household[household], household)), *others]
    whose = f" (household{'s' if len(named) > 1 else ''} {and_others(named, _NAMED)})" if named[0] else ""
    said = f"{rows} row{'s' if rows > 1 else ''} whose metadata is neither an object of up to 1 MB nor a text that holds one{whose}"
    return Notice("household_events", f"{_COLUMN}: {said}; read as empty", frozenset({_COLUMN}), _REMEDY)
