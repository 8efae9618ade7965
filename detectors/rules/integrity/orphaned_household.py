"""A household without active members

Problem
-------
A household exists to which nobody belongs. Either its creation stopped half way (the household was written, its
creator's member row was not, and taking the household back failed too), or everyone has left, which is how the app
normally ends a household: the row stays, and so does its invite code.

Fires when
----------
The household has no active member. Where it *never had a member row*, each one is a P0. Where *everyone left*, all of
them together are one grouped finding at P2, whose members are the households; the policy can raise it. Everyone left too
where there is no row any more and the audit trail tells of members: there are apps that delete the rows of those who go.
Where they delete with them what they did, a request that was approved tells it.

Stays silent when
-----------------
The household is younger than the grace period: its creation may be under way. An active row whose account is deleted is a
member row: this is no rule of leadership.

Evidence
--------
Which of the two kinds (or that no row tells, where the app deletes them), when the household was created, whom leader_id names, the audit trail of the creation.

What to do
----------
1. If orphan is never-had-a-member-row: ask Support whether {leader_id|the person whom leader_id names} still wants
   household {household_id}.
2. If orphan is never-had-a-member-row: if they do, write their member row (leader, active); if not, delete the
   household, so that its invite code is free.
3. If orphan is never-had-a-member-row: find out why the creation stopped between its two inserts, and why the
   deletion after it failed.
4. If orphan is without-any-row: look in the server's log for what came last: that its last member left, or that it was
   created. If nobody asks for household {household_id}, delete it; if somebody does, write their member row, as leader.
5. If orphan is without-any-row: find out how the app let its last member go, or stopped between its two inserts.
6. If orphan is everyone-left: nothing is urgent. Archive or delete the households, and let their invite codes lapse.

How to check
------------
    SELECT h.id, h.leader_id, h.created_at
      FROM households h
     WHERE h.id = :household_id
       AND NOT EXISTS (SELECT 1 FROM household_members m WHERE m.household_id = h.id AND m.status = 'active')

    SELECT h.id, h.leader_id, h.created_at
      FROM households h
     WHERE NOT EXISTS (SELECT 1 FROM household_members m WHERE m.household_id = h.id AND m.status = 'active')
     ORDER BY h.created_at DESC LIMIT 100
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, and_, or_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Member, Meta, Row, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.membership import was_lived_in
from detectors.domain.records import Household
from detectors.domain.values import text_of
from detectors.text.wording import count, stamp

META = Meta(
    id="orphaned-household",
    title="Orphaned Household (No Associated Members)",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id", "operation"),
    needs=frozenset({"households.created_at", "household_members.status"}),
    consults=frozenset({"household_events"}),
    sure="rows",
    refuted_by="member rows are missing from what was read",
    process="Engineering Escalations, P0: Orphaned households (no associated members)",
)


def never_had_a_member(household: FromClause, context: Context) -> ColumnElement[bool]:
    columns = household.c
    return and_(columns.member_rows == 0, columns.lived_in.is_(False), columns.created_at <= context.watermark)


def everyone_left(household: FromClause, context: Context) -> ColumnElement[bool]:
    columns = household.c
    had_members = or_(columns.member_rows > 0, columns.lived_in)
    return and_(had_members, columns.active_members == 0, columns.created_at <= context.watermark)


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    household, deletes = case.household, "rows_are_deleted" in context.otherwise
    if household is None or case.members or household.created_at > context.watermark:
        return
    if was_lived_in(case, by_requests=deletes):
        return
    creator = household.leader_id
    yield find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=1 if creator else 0, households=1),
        households=[case.household_id],
        users=[creator or ""],
        first_seen=household.created_at,
        occurred_at=household.created_at,
        evidence={
            "orphan": "without-any-row" if deletes else "never-had-a-member-row",
            "leader_id": creator,
            "created_at": household.created_at,
        },
        timeline=timeline(case.events),
        story=_without_any_row(household) if deletes else _never_joined(household),
    )


def _never_joined(household: Household) -> Story:
    creator = household.leader_id
    return Story(
        issue="Household was created but has never had a member.",
        steps=(
            f'User {creator or "(unknown)"} clicked "Create Household"',
            f"The household was written at {stamp(household.created_at)}",
            "System should have written the creator's member row, or deleted the household again",
            "Neither happened",
        ),
        expected="The creator is the household's leader and first member",
        stopped="1 of 2: the household was written; the creator's member row was not (2), nor was the household deleted again",
        actual="Household has no member row at all, active or removed",
        impact="The creator cannot use the household" if creator else "Nobody can use the household",
        screenshots="None; there is no member list to show",
        requesting="Removal of the household or repair of the creator's membership, and investigation into why "
        "the creation stopped half way",
    )


def _without_any_row(household: Household) -> Story:
    """What is known where no row is kept of members who left."""
    return Story(
        issue="Household has no member.",
        steps=(
            f"The household was written at {stamp(household.created_at)}",
            "Nothing tells whether it ever had a member: this app keeps no row of those who left",
        ),
        expected="A household has members, or is deleted with the last of them",
        actual="Household has no member row",
        impact="Nobody can use the household",
        screenshots="None; there is no member list to show",
        requesting="Removal of the household or repair of its membership, and investigation into how it came to this",
    )


def aggregate_everyone_left(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    ids = sorted(text_of(row["household_id"]) for row in rows)
    if not ids:
        return
    shown = ids[: context.limits.incident_members_most]
    yield find(
        META,
        context,
        {"operation": "everyone-left"},
        impact=Impact(users=0, households=len(ids)),
        severity=context.limits.everyone_left_severity,
        title="Households That Everyone Has Left",
        evidence={"orphan": "everyone-left", "count": len(ids), "listed": len(shown)},
        members=tuple(Member(subject={"household_id": household}, households=(household,)) for household in shown),
        story=Story(
            issue=f"{count(len(ids), 'household')} had members once and now have none.",
            steps=(
                "The last member of each household left or was removed",
                "System keeps the household and its invite code",
            ),
            expected="A household without members is archived",
            actual=f"{count(len(ids), 'household')} without an active member; their invite codes still work",
            impact="No user is affected; this is the app's normal end of a household",
            screenshots="None; the households are listed below",
            requesting="Clean-up of households without members when convenient",
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (
        Subscription("households", never_had_a_member),
        Subscription(
            "households",
            everyone_left,
            aggregate_everyone_left,
            in_part=lambda limits: limits.everyone_left_severity == "P2",
        ),
    ),
    evaluate,
    by_night_in_part="how many households everyone has left, where only what changed is looked at",
)
