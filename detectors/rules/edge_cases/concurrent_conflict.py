"""Contradictory outcomes of one thing

Problem
-------
Two people, or one on two devices, did contradictory things at the same time, and the app let both happen.

Fires when
----------
For one person in one household: a withdrawn request has a responder; a rejected requester is an active member without an
approval, or was rejected after they had been approved for this membership; two requests are pending; one request was
answered both ways, in either order, by its events or by an event and its own status.

Stays silent when
-----------------
They were rejected first and approved later, on another request; pending requests go to different households; a leader added the rejected
person as a sitter afterwards. Which answer came first is taken from the events, else from the order of the requests.
Also while the newest of the rows is younger than the grace period. It is a state rule: any age. In an app where people come by
other ways than a request, too, only requests that are pending twice are looked for.

Evidence
--------
Each contradiction, the requests with their status and responder, the member row.

What to do
----------
1. Ask Support to ask the leader of household {household_id} which outcome is meant for user {user_id}.
2. Make the rows agree with it: one answer on the request, and a member row only if they are in.
3. Let one statement answer a request and check that it is still pending; then the second answer changes nothing.

How to check
------------
    SELECT r.id, r.status, r.requested_at, r.responded_by
      FROM household_join_requests r
     WHERE r.household_id = :household_id AND r.user_id = :user_id
       AND ((r.status = 'withdrawn' AND r.responded_by IS NOT NULL)
            OR (r.status = 'rejected' AND EXISTS (
                SELECT 1 FROM household_members m
                 WHERE m.household_id = r.household_id AND m.user_id = r.user_id AND m.status = 'active'))
            OR EXISTS (SELECT 1 FROM household_join_requests o
                        WHERE o.household_id = r.household_id AND o.user_id = r.user_id AND o.id <> r.id
                          AND o.status = 'pending' AND r.status = 'pending'))
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, FromClause, and_, false, or_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.membership import added_by_leader, answer_in_flight, answers
from detectors.domain.records import JoinRequest, Membership
from detectors.events import EventType
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="concurrent-conflict",
    title="Contradictory Outcomes of Concurrent Operations",
    team="engineering",
    severity="P2",
    kind="state",
    subject=("household_id", "user_id"),
    needs=frozenset({"household_join_requests.status", "household_join_requests.responded_by"}),
    consults=frozenset({"household_members", "household_events"}),
    partly_where={"without_requests": "people who were rejected, or answered twice"},
    sure="rows",
    refuted_by="one of the answers was set by hand, to correct the other one",
    process="Engineering Escalations, P2: Concurrent operation conflicts",
)


CLOCKS_DIFFER = timedelta(hours=1)
"""How long before its own request the event of an approval may be stamped; wide, since it only opens a case."""


def answered_and_open(request: FromClause, context: Context) -> ColumnElement[bool]:
    columns = request.c
    return or_(and_(columns.status == "withdrawn", columns.responded_by.is_not(None)), columns.pending_requests > 1)


def rejected_yet_inside(admission: FromClause, context: Context) -> ColumnElement[bool]:
    if _come_otherwise(context):
        return false()
    columns = admission.c
    # Most people who were rejected and are members asked again and were approved: those are not worth a closer look.
    overtaken = or_(
        columns.first_approved.is_(None),
        columns.requested_at > columns.first_approved,
        columns.refused_at > columns.first_approved - CLOCKS_DIFFER,
    )
    inside = columns.member_status == "active"
    # They were let in, and only the request that was rejected since can have done it.
    once_inside = and_(columns.member_status != "active", columns.first_approved.is_(None))
    return and_(columns.request_status == "rejected", or_(and_(inside, overtaken), once_inside))


def answered_twice(answer: FromClause, context: Context) -> ColumnElement[bool]:
    return answer.c.household_id.is_not(None)


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    if case.household is None:
        return
    for user_id in dict.fromkeys(request.user_id for request in case.requests):
        asked = [request for request in case.requests if request.user_id == user_id]
        wrong = _pending_twice(asked, context)
        if not _come_otherwise(context):
            wrong += _answered_although_withdrawn(case, asked, context)
            wrong += _rejected_member(case, user_id, asked, context)
            wrong += _answered_both_ways(case, asked, context)
        if wrong:
            yield _finding(case, user_id, asked, wrong, context)


def _come_otherwise(context: Context) -> bool:
    return "without_requests" in context.otherwise


def _answered_although_withdrawn(case: HouseholdCase, asked: list[JoinRequest], context: Context) -> list[str]:
    return [
        f"a withdrawn request has a responder ({request.responded_by})"
        for request in asked
        if request.status == "withdrawn"
        and request.responded_by not in (None, request.user_id)
        and not answer_in_flight(case, request, context)
    ]


def _answered_both_ways(case: HouseholdCase, asked: list[JoinRequest], context: Context) -> list[str]:
    return [
        f"request {request.id} was both approved and rejected"
        for request in asked
        if _outcomes(case, request) >= {"approved", "rejected"} and not answer_in_flight(case, request, context)
    ]


def _outcomes(case: HouseholdCase, request: JoinRequest) -> set[str]:
    told = {
        answer
        for answer in ("approved", "rejected")
        if any(not event.text("error_code") for event in answers(case, request, f"household_join_request_{answer}"))
    }
    return told | {request.status}


def _pending_twice(asked: list[JoinRequest], context: Context) -> list[str]:
    pending = [r for r in asked if r.status == "pending" and r.requested_at <= context.watermark]
    return [f"{len(pending)} requests are pending"] if len(pending) > 1 else []


def _rejected_member(case: HouseholdCase, user_id: str, asked: list[JoinRequest], context: Context) -> list[str]:
    rows = [row for row in case.active if row.user_id == user_id and row.joined_at <= context.watermark]
    rejected = [r for r in asked if r.status == "rejected" and not answer_in_flight(case, r, context)]
    if not rows or not rejected:
        return []
    row = rows[-1]
    approved = [r for r in asked if r.status == "approved" and r.requested_at <= row.joined_at]
    if not approved:
        if any(request.status == "approved" for request in asked) or _added_since(case, row, rejected, context):
            return []
        return ["a rejected requester is an active member without an approval"]
    late = any(_came_after(case, request, approved[-1]) for request in rejected)
    return ["rejected after the approval of this membership"] if late else []


def _added_since(case: HouseholdCase, row: Membership, rejected: list[JoinRequest], context: Context) -> bool:
    return added_by_leader(case, row, context) and all(request.requested_at <= row.joined_at for request in rejected)


def _came_after(case: HouseholdCase, rejected: JoinRequest, approved: JoinRequest) -> bool:
    """Whether the rejection followed the approval: by their events, or by the order of the requests without both."""
    refused, let_in = _answered(case, rejected), _answered(case, approved)
    if refused is not None and let_in is not None:
        return refused > let_in
    return rejected.requested_at > approved.requested_at


def _answered(case: HouseholdCase, request: JoinRequest) -> datetime | None:
    told = answers(case, request, f"household_join_request_{request.status}")
    return told[0].at if told else None


def _finding(
    case: HouseholdCase, user_id: str, asked: list[JoinRequest], wrong: list[str], context: Context
) -> Finding:
    rows = [row for row in case.members if row.user_id == user_id]
    statuses = [f"{request.status} (asked {stamp(request.requested_at)})" for request in asked]
    people = {request.responded_by for request in asked if request.responded_by}
    told = [
        event.at
        for request in asked
        for kind in (EventType.JOIN_REQUEST_APPROVED, EventType.JOIN_REQUEST_REJECTED)
        for event in answers(case, request, kind)
    ]
    # Two requests that are pending contradict each other since the second was made; else only an answer's event knows.
    pending = [request.requested_at for request in asked if request.status == "pending"]
    happened = pending[1] if len(wrong) == 1 and len(pending) > 1 else max(told, default=None)
    return find(
        META,
        context,
        {"household_id": case.household_id, "user_id": user_id},
        impact=Impact(users=1, households=1),
        households=[case.household_id],
        users=[user_id],
        first_seen=happened,
        occurred_at=happened,
        evidence={
            "contradictions": wrong,
            "requests": [
                {
                    "request_id": request.id,
                    "status": request.status,
                    "requested_at": request.requested_at,
                    "responded_by": request.responded_by,
                }
                for request in asked
            ],
            "member_rows": [{"status": row.status, "role": row.role, "joined_at": row.joined_at} for row in rows],
        },
        timeline=timeline(
            event
            for event in case.events
            if user_id in (event.user_id, event.text("new_member_id"), event.text("requester_id"))
        ),
        story=Story(
            issue=f"Contradictory outcomes for one person: {listed(wrong)}.",
            steps=(
                f"User made {count(len(asked), 'join request')}: {listed(statuses)}",
                f"Answered by {listed(sorted(people))}" if people else "Nobody is named as having answered",
                "System should have let one outcome win",
            ),
            expected="One outcome: pending once, approved and a member, or rejected or withdrawn and no member",
            actual="; ".join(wrong),
            impact="1 user whose standing in the household is unclear",
            screenshots="None; the requests and member rows are listed below",
            requesting="Repair of the rows and a check of 'pending' in the statement that answers a request",
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (
        Subscription("requests", answered_and_open),
        Subscription("admissions", rejected_yet_inside),
        Subscription("answers", answered_twice, optional=True),
    ),
    evaluate,
)
