"""Who the people are whom a finding of Trust & Safety names, and which other accounts are tied to them: by key, in few statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Select, func, select

from detectors.cases.rows import read_join_requests, read_memberships, users_by_id
from detectors.contract import Context, Involved, Tie
from detectors.domain.records import User
from detectors.domain.values import moment, text_of
from detectors.events import EventType
from detectors.source import Source
from detectors.source.sql import json_text
from detectors.text.addresses import plain_address

ADDRESSES_MOST = 50
"""So many addresses of all these people are asked for."""


@dataclass(frozen=True, slots=True)
class Use:
    """That somebody acted from an address with a device: when first and last, in the time that is looked at."""

    address: str
    device: str
    first: datetime
    last: datetime


@dataclass(slots=True)
class Known:
    """What the source says of some people, by user id."""

    accounts: Mapping[str, User]
    has_accounts: bool
    leads: Mapping[str, Sequence[str]]
    belongs: Mapping[str, Sequence[str]]
    uses: Mapping[str, Sequence[Use]]
    """Of the history and of the recent days."""
    others: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """By address: who acted from it in the recent days, with which devices."""
    codes: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """By person: whom they share codes with, that both asked with in the recent days."""

    def involved(self, user_id: str, role: str, context: Context) -> Involved:
        account = self.accounts.get(user_id)
        return Involved(
            user_id=user_id,
            role=role,
            since=account.created_at if account else None,
            status=self._status(account, context),
            tier=account.account_tier if account else "",
            leads=tuple(self.leads.get(user_id, ())),
            belongs=tuple(self.belongs.get(user_id, ())),
            acts_from=acts_from(self.uses.get(user_id, ()), recent_since(context)),
        )

    def _status(self, account: User | None, context: Context) -> str:
        if account is None:
            return "no account row" if self.has_accounts else "the source has no accounts"
        if account.deleted_at is not None and account.deleted_at <= context.as_of:
            return f"deleted {account.deleted_at:%Y-%m-%d}"
        return "active"

    def ties(self, user_id: str, context: Context) -> list[Tie]:
        """The accounts that share something with one, the strongest tie first."""
        shared: dict[str, set[str]] = defaultdict(set)
        recent = [use for use in self.uses.get(user_id, ()) if use.last >= recent_since(context) and use.address]
        for use in recent:
            people = self.others.get(use.address, {})
            if len(people) > context.limits.common_address_people:
                continue
            for other in people.keys() - {user_id, ""}:
                shared[other].add("address")
                if use.device and use.device in people[other]:
                    shared[other].add("device")
        for other in self.codes.get(user_id, {}):
            shared[other].add("invite code")
        found = [
            Tie(user_id=other, of=user_id, shares=tuple(sorted(what)), strength=strength(what))
            for other, what in shared.items()
        ]
        return sorted(found, key=lambda tie: (("strong", "medium", "weak").index(tie.strength), tie.user_id))


def strength(shares: Iterable[str]) -> Any:
    """How strong a tie is: a device alone says nothing, and a code can be passed on to anybody."""
    what = set(shares)
    if {"address", "device"} <= what or {"address", "invite code"} <= what:
        return "strong"
    return "medium" if "address" in what else "weak"


def recent_since(context: Context) -> datetime:
    """From when on something is recent: the days over which a pattern is counted."""
    return context.window.start - timedelta(days=context.limits.pattern_lookback_days - 1)


def acts_from(uses: Sequence[Use], recent: datetime) -> str:
    """Whether address and device of the recent days are new for somebody, in words."""
    before = [use for use in uses if use.first < recent]
    if not any(use.address or use.device for use in uses):
        return "not recorded"
    if not before:
        return "no earlier history"
    now = [use for use in uses if use.first >= recent]
    said = [
        f"{what} {_new(now, before, what)}" for what in ("address", "device") if any(getattr(use, what) for use in uses)
    ]
    return ", ".join(said)


def _new(now: Sequence[Use], before: Sequence[Use], what: str) -> str:
    known = {getattr(use, what) for use in before} - {""}
    fresh = {getattr(use, what) for use in now} - known - {""}
    return f"new ({len(fresh)})" if fresh else "known"


def known_of(source: Source, people: Sequence[str], anchors: Sequence[str], context: Context, at_once: int) -> Known:
    """What is known of `people`; accounts that are tied are looked for to the `anchors` among them alone, by `at_once` statements."""
    uses = _uses(source, people, context)
    recent = recent_since(context)
    addresses = sorted({use.address for one in anchors for use in uses.get(one, ()) if use.last >= recent} - {""})
    members = source.tables["household_members"].c
    belongs: dict[str, list[str]] = defaultdict(list)
    for row in read_memberships(source, source.tables.users_in(members.user_id, people)):
        if row.active:
            belongs[row.user_id].append(row.household_id)
    return Known(
        accounts=users_by_id(source, people),
        has_accounts="users" in source.tables,
        leads={
            user: [home for home in homes if home in belongs.get(user, ())]
            for user, homes in _led(source, people).items()
        },
        belongs={user: sorted(homes) for user, homes in belongs.items()},
        uses=uses,
        others=_others(source, addresses[:ADDRESSES_MOST], context, at_once),
        codes=_codes(source, anchors, context),
    )


def _led(source: Source, people: Sequence[str]) -> dict[str, list[str]]:
    table = source.tables["households"]
    statement = select(table.c.id, table.c.leader_id).where(source.tables.users_in(table.c.leader_id, people))
    found: dict[str, list[str]] = defaultdict(list)
    for row in source.rows(statement, "people"):
        found[text_of(row["leader_id"])].append(text_of(row["id"]))
    return {user: sorted(homes) for user, homes in found.items()}


def _uses(source: Source, people: Sequence[str], context: Context) -> dict[str, list[Use]]:
    """From where each of `people` acted. A failed login may be anybody's."""
    if not source.schema.has("household_events.metadata") or not people:
        return {}
    events = source.tables["household_events"]
    address, device = json_text(events.c.metadata, "ip_address"), json_text(events.c.metadata, "user_agent")
    since = recent_since(context) - timedelta(days=context.limits.people_history_days)
    statement = (
        select(
            events.c.user_id,
            address.label("address"),
            device.label("device"),
            func.min(events.c.event_timestamp).label("first"),
            func.max(events.c.event_timestamp).label("last"),
        )
        .where(
            source.tables.users_in(events.c.user_id, people),
            events.c.event_timestamp >= since,
            events.c.event_timestamp < context.window.end,
            ~source.tables.event_is(EventType.LOGIN_FAILED, common=True),
        )
        .group_by(events.c.user_id, address, device)
    )
    found: dict[str, list[Use]] = defaultdict(list)
    for row in source.rows(statement, "people"):
        use = Use(
            plain_address(str(row["address"] or "")),
            str(row["device"] or ""),
            moment(row["first"]),
            moment(row["last"]),
        )
        found[text_of(row["user_id"])].append(use)
    return {user: sorted(some, key=lambda use: (use.first, use.address, use.device)) for user, some in found.items()}


def _others(
    source: Source, addresses: Sequence[str], context: Context, at_once: int
) -> dict[str, dict[str, frozenset[str]]]:
    """By address who acted from it in the recent days, with which devices: no index finds them, so each statement reads a part of the days."""
    if not addresses:
        return {}
    start, end = recent_since(context), context.window.end
    bounds = [*(start + (end - start) / at_once * place for place in range(at_once)), end]
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        for rows in pool.map(
            lambda part: source.rows(_acted_from(source, addresses, *part), "people", reach="days"), pairwise(bounds)
        ):
            for row in rows:
                found[plain_address(str(row["address"]))][text_of(row["user_id"])].add(str(row["device"] or ""))
    return {one: {user: frozenset(devices - {""}) for user, devices in people.items()} for one, people in found.items()}


def _acted_from(source: Source, addresses: Sequence[str], start: datetime, end: datetime) -> Select[Any]:
    events = source.tables["household_events"]
    address, device = json_text(events.c.metadata, "ip_address"), json_text(events.c.metadata, "user_agent")
    return (
        select(events.c.user_id, address.label("address"), device.label("device"))
        .where(
            events.c.event_timestamp >= start,
            events.c.event_timestamp < end,
            events.c.user_id.is_not(None),
            address.in_(addresses),
            ~source.tables.event_is(EventType.LOGIN_FAILED, common=True),
        )
        .distinct()
    )


def _codes(source: Source, anchors: Sequence[str], context: Context) -> dict[str, dict[str, frozenset[str]]]:
    """Whom each of `anchors` shares invite codes with: those who asked the same households with the same code."""
    if not source.schema.has("household_join_requests.invite_code") or not anchors:
        return {}
    requests = source.tables["household_join_requests"].c
    recent = recent_since(context)
    own = [
        one
        for one in read_join_requests(source, source.tables.users_in(requests.user_id, anchors))
        if one.invite_code and one.requested_at >= recent
    ]
    homes = sorted({one.household_id for one in own})
    if not homes:
        return {}
    asked = [
        one
        for one in read_join_requests(source, source.tables.households_in(requests.household_id, homes))
        if one.invite_code and one.requested_at >= recent
    ]
    by_code: dict[str, set[str]] = defaultdict(set)
    for one in asked:
        by_code[str(one.invite_code).upper()].add(one.user_id)
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for one in own:
        code = str(one.invite_code).upper()
        if len(by_code[code]) <= context.limits.common_address_people:
            for other in by_code[code] - {one.user_id, ""}:
                found[one.user_id][other].add(code)
    return {user: {other: frozenset(codes) for other, codes in shared.items()} for user, shared in found.items()}
