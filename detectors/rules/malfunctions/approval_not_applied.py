"""Join request approval that did not add the member

Problem
-------
The app marks a request approved and *then* writes the member row. When the second write fails the requester is told they
are in and are not. Who was a member before and comes back is locked out for good: the old row blocks the new one.

Fires when
----------
A request was approved more than two minutes ago, and its person has no member row in the household that is active or
that was written after the request.

Stays silent when
-----------------
The person joined and later left, by their row or, where there is none any more, by the audit trail (they left, were
removed, or did what only members do); they may have had their data erased, and the request alone was left (no act of the
household is theirs, and some are marked as anonymised); another approved request of the same person was applied after this
one was made; the person was still a member when this request was approved and left afterwards; the household no longer
exists; the request is of the nil UUID, which stands for nobody. responded_at comes from a browser and is not trusted: the time of the approval is that of its event, else the request's own.

Evidence
--------
The request, the time of its approval and by whom, the person's old member row if there is one (then they are locked out),
how often they have asked since.

What to do
----------
1. Ask Support to ask the leader of household {household_id} whether the approval of request {request_id} still holds.
2. If old_member_row is yes: set the old member row of the user {user_id|who asked} active again: it stands in the way of
   a new one, and they are locked out for good.
3. If old_member_row is no: write the member row of the user {user_id|who asked}: member, active.
4. Ask Support to tell the person that they are in.
5. Let the approval write request and member row in one transaction.

How to check
------------
    SELECT r.id, r.household_id, r.user_id, r.status
      FROM household_join_requests r
     WHERE r.id = :request_id AND r.status = 'approved'
       AND NOT EXISTS (SELECT 1 FROM household_members m
                        WHERE m.household_id = r.household_id AND m.user_id = r.user_id AND m.status = 'active')
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause, and_, or_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.erasure import may_be_erased
from detectors.domain.household import HouseholdCase
from detectors.domain.membership import last_inside
from detectors.domain.records import Event, JoinRequest, Membership
from detectors.domain.values import NOBODY
from detectors.events import EventType
from detectors.text.wording import stamp

META = Meta(
    id="approval-not-applied",
    title="Join Request Approval Did Not Add the Member",
    team="engineering",
    severity="P1",
    kind="state",
    subject=("request_id",),
    needs=frozenset(
        {"household_join_requests.status", "household_join_requests.requested_at", "household_members.joined_at"}
    ),
    consults=frozenset({"household_events", "household_events.metadata"}),
    not_where=frozenset({"rows_are_deleted"}),
    sure="rows",
    refuted_by="the leader took the approval back, and told nobody",
    process="Engineering Escalations, P1: Join request approval not adding member",
)


def approved_without_row(admission: FromClause, context: Context) -> ColumnElement[bool]:
    columns = admission.c
    too_early = and_(columns.member_status != "active", columns.joined_at < columns.requested_at)
    return and_(columns.request_status == "approved", or_(columns.member_status.is_(None), too_early))


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    if case.household is None:
        return
    for request in (one for one in case.requests if one.user_id != NOBODY):
        if request.status == "approved" and not _was_applied(case, request) and not _in_flight(case, request, context):
            yield _finding(case, request, context)


def _was_applied(case: HouseholdCase, request: JoinRequest) -> bool:
    rows = [member for member in case.members if member.user_id == request.user_id]
    if any(row.active or row.joined_at >= request.requested_at for row in rows):
        return True
    if any(_was_member_already(case, request, row) for row in rows) or may_be_erased(case, request.user_id):
        return True
    # Where rows are deleted on leaving, the trail alone tells that somebody came and went.
    approval = _approval(case, request)
    seen = None if rows else last_inside(case, request.user_id)
    return seen is not None and seen >= (approval.at if approval else request.requested_at)


def _was_member_already(case: HouseholdCase, request: JoinRequest, row: Membership) -> bool:
    """Whether the approval had nothing to add: an older row was active until after it, and ended only then.

    Where the approval's time is not known, the request's counts.
    """
    approval = _approval(case, request)
    approved_at = approval.at if approval else request.requested_at
    ends = [
        event.at
        for event in case.events_of(EventType.LEFT, EventType.MEMBER_REMOVED)
        if event.member_id == request.user_id and event.at >= row.joined_at
    ]
    return bool(ends) and min(ends) >= approved_at


def _approval(case: HouseholdCase, request: JoinRequest) -> Event | None:
    for event in case.events_of(EventType.JOIN_REQUEST_APPROVED):
        if event.text("request_id") == request.id:
            return event
    return None


def _in_flight(case: HouseholdCase, request: JoinRequest, context: Context) -> bool:
    approval = _approval(case, request)
    if approval is not None:
        return approval.at > context.watermark
    # Without the event only the browser's clock may know; it can delay the finding by one scan, not more.
    just_now = request.responded_at is not None and context.watermark < request.responded_at <= context.as_of
    return just_now or request.requested_at > context.watermark


def _finding(case: HouseholdCase, request: JoinRequest, context: Context) -> Finding:
    approval = _approval(case, request)
    old = [member for member in case.members if member.user_id == request.user_id]
    approver = (approval.user_id if approval else None) or request.responded_by or ""
    again = sum(
        1 for other in case.requests if other.user_id == request.user_id and other.requested_at > request.requested_at
    )
    return find(
        META,
        context,
        {"request_id": request.id},
        impact=Impact(users=1, households=1),
        households=[request.household_id],
        users=[request.user_id],
        first_seen=approval.at if approval else None,
        occurred_at=approval.at if approval else None,
        evidence={
            "requested_at": request.requested_at,
            "approved_at": approval.at if approval else None,
            "approved_by": approver or None,
            "old_member_row": bool(old),
            "requests_since": again,
        },
        timeline=timeline(event for event in case.events if request.user_id in _people(event)),
        story=Story(
            issue="Join request was approved but the requester did not become a member."
            + (" An old member row blocks them: they are locked out for good." if old else ""),
            steps=(
                f"User asked to join at {stamp(request.requested_at)}",
                f"{approver or 'Somebody'} approved the request" + (f" at {stamp(approval.at)}" if approval else ""),
                "System should have added the requester as a member",
                "The member's old row ('removed') is still there and no new one was written"
                if old
                else "No member row was written",
            ),
            expected="Requester is an active member",
            stopped="1 of 2: the request was set to approved; the member row was not written (2)"
            + (": the old row of the same person stands in its way" if old else ""),
            actual="Request is approved; requester is not a member"
            + (f" (their row of {stamp(old[-1].joined_at)} is 'removed')" if old else " (no member row)"),
            impact="1 user cannot enter the household they were let into"
            + (f"; they have asked again {again} time{'' if again == 1 else 's'}" if again else ""),
            error_messages=(approval.text("error_code") if approval else "") or "None recorded",
            screenshots="None; the request and the member rows are described below",
            requesting="Repair of the membership and investigation into why the approval was not applied",
        ),
    )


def _people(event: Event) -> set[str]:
    return {event.user_id, event.text("new_member_id"), event.text("requester_id"), event.text("member_id")}


DETECTOR = Detector(META, __doc__, (Subscription("admissions", approved_without_row),), evaluate)
