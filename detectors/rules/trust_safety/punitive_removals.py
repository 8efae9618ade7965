"""Removals as punishment

Problem
-------
A leader removes members because they complained: retaliation, and the members lose the pet they care for.

Fires when
----------
In the window a leader removed
- a member who had reported, disputed or objected to something less than 24 hours before; or
- the third (or a further) member within an hour of a rejected join request in the household, or of a dispute about it or
  by one of its people. Removals from the anchor on count, each member once.

Stays silent when
-----------------
The removed are sitters whose time was over. The leader cleared the household before leaving: they left, or began to, within
24 hours of the removals and nobody else is left; where no event says when they left, it is enough that nobody is left at
all. The app's own service account removed them. Exactly 24 hours or one hour later. One removal logged twice. People who leave by
themselves. A complaint about another household.

Evidence
--------
Who was removed when, by whom, after what; the complaint's category and time.

What to do
----------
1. Read the reports and rejections that came before the removals, in the evidence, and ask the removed members what
   happened. Do not name the reporter to the leader.
2. Compare with the leader's earlier removals: is it the first time?
3. If the pattern is confirmed, decide on an action against the leader: warning, feature restriction, suspension or
   termination; ask Engineering to restore who was removed wrongly.
4. If it is not, close this ticket as expected and say why: no action.

How to check
------------
    SELECT e.event_timestamp, e.user_id AS removed_by, (e.metadata->>'member_id') AS removed
      FROM household_events e
     WHERE e.household_id = :household_id AND e.event_type = 'household_member_removed'
       AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, FromClause, or_

from detectors.cases.retaliation import RetaliationCase
from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, TimelineEntry, find
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Event, SupportRequest
from detectors.events import EventType
from detectors.limits import Limits
from detectors.text.wording import count, stamp

META = Meta(
    id="punitive-removals",
    title="Members Removed as Punishment or Retaliation",
    team="trust-safety",
    severity="Immediate",
    kind="occurrence",
    subject=("household_id",),
    needs=frozenset(
        {
            "household_events.metadata",
            "household_members.is_temporary",
            "household_members.temporary_expires_at",
            "support_requests.household_id",
            "support_requests.subject_user_id",
        }
    ),
    consults=frozenset({"household_members", "household_join_requests"}),
    events=(frozenset({"household_member_removed.member_id"}),),
    ways={
        "removals after an objection": (frozenset({"support_requests"}),),
        "removals after a rejected request": (frozenset({EventType.JOIN_REQUEST_REJECTED}),),
    },
    roles={"evidence.removed.by": "removed the others", "evidence.removed.user_id": "removed"},
    actor="removed the others",
    sure="inferred",
    refuted_by="the removed wanted to go, or the removals were agreed upon before",
    process="Trust & Safety Escalations, Immediate: Household leader removing members as punishment or retaliation",
)


@dataclass(frozen=True, slots=True)
class _Punishment:
    """Removals after something that may have provoked them."""

    removals: tuple[Event, ...]
    after: str
    after_at: datetime


def removed_after_objection(retaliation: FromClause, context: Context) -> ColumnElement[bool]:
    return or_(retaliation.c.objectors > 0, retaliation.c.removals >= context.limits.punitive_removals)


def evaluate(case: RetaliationCase, context: Context) -> Iterator[Finding]:
    removals = [
        event
        for event in case.home.events_of(EventType.MEMBER_REMOVED)
        if event.at < context.window.end
        and event.at <= context.watermark
        and event.user_id not in context.limits.service_accounts
        and _counts(case.home, event)
    ]
    punishments = [*_of_objectors(case, removals, context), *_in_a_row(case, removals, context)]
    if punishments:
        yield _finding(case, punishments, context)


def _in_a_row_within(limits: Limits) -> timedelta:
    """How far the first and the last removal of one punishment lie apart."""
    return timedelta(hours=limits.punitive_removals_hours)


def _after_an_objection(limits: Limits) -> timedelta:
    """How long after an objection a removal looks like its punishment."""
    return timedelta(hours=limits.punitive_hours)


def _counts(home: HouseholdCase, removal: Event) -> bool:
    """Whether it is a leader's removal of somebody else who was not a sitter with expired access."""
    removed = removal.text("member_id")
    if not removed or not removal.user_id or removed == removal.user_id:
        return False
    rows = [row for row in home.members if row.user_id == removed and row.joined_at <= removal.at]
    last = rows[-1] if rows else None
    expires = last.temporary_expires_at if last and last.is_temporary else None
    return expires is None or expires > removal.at


def _cleared(home: HouseholdCase, leader: str, removals: list[Event], context: Context) -> bool:
    """Whether `leader` left within the clearing time of the last of `removals`, with nobody staying behind.

    A process that stopped may not have written that they left: then a household without anybody says it, or the beginning.
    """
    if any(row.user_id != leader for row in home.active):
        return False
    last = removals[-1].at
    leaves = [
        event
        for event in home.events_of(EventType.LEFT, EventType.LEAVE_STARTED)
        if event.user_id == leader and event.at >= last
    ]
    if leaves:
        return leaves[0].at - last <= timedelta(hours=context.limits.clearing_hours)
    return any(row.user_id == leader for row in home.members) and not home.active


def _of_objectors(case: RetaliationCase, removals: list[Event], context: Context) -> Iterator[_Punishment]:
    within = _after_an_objection(context.limits)
    for removal in removals:
        if removal.at not in context.window or _cleared(case.home, removal.user_id, [removal], context):
            continue
        for report in case.reports:
            about_here = report.household_id in ("", case.key) or report.subject_user_id == removal.user_id
            by_removed = report.requester_id == removal.text("member_id")
            if by_removed and about_here and timedelta() <= removal.at - report.created_at < within:
                yield _Punishment((removal,), f"the removed member's {report.category} report", report.created_at)
                break


def _in_a_row(case: RetaliationCase, removals: list[Event], context: Context) -> Iterator[_Punishment]:
    within = _in_a_row_within(context.limits)
    by_leader: dict[str, list[Event]] = defaultdict(list)
    for removal in removals:
        by_leader[removal.user_id].append(removal)
    for leader, theirs in sorted(by_leader.items()):
        for after, at in _provocations(case, context):
            in_time = _once_each(removal for removal in theirs if timedelta() <= removal.at - at < within)
            enough = len(in_time) >= context.limits.punitive_removals
            if enough and in_time[-1].at in context.window and not _cleared(case.home, leader, in_time, context):
                yield _Punishment(tuple(in_time), after, at)
                break


def _once_each(removals: Iterator[Event]) -> list[Event]:
    first: dict[str, Event] = {}
    for removal in removals:
        first.setdefault(removal.text("member_id"), removal)
    return list(first.values())


def _provocations(case: RetaliationCase, context: Context) -> Iterator[tuple[str, datetime]]:
    for event in case.home.events_of(EventType.JOIN_REQUEST_REJECTED):
        yield "a rejected join request", event.at
    for report in case.reports:
        if report.category in context.limits.dispute_categories and _is_about(report, case):
            yield "a dispute", report.created_at


def _is_about(report: SupportRequest, case: RetaliationCase) -> bool:
    return report.household_id in ("", case.key)


def _finding(case: RetaliationCase, punishments: list[_Punishment], context: Context) -> Finding:
    removals = sorted({r.id: r for p in punishments for r in p.removals}.values(), key=lambda event: event.at)
    removed = sorted({removal.text("member_id") for removal in removals})
    leaders = sorted({removal.user_id for removal in removals})
    lines = [
        f"{stamp(p.removals[-1].at)}: {count(len(p.removals), 'member')} removed, after {p.after} of {stamp(p.after_at)}"
        for p in punishments
    ]
    return find(
        META,
        context,
        {"household_id": case.key},
        impact=Impact(users=len(removed), households=1),
        households=[case.key],
        users=[*leaders, *removed],
        first_seen=removals[0].at,
        occurred_at=removals[-1].at,
        evidence={
            "removed": [{"user_id": r.text("member_id"), "by": r.user_id, "at": r.at} for r in removals],
            "after": [{"what": p.after, "at": p.after_at, "removals": len(p.removals)} for p in punishments],
        },
        timeline=timeline(
            case.home.events,
            *(TimelineEntry(at=p.after_at, what=p.after) for p in punishments if "reject" not in p.after),
        ),
        story=Story(
            pattern=f"Household leader removed {count(len(removed), 'member')} right after a report, dispute or rejection",
            evidence=tuple(lines),
            suspected_violation="Removal of members as punishment or retaliation",
            reporter="Internal monitoring alert",
            requesting="Review of the removals and potential restriction of the leader's household features",
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("retaliation", removed_after_objection),),
    evaluate,
    looks_back={
        "removals": _in_a_row_within,
        "objections": lambda limits: _after_an_objection(limits) + _in_a_row_within(limits),
    },
    by_night="whoever clears a household may still leave it, which excuses the removals",
)
