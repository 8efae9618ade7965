"""Members of a household that does not exist

Problem
-------
People have active member rows in a household of which there is no row: a deletion stopped half way, or a restore lost it.
Their app opens on nothing, and while they are somebody's members they can join no other household.

Fires when
----------
There are active member rows whose household row does not exist, however old they are.

Stays silent when
-----------------
All member rows of the missing household are 'removed'. The newest active row is younger than the grace period: the household
may be written or taken back at this moment.

Evidence
--------
The active members with their roles, the audit trail of the household.

What to do
----------
1. Look for the row of household {household_id} in the last backup, and restore it with its own id.
2. If it cannot be restored, set the active member rows to removed, so that the people can join elsewhere; ask Support
   to tell them.
3. Find out what deleted the row, and add a foreign key from the member rows' household_id to the households' id.

How to check
------------
    SELECT m.household_id, m.user_id, m.role, m.joined_at
      FROM household_members m
     WHERE m.household_id = :household_id AND m.status = 'active'
       AND NOT EXISTS (SELECT 1 FROM households h WHERE h.id = m.household_id)
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause, and_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.text.wording import count, stamp

META = Meta(
    id="members-without-household",
    title="Active Members of a Household That Does Not Exist",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"households.id", "household_members.household_id", "household_members.status"}),
    consults=frozenset({"household_events", "users"}),
    sure="rows",
    refuted_by="rows of households are missing from what was read",
    process="Engineering Escalations, P0: Data integrity issues",
)


def no_such_household(household: FromClause, context: Context) -> ColumnElement[bool]:
    return and_(household.c.is_missing, household.c.active_members > 0)


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    rows = [member for member in case.active if member.joined_at <= context.watermark]
    if case.household is not None or not rows:
        return
    people = sorted({row.user_id for row in rows})
    affected = len(case.affected & set(people))
    yield find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=affected, households=1),
        households=[case.household_id],
        users=people,
        evidence={
            "active_members": [{"user_id": row.user_id, "role": row.role, "joined_at": row.joined_at} for row in rows],
        },
        timeline=timeline(case.events),
        story=Story(
            issue=f"{count(len(people), 'user')} {'is' if len(people) == 1 else 'are'} active in a household that does not exist.",
            steps=(
                f"The first of them joined at {stamp(rows[0].joined_at)}",
                "The household's row was deleted, or lost in a restore; no event tells when",
                "System should have ended the memberships with it",
            ),
            expected="Every active member row belongs to a household that exists",
            actual=f"{count(len(rows), 'active member row')}, and no row in households with this id",
            impact=f"{count(affected, 'user')} cannot use the app: their household cannot be opened, and they can join no other",
            screenshots="None; the member rows are listed below",
            requesting="Repair of the household or end of its memberships, and investigation into how its row was lost",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("households", no_such_household),), evaluate)
