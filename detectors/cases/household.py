"""The facts of a case, fetched by key for those alone that a pass has named: plain values, ready for a pure rule."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, false, func, select, union_all

from detectors.events import LIFECYCLE, LIVED_IN, EventType
from detectors.source import Source
from detectors.source.ids import plain_id
from detectors.source.objects import read_object
from detectors.source.sql import columns_to_read, json_text

CASES_AT_ONCE = 1000
"""How many households or users one statement fetches the facts of."""
HOUSEHOLDS_AT_ONCE = {"duckdb": 4000, "postgresql": CASES_AT_ONCE, "spark": 4000}
"""The same for households alone, by engine: each statement reads a folder's whole files, where a server has an index."""


@dataclass(frozen=True, slots=True)
class Household:
    """A household's row."""

    id: str
    name: str | None
    description: str | None
    invite_code: str | None
    invite_code_expires_at: datetime | None
    leader_id: str | None
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Membership:
    """A member row. `active` and `leads` are its status and role; a removed row may still have the role of leader."""

    household_id: str
    user_id: str
    role: str
    status: str
    is_temporary: bool
    temporary_expires_at: datetime | None
    invited_by: str | None
    joined_at: datetime

    @property
    def active(self) -> bool:
        return self.status == "active"

    @property
    def leads(self) -> bool:
        return self.active and self.role == "leader"


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A join request's row."""

    id: str
    household_id: str
    user_id: str
    invite_code: str | None
    status: str
    requested_at: datetime
    responded_at: datetime | None
    responded_by: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """An audit row, its type in canonical words. `user_id` is the actor."""

    id: int
    type: str
    household_id: str
    user_id: str
    at: datetime
    metadata: Mapping[str, Any]

    def text(self, key: str) -> str:
        """The value of a metadata key as text, empty where it is missing or null."""
        value = self.metadata.get(key)
        if value is None:
            return ""
        if isinstance(value, dict | list):
            return _nested_text(value)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def says(self, key: str) -> bool:
        """Whether a metadata key is true, as a flag, as a word or as a number."""
        return self.text(key).strip().lower() in {"true", "t", "yes", "1"}

    @property
    def member_id(self) -> str:
        """Who this event says is no longer a member: the removed person, or the one who left."""
        return self.text("member_id") if self.type == EventType.MEMBER_REMOVED else self.user_id


@dataclass(frozen=True)
class HouseholdCase:
    """One household with everything that is known of it: rows in order of time, events without retries."""

    household_id: str
    household: Household | None
    members: tuple[Membership, ...]
    requests: tuple[JoinRequest, ...]
    events: tuple[Event, ...]
    gone: Mapping[str, datetime] = field(default_factory=dict)
    """When the accounts of its people were deleted. Their rows stay, and nobody stands behind them."""
    inside: Mapping[str, datetime] = field(default_factory=dict)
    """When each person without a member row last did there what only members do, by the audit trail."""

    @property
    def key(self) -> str:
        return self.household_id

    # Each rule asks for them several times.
    @cached_property
    def active(self) -> tuple[Membership, ...]:
        return tuple(member for member in self.members if member.active)

    @cached_property
    def living(self) -> tuple[Membership, ...]:
        """The active members whose accounts exist: they alone lead, succeed and are affected by anything."""
        return tuple(member for member in self.active if member.user_id not in self.gone)

    @property
    def affected(self) -> frozenset[str]:
        """The users behind the active rows."""
        return frozenset(member.user_id for member in self.living)

    def events_of(self, *types: str) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.type in types)


@dataclass(frozen=True, slots=True)
class UserCase:
    """One user: their memberships in every household, and what they did (as actor) in the look-back."""

    user_id: str
    memberships: tuple[Membership, ...]
    events: tuple[Event, ...]
    deleted_at: datetime | None = None
    """When their account was deleted."""

    @property
    def affected(self) -> int:
        """How many users are affected by what is wrong with their rows: nobody stands behind a deleted account."""
        return 0 if self.deleted_at else 1

    @property
    def key(self) -> str:
        return self.user_id

    def events_of(self, *types: str) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.type in types)


@dataclass(frozen=True, slots=True)
class CreatedHousehold:
    """A household that only its creator has ever been a member of, and when a pet's activity was first logged there."""

    household: Household
    first_activity: datetime | None


@dataclass(frozen=True, slots=True)
class CreatorCase:
    """One user who leads households (by leader_id), with those of them that nobody else has ever joined."""

    user_id: str
    lonely: tuple[CreatedHousehold, ...]

    @property
    def key(self) -> str:
        return self.user_id


def household_cases(source: Source, ids: Sequence[str], watermark: datetime) -> Iterator[HouseholdCase]:
    """The cases of the households `ids`, in their order; one statement a table for each HOUSEHOLDS_AT_ONCE of them.

    Accounts count as deleted if they were by the moment `watermark`.
    """
    for some in _batches(ids, HOUSEHOLDS_AT_ONCE[source.engine]):
        condition = source.tables.households_in(source.tables["households"].c.id, some)
        households = {row.id: row for row in _households(source, condition)}
        members = _grouped(memberships(source, _by_household(source, "household_members", some)), "household_id")
        requests = _grouped(
            join_requests(source, _by_household(source, "household_join_requests", some)), "household_id"
        )
        events = _grouped(_events(source, _by_household(source, "household_events", some)), "household_id")
        gone = _deleted_of(source, some, watermark)
        inside = _inside(source, _without_rows(some, members, requests))
        for household_id in some:
            people = {member.user_id for member in members[household_id]}
            if household_id in households:
                people.add(households[household_id].leader_id or "")
            yield HouseholdCase(
                household_id,
                households.get(household_id),
                tuple(sorted(members[household_id], key=lambda member: (member.joined_at, member.user_id))),
                tuple(sorted(requests[household_id], key=lambda request: (request.requested_at, request.id))),
                without_retries(events[household_id]),
                {user: gone[user] for user in people & gone.keys()},
                inside.get(household_id, {}),
            )


def user_cases(source: Source, ids: Sequence[str], watermark: datetime) -> Iterator[UserCase]:
    """The cases of the users `ids`, in their order; one statement a table for each CASES_AT_ONCE of them."""
    for some in _batches(ids):
        table = source.tables["household_members"]
        members = _grouped(memberships(source, source.tables.users_in(table.c.user_id, some)), "user_id")
        events: dict[str, list[Event]] = defaultdict(list)
        if "household_events" in source.tables:
            condition = source.tables.users_in(source.tables["household_events"].c.user_id, some)
            events = _grouped(_events(source, condition), "user_id")
        gone = _deleted(source, partial(_is_one_of, source, some), watermark)
        for user_id in some:
            yield UserCase(
                user_id,
                tuple(sorted(members[user_id], key=lambda member: (member.joined_at, member.household_id))),
                without_retries(events[user_id]),
                gone.get(user_id),
            )


def creator_cases(source: Source, ids: Sequence[str], least: int) -> Iterator[CreatorCase]:
    """The cases of the creators `ids` with at least so many lonely households, in their order.

    Three statements for each CASES_AT_ONCE of them; of households with a long life the last one reads many rows.
    """
    for some in _batches(ids):
        table = source.tables["households"]
        led = _households(source, source.tables.users_in(table.c.leader_id, some))
        joined: dict[str, set[str]] = defaultdict(set)
        for batch in _batches([household.id for household in led]):
            for member in memberships(source, _by_household(source, "household_members", batch)):
                joined[member.household_id].add(member.user_id)
        alone = [household for household in led if joined[household.id] == {household.leader_id}]
        each = Counter(household.leader_id for household in alone)
        lonely = [household for household in alone if each[household.leader_id] >= least]
        active: dict[str, datetime] = {}
        for batch in _batches([household.id for household in lonely]):
            active |= _first_activity(source, batch)
        founded = _grouped(lonely, "leader_id")
        for user_id in some:
            mine = sorted(founded[user_id], key=lambda household: (household.created_at, household.id))
            if mine:
                yield CreatorCase(
                    user_id, tuple(CreatedHousehold(household, active.get(household.id)) for household in mine)
                )


def _first_activity(source: Source, ids: Sequence[str]) -> dict[str, datetime]:
    if "household_events" not in source.tables:
        return {}
    events = source.tables["household_events"]
    first = (
        select(events.c.household_id, func.min(events.c.event_timestamp).label("first"))
        .where(
            _by_household(source, "household_events", ids),
            source.tables.event_is(EventType.PET_ACTIVITY_LOGGED, common=True),
        )
        .group_by(events.c.household_id)
    )
    return {text_of(row["household_id"]): moment(row["first"]) for row in source.rows(first, "facts")}


def without_retries(events: Iterable[Event]) -> tuple[Event, ...]:
    """Events in order of time; those of one type and correlation_id (and removed person) once, at their earliest time."""
    seen: set[tuple[str, str, str]] = set()
    kept = []
    for event in sorted(events, key=lambda event: (event.at, event.id)):
        correlation = event.text("correlation_id")
        if correlation:
            key = (event.type, correlation, event.text("member_id"))
            if key in seen:
                continue
            seen.add(key)
        kept.append(event)
    return tuple(kept)


def _deleted_of(source: Source, homes: Sequence[str], watermark: datetime) -> dict[str, datetime]:
    """When the accounts of those were deleted who have a row in one of `homes` or are named as its leader."""
    households, members = source.tables["households"], source.tables["household_members"]
    people = union_all(
        select(members.c.user_id).where(source.tables.households_in(members.c.household_id, homes)),
        select(households.c.leader_id).where(source.tables.households_in(households.c.id, homes)),
    ).subquery("person")
    return _deleted(source, lambda user: user.in_(select(people.c.user_id)), watermark)


def _deleted(
    source: Source, among: Callable[[ColumnElement[Any]], ColumnElement[bool]], watermark: datetime
) -> dict[str, datetime]:
    """When accounts were deleted that had been by the moment `watermark`; an account that is not in the table lives."""
    if not source.schema.has("users.deleted_at"):
        return {}
    users = source.tables["users"]
    deleted = select(users.c.id, users.c.deleted_at).where(users.c.deleted_at <= watermark, among(users.c.id))
    return {text_of(row["id"]): moment(row["deleted_at"]) for row in source.rows(deleted, "facts")}


def _is_one_of(source: Source, users: Sequence[str], column: ColumnElement[Any]) -> ColumnElement[bool]:
    return source.tables.users_in(column, users)


def _without_rows(
    homes: Sequence[str], members: Mapping[str, Sequence[Membership]], requests: Mapping[str, Sequence[JoinRequest]]
) -> list[str]:
    """The households where somebody must have been, or was approved, who has no member row."""
    found = []
    for home in homes:
        here = {member.user_id for member in members.get(home, ())}
        approved = {request.user_id for request in requests.get(home, ()) if request.status == "approved"}
        if not here or approved - here:
            found.append(home)
    return found


def _inside(source: Source, homes: Sequence[str]) -> dict[str, dict[str, datetime]]:
    """By household: when each person last did there what only members do, as far as the lifecycle does not tell."""
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    if homes and "household_events" in source.tables:
        events = source.tables["household_events"]
        last = (
            select(events.c.household_id, events.c.user_id, func.max(events.c.event_timestamp).label("last"))
            .where(
                _by_household(source, "household_events", homes),
                source.tables.event_is(*LIVED_IN, common=True),
                events.c.user_id.is_not(None),
                func.coalesce(json_text(events.c.metadata, "error_code"), "") == "",
            )
            .group_by(events.c.household_id, events.c.user_id)
        )
        for row in source.rows(last, "facts"):
            found[text_of(row["household_id"])][text_of(row["user_id"])] = moment(row["last"])
    return found


def _batches(ids: Sequence[str], at_once: int = CASES_AT_ONCE) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), at_once):
        yield ids[start : start + at_once]


def _grouped(rows: Iterable[Any], key: str) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, key)].append(row)
    return groups


def _by_household(source: Source, table: str, ids: Sequence[str]) -> ColumnElement[bool]:
    if table not in source.tables:
        return false()
    return source.tables.households_in(source.tables[table].c.household_id, ids)


def text_of(value: Any) -> str:
    """An id as text; empty for null."""
    return "" if value is None else str(value)


def optional_text(value: Any) -> str | None:
    return None if value is None else str(value)


LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def moment(value: datetime | None) -> datetime:
    """A time that the app always writes, in UTC; where an export lacks it, long ago."""
    return LONG_AGO if value is None else value.astimezone(UTC)


def utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _households(source: Source, condition: ColumnElement[bool]) -> list[Household]:
    table = source.tables["households"]
    return [
        Household(
            id=text_of(row["id"]),
            name=row["name"],
            description=row["description"],
            invite_code=row["invite_code"],
            invite_code_expires_at=utc(row["invite_code_expires_at"]),
            leader_id=optional_text(row["leader_id"]),
            created_at=moment(row["created_at"]),
            updated_at=utc(row["updated_at"]),
        )
        for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")
    ]


def memberships(source: Source, condition: ColumnElement[bool]) -> list[Membership]:
    """The member rows on which `condition` holds."""
    table = source.tables["household_members"]
    return [
        Membership(
            household_id=text_of(row["household_id"]),
            user_id=text_of(row["user_id"]),
            role=text_of(row["role"]),
            status=text_of(row["status"]),
            is_temporary=bool(row["is_temporary"]),
            temporary_expires_at=utc(row["temporary_expires_at"]),
            invited_by=optional_text(row["invited_by"]),
            joined_at=moment(row["joined_at"]),
        )
        for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")
    ]


def join_requests(source: Source, condition: ColumnElement[bool]) -> list[JoinRequest]:
    """The join requests on which `condition` holds."""
    table = source.tables["household_join_requests"]
    return [
        JoinRequest(
            id=text_of(row["id"]),
            household_id=text_of(row["household_id"]),
            user_id=text_of(row["user_id"]),
            invite_code=row["invite_code"],
            status=text_of(row["status"]),
            requested_at=moment(row["requested_at"]),
            responded_at=utc(row["responded_at"]),
            responded_by=optional_text(row["responded_by"]),
        )
        for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")
    ]


def _events(source: Source, condition: ColumnElement[bool]) -> list[Event]:
    if "household_events" not in source.tables:
        return []
    table = source.tables["household_events"]
    statement = select(*columns_to_read(table)).where(condition, source.tables.event_is(*LIFECYCLE, common=True))
    return [event_of(source, row) for row in source.rows(statement, "facts")]


USER_KEYS = ("member_id", "new_member_id", "requester_id", "from_user_id", "to_user_id", "user_id")
"""The keys of an event's metadata that are user ids too."""
ID_KEYS = ("request_id", "session_id")
"""The keys of an event's metadata that are ids of other things."""


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


def _nested_text(value: object) -> str:
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return ""
