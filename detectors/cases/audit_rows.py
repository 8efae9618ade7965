"""Audit rows as events: of a condition, of people, of addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, and_, select

from detectors.domain.actors import IP_ACTOR
from detectors.domain.records import Event
from detectors.domain.retries import without_retries
from detectors.domain.values import moment, text_of
from detectors.events import GUESS, LIFECYCLE, LOGINS, VIEWS, EventType
from detectors.source import Source
from detectors.source.ids import plain_id
from detectors.source.objects import read_object
from detectors.source.sql import columns_to_read, json_text
from detectors.text.addresses import plain_address

USER_KEYS = ("member_id", "new_member_id", "requester_id", "from_user_id", "to_user_id", "user_id")
"""The keys of an event's metadata that are user ids too."""
ID_KEYS = ("request_id", "session_id")
"""The keys of an event's metadata that are ids of other things."""


def read_events(source: Source, condition: ColumnElement[bool]) -> list[Event]:
    """The audit rows on which `condition` holds."""
    table = source.tables["household_events"]
    return [event_of(source, row) for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")]


def read_lifecycle_events(source: Source, condition: ColumnElement[bool]) -> list[Event]:
    """Those of them that tell how a household and its memberships came about; none where there is no audit trail."""
    if "household_events" not in source.tables:
        return []
    table = source.tables["household_events"]
    statement = select(*columns_to_read(table)).where(condition, source.tables.event_is(*LIFECYCLE, common=True))
    return [event_of(source, row) for row in source.rows(statement, "facts")]


def event_of(source: Source, row: Mapping[str, Any]) -> Event:
    """An audit row of `source` as an Event, the ids of its metadata written as the columns write them.

    A row always becomes one, whatever stands in it: one that could not be read must not hide the others.
    """
    held = read_object(row["metadata"])
    metadata = {} if held is None else held
    for key in (*USER_KEYS, *ID_KEYS):
        if (value := metadata.get(key)) is not None and not isinstance(value, bool | dict | list):
            metadata[key] = plain_id(str(value))
    event = Event(
        id=_event_number(row, metadata),
        type=source.tables.canonical_event(text_of(row["event_type"])),
        household_id=text_of(row["household_id"]),
        user_id=text_of(row["user_id"]),
        at=moment(row["event_timestamp"]),
        metadata=metadata,
    )
    if held is None:
        source.counters.lost[event.id] = (event.household_id, event.at)
    return event


_LONGEST_NUMBER = 40
"""In digits."""


def _event_number(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> int:
    """The row's own number, or one that stands for its id that is none, or for a row without id: the same at every look."""
    own = plain_id(text_of(row["id"]))
    digits = own.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER:
        return int(own)
    if not own:
        told = (row["event_type"], row["household_id"], row["user_id"], moment(row["event_timestamp"]))
        own = repr((*map(str, told), sorted((key, str(value)) for key, value in metadata.items() if _is_plain(value))))
    return int.from_bytes(sha256(own.encode("utf-8", "replace")).digest()[:8])


def _is_plain(value: object) -> bool:
    return not isinstance(value, dict | list)


def activity_of_users(
    source: Source, users: Sequence[str], since: datetime, until: datetime
) -> dict[str, tuple[Event, ...]]:
    """What each of `users` did in [since, until), without retries; logins count by the metadata's user id too."""
    found = events_of_users(source, users, since, until)
    if users:
        # Read apart: joined by OR to the other condition, no index serves either, and all audit rows of the span are read.
        table = source.tables["household_events"]
        named = source.tables.users_in(source.tables.user_key(json_text(table.c.metadata, "user_id")), users)
        nameless = and_(table.c.user_id.is_(None), source.tables.event_is(*LOGINS, common=True), named)
        for event in read_events(source, and_(_span(source, since, until), nameless)):
            found[event.text("user_id")].append(event)
    return {user: without_retries(events) for user, events in found.items()}


def events_of_users(
    source: Source, users: Sequence[str], since: datetime, until: datetime
) -> defaultdict[str, list[Event]]:
    """The audit rows of [since, until) that name each of `users` as the actor."""
    found: defaultdict[str, list[Event]] = defaultdict(list)
    if users:
        theirs = source.tables.users_in(source.tables["household_events"].c.user_id, users)
        for event in read_events(source, and_(_span(source, since, until), theirs)):
            found[event.user_id].append(event)
    return found


def _span(source: Source, since: datetime, until: datetime) -> ColumnElement[bool]:
    at = source.tables["household_events"].c.event_timestamp
    return and_(at >= since, at < until)


def activity_of_addresses(
    source: Source, addresses: Sequence[str], since: datetime, until: datetime
) -> dict[str, tuple[Event, ...]]:
    """What was looked at or guessed in [since, until) from each of `addresses` without a user id, without retries."""
    if not addresses:
        return {}
    table = source.tables["household_events"]
    condition = and_(
        table.c.event_timestamp >= since,
        table.c.event_timestamp < until,
        table.c.user_id.is_(None),
        source.tables.event_is(GUESS, *VIEWS, common=True),
        json_text(table.c.metadata, "ip_address").in_(addresses),
    )
    found: dict[str, list[Event]] = defaultdict(list)
    for event in read_events(source, condition):
        found[IP_ACTOR + event.text("ip_address")].append(event)
    return {actor: without_retries(events) for actor, events in found.items()}


def addresses_of(source: Source, people: Sequence[str], since: datetime, until: datetime) -> dict[str, frozenset[str]]:
    """By person: the addresses they acted from in [since, until). A failed login may be anybody's."""
    if not people:
        return {}
    events = source.tables["household_events"]
    address = json_text(events.c.metadata, "ip_address")
    statement = select(events.c.user_id, address.label("address")).where(
        source.tables.users_in(events.c.user_id, people),
        events.c.event_timestamp >= since,
        events.c.event_timestamp < until,
        address.is_not(None),
        ~source.tables.event_is(EventType.LOGIN_FAILED, common=True),
    )
    found: dict[str, set[str]] = defaultdict(set)
    for row in source.rows(statement.distinct(), "facts"):
        found[text_of(row["user_id"])].add(plain_address(str(row["address"])))
    return {person: frozenset(addresses - {""}) for person, addresses in found.items()}
