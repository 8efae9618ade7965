"""A household beyond its capacity

Problem
-------
A household has more active members than the app allows: a kennel, a rescue or a very large family that needs an answer.

Fires when
----------
More than 15 people are active members; temporary members count, a person with two rows counts once.

Stays silent when
-----------------
Exactly 15; removed members; rows younger than the grace period.

Evidence
--------
The number of active members, how many of them are temporary, and when the last one joined.

What to do
----------
1. Talk to the leader of household {household_id}: who the {active_members|many} members are, and what they need.
2. Decide: an exception, a split into several households, or an account for organisations. Nobody is to be removed
   meanwhile.
3. Tell Engineering if it came without an exception: the app should have refused the member beyond {capacity|its
   capacity}.

How to check
------------
    SELECT m.household_id, count(*) AS active_members
      FROM household_members m
     WHERE m.household_id = :household_id AND m.status = 'active'
     GROUP BY m.household_id HAVING count(*) > :capacity
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Membership
from detectors.text.wording import count, stamp

META = Meta(
    id="over-capacity",
    title="Household Beyond Its Capacity",
    team="csm",
    severity="Next-day",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"household_members.status", "household_members.joined_at"}),
    not_where=frozenset({"other_limits"}),
    sure="rows",
    refuted_by="the household has a larger capacity by agreement, and the policy does not know",
    process="Customer Success Manager Escalations, Next-Day: Households requesting >15 members",
)


def many_members(household: FromClause, context: Context) -> ColumnElement[bool]:
    return household.c.active_members > context.limits.household_capacity


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    first: dict[str, Membership] = {}
    for member in case.active:
        if member.joined_at <= context.watermark:
            first.setdefault(member.user_id, member)
    capacity = context.limits.household_capacity
    if case.household is None or len(first) <= capacity:
        return
    rows = sorted(first.values(), key=lambda member: member.joined_at)
    sitters = sum(row.is_temporary for row in rows)
    yield find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=len(case.affected & first.keys()), households=1),
        households=[case.household_id],
        users=list(first),
        evidence={
            "active_members": len(rows),
            "temporary_members": sitters,
            "capacity": capacity,
            "last_joined_at": rows[-1].joined_at,
        },
        timeline=timeline(case.events),
        story=Story(
            fields={
                "Customer value": "",
                "Issue summary": f"Household has {count(len(rows), 'active member')} ({sitters} temporary); "
                f"the limit is {capacity}.",
                "Customer impact": "The app admits nobody else, and its pages are made for smaller households "
                f"(the last of them joined at {stamp(rows[-1].joined_at)})",
                "Requested outcome": "",
                "Your recommendation": "Ask the leader what the household is (family, kennel, rescue) and offer an exception "
                "or several households",
                "Urgency justification": f"{count(len(rows) - capacity, 'member')} more than the process allows without review",
            }
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("households", many_members),), evaluate)
