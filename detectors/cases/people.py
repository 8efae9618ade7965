"""The facts of cases about people: what they did, wrote to support, and from where. Plain values for pure rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from detectors.cases.household import (
    CASES_AT_ONCE,
    LONG_AGO,
    Event,
    HouseholdCase,
    Membership,
    event_of,
    household_cases,
    join_requests,
    memberships,
    moment,
    optional_text,
    text_of,
    utc,
    without_retries,
)
from detectors.contract import Context, SubjectKey
from detectors.events import GUESS, INSIDE, LOGINS, VIEWS, EventType
from detectors.source import Source
from detectors.source.longest import MOST_CHARACTERS
from detectors.source.sql import columns_to_read, json_text
from detectors.text.addresses import plain_address

IP_ACTOR = "ip:"
"""Begins the key of an actor that is known by an IP address alone."""


@dataclass(frozen=True, slots=True)
class SupportRequest:
    """A support request's row; ids that are missing are empty."""

    id: str
    created_at: datetime
    requester_id: str
    household_id: str
    subject_user_id: str
    category: str
    feature: str
    body: str
    status: str


@dataclass(frozen=True, slots=True)
class User:
    """An account's row."""

    id: str
    created_at: datetime | None
    deleted_at: datetime | None
    account_tier: str
    monthly_revenue: float | None


@dataclass(frozen=True, slots=True)
class Session:
    """A session's row."""

    id: str
    user_id: str
    created_at: datetime
    revoked_at: datetime | None
    ip_address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class SupportCase:
    """A support request with its household, the requester's account, and what else was written by or about the parties."""

    key: str
    request: SupportRequest
    household: HouseholdCase | None
    requester: User | None
    others: tuple[SupportRequest, ...]
    memberships: tuple[Membership, ...]
    """The requester's, in every household."""
    sessions: tuple[Session, ...]
    """The requester's."""
    accounts_known: bool = True
    """Whether the source has accounts, so that a missing one is missing."""


@dataclass(frozen=True, slots=True)
class ConductCase:
    """An actor (a user id, or IP_ACTOR and an address) with all they did in the look-back, each action once."""

    key: str
    events: tuple[Event, ...]
    households: frozenset[str]
    """The households the actor is or was a member of, or leads; none for access anomalies, where they do not matter."""
    earlier_agents: Mapping[str, datetime] = field(default_factory=dict)
    """For access anomalies: when user agents were first seen before the look-back, or in a session of any age."""

    @property
    def subject(self) -> dict[SubjectKey, str]:
        if self.key.startswith(IP_ACTOR):
            return {"ip_address": self.key.removeprefix(IP_ACTOR)}
        return {"user_id": self.key}

    def events_of(self, *types: str) -> list[Event]:
        return [event for event in self.events if event.type in types]


@dataclass(frozen=True, slots=True)
class RetaliationCase:
    """A household in which members were removed, with the support requests about it or by its people."""

    key: str
    home: HouseholdCase
    reports: tuple[SupportRequest, ...]


@dataclass(frozen=True, slots=True)
class AccessCase:
    """A household with what was done inside it in the window."""

    key: str
    home: HouseholdCase
    actions: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class HandedOverCase:
    """A household whose leadership moved, with its leaders' own activity and the owners of the sessions they used.

    `sessions` and `earlier_addresses` (those from before the activity) are of leaders whose login failed or whose password
    was reset.
    """

    key: str
    home: HouseholdCase
    activity: Mapping[str, tuple[Event, ...]]
    session_owner: Mapping[str, str]
    sessions: Mapping[str, tuple[Session, ...]]
    earlier_addresses: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class AdverseAction:
    """A report about, or an action against, somebody. `household_id` is empty where none is named."""

    by: str
    at: datetime
    kind: str
    household_id: str
    ip_address: str
    reported: bool


@dataclass(frozen=True, slots=True)
class TargetCase:
    """A person with the blows against them, and by person: households, codes used, IP addresses."""

    key: str
    adverse_actions: tuple[AdverseAction, ...]
    households: Mapping[str, frozenset[str]]
    codes: Mapping[str, frozenset[str]]
    addresses: Mapping[str, frozenset[str]]


def batches(ids: Sequence[str], at_once: int = CASES_AT_ONCE) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), at_once):
        yield ids[start : start + at_once]


def support_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[SupportCase]:
    """The cases of the support requests `ids`."""
    table = source.tables["support_requests"]
    for some in batches(ids):
        requests = _support_requests(source, source.tables.ids_in(table.c.id, some))
        homes = _homes(source, {request.household_id for request in requests}, context)
        requesters = sorted({request.requester_id for request in requests} - {""})
        parties = sorted({request.subject_user_id for request in requests}.union(requesters) - {""})
        accounts = users_by_id(source, requesters)
        others = _support_requests(source, _by_or_about(source, parties))
        rows = _by_user(memberships(source, source.tables.users_in(_member_user(source), requesters)))
        sessions = _sessions_of(source, requesters)
        for request in sorted(requests, key=lambda request: request.id):
            who = {request.requester_id, request.subject_user_id} - {""}
            yield SupportCase(
                request.id,
                request,
                homes.get(request.household_id),
                accounts.get(request.requester_id),
                tuple(o for o in others if o.id != request.id and who & {o.requester_id, o.subject_user_id}),
                tuple(rows.get(request.requester_id, ())),
                sessions.get(request.requester_id, ()),
                "users" in source.tables,
            )


def conduct_cases(source: Source, keys: Sequence[str], context: Context) -> Iterator[ConductCase]:
    """The cases of actors over the window and a day and a half before it, or as long as failed logins count."""
    # An hour more for the first of several retries.
    before = max(timedelta(hours=36), failures_count_for(context) + timedelta(hours=1))
    since, until = context.window.start - before, context.window.end
    for some in batches(keys):
        users = [key for key in some if not key.startswith(IP_ACTOR)]
        addresses = [key.removeprefix(IP_ACTOR) for key in some if key.startswith(IP_ACTOR)]
        done = activity_of_users(source, users, since, until)
        done |= _activity_of_addresses(source, addresses, since, until)
        rows = _by_user(memberships(source, source.tables.users_in(_member_user(source), users)))
        led = _led_by(source, users)
        for key in some:
            theirs = {row.household_id for row in rows.get(key, ())} | led.get(key, set())
            yield ConductCase(key, done.get(key, ()), frozenset(theirs))


def failures_count_for(context: Context) -> timedelta:
    """How long before a change the first of the failed logins that make it suspicious may lie."""
    limits = context.limits
    return timedelta(minutes=limits.failed_logins_minutes + limits.change_after_failures_minutes)


def access_anomaly_cases(source: Source, keys: Sequence[str], context: Context) -> Iterator[ConductCase]:
    """The cases of actors whose habits matter: the window and `habit_lookback_days` before it."""
    limits, since, until = context.limits, _habits_since(context), context.window.end
    lately = context.window.start - timedelta(minutes=2 * limits.access_minutes)
    for some in batches(keys):
        done = {user: without_retries(events) for user, events in _events_of_users(source, some, since, until).items()}
        used = {user: first_used_agents(events, {}) for user, events in done.items()}
        puzzling = [user for user, first in used.items() if _began_since(lately, first) >= limits.access_new_agents]
        earlier = _earlier_agents(source, puzzling, since)
        # Weeks of logins without a user id are many rows for few facts: read for those whom nothing else excuses.
        used = {user: first_used_agents(done[user], earlier.get(user, {})) for user in puzzling}
        week = until - timedelta(days=limits.habit_days)
        surprising = [
            user
            for user, first in used.items()
            if _began_since(lately, first) >= limits.access_new_agents and min(first.values()) <= week
        ]
        done |= activity_of_users(source, surprising, since, until)
        for user in some:
            yield ConductCase(user, done.get(user, ()), frozenset(), earlier.get(user, {}))


def _habits_since(context: Context) -> datetime:
    limits = context.limits
    # Never less than what one judgement spans, or the times before a first change would be cut off.
    spans = timedelta(minutes=max(2 * limits.access_minutes, limits.transfer_after_failures_minutes))
    habit = timedelta(days=max(limits.habit_lookback_days, limits.habit_days))
    return context.window.start - max(habit, spans)


def first_used_agents(events: Iterable[Event], earlier: Mapping[str, datetime]) -> dict[str, datetime]:
    """When each user agent was first seen, by `events` and what is known of `earlier`; a failed login's may be anybody's."""
    first = dict(earlier)
    for event in events:
        agent = event.text("user_agent")
        if agent and event.type != EventType.LOGIN_FAILED:
            first[agent] = min(event.at, first.get(agent, event.at))
    return first


def _began_since(moment: datetime, first_used: Mapping[str, datetime]) -> int:
    return sum(at >= moment for at in first_used.values())


def _earlier_agents(source: Source, users: Sequence[str], before: datetime) -> dict[str, dict[str, datetime]]:
    """By user: when each user agent was first seen, in events before a moment or in sessions."""
    if not users:
        return {}
    events = source.tables["household_events"]
    agent = json_text(events.c.metadata, "user_agent")
    statement = (
        select(events.c.user_id, agent.label("agent"), func.min(events.c.event_timestamp).label("first"))
        .where(
            source.tables.users_in(events.c.user_id, users),
            events.c.event_timestamp < before,
            agent.is_not(None),
            ~source.tables.event_is(EventType.LOGIN_FAILED, common=True),
        )
        .group_by(events.c.user_id, agent)
    )
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    for row in source.rows(statement, "facts"):
        found[text_of(row["user_id"])][str(row["agent"])] = moment(row["first"])
    for user, sessions in _sessions_of(source, users).items():
        for session in sessions:
            if session.user_agent:
                known = found[user].get(session.user_agent, session.created_at)
                found[user][session.user_agent] = min(known, session.created_at)
    return {user: {agent: at for agent, at in agents.items() if agent} for user, agents in found.items()}


def retaliation_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[RetaliationCase]:
    """The cases of households with removals; reports of the window and the punitive hours before it."""
    known = source.tables.is_user_id
    for some in batches(ids):
        homes = _homes(source, some, context)
        people = {home: _people(case) for home, case in homes.items()}
        everyone = sorted({person for some_people in people.values() for person in some_people if known(person)})
        table = source.tables["support_requests"]
        limits = context.limits
        since = context.window.start - timedelta(hours=limits.punitive_hours + limits.punitive_removals_hours)
        reports = _support_requests(
            source,
            and_(
                table.c.created_at >= since,
                table.c.created_at < context.window.end,
                table.c.category.in_(limits.objection_categories),
                or_(
                    source.tables.households_in(table.c.household_id, some),
                    source.tables.users_in(table.c.requester_id, everyone),
                ),
            ),
        )
        for key in some:
            mine = tuple(r for r in reports if r.household_id == key or r.requester_id in people[key])
            yield RetaliationCase(key, homes[key], mine)


def access_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[AccessCase]:
    """The cases of households in which something was done in the window by somebody who may not belong."""
    for some in batches(ids):
        homes = _homes(source, some, context)
        table = source.tables["household_events"]
        actions = _event_rows(
            source,
            and_(
                source.tables.households_in(table.c.household_id, some),
                source.tables.event_is(*INSIDE, common=True),
                table.c.event_timestamp >= context.window.start,
                table.c.event_timestamp < context.window.end,
            ),
        )
        by_home: dict[str, list[Event]] = defaultdict(list)
        for event in actions:
            by_home[event.household_id].append(event)
        for key in some:
            yield AccessCase(key, homes[key], without_retries(by_home[key]))


def handed_over_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[HandedOverCase]:
    """The cases of households whose leadership moved. An old leader's habits are known where there was trouble before."""
    for some in batches(ids):
        homes = _homes(source, some, context)
        moved = [
            (event.text("from_user_id"), event.at)
            for home in homes.values()
            for event in home.events_of(EventType.LEADERSHIP_TRANSFERRED)
            if event.at in context.window and source.tables.is_user_id(event.text("from_user_id"))
        ]
        activity, troubled = _before_hand_overs(source, moved, context)
        used = {
            e.text("session_id")
            for home in homes.values()
            for e in home.events_of(EventType.LEADERSHIP_TRANSFERRED, EventType.LEAVE_STARTED)
        }
        owners = _session_owners(source, sorted(used - {""}))
        sessions = _sessions_of(source, troubled)
        earlier = _addresses(source, troubled, LONG_AGO, _habits_since(context))
        for key in some:
            yield HandedOverCase(key, homes[key], activity, owners, sessions, earlier)


def _before_hand_overs(
    source: Source, moved: Sequence[tuple[str, datetime]], context: Context
) -> tuple[dict[str, tuple[Event, ...]], list[str]]:
    """What the old leaders did in the last hours, or for as long as habits count, and whom of them that goes for.

    It goes for those of whom a login failed or whose password was reset just before. `moved` says who handed over and when.
    """
    trouble = timedelta(minutes=context.limits.transfer_after_failures_minutes)
    until = context.window.end
    leaders = sorted({leader for leader, _ in moved} - {""})
    activity = activity_of_users(source, leaders, context.window.start - trouble, until)
    troublesome = {EventType.LOGIN_FAILED, *context.limits.reset_events}
    troubled = sorted(
        {
            leader
            for leader, at in moved
            if any(event.type in troublesome and at - trouble < event.at <= at for event in activity.get(leader, ()))
        }
    )
    return activity | activity_of_users(source, troubled, _habits_since(context), until), troubled


def target_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[TargetCase]:
    """The cases of people against whom several others reported or acted."""
    since = context.window.start - timedelta(days=context.limits.harassment_days)
    for some in batches(ids):
        adverse_actions = _adverse_actions(source, some, since, context)
        people = sorted({adverse.by for found in adverse_actions.values() for adverse in found})
        rows = _by_user(memberships(source, source.tables.users_in(_member_user(source), people)))
        requests = source.tables["household_join_requests"]
        asked: dict[str, set[str]] = defaultdict(set)
        for request in join_requests(source, source.tables.users_in(requests.c.user_id, people)):
            if request.invite_code:
                asked[request.user_id].add(request.invite_code.strip().upper())
        addresses = _addresses(source, people, since, context.window.end)
        for person, sessions in _sessions_of(source, people).items():
            theirs = {plain_address(session.ip_address) for session in sessions} - {""}
            addresses[person] = addresses.get(person, frozenset()) | theirs
        for key in some:
            yield TargetCase(
                key,
                tuple(sorted(adverse_actions.get(key, ()), key=lambda adverse: (adverse.at, adverse.by, adverse.kind))),
                {person: frozenset(row.household_id for row in found) for person, found in rows.items()},
                {person: frozenset(codes) for person, codes in asked.items()},
                addresses,
            )


def _adverse_actions(
    source: Source, targets: Sequence[str], since: datetime, context: Context
) -> dict[str, list[AdverseAction]]:
    found: dict[str, list[AdverseAction]] = defaultdict(list)
    until = min(context.window.end, context.watermark)
    if "support_requests" in source.tables:
        table = source.tables["support_requests"]
        about = and_(
            source.tables.users_in(table.c.subject_user_id, targets),
            table.c.created_at >= since,
            table.c.category.in_(context.limits.objection_categories),
        )
        for report in _support_requests(source, about):
            if report.requester_id not in ("", report.subject_user_id) and report.created_at <= until:
                found[report.subject_user_id].append(
                    AdverseAction(
                        report.requester_id, report.created_at, report.category, report.household_id, "", True
                    )
                )
    events = source.tables["household_events"]
    removed, rejected = (
        source.tables.users_in(source.tables.user_key(json_text(events.c.metadata, key)), targets)
        for key in ("member_id", "requester_id")
    )
    against = and_(
        events.c.event_timestamp >= since,
        events.c.event_timestamp < context.window.end,
        or_(
            and_(source.tables.event_is(EventType.MEMBER_REMOVED), removed),
            and_(source.tables.event_is(EventType.JOIN_REQUEST_REJECTED), rejected),
        ),
    )
    for event in without_retries(_event_rows(source, against)):
        target = event.text("member_id" if event.type == EventType.MEMBER_REMOVED else "requester_id")
        if event.user_id not in ("", target) and event.at <= until:
            kind = "removed from a household" if event.type == EventType.MEMBER_REMOVED else "request rejected"
            found[target].append(
                AdverseAction(event.user_id, event.at, kind, event.household_id, event.text("ip_address"), False)
            )
    return found


def _addresses(source: Source, people: Sequence[str], since: datetime, until: datetime) -> dict[str, frozenset[str]]:
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


def activity_of_users(
    source: Source, users: Sequence[str], since: datetime, until: datetime
) -> dict[str, tuple[Event, ...]]:
    """What each of `users` did in [since, until), without retries; logins count by the metadata's user id too."""
    found = _events_of_users(source, users, since, until)
    if users:
        # Read apart: joined by OR to the other condition, no index serves either, and all audit rows of the span are read.
        table = source.tables["household_events"]
        named = source.tables.users_in(source.tables.user_key(json_text(table.c.metadata, "user_id")), users)
        nameless = and_(table.c.user_id.is_(None), source.tables.event_is(*LOGINS, common=True), named)
        for event in _event_rows(source, and_(_span(source, since, until), nameless)):
            found[event.text("user_id")].append(event)
    return {user: without_retries(events) for user, events in found.items()}


def _events_of_users(
    source: Source, users: Sequence[str], since: datetime, until: datetime
) -> defaultdict[str, list[Event]]:
    """The audit rows of [since, until) that name each of `users` as the actor."""
    found: defaultdict[str, list[Event]] = defaultdict(list)
    if users:
        theirs = source.tables.users_in(source.tables["household_events"].c.user_id, users)
        for event in _event_rows(source, and_(_span(source, since, until), theirs)):
            found[event.user_id].append(event)
    return found


def _span(source: Source, since: datetime, until: datetime) -> ColumnElement[bool]:
    at = source.tables["household_events"].c.event_timestamp
    return and_(at >= since, at < until)


def _activity_of_addresses(
    source: Source, addresses: Sequence[str], since: datetime, until: datetime
) -> dict[str, tuple[Event, ...]]:
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
    for event in _event_rows(source, condition):
        found[IP_ACTOR + event.text("ip_address")].append(event)
    return {actor: without_retries(events) for actor, events in found.items()}


def users_by_id(source: Source, ids: Sequence[str], *, at_once: int = CASES_AT_ONCE) -> dict[str, User]:
    """The accounts of `ids` that are in the users table, by id; empty where there is no such table."""
    if "users" not in source.tables or not ids:
        return {}
    table = source.tables["users"]
    return {
        text_of(row["id"]): User(
            text_of(row["id"]),
            utc(row["created_at"]),
            utc(row["deleted_at"]),
            row["account_tier"] or "",
            _amount(row["monthly_revenue"]),
        )
        for some in batches(ids, at_once)
        for row in source.rows(select(*columns_to_read(table)).where(source.tables.users_in(table.c.id, some)), "facts")
    }


def _amount(value: Any) -> float | None:
    """An amount of money; None where there is none, or one that is no number."""
    amount = None if value is None else float(value)
    return amount if amount is not None and isfinite(amount) else None


def _support_requests(source: Source, condition: ColumnElement[bool]) -> list[SupportRequest]:
    if "support_requests" not in source.tables:
        return []
    table = source.tables["support_requests"]
    return sorted(
        (support_request(row) for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")),
        key=lambda request: (request.created_at, request.id),
    )


def support_request(row: Mapping[str, Any]) -> SupportRequest:
    """A row of support_requests as a value."""
    return SupportRequest(
        text_of(row["id"]),
        moment(row["created_at"]),
        text_of(row["requester_id"]),
        text_of(row["household_id"]),
        text_of(row["subject_user_id"]),
        text_of(row["category"]),
        row["feature"] or "",
        row["body"] or "",
        text_of(row["status"]),
    )


def _by_or_about(source: Source, people: Sequence[str]) -> ColumnElement[bool]:
    if "support_requests" not in source.tables:
        return false()
    table = source.tables["support_requests"]
    return or_(
        source.tables.users_in(table.c.requester_id, people), source.tables.users_in(table.c.subject_user_id, people)
    )


def _sessions(source: Source, condition: ColumnElement[bool]) -> list[Session]:
    table = source.tables["sessions"]
    columns = (
        table.c.id,
        table.c.user_id,
        table.c.created_at,
        table.c.revoked_at,
        table.c.ip_address,
        func.substr(table.c.user_agent, 1, MOST_CHARACTERS).label("user_agent"),
    )
    return [
        Session(
            text_of(row["id"]),
            text_of(row["user_id"]),
            moment(row["created_at"]),
            utc(row["revoked_at"]),
            optional_text(row["ip_address"]) or "",
            optional_text(row["user_agent"]) or "",
        )
        for row in source.rows(select(*columns).where(condition), "facts")
    ]


def _sessions_of(source: Source, users: Sequence[str]) -> dict[str, tuple[Session, ...]]:
    if "sessions" not in source.tables or not users:
        return {}
    found: dict[str, list[Session]] = defaultdict(list)
    for session in _sessions(source, source.tables.users_in(source.tables["sessions"].c.user_id, users)):
        found[session.user_id].append(session)
    return {user: tuple(sorted(some, key=lambda one: (one.created_at, one.id))) for user, some in found.items()}


def _session_owners(source: Source, ids: Sequence[str]) -> dict[str, str]:
    if "sessions" not in source.tables or not ids:
        return {}
    condition = source.tables.ids_in(source.tables["sessions"].c.id, ids)
    return {session.id: session.user_id for session in _sessions(source, condition)}


def _homes(source: Source, ids: Iterable[str], context: Context) -> dict[str, HouseholdCase]:
    wanted = sorted(set(ids) - {""})
    return {case.household_id: case for case in household_cases(source, wanted, context.watermark)}


def _people(home: HouseholdCase) -> set[str]:
    removed = {event.member_id for event in home.events_of(EventType.MEMBER_REMOVED)}
    return ({member.user_id for member in home.members} | removed) - {""}


def _member_user(source: Source) -> ColumnElement[Any]:
    return source.tables["household_members"].c.user_id


def _by_user(rows: Iterable[Membership]) -> dict[str, list[Membership]]:
    found: dict[str, list[Membership]] = defaultdict(list)
    for row in rows:
        found[row.user_id].append(row)
    return found


def _led_by(source: Source, users: Sequence[str]) -> dict[str, set[str]]:
    table = source.tables["households"]
    statement = select(table.c.id, table.c.leader_id).where(source.tables.users_in(table.c.leader_id, users))
    found: dict[str, set[str]] = defaultdict(set)
    for row in source.rows(statement, "facts"):
        found[text_of(row["leader_id"])].add(text_of(row["id"]))
    return found


def _event_rows(source: Source, condition: ColumnElement[bool]) -> list[Event]:
    table = source.tables["household_events"]
    return [event_of(source, row) for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")]
