"""Whether the audit table and the tables of states keep the same time: a zone that was taken for another one shifts one of them.

What people did before they were removed looks then as if they had done it afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, extract, func, select

from detectors.events import EventType
from detectors.source.base import Source
from detectors.source.first_rows import Samples, acts_among
from detectors.source.tables import Tables
from detectors.source.trail import EVENTS, Trail

_SAMPLE = 400
_FEW = 10
_SHARE = 5
"""One in so many: where clocks change in summer, a zone is mistaken for one half of the year."""
_STEP, _NEAR, _MOST = timedelta(minutes=30), timedelta(seconds=30), timedelta(hours=15)
"""Zones differ by half hours, up to so many; what the app writes together it writes within seconds."""


_PAIRS = (
    (EventType.CREATED, "households.created_at"),
    (EventType.JOIN_REQUEST_SUBMITTED, "household_join_requests.requested_at"),
    (EventType.LOGIN_SUCCEEDED, "sessions.created_at"),
)
"""What the app writes together with an audit row, by the database's clock."""
_TWO = 2
"""So many differences to another zone there are in a year. What refreshes a session every hour makes more of them."""


_FEW_ACTS, _DAYS, _MOMENT = 5, 3, timedelta(minutes=1)
"""So many acts, on so many days, that are all audited within so short a time, tell when they were loaded."""
_LOAD, _MANY = 10, 10
"""So many minutes takes what loads the rows of a night, or of an hour; one act in so many may have been done just before."""
_OLD = timedelta(hours=3)
"""A session that began less before the log-in may have been in use; no zone with many people lies so near behind UTC."""


def other_clocks(source: Source, trail: Trail | None, samples: Samples) -> Iterator[str]:
    """A line where creations, requests or log-ins are audited whole hours before or after their own rows. Raises QueryError."""
    if trail is None:
        return
    tables = source.tables.respelled({f"{EVENTS}.event_type": trail.spellings})
    for kind, place in _PAIRS:
        if kind not in trail.written or place.partition(".")[0] not in source.tables:
            continue
        acts = acts_among(samples, tables.spelled(kind))
        if acts is not None and len(acts) < min(_FEW, _FEW_ACTS):
            continue
        apart = _apart(source.rows(_pairs_of(tables, kind, place), "words"))
        loaded = None if place.startswith("sessions.") or len(trail.written) < _TWO else _loaded(source, apart)
        if loaded:
            yield (
                f"{EVENTS}.event_timestamp is {loaded.format(place)}: it holds when the rows were loaded; map the column that holds "
                f'when each happened, [source.tables.{EVENTS}.columns] event_timestamp = "…"'
            )
            return
        shifted = sorted(one for one in apart.values() if is_shift(one))
        many = len(shifted) * _SHARE >= len(apart)
        if place.startswith("sessions."):
            many = 2 * len(shifted) >= len(apart) and len({_hours(one) for one in shifted}) <= _TWO
            # Of a town that was made up at whole minutes any two times may lie whole hours apart.
            many = many and any(written.second for written in apart)
            shifted = [one for one in shifted if not timedelta() < one < _OLD - _NEAR]
        if len(shifted) >= _FEW and many:
            middle = shifted[len(shifted) // 2]
            way = "before" if middle < timedelta() else "after"
            yield (
                f"{EVENTS}.event_timestamp lies {_hours(middle)} {way} {place} of the same act in {len(shifted):,} of "
                f"{len(apart):,} rows: one of the two was written or exported in another time zone; export both with their "
                'zones, or say whose clock wrote times that have none, [source] zone = "…"'
            )
            return


def _loaded(source: Source, apart: Mapping[datetime, timedelta]) -> str | None:
    """In words, what shows that all audit rows hold the time of a load, with a place for what tells of the same acts."""
    if _at_one_moment(apart) and _is_of_one_moment(source):
        return "one moment for acts that {} tells of on different days"
    minutes = _minutes_of_loads(apart)
    if minutes and not _has_others(source, minutes):
        return "in the same minutes after the hour for acts that {} tells of at any other, and that were done before"
    return None


def _minutes_of_loads(apart: Mapping[datetime, timedelta]) -> frozenset[int]:
    """The minutes of an hour in which all acts were audited, later than they were done at any minute; none where it is not so."""
    late = [one for one in apart.values() if one > _MOMENT]
    if len(apart) < _FEW or len(late) * _MANY < len(apart) * (_MANY - 1) or min(apart.values()) < -_MOMENT:
        return frozenset()
    told, done = {(at + after).minute for at, after in apart.items()}, {at.minute for at in apart}
    around = [frozenset((first + more) % 60 for more in range(_LOAD)) for first in sorted(told)]
    within = [minutes for minutes in around if told <= minutes]
    half = [frozenset((first + more) % 60 for more in range(30)) for first in sorted(done)]
    return within[0] if within and not any(done <= minutes for minutes in half) else frozenset()


def _has_others(source: Source, minutes: Collection[int]) -> bool:
    """Whether an audit row is of another minute of its hour. The first one ends the search."""
    told = source.tables[EVENTS].c.event_timestamp
    other = extract("minute", func.timezone("UTC", told)).not_in(sorted(minutes))
    return bool(source.rows(select(told).where(other).limit(1), "words"))


def _at_one_moment(apart: Mapping[datetime, timedelta]) -> bool:
    """Whether acts of several days were all audited within a minute, long after the first of them."""
    told = [written + after for written, after in apart.items()]
    days = {written.date() for written in apart}
    return len(apart) >= _FEW_ACTS and max(told) - min(told) < _MOMENT and len(days) >= _DAYS


def _is_of_one_moment(source: Source) -> bool:
    """Whether all audit rows are of one moment: beginnings of before may have been written afterwards, and nothing else."""
    told = source.tables[EVENTS].c.event_timestamp
    (row,) = source.rows(select(func.min(told).label("first"), func.max(told).label("last")), "words")
    return bool(row["last"] - row["first"] < _MOMENT)


def _apart(rows: Iterable[Any]) -> dict[datetime, timedelta]:
    """How far acts lie from their own rows, by the time of a row: an import dates many rows alike.

    Of several rows it is the nearest, as who asks again every hour has many that lie hours apart.
    """
    nearest: dict[object, tuple[timedelta, datetime]] = {}
    for row in rows:
        one, act = (row["told"] - row["written"], row["written"]), (row["told"], row["household_id"], row["user_id"])
        nearest[act] = min(one, nearest.get(act, one), key=lambda each: abs(each[0]))
    return {written: apart for apart, written in nearest.values()}


def _pairs_of(tables: Tables, kind: str, place: str) -> Select[Any]:
    """When acts of a `kind` were audited, and when the row that they wrote says they were done."""
    table, _, column = place.partition(".")
    events, theirs = tables[EVENTS].c, tables[table].c
    acts = select(events.event_timestamp.label("told"), events.household_id, events.user_id)
    act = acts.where(tables.event_is(kind), events.event_timestamp.is_not(None)).limit(_SAMPLE).subquery("act").c
    own = {
        "households": lambda: theirs.id == act.household_id,
        "household_join_requests": lambda: and_(theirs.household_id == act.household_id, theirs.user_id == act.user_id),
        "sessions": lambda: theirs.user_id == act.user_id,
    }[table]()
    written = theirs[column].label("written")
    return select(act.told, act.household_id, act.user_id, written).where(own, theirs[column].is_not(None))


def is_shift(apart: timedelta) -> bool:
    """Whether two moments of one act lie as far apart as two zones."""
    apart = abs(apart)
    off = apart % _STEP
    return _STEP - _NEAR <= apart <= _MOST and min(off, _STEP - off) <= _NEAR


def _hours(apart: timedelta) -> str:
    hours = round(abs(apart) / _STEP) / 2
    return f"{hours:g} hour{'' if hours == 1 else 's'}"
