"""Several leaders in one household

Problem
-------
More than one active member of a household holds the role of leader. Each of them sees a leader's controls, and the app
obeys whichever of them acts first.

Fires when
----------
More than one *active* member row of the household has the role 'leader'.

Stays silent when
-----------------
The extra leader rows have the status 'removed': every past leader leaves such a row. Leaders whose accounts are deleted lead
nobody and do not count. Also while a change of leadership
is under way, and for a leader's row that is younger than the grace period.

Evidence
--------
leader_id, the active leaders with the time each joined, the number of active members, the audit trail.

What to do
----------
1. Decide who leads household {household_id}: {leader_id|the member whom leader_id names}, unless the audit trail's last
   leadership transfer names somebody else.
2. Leave that member the role of leader and set the role of {active_leaders|the other active leaders} to member, all
   but theirs, in one transaction; let leader_id name the same person.
3. Find the operation in the audit trail that left the second leader behind, and the deployment that it ran on.

How to check
------------
    SELECT m.household_id, count(*) AS leaders
      FROM household_members m
     WHERE m.household_id = :household_id AND m.status = 'active' AND m.role = 'leader'
     GROUP BY m.household_id HAVING count(*) > 1
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.leadership import active_leaders, in_flight, last_change
from detectors.text.wording import count, listed

META = Meta(
    id="multiple-leaders",
    title="Multiple Leaders in One Household",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"household_members.role", "household_members.status"}),
    consults=frozenset({"users", "household_events"}),
    among_the_living="each",
    partly={"deleted accounts, which lead nobody": frozenset({"users.deleted_at"})},
    not_where=frozenset({"several_leaders"}),
    sure="rows",
    refuted_by="the source was read while a leader changed, or a role means something else in this deployment",
    process="Engineering Escalations, P0: Multiple leaders in one household",
)


def several_leaders(household: FromClause, context: Context) -> ColumnElement[bool]:
    return household.c.active_leaders > 1


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    leaders = [leader for leader in active_leaders(case) if leader.joined_at <= context.watermark]
    if len(leaders) < 2 or in_flight(case, context):
        return
    ids = [leader.user_id for leader in leaders]
    leader_id = case.household.leader_id if case.household else None
    change, members = last_change(case), case.affected
    yield find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=len(members), households=1),
        households=[case.household_id],
        users=list(members),
        first_seen=change.at if change else None,
        occurred_at=change.at if change else None,
        evidence={
            "leader_id": leader_id,
            "active_leaders": [{"user_id": leader.user_id, "joined_at": leader.joined_at} for leader in leaders],
            "active_members": len(members),
            "stuck_members": sorted(members),
        },
        timeline=timeline(case.events),
        story=Story(
            issue=f"Household has {count(len(leaders), 'active member row')} with the role of leader.",
            steps=(
                "The audit trail shows no operation that explains it"
                + ("; see the timeline below" if case.events else ""),
            ),
            expected="Exactly one active member has the role of leader, the one whom leader_id names",
            actual=f"{listed(ids)} have the role of leader (leader_id is {leader_id or 'null'})",
            impact=f"{count(len(members), 'member')} of a household with conflicting leaders",
            screenshots="Attached (household member list showing more than one leader badge)",
            affected_users=tuple(ids),
            requesting="Fix to leave one leader and investigation into which operation left the second one behind",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("households", several_leaders),), evaluate, by_shape=True)
