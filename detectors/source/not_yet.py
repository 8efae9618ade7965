"""Rows that are newer than the copy of another table: tables that are copied one after the other are not of one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, exists, func, or_, select

from detectors.events import EventType
from detectors.source.base import Notice, Source
from detectors.source.filled import MOST_NAMED, TOLERATED
from detectors.source.first_rows import Samples, acts_among, whole_of
from detectors.source.sql import json_text
from detectors.source.trail import EVENTS

_LAG = timedelta(days=2)
"""A copy is no older than this. Who has waited longer for their household has none."""
_WRITING = timedelta(minutes=2)
"""So long the app writes on what it has begun."""
_COMES_IN = {
    "household_members": ("joined", "joined_at"),
    "household_join_requests": ("asked", "requested_at"),
    EVENTS: ("told", "event_timestamp"),
}
_OF_EACH, _TOGETHER = 2, 5
"""So many new households and so many old ones with somebody new, and so many of both, are no faults beside each other."""
_ROWS_BEFORE, _EVENTS_BEFORE = 5, 10
"""So many came in as long a time before a table's newest row. That none came since says that it was copied then."""


def not_yet_copied(source: Source, samples: Samples, as_of: datetime) -> Iterator[Notice]:
    """Notices on households of which another table tells what will be in a table's next copy. Raises QueryError.

    A server's own tables are read as of one moment; those that a tool copies there are of several.
    """
    own = source.engine == "postgresql" and not any(table.copied for table in source.schema.tables.values())
    if own or EVENTS not in source.tables:
        return
    yield from _households(source, samples, as_of)
    newest = {name: source.tables[table].c[column] for table, (name, column) in _COMES_IN.items()}
    row: Mapping[str, Any] | None = _newest_among(samples, as_of)
    if row is None:
        ends = (select(func.max(at)).where(at <= as_of).scalar_subquery().label(name) for name, at in newest.items())
        (row,) = source.rows(select(*ends), "words")
    if None in (row["joined"], row["asked"], row["told"]):
        return
    joined, told = row["joined"], max(row["asked"], row["told"])
    if as_of - _LAG < joined < told - _WRITING:
        yield from _members(source, joined, as_of)
    if as_of - _LAG < told < joined - _WRITING:
        yield from _answers(source, told, as_of)


def _newest_among(samples: Samples, as_of: datetime) -> dict[str, datetime | None] | None:
    """The newest times of short tables; None where one of them has more rows than were read."""
    if not whole_of(samples, *_COMES_IN):
        return None
    return {
        name: max((at for at in samples[table].of(column) if at <= as_of), default=None)
        for table, (name, column) in _COMES_IN.items()
    }


def _none_is_missing(source: Source, samples: Samples, as_of: datetime) -> bool:
    """Whether the rows of short tables tell that no household lacks whose creation was audited of late."""
    acts = acts_among(samples, source.tables.spelled(EventType.CREATED))
    if acts is None or not whole_of(samples, "households"):
        return False
    late = (act for act in acts if act["event_timestamp"] is not None and act["event_timestamp"] > as_of - _LAG)
    return {None, *samples["households"].of("id")}.issuperset(act["household_id"] for act in late)


def _households(source: Source, samples: Samples, as_of: datetime) -> Iterator[Notice]:
    """Households whose creation was audited after the newest of the table, and that are not there."""
    if _none_is_missing(source, samples, as_of):
        return
    households, events = source.tables["households"], source.tables[EVENTS]
    newest = select(func.max(households.c.created_at)).where(households.c.created_at <= as_of + TOLERATED)
    missing = (
        select(cast(events.c.household_id, Text).label("home"))
        .outerjoin(households, households.c.id == events.c.household_id)
        .where(
            source.tables.event_is(EventType.CREATED),
            events.c.event_timestamp > as_of - _LAG,
            events.c.event_timestamp > newest.scalar_subquery() + TOLERATED,
            events.c.household_id.is_not(None),
            households.c.id.is_(None),
        )
        .distinct()
        .limit(MOST_NAMED)
    )
    homes = frozenset(row["home"] for row in source.rows(missing, "words"))
    if homes:
        yield Notice(
            "households",
            f"{len(homes):,} household{'s' if len(homes) > 1 else ''} began after the newest row of households, as "
            f"{EVENTS} tells, and will be in its next copy",
            frozenset({"households.id"}),
            "copy households after household_members, or all tables at one moment",
            households=homes,
        )


def _members(source: Source, newest: datetime, as_of: datetime) -> Iterator[Notice]:
    """Households whose creation, or approvals, were audited after the newest member row."""
    events, members = source.tables[EVENTS].c, source.tables["household_members"].c
    created = source.tables.event_is(EventType.CREATED)
    # A restore, or a column of days, dates rows as of before: those that are there are not awaited.
    let_in = created
    if source.schema.has(f"{EVENTS}.metadata"):
        let_in = or_(created, members.user_id == source.tables.user_key(json_text(events.metadata, "new_member_id")))
    there = exists(select(members.household_id).where(members.household_id == events.household_id, let_in))
    since = select(cast(events.household_id, Text).label("home"), created.label("began")).where(
        source.tables.event_is(EventType.CREATED, EventType.JOIN_REQUEST_APPROVED),
        events.event_timestamp > newest + _WRITING,
        events.event_timestamp <= as_of,
        events.household_id.is_not(None),
        ~there,
    )
    homes = _awaited(source, since)
    if homes and _came_before(source, members.joined_at, newest, as_of) >= _ROWS_BEFORE:
        homes |= _changed(source, newest, as_of)
        yield Notice(
            "household_members",
            f"{len(homes):,} households began, let somebody in or changed after the newest row of household_members, as {EVENTS} tells; "
            "these rows will be in its next copy",
            frozenset({"household_members.joined_at", "household_members.status"}),
            "copy household_members after the others, or all tables at one moment",
            households=frozenset(homes),
        )


def _changed(source: Source, newest: datetime, as_of: datetime) -> set[str]:
    """Households that somebody left, or that changed hands, after the newest member row."""
    events = source.tables[EVENTS].c
    changed = select(cast(events.household_id, Text).label("home")).where(
        source.tables.event_is(EventType.MEMBER_REMOVED, EventType.LEFT, EventType.LEADERSHIP_TRANSFERRED),
        events.event_timestamp > newest,
        events.event_timestamp <= as_of,
        events.household_id.is_not(None),
    )
    return {row["home"] for row in source.rows(changed.distinct().limit(MOST_NAMED), "words")}


def _answers(source: Source, newest: datetime, as_of: datetime) -> Iterator[Notice]:
    """Households that somebody joined after the newest request and the newest audit row."""
    events, members = source.tables[EVENTS].c, source.tables["household_members"].c
    households = source.tables["households"].c
    began = (households.created_at > newest).label("began")
    since = select(cast(members.household_id, Text).label("home"), began).where(
        households.id == members.household_id, members.joined_at > newest + _WRITING, members.joined_at <= as_of
    )
    homes = _awaited(source, since)
    if homes and _came_before(source, events.event_timestamp, newest, as_of) >= _EVENTS_BEFORE:
        homes |= _written_since(source, newest, as_of)
        yield Notice(
            "household_join_requests",
            f"{len(homes):,} households began, were joined or changed after the newest rows of household_join_requests and "
            f"{EVENTS}; what was asked, answered and handed over there will be in their next copy",
            frozenset({"household_join_requests.status", f"{EVENTS}.metadata"}),
            "copy household_members before the others, or all tables at one moment",
            households=frozenset(homes),
        )


def _written_since(source: Source, newest: datetime, as_of: datetime) -> set[str]:
    """Households whose own row was written after the newest audit row: it may have changed hands."""
    if not source.schema.has("households.updated_at"):
        return set()
    households = source.tables["households"].c
    written = select(cast(households.id, Text).label("home")).where(
        households.updated_at > newest, households.updated_at <= as_of
    )
    return {row["home"] for row in source.rows(written.limit(MOST_NAMED), "words")}


def _came_before(source: Source, at: ColumnElement[Any], newest: datetime, as_of: datetime) -> int:
    """How many rows came in as long a time before the `newest` as none has come since."""
    before = select(func.count().label("rows")).where(at > newest - (as_of - newest), at <= newest)
    return int(source.rows(before, "words")[0]["rows"])


def _awaited(source: Source, since: Select[str, bool]) -> set[str]:
    """The households of rows that are newer than a copy; none where they may be single faults."""
    rows = source.rows(since.distinct().limit(MOST_NAMED), "words")
    began = {row["home"] for row in rows if row["began"]}
    older = {row["home"] for row in rows} - began
    enough = min(len(began), len(older)) >= _OF_EACH and len(began | older) >= _TOGETHER
    return began | older if enough else set()
