"""Tables of state that are an older copy than the audit table: what it tells of the time since then left no trace in them.

A part of the app that is broken leaves no trace either, of one kind of act: here nearly all acts of several kinds lack, and all did
leave their rows before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, case, cast, func, select

from detectors.events import EventType
from detectors.source.base import Source
from detectors.source.filled import TOLERATED
from detectors.source.first_rows import Samples, acts_among
from detectors.source.sql import json_text
from detectors.source.tables import Tables
from detectors.source.trail import EVENTS, Trail

LATE = timedelta(hours=12)
"""What lags behind by less is awaited: tables are copied one after the other."""
_WRITING = timedelta(minutes=2)
_OF_EACH, _TOGETHER = 2, 8
"""So many acts of each of two kinds, and so many of all, lack. Fewer may be faults of their own."""
_DELETED = 5
"""Fewer households or people of whom nothing is left may have been deleted."""
_ASKED_FIRST = 5
"""So many of the last acts show whether most left a trace."""
_LEFT_A_TRACE, _HAD_LEFT = 0.1, 0.75
"""At most this share of the acts since then left a trace, and at least that one of those before."""
_MOST, _LAST = 300, 30
"""So many acts are looked at, and first so many of the last ones, as those of a table that is up to date left their traces."""
_LONG = timedelta(days=60)
"""Older acts are not looked for."""
HOMES, MEMBERS, REQUESTS = "households", "household_members", "household_join_requests"
TIMES = {HOMES: ("created_at", "updated_at"), MEMBERS: ("joined_at",), REQUESTS: ("requested_at", "responded_at")}
"""When something was written to a table of state, as its rows tell."""
_KINDS = {
    (HOMES, MEMBERS, REQUESTS): ("created", "transferred", "joined", "ended", "asked"),
    (MEMBERS,): ("began", "joined", "ended"),
    (REQUESTS,): ("asked", "answered"),
    (HOMES,): ("created", "transferred"),
}
"""Tables that may be copies of one time, and what leaves its trace there."""
_TYPES = {
    EventType.CREATED: ("created", "began"),
    EventType.LEADERSHIP_TRANSFERRED: ("transferred",),
    EventType.JOIN_REQUEST_SUBMITTED: ("asked",),
    EventType.JOIN_REQUEST_APPROVED: ("joined", "answered"),
    EventType.MEMBER_REMOVED: ("ended",),
    EventType.LEFT: ("ended",),
}
_WHO = {
    EventType.LEADERSHIP_TRANSFERRED: "to_user_id",
    EventType.JOIN_REQUEST_APPROVED: "new_member_id",
    EventType.MEMBER_REMOVED: "member_id",
}
"""The key of the one whom an act is about; without, it is who acted."""

Act = tuple[str, str, str]
"""Its type, the household, and whom it is about."""


@dataclass(frozen=True, slots=True)
class _States:
    """What the tables say of some households today."""

    leaders: Mapping[str, str | None]
    members: Mapping[tuple[str, str], bool]
    """By household and user, whether one of their rows is active."""
    requests: Mapping[tuple[str, str], bool]
    """By household and user, whether one of their requests was approved."""

    def without_gone(self, acts: Sequence[Act]) -> Sequence[Act]:
        """`acts` without those of a few households or people of whom nothing is left: they were deleted, which nothing audits."""
        people = {*self.members, *self.requests, *self.leaders.items()}
        homes = {home for home, _ in people}
        gone = {act: act[1:] if act[1] in homes else act[1] for act in acts if act[1:] not in people}
        return acts if len({*gone.values()}) >= _DELETED else [act for act in acts if act not in gone]

    def tell(self, kind: str, home: str, who: str, *, since: bool) -> bool | None:
        """Whether an act of a `kind` left its trace; None where that can't be told of one `since` the copy."""
        pair = home, who
        if kind == "created":
            return home in self.leaders
        if kind == "transferred":
            return self.leaders[home] == who if home in self.leaders else None
        if kind == "ended":
            return None if since and pair not in self.members else not self.members.get(pair, False)
        if kind == "asked":
            return pair in self.requests
        return self.requests.get(pair, False) if kind == "answered" else pair in self.members


def outdated(source: Source, spelled: Tables, trail: Trail | None, samples: Samples, as_of: datetime) -> Iterator[str]:
    """A line where tables of state are copies of an earlier time than the audit table. Raises QueryError."""
    asked = () if trail is None or not source.tables.finds(EVENTS, "event_timestamp") else trail.written & _TYPES.keys()
    until = as_of - _WRITING
    if len(asked) < 2 or _too_few(samples, spelled, until):
        return
    told = spelled[EVENTS].c.event_timestamp
    _, acts = _acts(source, spelled, (told > until - _LONG, told <= until), _LAST)
    states = _states_of(source, spelled, acts)
    suspected = {tables: kinds for tables, kinds in _KINDS.items() if not _left_traces(kinds, acts, states)}
    newest = _newest(source, as_of) if acts and suspected else {}
    for tables, kinds in suspected.items():
        end = max((newest[table] for table in tables if table in newest), default=as_of)
        if as_of - end < LATE:
            continue
        last, since = _acts(source, spelled, (told > max(end + _WRITING, until - _LONG), told <= until))
        if last is None or last - end < LATE or len(since) < _TOGETHER:
            continue
        _, before = _acts(source, spelled, (told > end - _LONG, told <= end))
        states = _states_of(source, spelled, [*since, *before])
        lacking = _lacking(kinds, states.without_gone(since), before, states)
        if lacking:
            named = " and ".join(filter(None, (", ".join(tables[:-1]), tables[-1])))
            yield (
                f"{named} end{'s' if len(tables) == 1 else ''} at {end:%Y-%m-%d %H:%M:%S} UTC, though {EVENTS} tells of later acts, "
                f"of which {lacking:,} left no trace there: an older copy, a restored backup, or an app that no longer writes there; scan tables of one time"
            )
            return


def _too_few(samples: Samples, spelled: Tables, until: datetime) -> bool:
    """Whether the rows of a short table tell of so few acts that nothing could be concluded from them."""
    acts = acts_among(samples, [name for kind in _TYPES for name in spelled.spelled(kind)])
    times = (act["event_timestamp"] for act in acts or () if act["household_id"] is not None)
    return acts is not None and sum(at is not None and until - _LONG < at <= until for at in times) < _TOGETHER


def _left_traces(kinds: Sequence[str], acts: Sequence[Act], states: _States) -> bool:
    """Whether most of the last acts of some `kinds` left a trace, so that nothing more need be asked."""
    told = (
        states.tell(kind, home, who, since=True)
        for what, home, who in acts
        for kind in kinds
        if kind in _TYPES[EventType(what)]
    )
    return 2 * sum([answer for answer in told if answer is not None][:_ASKED_FIRST]) > _ASKED_FIRST


def _newest(source: Source, as_of: datetime) -> dict[str, datetime]:
    """When something was last written to each table of state; each is read once."""
    found: dict[str, datetime] = {}
    for table, names in TIMES.items():
        times = [source.tables[table].c[name] for name in names if source.schema.has(f"{table}.{name}")]
        latest = [func.max(at).filter(at <= as_of + TOLERATED).label(f"at{place}") for place, at in enumerate(times)]
        (row,) = source.rows(select(*latest), "words") if latest else ({},)
        written = [at for at in row.values() if at is not None]
        if written:
            found[table] = max(written)
    return found


def _acts(
    source: Source, spelled: Tables, when: Sequence[ColumnElement[bool]], most: int = _MOST
) -> tuple[datetime | None, Sequence[Act]]:
    """The last acts of a time, each once, and when the very last was."""
    events = spelled[EVENTS].c
    keys = [
        (spelled.event_is(kind), cast(spelled.user_key(json_text(events.metadata, key)), Text))
        for kind, key in _WHO.items()
    ]
    asked = (
        select(
            events.event_type,
            cast(events.household_id, Text).label("home"),
            case(*keys, else_=cast(events.user_id, Text)).label("who"),
            events.event_timestamp.label("at"),
        )
        .where(spelled.event_is(*_TYPES), events.household_id.is_not(None), *when)
        .order_by(events.event_timestamp.desc())
        .limit(most)
    )
    rows = source.rows(asked, "words")
    acts = {(spelled.canonical_event(row["event_type"]), row["home"], row["who"]): None for row in rows if row["who"]}
    return (rows[0]["at"] if rows else None), list(acts)


def _states_of(source: Source, spelled: Tables, acts: Sequence[Act]) -> _States:
    homes = {home for _, home, _ in acts}
    households, members, requests = (spelled[name].c for name in (HOMES, MEMBERS, REQUESTS))
    leader = cast(households.leader_id, Text).label("who")
    led = select(cast(households.id, Text).label("home"), leader).where(spelled.households_in(households.id, homes))
    leaders: dict[str, str | None] = {row["home"]: row["who"] for row in source.rows(led, "words")}

    def best(rows: Any, good: str) -> dict[tuple[str, str], bool]:
        asked = select(
            cast(rows.household_id, Text).label("home"),
            cast(rows.user_id, Text).label("who"),
            cast(rows.status, Text).label("status"),
        ).where(spelled.households_in(rows.household_id, homes))
        found: dict[tuple[str, str], bool] = {}
        for row in source.rows(asked, "words"):
            pair = row["home"], row["who"]
            found[pair] = found.get(pair, False) or row["status"] == good
        return found

    return _States(leaders, best(members, "active"), best(requests, "approved"))


def _lacking(kinds: Sequence[str], since: Sequence[Act], before: Sequence[Act], states: _States) -> int:
    """How many acts of the `kinds` left no trace; none where that proves nothing."""

    def told(acts: Sequence[Act], kind: str, *, late: bool) -> list[bool]:
        answers = (
            states.tell(kind, home, who, since=late) for what, home, who in acts if kind in _TYPES[EventType(what)]
        )
        return [answer for answer in answers if answer is not None]

    after = {kind: told(since, kind, late=True) for kind in kinds}
    left = sum(answers.count(True) for answers in after.values())
    lacking = 0, 0
    for kind, answers in after.items():
        earlier = told(before, kind, late=False)
        had_left = len(earlier) >= _OF_EACH and earlier.count(True) >= _HAD_LEFT * len(earlier)
        if had_left and answers.count(False) >= _OF_EACH:
            lacking = lacking[0] + 1, lacking[1] + answers.count(False)
    of_kinds, acts = lacking
    return acts if of_kinds > 1 and acts >= _TOGETHER and left <= _LEFT_A_TRACE * (left + acts) else 0
