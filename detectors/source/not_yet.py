"""Households that are newer than the copy of their table: tables that are copied one after the other are not of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Text, cast, func, select

from detectors.events import EventType
from detectors.source.base import Notice, Source
from detectors.source.filled import MOST_NAMED, TOLERATED
from detectors.source.trail import EVENTS

_LAG = timedelta(days=2)
"""A copy is no older than this. Who has waited longer for their household has none."""


def not_yet_copied(source: Source, as_of: datetime) -> Iterator[Notice]:
    """A notice on households whose creation was audited after the newest of the table, and that are not there. Raises QueryError.

    A server's own tables are read as of one moment.
    """
    if source.engine == "postgresql" or EVENTS not in source.tables:
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
