"""Duplicate member entries

Problem
-------
One person has two active member rows in one household: they are counted twice, and removing one row leaves them in.

Fires when
----------
Two or more *active* rows exist for the same household and user. Where a unique key over household and user makes that
impossible, the detector is not run but reported as proved.

Stays silent when
-----------------
One row is active and the other removed. Also while the newest of the rows is younger than the grace period.

Evidence
--------
Each active row with its role and the time it was written.

What to do
----------
1. Keep the oldest row of user {user_id} in household {household_id} (with the role of leader, if either has it), and
   delete the others.
2. Restore the unique constraint on household_id and user_id of the member rows; it refuses to be made while such rows
   are left.
3. Find out since when the constraint is missing, and what wrote the second row.

How to check
------------
    SELECT m.household_id, m.user_id, count(*) AS active_rows
      FROM household_members m
     WHERE m.household_id = :household_id AND m.user_id = :user_id AND m.status = 'active'
     GROUP BY m.household_id, m.user_id HAVING count(*) > 1
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.user import UserCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.records import Membership
from detectors.source import Schema
from detectors.text.wording import count, stamp

META = Meta(
    id="duplicate-member",
    title="Duplicate Member Entries in Household",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id", "user_id"),
    needs=frozenset({"household_members.household_id", "household_members.user_id", "household_members.status"}),
    sure="rows",
    refuted_by="the export holds rows twice that the database holds once",
    process="Engineering Escalations, P0: Duplicate member entries",
)


def several_active_rows(user: FromClause, context: Context) -> ColumnElement[bool]:
    return user.c.active_rows > 1


def evaluate(case: UserCase, context: Context) -> Iterator[Finding]:
    rows: dict[str, list[Membership]] = defaultdict(list)
    for member in case.memberships:
        if member.active and member.joined_at <= context.watermark:
            rows[member.household_id].append(member)
    for household_id, duplicates in sorted(rows.items()):
        if len(duplicates) > 1:
            yield _finding(case, household_id, duplicates, context)


def _finding(case: UserCase, household_id: str, rows: list[Membership], context: Context) -> Finding:
    written = [f"{stamp(row.joined_at)} as {row.role}" for row in rows]
    return find(
        META,
        context,
        {"household_id": household_id, "user_id": case.user_id},
        impact=Impact(users=case.affected, households=1),
        households=[household_id],
        users=[case.user_id],
        evidence={"rows": [{"role": row.role, "joined_at": row.joined_at} for row in rows]},
        story=Story(
            issue=f"User has {count(len(rows), 'active member row')} in one household.",
            steps=(
                f"User joined the household at {stamp(rows[0].joined_at)}",
                f"A second member row was written at {stamp(rows[1].joined_at)}",
                "System should have refused it or reused the first one",
            ),
            expected="One member row for each person in a household",
            actual=f"{len(rows)} active rows: {'; '.join(written)}",
            impact=f"{count(case.affected, 'member')} counted twice, and stays in the household when one row is removed",
            screenshots="None; the rows are listed below",
            requesting="Removal of the extra rows, and a unique constraint on household and user",
        ),
    )


def proved_by(schema: Schema) -> str | None:
    return schema.unique_on("household_members", "household_id", "user_id")


DETECTOR = Detector(META, __doc__, (Subscription("active-users", several_active_rows),), evaluate, proved_by)
