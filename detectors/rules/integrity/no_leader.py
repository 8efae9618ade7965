"""No leader in a household with active members

Problem
-------
A household has members but nobody who can approve requests, remove members or change its settings.

Fires when
----------
The household has active members, and no active row has the role 'leader', or leader_id is null or names nobody who is
an active member. A member whose account is deleted (users.deleted_at) is not active here: nobody stands behind the row.

Stays silent when
-----------------
leader_id names an active member *and* some active row has the role 'leader', even if they are different people: that
is transfer-failed. Nobody is left but deleted accounts: then nobody misses a leader. Also while a change of leadership is
under way (younger than the grace period), and for a deletion that is younger still or lies in the future.

Evidence
--------
leader_id and what is known of its person here, when their account was deleted if it was, the active leaders, the members who are stuck, the longest-standing
member who would be next, the audit trail.

What to do
----------
1. Make {longest_standing_member|the longest-standing active member} the leader of household {household_id}: leader_id
   and the role of leader together, in one transaction; where the app has no leader_id, the role alone.
2. Ask Support to tell the members who leads now, before they ask.
3. Find out how leadership was lost: follow the audit trail back to the last change of who leads.

How to check
------------
    SELECT h.id, h.leader_id, u.deleted_at
      FROM households h JOIN users u ON u.id = h.leader_id
     WHERE h.id = :household_id AND u.deleted_at <= :leader_account_deleted_at

    SELECT h.id, h.leader_id
      FROM households h
     WHERE h.id = :household_id
       AND (NOT EXISTS (SELECT 1 FROM household_members m
                         WHERE m.household_id = h.id AND m.status = 'active' AND m.user_id = h.leader_id)
            OR NOT EXISTS (SELECT 1 FROM household_members m
                            WHERE m.household_id = h.id AND m.status = 'active' AND m.role = 'leader'))
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.leadership import (
    active_leaders,
    active_row,
    in_flight,
    last_change,
    longest_standing,
    not_plainly_led,
)
from detectors.text.wording import count, stamp

MEMBER_LIST = "Attached (household member list with the leader badges that there are)"
"""What a ticket says of the picture that is drawn of the members."""
META = Meta(
    id="no-leader",
    title="Household Has No Leader",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"households.leader_id", "household_members.role", "household_members.status"}),
    consults=frozenset({"users", "household_events"}),
    among_the_living="one",
    partly={"deleted accounts, which lead nobody": frozenset({"users.deleted_at"})},
    sure="rows",
    refuted_by="somebody leads by a rule that the tables do not hold",
    process="Engineering Escalations, P0: No leader in household with active members",
)


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    reason = why_leaderless(case, by_role="leaders_by_role" in context.otherwise)
    if reason is None or in_flight(case, context) or case.household is None:
        return
    leader_id = case.household.leader_id
    heir = longest_standing(case)
    deleted = case.gone.get(leader_id or "")
    change = last_change(case)
    happened = deleted or (change.at if change else None)
    stuck = [member.user_id for member in case.living]
    yield find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=len(set(stuck)), households=1),
        households=[case.household_id],
        users=[*stuck, leader_id or ""],
        first_seen=happened,
        occurred_at=happened,
        evidence={
            "leader_id": leader_id,
            "reason": reason,
            "active_leaders": [leader.user_id for leader in active_leaders(case)],
            "leader_account_deleted_at": deleted,
            "stuck_members": stuck,
            "longest_standing_member": heir,
        },
        timeline=timeline(case.events),
        story=Story(
            issue="Household has active members but no leader.",
            steps=_steps(leader_id, deleted, "; see the timeline below" if case.events else ""),
            expected=f"{heir} is the leader: the longest-standing active member"
            if heir
            else "An active member leads the household",
            actual=f"Household has no leader ({reason})",
            impact=f"{count(len(set(stuck)), 'member')} cannot manage household settings",
            screenshots=MEMBER_LIST,
            requesting="Emergency fix to assign leader and investigation into how leadership was lost",
            affected_users=tuple(filter(None, (leader_id,))) or tuple(stuck),
        ),
    )


def _steps(leader_id: str | None, deleted: datetime | None, where: str) -> tuple[str, ...]:
    if deleted is None:
        return (f"The audit trail shows no operation that explains it{where}",)
    return (
        f"Leader {leader_id} deleted their account at {stamp(deleted)}",
        "System should have made the longest-standing member the leader",
        "leader_id still names the deleted account",
    )


def why_leaderless(case: HouseholdCase, *, by_role: bool = False) -> str | None:
    """In words, why nobody leads this household; None if it has no active member or somebody does lead.

    In an app in which the role says it alone (`by_role`), leader_id is worked out of the roles, and says nothing more.
    """
    if case.household is None or not case.living:
        return None
    if by_role:
        return None if active_leaders(case) else "no active member has the role of leader"
    leader_id = case.household.leader_id
    if leader_id is None:
        return "leader_id is null"
    if leader_id in case.gone:
        return f"leader_id names {leader_id}, whose account was deleted on {case.gone[leader_id]:%Y-%m-%d}"
    if active_row(case, leader_id) is None:
        known = any(member.user_id == leader_id for member in case.members)
        return f"leader_id names {leader_id}, who {'is no longer an active member' if known else 'has no member row'}"
    if not active_leaders(case):
        return f"no active member has the role of leader; leader_id names {leader_id}, whose role is not leader"
    return None


DETECTOR = Detector(META, __doc__, (Subscription("households", not_plainly_led),), evaluate, by_shape=True)
