"""Member removal that did not update the status

Problem
-------
The audit trail says that somebody left or was removed, and their member row is still active: they keep their access.

Fires when
----------
There is a household_member_removed or household_left event, and the person's member row, older than the event, is still
active.

Stays silent when
-----------------
A later approved request brought them back: the row was written after the event, or a request made after it was approved.
Also while the event is younger than the grace period, and where the app refused the removal (RATE_LIMIT_EXCEEDED).

Evidence
--------
The event with its time and actor, the member row.

What to do
----------
1. If event is household_member_removed: ask Support to ask the leader of household {household_id} whether user
   {user_id} is still to be out; then set their row to removed.
2. If event is household_left: set the row of user {user_id} in household {household_id} to removed: they left by
   themselves.
3. If role is leader: finish the hand-over first: leader_id and the role of leader to the longest-standing other
   member.
4. End the person's sessions: they have had access since {event_at|then}.
5. Find out why the update of the row failed although its event was written.

How to check
------------
    SELECT m.user_id, m.role, m.status, m.joined_at
      FROM household_members m
     WHERE m.household_id = :household_id AND m.user_id = :user_id AND m.status = 'active'
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause, and_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.membership import approval_event
from detectors.domain.records import Event, Membership
from detectors.events import EventType
from detectors.text.wording import stamp

META = Meta(
    id="removal-not-applied",
    title="Member Removal Did Not Update the Status",
    team="engineering",
    severity="P1",
    kind="state",
    subject=("household_id", "user_id"),
    needs=frozenset(
        {
            "household_members.status",
            "household_members.joined_at",
            "household_events.event_type",
            "household_events.metadata",
        }
    ),
    consults=frozenset({"household_join_requests"}),
    ways={
        "removals": (frozenset({"household_member_removed.member_id"}),),
        "leaves": (frozenset({EventType.LEFT}),),
    },
    not_where=frozenset({"without_requests"}),
    sure="rows",
    refuted_by="the person came back by a way that writes neither request nor event",
    process="Engineering Escalations, P1: Member removal not updating status",
)


def still_active(presence: FromClause, context: Context) -> ColumnElement[bool]:
    columns = presence.c
    return and_(
        columns.act == "departure", columns.joined_at <= columns.first_at, columns.first_at <= context.watermark
    )


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    last: dict[str, Event] = {}
    for event in case.events_of(EventType.MEMBER_REMOVED, EventType.LEFT):
        if event.text("error_code").strip().upper() not in context.limits.refusal_codes:
            last[event.member_id] = event
    for user_id, event in sorted(last.items()):
        if event.at > context.watermark:
            continue
        rows = [row for row in case.active if row.user_id == user_id and row.joined_at <= event.at]
        if rows and not _came_back(case, user_id, event):
            yield _finding(case, rows[0], event, context)


def _came_back(case: HouseholdCase, user_id: str, event: Event) -> bool:
    if any(row.user_id == user_id and row.joined_at > event.at for row in case.active):
        return True
    approval = approval_event(case, user_id)
    if approval is not None and approval.at > event.at:
        return True
    return any(
        request.user_id == user_id and request.status == "approved" and request.requested_at > event.at
        for request in case.requests
    )


def _finding(case: HouseholdCase, row: Membership, event: Event, context: Context) -> Finding:
    removed = event.type == EventType.MEMBER_REMOVED
    return find(
        META,
        context,
        {"household_id": case.household_id, "user_id": row.user_id},
        impact=Impact(users=1, households=1),
        households=[case.household_id],
        users=[row.user_id, event.user_id],
        first_seen=event.at,
        occurred_at=event.at,
        evidence={
            "event": event.type,
            "event_at": event.at,
            "actor": event.user_id or None,
            "role": row.role,
            "joined_at": row.joined_at,
        },
        timeline=timeline(e for e in case.events if row.user_id in (e.user_id, e.text("member_id"))),
        story=Story(
            issue=f"Member {'was removed from' if removed else 'left'} the household but is still an active member.",
            steps=(
                f"User has been a member since {stamp(row.joined_at)}",
                f"{event.user_id or 'Somebody'} removed them at {stamp(event.at)}"
                if removed
                else f'User clicked "Leave Household" at {stamp(event.at)}',
                "System should have set the member row to 'removed'",
                "The row is still 'active'",
            ),
            expected="The member row has the status 'removed'",
            stopped="1 of 1: the row's status was not set, although the event was written after it"
            if removed
            else "4 of 4: the leaver's row was not removed, although the event says that they left",
            actual=f"The member row has the status '{row.status}' and the role '{row.role}'",
            impact="1 former member still has access to the household",
            error_messages=event.text("error_code") or "None (operation completed successfully)",
            screenshots="None; the member row is described below",
            requesting="Repair of the member's status and investigation into why the removal was not applied",
            affected_users=(row.user_id,),
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("presence", still_active),), evaluate)
