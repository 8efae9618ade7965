"""One operation may write several audit rows: what tells them from several operations, for statements and for values.

Whoever tries again does so with the same correlation_id. A row without one is an operation of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, FromClause, Text, cast, func, literal

from detectors.domain.records import Event
from detectors.source.sql import json_text

Thing = TypeVar("Thing")

RETRY_MARGIN = timedelta(hours=1)
"""How long before a stretch of time the first of several retries in it may lie."""
REPEAT_WITHIN = timedelta(hours=1)
"""Two removals of one member, without correlation ids to tell them apart, are one within this time."""
DOUBLE_CLICK = timedelta(seconds=10)
"""Nobody asks again, is let in and is removed again this soon: two removals of one member are one, whatever their ids."""


def operation(events: FromClause) -> ColumnElement[Any]:
    """What an audit row has in common with its retries, and with no other row of its type: its own id where nothing else."""
    return func.coalesce(
        literal("c") + func.nullif(json_text(events.c.metadata, "correlation_id"), ""),
        literal("e") + cast(events.c.id, Text),
        cast(events.c.event_timestamp, Text),
    )


def without_retries(events: Iterable[Event]) -> tuple[Event, ...]:
    """Audit rows of any types in order of time, each operation once, at its earliest time."""
    return tuple(first_of_each(sorted(events, key=lambda event: (event.at, event.id)), _operation))


def _operation(event: Event) -> Hashable:
    # One operation writes rows of several types, and one call may remove several members: each of these is a fact.
    correlation = event.text("correlation_id")
    return correlation and (event.type, correlation, event.text("member_id"))


def first_of_each(things: Iterable[Thing], identity: Callable[[Thing], Hashable]) -> list[Thing]:
    """The first of those with one identity, and each whose identity is empty."""
    seen: set[Hashable] = set()
    kept = []
    for thing in things:
        same = identity(thing)
        if not same or same not in seen:
            kept.append(thing)
        seen.add(same)
    return kept


class Removal(NamedTuple):
    """What tells a removal from its repetition. An empty `whom` or correlation id is unknown."""

    whom: Hashable
    at: datetime
    correlation_id: str


def each_removal_once(
    removals: Iterable[Thing], told: Callable[[Thing], Removal], *, double_click: timedelta | None
) -> list[Thing]:
    """Removals in order of time, each member's once. `double_click` is for those whose correlation ids differ."""
    last: dict[Hashable, Removal] = {}
    kept = []
    for removal in removals:
        this = told(removal)
        earlier = last.get(this.whom) if this.whom else None
        if earlier:
            told_apart = this.correlation_id and earlier.correlation_id
            within = double_click if told_apart else REPEAT_WITHIN
            if within is not None and this.at - earlier.at <= within:
                continue
        last[this.whom] = this
        kept.append(removal)
    return kept
