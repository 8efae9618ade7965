"""A join request answered by the wrong person

Problem
-------
A join request was approved or rejected by nobody, by the requester, or by a stranger: the check that only the leader may
answer did not hold.

Fires when
----------
The request is approved or rejected and responded_by is null, or is the requester, or is somebody who never belonged to
the household.

Stays silent when
-----------------
The leader who answered has since changed or left: their member row, the household's events or leader_id still show that
they belonged, or they may have had their data erased: no act of the household is theirs, none tells of the answer, and some
are marked as anonymised. Also while the answer is younger than the grace period, and for households that no longer
exist. Where the source holds no responder of any of its requests (ten or more), nothing is concluded from there being none.
In an app that keeps no row of a member who left, a request without a responder may have lost it, and people may reject their
own request after they came by another way.

Evidence
--------
The request, its answer, who is said to have answered, whether the requester is a member now.

What to do
----------
1. Ask Support to ask the leader of household {household_id} whether they answered request {request_id} themselves.
2. If they did not: undo the answer; set the member row that came of it to removed, and end that person's sessions.
3. Check the rule that guards answers to requests (row-level security included): only the leader may answer.

How to check
------------
    SELECT r.id, r.status, r.responded_by
      FROM household_join_requests r
     WHERE r.id = :request_id AND r.status IN ('approved', 'rejected')
       AND (r.responded_by IS NULL OR r.responded_by = r.user_id
            OR NOT EXISTS (SELECT 1 FROM household_members m
                            WHERE m.household_id = r.household_id AND m.user_id = r.responded_by))
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause, and_, or_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.erasure import may_be_erased
from detectors.domain.household import HouseholdCase
from detectors.domain.membership import answer_in_flight, answers, belonged_ever
from detectors.domain.records import JoinRequest
from detectors.text.wording import stamp

META = Meta(
    id="self-approved-request",
    title="Join Request Answered by Somebody Who May Not",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("request_id",),
    needs=frozenset({"household_join_requests.status", "household_join_requests.responded_by", "households.leader_id"}),
    consults=frozenset({"household_members", "household_events", "household_events.metadata"}),
    events=(frozenset({"household_join_requests.responded_by"}),),
    not_where=frozenset({"answers_by_the_gone"}),
    partly_where={"rows_are_deleted": "answers by nobody, and rejections by the requester"},
    sure="rows",
    refuted_by="the answer came from somebody who may answer, and the row names nobody or the wrong person",
    process="Engineering Escalations, P0: Unauthorized access to household data",
)


def answered_by_no_leader(request: FromClause, context: Context) -> ColumnElement[bool]:
    columns = request.c
    nobody_known = and_(columns.responded_by.is_distinct_from(columns.leader_id), columns.once_leader.is_(None))
    unnamed = columns.responded_by.is_(None)
    by_a_stranger = and_(nobody_known, ~unnamed) if _answers_may_be_lost(context) else or_(nobody_known, unnamed)
    return and_(
        columns.status.in_(["approved", "rejected"]),
        or_(columns.responded_by == columns.user_id, by_a_stranger),
    )


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    if case.household is None:
        return
    belonged = belonged_ever(case)
    for request in case.requests:
        if request.status in {"approved", "rejected"} and not answer_in_flight(case, request, context):
            why = _why_wrong(case, request, belonged, lost=_answers_may_be_lost(context))
            if why:
                yield _finding(case, request, why, context)


def _answers_may_be_lost(context: Context) -> bool:
    return "rows_are_deleted" in context.otherwise


def _why_wrong(case: HouseholdCase, request: JoinRequest, belonged: set[str], *, lost: bool) -> str | None:
    if request.responded_by is None:
        return None if lost else "nobody is named as its responder"
    if request.responded_by == request.user_id:
        return None if lost and request.status == "rejected" else "the requester answered it"
    if request.responded_by in belonged or _answered_by_the_erased(case, request, request.responded_by):
        return None
    return "its responder never belonged to the household"


def _answered_by_the_erased(case: HouseholdCase, request: JoinRequest, responder: str) -> bool:
    told = answers(case, request, f"household_join_request_{request.status}")
    return not told and may_be_erased(case, responder)


def _finding(case: HouseholdCase, request: JoinRequest, why: str, context: Context) -> Finding:
    told = answers(case, request, f"household_join_request_{request.status}")
    answered_at = told[0].at if told else None
    member = any(row.user_id == request.user_id for row in case.active)
    responder = request.responded_by or ""
    return find(
        META,
        context,
        {"request_id": request.id},
        impact=Impact(users=len(case.affected), households=1),
        households=[request.household_id],
        users=[request.user_id, responder],
        first_seen=answered_at,
        occurred_at=answered_at,
        evidence={
            "status": request.status,
            "why": why,
            "requested_at": request.requested_at,
            "responded_by": request.responded_by,
            "answered_at": answered_at,
            "actor_of_the_event": told[0].user_id if told else None,
            "requester_is_member": member,
        },
        timeline=timeline(
            event
            for event in case.events
            if event.text("request_id") == request.id or (responder and event.user_id == responder)
        ),
        story=Story(
            issue=f"Join request was {request.status}, but {why}.",
            steps=(
                f"User asked to join at {stamp(request.requested_at)}",
                f"The request was {request.status}" + (f" at {stamp(told[0].at)}" if told else ""),
                "System should have accepted an answer from the household's leader only",
            ),
            expected="Requests are answered by the household's leader",
            actual=f"responded_by is {request.responded_by or 'null'}: {why}",
            impact="The requester is an active member now" if member else "The requester is not a member now",
            screenshots="None; the request is described below",
            requesting="Check of the answer with the leader and of the rule that guards answers to requests",
            affected_users=tuple(dict.fromkeys(filter(None, (request.user_id, responder)))),
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("requests", answered_by_no_leader),), evaluate)
