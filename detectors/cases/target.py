"""A person against whom others reported or acted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_

from detectors.cases.audit_rows import addresses_of, read_events
from detectors.cases.rows import (
    batches,
    grouped,
    member_user,
    read_join_requests,
    read_memberships,
    read_support_requests,
    sessions_of,
)
from detectors.contract import Context
from detectors.domain.retries import without_retries
from detectors.events import EventType
from detectors.source import Source
from detectors.source.sql import json_text
from detectors.text.addresses import plain_address


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


def target_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[TargetCase]:
    """The cases of people against whom several others reported or acted."""
    since = context.window.start - context.back("adverse actions")
    for some in batches(ids):
        adverse_actions = _adverse_actions(source, some, since, context)
        people = sorted({adverse.by for found in adverse_actions.values() for adverse in found})
        rows = grouped(read_memberships(source, source.tables.users_in(member_user(source), people)), "user_id")
        requests = source.tables["household_join_requests"]
        asked: dict[str, set[str]] = defaultdict(set)
        for request in read_join_requests(source, source.tables.users_in(requests.c.user_id, people)):
            if request.invite_code:
                asked[request.user_id].add(request.invite_code.strip().upper())
        addresses = addresses_of(source, people, since, context.window.end)
        for person, sessions in sessions_of(source, people).items():
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
        for report in read_support_requests(source, about):
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
    for event in without_retries(read_events(source, against)):
        target = event.text("member_id" if event.type == EventType.MEMBER_REMOVED else "requester_id")
        if event.user_id not in ("", target) and event.at <= until:
            kind = "removed from a household" if event.type == EventType.MEMBER_REMOVED else "request rejected"
            found[target].append(
                AdverseAction(event.user_id, event.at, kind, event.household_id, event.text("ip_address"), False)
            )
    return found
