"""Where the audit trail is silent although people went on: what was done then it cannot tell."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import and_, func, select

from detectors.source import Source
from detectors.source.filled import is_big
from detectors.source.trail import EVENTS, is_indexed

_HOLE = timedelta(hours=20)
"""Shorter silences may be nights."""
_LIVELY = 10
"""So many rows in as long a time before a hole, and after it, do not stop and begin by chance."""
_MOST = 20
"""Moments that are looked up; where there are more, most lie in holes that are known by then."""
_WRITTEN = 3
"""Of so many households, and not of most, the app wrote the rows meanwhile. One alone may be the one that was taken, and all
are written by a migration or an import."""


def in_holes(source: Source, moments: Iterable[datetime]) -> frozenset[datetime]:
    """Those of `moments` that lie in a hole of the trail: a long silence of all households, amid a lively time. Raises QueryError."""
    if is_big(source, EVENTS) and not is_indexed(source, "event_timestamp"):
        return frozenset()
    found, stretches, asked = set[datetime](), list[tuple[datetime, datetime]](), 0
    for moment in sorted(set(moments)):
        if not any(start < moment < end for start, end in stretches) and asked < _MOST:
            asked += 1
            stretches += [stretch] if (stretch := _silence(source, moment)) else []
        if any(start < moment < end for start, end in stretches):
            found.add(moment)
    return frozenset(found)


def _silence(source: Source, moment: datetime) -> tuple[datetime, datetime] | None:
    """The silence around a moment, if it is a hole."""
    at = source.tables[EVENTS].c.event_timestamp
    around = select(
        select(func.max(at)).where(at <= moment).scalar_subquery().label("before"),
        select(func.min(at)).where(at > moment).scalar_subquery().label("after"),
    )
    (row,) = source.rows(around, "hand-overs")
    before, after = row["before"], row["after"]
    if before is None or after is None or after - before < _HOLE:
        return None
    for start, end in ((before - (after - before), before), (after, after + (after - before))):
        some = select(at).where(at >= start, at <= end).limit(_LIVELY)
        if len(source.rows(some, "hand-overs")) < _LIVELY:
            return None
    return (before, after) if went_on(source, before, after) else None


def went_on(source: Source, start: datetime, end: datetime | None = None) -> bool:
    """Whether the app was used after `start`, and before `end`, as far as the households' rows tell. Raises QueryError."""
    at = source.tables["households"].c.updated_at
    meanwhile = at > start if end is None else and_(at > start, at < end)
    counted = select(func.count().filter(meanwhile).label("written"), func.count(at).label("all"))
    (row,) = source.rows(counted, "hand-overs")
    return bool(_WRITTEN <= row["written"] <= row["all"] // 2)
