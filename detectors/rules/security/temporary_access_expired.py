"""Temporary access beyond its rights

Problem
-------
A sitter still has access after it should have ended, or leads the household, which temporary members never may.

Fires when
----------
An active temporary member is past temporary_expires_at by more than the grace period, or has the role of leader, or is
named by leader_id.

Stays silent when
-----------------
The expiry is null (and they do not lead, as a deleted account does not); the row is removed; the member is no longer temporary. A temporary leader also
waits for a change of leadership that is under way.

Evidence
--------
The expiry, the role, who invited them, when they joined.

What to do
----------
1. Ask Support to ask the leader of household {household_id} whether user {user_id} is still to look after the pets.
2. If not, set the row to removed and end the user's sessions; if so, let the leader prolong it in the app.
3. If leads is yes: give leader_id and the role of leader to the longest-standing permanent member first: a sitter may
   never lead.
4. Check the job that ends temporary access: when it last ran, and why it passed this row over.

How to check
------------
    SELECT m.user_id, m.role, m.temporary_expires_at
      FROM household_members m JOIN households h ON h.id = m.household_id
     WHERE m.household_id = :household_id AND m.user_id = :user_id AND m.status = 'active' AND m.is_temporary
       AND (m.temporary_expires_at < CURRENT_TIMESTAMP OR m.role = 'leader' OR h.leader_id = m.user_id)
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause, and_, or_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.leadership import in_flight, not_plainly_led
from detectors.domain.records import Membership
from detectors.text.wording import stamp

META = Meta(
    id="temporary-access-expired",
    title="Temporary Access Beyond Its Rights",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id", "user_id"),
    needs=frozenset({"household_members.is_temporary", "household_members.temporary_expires_at"}),
    consults=frozenset({"household_events"}),
    sure="rows",
    refuted_by="the leader has prolonged the stay, and the row does not say so",
    process="Engineering Escalations, P0: Unauthorized access to household data",
)


def sitter_beyond_rights(household: FromClause, context: Context) -> ColumnElement[bool]:
    columns = household.c
    return or_(columns.sitters_beyond_rights > 0, and_(columns.sitters > 0, not_plainly_led(household, context)))


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    leader_id = case.household.leader_id if case.household else None
    seen: set[str] = set()
    for row in case.active:
        if not row.is_temporary or row.user_id in seen:
            continue
        expired = is_expired(row, context)
        named = row.role == "leader" or row.user_id == leader_id
        leads = named and row.user_id not in case.gone and not in_flight(case, context)
        if expired or (leads and row.joined_at <= context.watermark):
            seen.add(row.user_id)
            yield _finding(case, row, expired, leads, context)


def is_expired(row: Membership, context: Context) -> bool:
    """Whether the row's access should have ended and the operation that ends it is no longer in flight."""
    ends = row.temporary_expires_at
    return ends is not None and ends <= context.watermark and ends < context.as_of


def _finding(case: HouseholdCase, row: Membership, expired: bool, leads: bool, context: Context) -> Finding:
    ends = row.temporary_expires_at
    since = ends if expired else None
    wrong = [f"access should have ended at {stamp(ends)}"] if expired and ends else []
    wrong += ["a temporary member leads the household"] if leads else []
    return find(
        META,
        context,
        {"household_id": row.household_id, "user_id": row.user_id},
        impact=Impact(users=len(case.affected - {row.user_id}), households=1),
        households=[row.household_id],
        users=[row.user_id],
        first_seen=since,
        occurred_at=since,
        evidence={
            "expired": expired,
            "leads": leads,
            "temporary_expires_at": ends,
            "role": row.role,
            "invited_by": row.invited_by,
            "joined_at": row.joined_at,
        },
        timeline=timeline(event for event in case.events if row.user_id in (event.user_id, event.text("to_user_id"))),
        story=Story(
            issue=f"Temporary member is still active: {' and '.join(wrong)}.",
            steps=(
                f"User joined as a temporary member at {stamp(row.joined_at)}",
                f"Temporary access {f'ends at {stamp(ends)}' if ends else 'has no end'}",
                "System should have ended it then"
                if expired
                else "System should have made a permanent member the leader",
            ),
            expected="Temporary members lose access at temporary_expires_at and never lead",
            actual=f"The row is active with the role '{row.role}'"
            + (" and leader_id names the user" if case.household and case.household.leader_id == row.user_id else ""),
            impact="Somebody has access to the household, its members and pets, who should not have it",
            screenshots="None; the member row is described below",
            requesting="End of the access and investigation into why temporary access was not ended or limited",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("households", sitter_beyond_rights),), evaluate)
