"""A member whom nobody approved

Problem
-------
Somebody is an active member of a household although nobody let them in: they see and change what is not theirs.

Fires when
----------
An active member is not the creator (whose row was written within a minute of the household, or whom its creation event
names), has no approved request for the household, and no approval event names them or a request of theirs.

Stays silent when
-----------------
They are a temporary member whom a leader, present or past, added. Their request was approved and then overtaken by a
second answer (that is concurrent-conflict): it is withdrawn and has a responder, or it was rejected after they joined.
invited_by null proves nothing. It is not known when the household was created or the row written: then anybody may be the
creator. user_id is the nil UUID, which stands for nobody. Also while the row is younger than the grace period.

Evidence
--------
The member row, the person's requests and how they ended, the audit trail.

What to do
----------
1. Ask Support to ask the leader of household {household_id} whether they know user {user_id}. Do not tell the user
   first.
2. If they do not: set the row to removed and end the user's sessions; then this is a security incident, and Security
   is to be told.
3. If they do: leave the row, and close this ticket as expected.
4. Either way, find the path that wrote the row on {joined_at|the day of joining} without an approved request.

How to check
------------
    SELECT m.user_id, m.role, m.joined_at, m.invited_by
      FROM household_members m
     WHERE m.household_id = :household_id AND m.user_id = :user_id AND m.status = 'active'
       AND NOT EXISTS (SELECT 1 FROM household_join_requests r
                        WHERE r.household_id = m.household_id AND r.user_id = m.user_id AND r.status = 'approved')
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause, and_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.erasure import anonymised
from detectors.domain.household import HouseholdCase
from detectors.domain.membership import added_by_leader, answers, approval_event, is_creator
from detectors.domain.records import JoinRequest, Membership
from detectors.domain.values import LONG_AGO, NOBODY
from detectors.events import EventType
from detectors.text.wording import count, stamp

META = Meta(
    id="member-without-approval",
    title="Active Member Without an Approved Request",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id", "user_id"),
    needs=frozenset(
        {
            "household_join_requests.status",
            "household_join_requests.responded_by",
            "household_members.joined_at",
            "household_members.is_temporary",
            "households.created_at",
        }
    ),
    consults=frozenset({"household_events", "household_events.metadata"}),
    partly={"sitters whom no leader added": frozenset({"household_members.invited_by"})},
    not_where=frozenset({"without_requests"}),
    sure="inferred",
    refuted_by="the leader knows the person and let them in by a way that writes no request",
    process="Engineering Escalations, P0: Unauthorized access to household data",
)


def joined_without_approval(admission: FromClause, context: Context) -> ColumnElement[bool]:
    return and_(admission.c.member_status == "active", admission.c.first_approved.is_(None))


def sits_without_approval(request: FromClause, context: Context) -> ColumnElement[bool]:
    return and_(request.c.is_sitter, request.c.once_leader.is_(None), request.c.approved_requests == 0)


def led_without_approval(household: FromClause, context: Context) -> ColumnElement[bool]:
    return household.c.leader_unapproved.is_(True)


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    if case.household is None or case.household.created_at == LONG_AGO:
        return
    rows: dict[str, list[Membership]] = {}
    for member in case.active:
        if LONG_AGO < member.joined_at <= context.watermark and member.user_id != NOBODY:
            rows.setdefault(member.user_id, []).append(member)
    for user_id, theirs in rows.items():
        asked = [request for request in case.requests if request.user_id == user_id]
        if any(request.status == "approved" for request in asked) or approval_event(case, user_id):
            continue
        if any(is_creator(case, row, context) or added_by_leader(case, row, context) for row in theirs):
            continue
        if any(_was_overtaken(case, request, row) for request in asked for row in theirs):
            continue
        if any(_let_in_by_the_erased(case, row, context) for row in theirs):
            continue
        yield _finding(case, theirs[0], asked, context)


def _was_overtaken(case: HouseholdCase, request: JoinRequest, row: Membership) -> bool:
    """Whether the request may have been approved, the row written, and the approval then overwritten."""
    if request.requested_at > row.joined_at:
        return False
    if request.status == "withdrawn":
        return request.responded_by is not None and request.responded_by != request.user_id
    if request.status != "rejected":
        return False
    told = answers(case, request, EventType.JOIN_REQUEST_REJECTED)
    return not told or told[0].at > row.joined_at


def _let_in_by_the_erased(case: HouseholdCase, row: Membership, context: Context) -> bool:
    """Whether the row was written with an approval that has lost whom it let in."""
    approvals = anonymised(case, EventType.JOIN_REQUEST_APPROVED)
    return any(abs(approval.at - row.joined_at) <= context.limits.grace for approval in approvals)


def _finding(case: HouseholdCase, row: Membership, asked: list[JoinRequest], context: Context) -> Finding:
    ended = [f"{request.status} (asked {stamp(request.requested_at)})" for request in asked]
    return find(
        META,
        context,
        {"household_id": row.household_id, "user_id": row.user_id},
        impact=Impact(users=len(case.affected - {row.user_id}), households=1),
        households=[row.household_id],
        users=[row.user_id],
        evidence={
            "role": row.role,
            "joined_at": row.joined_at,
            "invited_by": row.invited_by,
            "is_temporary": row.is_temporary,
            "requests": [
                {"request_id": request.id, "status": request.status, "requested_at": request.requested_at}
                for request in asked
            ],
        },
        timeline=timeline(case.events),
        story=Story(
            issue="User is an active member of the household although nobody approved them.",
            steps=(
                f"The member row was written at {stamp(row.joined_at)} (invited_by is {row.invited_by or 'null'})",
                f"User's join requests: {'; '.join(ended) if ended else 'none'}",
                "No approved request and no approval event names the user, who did not create the household",
            ),
            expected="Everybody but the creator is a member through a request that the leader approved",
            actual=f"User is active as {row.role}{' (temporary)' if row.is_temporary else ''} without an approval",
            impact=f"{count(len(case.affected - {row.user_id}), 'member')} share their household "
            "with somebody whom nobody let in",
            screenshots="None; the member row and the requests are described below",
            requesting="Removal of the access if the leader does not know the user, and investigation into which path "
            "wrote the member row",
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (
        Subscription("admissions", joined_without_approval),
        Subscription("requests", sits_without_approval),
        Subscription("households", led_without_approval),
    ),
    evaluate,
)
