"""Unauthorised access to a household

Problem
-------
Somebody read or changed a household they did not belong to at that moment: the app let them in where it must not.

Fires when
----------
In the window, a view, an update, a pet's activity or a leader's action inside a household by somebody who
- *never belonged* to it, or joined later;
- *had left* or was removed more than two minutes before (the events say so, or the transfer with which a leader's leave
  begins; and no later approval brought them back: one that an old row blocked did not);
- had a *temporary membership* that ended more than two minutes before;
- was a *former leader*: leadership had been transferred from them more than two minutes before and not back, and they
  approved, rejected, removed somebody else or regenerated the code.

Stays silent when
-----------------
A request to join, leaving, or a code's validation: those are for outsiders. A rejection whose event names the requester
while the request names somebody else as having answered. What ended in an error. The app's own
service accounts. A 'removed' row without an event: nobody knows since when. The creator of a household that has no
member row for them (orphaned-household). Whose request was approved before the audit trail began, or where it holds no
approvals at all: nobody knows whether they were let in.

Evidence
--------
What was done, how often, first and last, from which addresses; the member row; when the person left or lost leadership.

What to do
----------
1. End the sessions of user {user_id} now; the hole may still be open.
2. Find the missing check: which route served {actions|the actions below}, and whether it asks for an active
   membership.
3. Say what was read or changed, so that Support can tell household {household_id}.
4. Undo what was changed, if the household did not want it.

How to check
------------
    SELECT e.event_type, count(*) AS times, min(e.event_timestamp) AS first_at, max(e.event_timestamp) AS last_at
      FROM household_events e
     WHERE e.household_id = :household_id AND e.user_id = :user_id
       AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
     GROUP BY e.event_type
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, FromClause, and_, or_

from detectors.cases.access import AccessCase
from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Event, JoinRequest
from detectors.events import INSIDE, LEADER_ACTIONS, EventType
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="unauthorised-access",
    title="Unauthorised Access to Household Data",
    team="engineering",
    severity="P0",
    kind="occurrence",
    subject=("household_id", "user_id"),
    needs=frozenset(
        {
            "household_members.status",
            "household_members.joined_at",
            "household_events.metadata",
            "households.id",
            "households.leader_id",
            "households.created_at",
        }
    ),
    consults=frozenset({"household_join_requests"}),
    partly={
        "visits after temporary access ended": frozenset(
            {"household_members.is_temporary", "household_members.temporary_expires_at"}
        )
    },
    events=(frozenset(INSIDE),),
    ways={
        "visits by strangers": (),
        "visits after a leave or a removal": (frozenset({"household_member_removed.member_id", EventType.LEFT}),),
        "acts of former leaders": (frozenset({"household_leadership_transferred.from_user_id"}),),
    },
    not_where=frozenset({"rows_are_deleted"}),
    sure="trail",
    refuted_by="a membership or a service account explains the access, and the tables do not hold it",
    process="Engineering Escalations, P0: Unauthorized access to household data",
)


def not_plainly_inside(presence: FromClause, context: Context) -> ColumnElement[bool]:
    columns = presence.c
    expired = and_(columns.is_temporary.is_(True), columns.temporary_expires_at < columns.last_at)
    late = or_(columns.joined_at.is_(None), columns.joined_at > columns.first_at)
    return and_(columns.act == "visit", or_(late, expired, columns.led_without_office))


def evaluate(case: AccessCase, context: Context) -> Iterator[Finding]:
    if case.home.household is None:
        return
    wrong: dict[str, list[tuple[Event, str]]] = defaultdict(list)
    for event in case.actions:
        if not event.user_id or event.user_id in context.limits.service_accounts or event.at > context.watermark:
            continue
        if event.text("error_code") or _names_the_requester(case.home, event):
            continue
        reason = why_not(case.home, event, context)
        if reason:
            wrong[event.user_id].append((event, reason))
    for user_id, deeds in sorted(wrong.items()):
        yield _finding(case, user_id, deeds, context)


def _names_the_requester(home: HouseholdCase, event: Event) -> bool:
    """Whether a rejection's event names as its user whose request it was, while the request says who answered it."""
    return event.type == EventType.JOIN_REQUEST_REJECTED and any(
        request.id == event.text("request_id")
        and request.user_id == event.user_id
        and request.responded_by not in (None, event.user_id)
        for request in home.requests
    )


def why_not(home: HouseholdCase, event: Event, context: Context) -> str | None:
    """Why the actor had no right to do what `event` says at its time; None if they had, or if nobody can tell."""
    grace, user = context.limits.grace, event.user_id
    rows = [row for row in home.active if row.user_id == user and row.joined_at <= event.at + grace]
    if rows:
        ends = [row.temporary_expires_at for row in rows if row.is_temporary]
        if len(ends) == len(rows) and all(end is not None and end + grace < event.at for end in ends):
            return "had a temporary membership that was over"
        return _acts_as_former_leader(home, event, context)
    if event.type == EventType.MEMBER_REMOVED and event.text("member_id") == user:
        return None
    starts, ends_at = _starts(home, user, context), _ends(home, user, grace)
    left = max((end for end in ends_at if end < event.at), default=None)
    began = max((start for start in starts if start <= event.at + grace), default=None)
    if left is not None and (began is None or began <= left):
        return "had left or was removed" if left + grace < event.at else None
    if began is not None:
        # When they left is not known, but when they last led is.
        return _acts_as_former_leader(home, event, context)
    first_start = min(starts, default=None)
    if any(end >= event.at and (first_start is None or end < first_start) for end in ends_at):
        return None
    return "joined later" if starts else "never belonged"


def _starts(home: HouseholdCase, user: str, context: Context) -> list[datetime]:
    """When the user's memberships began, as far as anything tells; a creator's with the household."""
    grace = context.limits.grace
    rows = [row for row in home.members if row.user_id == user]
    starts = [row.joined_at for row in rows]
    asked = {request.id for request in home.requests if request.user_id == user}
    for event in home.events_of(EventType.JOIN_REQUEST_APPROVED):
        # An old row that is still 'removed' blocks the new one: that approval let nobody in.
        let_in = not rows or any(row.active or row.joined_at + grace >= event.at for row in rows)
        if let_in and (event.text("new_member_id") == user or event.text("request_id") in asked):
            starts.append(event.at)
    if not rows:
        starts += [request.requested_at for request in home.requests if _unrecorded(request, user, context)]
    created = any(event.user_id == user for event in home.events_of(EventType.CREATED))
    household = home.household
    if household is not None and (created or (household.leader_id == user and not starts)):
        starts.append(household.created_at)
    return starts


def _unrecorded(request: JoinRequest, user: str, context: Context) -> bool:
    """Whether a request of the user's was approved, and the trail cannot tell when."""
    if request.user_id != user or request.status != "approved":
        return False
    never = EventType.JOIN_REQUEST_APPROVED in context.never_written
    return never or context.audit_began is None or request.requested_at < context.audit_began


def _ends(home: HouseholdCase, user: str, grace: timedelta) -> list[datetime]:
    """When they ended: by a leave, a removal, or the end of a temporary membership.

    A leader's leave is written after the transfer that it begins with; where it is not, the transfer tells, if the row is gone.
    """
    ends = [e.at for e in home.events_of(EventType.LEFT, EventType.MEMBER_REMOVED) if e.member_id == user]
    rows = [row for row in home.members if row.user_id == user]
    if rows and not any(row.active for row in rows):
        ends += [
            event.at
            for event in home.events_of(EventType.LEADERSHIP_TRANSFERRED)
            if event.text("reason").strip().lower() == "leave"
            and event.text("from_user_id") == user
            and not any(end + grace >= event.at for end in ends)
        ]
    return ends + [
        row.temporary_expires_at for row in rows if row.is_temporary and row.temporary_expires_at is not None
    ]


def _acts_as_former_leader(home: HouseholdCase, event: Event, context: Context) -> str | None:
    if event.type not in LEADER_ACTIONS or event.text("member_id") == event.user_id:
        return None
    transfers = home.events_of(EventType.LEADERSHIP_TRANSFERRED)
    lost = [e.at for e in transfers if e.text("from_user_id") == event.user_id and e.at < event.at]
    if not lost or lost[-1] + context.limits.grace >= event.at:
        return None
    if any(e.text("to_user_id") == event.user_id and lost[-1] <= e.at <= event.at for e in transfers):
        return None
    leads_again = home.household is not None and home.household.leader_id == event.user_id
    return None if leads_again else "was no longer the leader"


def _finding(case: AccessCase, user_id: str, deeds: list[tuple[Event, str]], context: Context) -> Finding:
    events = [event for event, _ in deeds]
    reasons = list(dict.fromkeys(reason for _, reason in deeds))
    kinds = Counter(event.type for event in events)
    addresses = sorted({event.text("ip_address") for event in events} - {""})
    rows = [row for row in case.home.members if row.user_id == user_id]
    row = f"member row: {rows[0].role}, {rows[0].status}" if rows else "no member row"
    people = case.home.affected - {user_id}
    done = listed([f"{kind} ({number})" for kind, number in kinds.most_common()])
    return find(
        META,
        context,
        {"household_id": case.key, "user_id": user_id},
        impact=Impact(users=len(people), households=1),
        households=[case.key],
        users=[user_id],
        first_seen=events[0].at,
        occurred_at=events[-1].at,
        evidence={
            "reasons": reasons,
            "actions": dict(sorted(kinds.items())),
            "ip_addresses": addresses,
            "member_row": row,
        },
        timeline=timeline([*(e for e in case.home.events if user_id in (e.user_id, e.member_id)), *events[-10:]]),
        story=Story(
            issue=f"A user acted inside a household without a right to ({listed(reasons)}).",
            steps=(
                f"User {user_id} ({row}) {listed(reasons)}",
                f"Between {stamp(events[0].at)} and {stamp(events[-1].at)} they did: {done}",
                "The app should have refused",
            ),
            expected="Only active members read or change a household, and only its leader leads",
            actual=f"{count(len(events), 'action')} went through",
            impact=f"Data of {count(len(people), 'member')} was open to somebody without a right to it",
            error_messages="None (operations completed successfully)",
            screenshots="None; the actions are listed below",
            requesting="Closing of the hole, end of the person's sessions, and investigation into what was read or changed",
            affected_users=(user_id,),
        ),
    )


DETECTOR = Detector(
    META, __doc__, (Subscription("presence", not_plainly_inside, opens="accessed_household"),), evaluate
)
