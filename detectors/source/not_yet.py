"""Households that are newer than the copy of their table: tables that are copied one after the other are not of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Text, and_, cast, func, select

from detectors.source.base import Notice, Source
from detectors.source.filled import MOST_NAMED, TOLERATED

_LAG = timedelta(days=2)
"""A copy is no older than this. Who has waited longer for their household has none."""


def not_yet_copied(source: Source, as_of: datetime) -> Iterator[Notice]:
    """A notice on members who joined after the newest household was made, of households that are not there. Raises QueryError.

    The app makes a household before its first member. A server's own tables are read as of one moment.
    """
    if source.engine == "postgresql":
        return
    households, members = source.tables["households"], source.tables["household_members"]
    newest = select(func.max(households.c.created_at)).where(households.c.created_at <= as_of + TOLERATED)
    first = (
        select(members.c.household_id, func.min(members.c.joined_at).label("at"))
        .group_by(members.c.household_id)
        .subquery("first")
    )
    later = and_(first.c.at > as_of - _LAG, first.c.at > newest.scalar_subquery())
    missing = (
        select(cast(first.c.household_id, Text).label("home"))
        .outerjoin(households, households.c.id == first.c.household_id)
        .where(households.c.id.is_(None), first.c.household_id.is_not(None), later)
        .limit(MOST_NAMED)
    )
    homes = frozenset(row["home"] for row in source.rows(missing, "words"))
    if homes:
        yield Notice(
            "households",
            f"{len(homes):,} household{'s' if len(homes) > 1 else ''} of household_members began after the newest row of "
            "households, and will be in its next copy",
            frozenset({"households.id"}),
            "copy households after household_members, or all tables at one moment",
            households=homes,
        )
