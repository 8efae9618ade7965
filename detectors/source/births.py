"""Whether the audit table tells of the households' beginnings from its own first row on: else its silence is no evidence.

A stray old row, retention that spared a few, or the trail of one shard among several make it look older, or wider, than it is.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text, cast, select

from detectors.events import EventType
from detectors.source.base import Notice, Source
from detectors.source.trail import EVENTS

_SAMPLE = 200
"""So many of the newest and of the oldest ids are asked for."""
_FEW = 5
"""So many creations may be lost one by one."""
_SHARE = 5
"""And one in so many households."""


def untold_births(source: Source, began: datetime, as_of: datetime) -> Notice | None:
    """A notice where many households that are younger than the trail began without a word of it. Raises QueryError."""
    if EVENTS not in source.tables:
        return None
    households, events = source.tables["households"].c, source.tables[EVENTS].c
    younger = select(cast(households.id, Text).label("home"), households.id.label("id")).where(
        households.id.is_not(None), households.created_at > began, households.created_at <= as_of
    )
    homes = set[str]()
    for order in (households.id.desc(), households.id):
        homes |= {row["home"] for row in source.rows(younger.order_by(order).limit(_SAMPLE), "trail")}
    if len(homes) < _FEW:
        return None
    told = select(cast(events.household_id, Text).label("home")).where(
        source.tables.households_in(events.household_id, sorted(homes)), source.tables.event_is(EventType.CREATED)
    )
    untold = homes - {row["home"] for row in source.rows(told.distinct(), "trail")}
    if len(untold) < _FEW or len(untold) * _SHARE < len(homes):
        return None
    return Notice(
        EVENTS,
        f"{EVENTS} tells nothing of how {len(untold):,} of {len(homes):,} households began that are younger than its first row, of "
        f"{began:%Y-%m-%d}: rows were purged, are of another part of the app, or the first one is astray; of a household whose "
        "beginning it does not tell, its silence proves nothing",
        remedy="keep the trail whole, or remove the rows that are left of before",
    )
