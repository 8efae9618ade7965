"""Sharing or selling of invite codes

Problem
-------
A household's code is in public: crowds of strangers ask to join, or buy their way in for a day.

Fires when
----------
Different people used a household's codes (asked to join with any of them)
- on one day: ten or more, of whom fewer than half were approved and stayed; or more than the 15 a household can hold;
- within seven days: ten or more, of whom most were rejected, or removed within a day of joining.
The day, or a use or an answer that ends such a week, lies in the window.

Stays silent when
-----------------
A big family joins on one evening within capacity. One person asks ten times. Every member may see the code, so a used code
alone says nothing.

Evidence
--------
How many people used the codes, how many were approved and stayed, rejected, removed within a day, or are waiting.

What to do
----------
1. Ask the leader of household {household_id} where they gave the code to others.
2. Ask them to regenerate the code; if they do not answer, ask Engineering to do it.
3. Look for the place where it was published, and for people below who use codes of other households too.

How to check
------------
    SELECT r.status, count(DISTINCT r.user_id) AS people
      FROM household_join_requests r
     WHERE r.household_id = :household_id AND r.requested_at BETWEEN :first_seen AND :occurred_at
     GROUP BY r.status
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, FromClause

from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.records import JoinRequest
from detectors.events import EventType
from detectors.limits import Limits
from detectors.text.wording import count, stamp

META = Meta(
    id="invite-code-sharing",
    title="Suspected Sharing of an Invite Code",
    team="trust-safety",
    severity="Same-day",
    kind="occurrence",
    subject=("household_id",),
    needs=frozenset(
        {"household_join_requests.requested_at", "household_join_requests.status", "household_members.status"}
    ),
    consults=frozenset({"household_events"}),
    ways={
        "requests and their answers": (),
        "members removed within a day": (frozenset({"household_member_removed.member_id", EventType.LEFT}),),
    },
    roles={"evidence.leader_id": "household leader", "users": "used the code"},
    actor="household leader",
    not_where=frozenset({"rows_are_deleted"}),
    sure="trail",
    refuted_by="the household invited a group that it knows, as a club does",
    process="Trust & Safety Escalations, Same-Day: Invite code sharing/selling for profit",
)


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The people who used a household's codes in some time, and what became of them."""

    requests: tuple[JoinRequest, ...]
    people: int
    stayed: int
    rejected: int
    removed_within_a_day: int
    span: str


def many_people(code_use: FromClause, context: Context) -> ColumnElement[bool]:
    return code_use.c.people >= min(context.limits.sharing_people, context.limits.household_capacity + 1)


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    requests = [r for r in case.requests if r.requested_at < context.window.end and r.requested_at <= context.watermark]
    crowd = _crowd_of_a_day(case, requests, context)
    if crowd is None and not context.so_far:
        crowd = _crowd_of_a_week(case, requests, context)
    if crowd:
        yield _finding(case, crowd, context)


def _crowd_of_a_day(case: HouseholdCase, requests: list[JoinRequest], context: Context) -> _Crowd | None:
    limits = context.limits
    days = defaultdict(list)
    for request in requests:
        days[context.day(request.requested_at)].append(request)
    for day, used in sorted(days.items(), reverse=True):
        if not any(request.requested_at in context.window for request in used):
            continue
        crowd = _crowd(case, used, f"on {day.isoformat()}", context)
        few_stayed = crowd.people >= limits.sharing_people and 2 * crowd.stayed < crowd.people
        if (few_stayed and not context.so_far) or crowd.people > limits.household_capacity:
            return crowd
    return None


def _crowd_of_a_week(case: HouseholdCase, requests: list[JoinRequest], context: Context) -> _Crowd | None:
    limits = context.limits
    answered = case.events_of(EventType.JOIN_REQUEST_REJECTED, EventType.MEMBER_REMOVED)
    # Between two requests only the week's far end moves, so that of the answers the first one sees the most.
    moments = {e.at for e in answered if e.at in context.window and e.at <= context.watermark}
    moments = set(sorted(moments)[:1]) | {r.requested_at for r in requests if r.requested_at in context.window}
    times = [request.requested_at for request in requests]
    for last in sorted(moments, reverse=True):
        first = bisect_right(times, last - _together_within(limits))
        used = requests[first : bisect_right(times, last)]
        if len({request.user_id for request in used}) < limits.sharing_people:
            continue
        crowd = _crowd(case, used, f"in {limits.sharing_days} days", context)
        unwelcome = crowd.rejected + crowd.removed_within_a_day
        if crowd.people >= limits.sharing_people and 2 * unwelcome > crowd.people:
            return crowd
    return None


def _together_within(limits: Limits) -> timedelta:
    """How far the first and the last request of one crowd lie apart."""
    return timedelta(days=limits.sharing_days)


def _crowd(case: HouseholdCase, used: list[JoinRequest], span: str, context: Context) -> _Crowd:
    """The crowd of `used`; what became of each person, a later request of theirs may tell."""
    people = {request.user_id for request in used} - {""}
    by: dict[str, list[JoinRequest]] = defaultdict(list)
    for request in case.requests:
        if request.user_id in people and used[0].requested_at <= request.requested_at <= context.watermark:
            by[request.user_id].append(request)
    stayed = rejected = removed = 0
    for user, theirs in by.items():
        approved = [request for request in theirs if request.status == "approved"]
        if approved:
            ended = _ended(case, user, approved[0].requested_at)
            stayed += ended is None
            removed += ended is not None and _soon(case, user, approved[0].requested_at, ended, context)
        else:
            rejected += any(request.status == "rejected" for request in theirs)
    return _Crowd(tuple(used), len(by), stayed, rejected, removed, span)


def _ended(case: HouseholdCase, user: str, since: datetime) -> datetime | None:
    """When the membership that `user` asked for at `since` ended; the distant past where nobody knows when."""
    rows = [row for row in case.members if row.user_id == user and row.joined_at >= since]
    if any(row.active for row in rows):
        return None
    events = case.events_of(EventType.MEMBER_REMOVED, EventType.LEFT)
    ends = [event.at for event in events if event.member_id == user and event.at >= since]
    if ends:
        return ends[-1]
    return since - timedelta(days=1) if rows else None


def _soon(case: HouseholdCase, user: str, since: datetime, ended: datetime, context: Context) -> bool:
    """Whether it was a removal by somebody else within a day of joining."""
    joined = min(
        (row.joined_at for row in case.members if row.user_id == user and row.joined_at >= since), default=since
    )
    by_other = any(
        e.text("member_id") == user and e.at == ended and e.user_id != user
        for e in case.events_of(EventType.MEMBER_REMOVED)
    )
    return by_other and ended - joined < timedelta(hours=context.limits.sharing_removed_within_hours)


def _finding(case: HouseholdCase, crowd: _Crowd, context: Context) -> Finding:
    people = sorted({request.user_id for request in crowd.requests} - {""})
    pending = len({request.user_id for request in crowd.requests if request.status == "pending"})
    codes = {(request.invite_code or "").strip().upper() for request in crowd.requests} - {""}
    leader = case.household.leader_id if case.household else None
    first, last = crowd.requests[0].requested_at, crowd.requests[-1].requested_at
    return find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=crowd.people, households=1),
        households=[case.household_id],
        users=[leader or "", *people],
        first_seen=first,
        occurred_at=last,
        evidence={
            "leader_id": leader,
            "people": crowd.people,
            "codes": len(codes),
            "approved_and_stayed": crowd.stayed,
            "rejected": crowd.rejected,
            "removed_within_a_day": crowd.removed_within_a_day,
            "pending": pending,
            "requests": len(crowd.requests),
        },
        story=Story(
            pattern=f"{crowd.people} different people used one household's invite codes {crowd.span}",
            evidence=(
                f"{stamp(first)} to {stamp(last)}: {count(len(crowd.requests), 'request')} by {crowd.people} people with "
                f"{count(len(codes), 'code')}",
                f"{crowd.stayed} were approved and stayed, {crowd.rejected} rejected, {crowd.removed_within_a_day} removed "
                f"within a day, {pending} are waiting",
            ),
            suspected_violation="Invite code sharing or selling",
            reporter="Internal monitoring alert",
            requesting="Review of the household, and a new invite code",
            affected_users=tuple(filter(None, (leader,))) or tuple(people),
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("code-uses", many_people),),
    evaluate,
    looks_back={"join requests": _together_within},
    by_night_in_part="crowds no larger than a household may be, whose requests may still be answered",
)
