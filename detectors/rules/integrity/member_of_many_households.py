"""A member of several households

Problem
-------
The app allows one household per user and shows the user one of them; memberships in others are invisible to their owner
and still give access. Other apps allow several memberships, and the lead of one household.

Fires when
----------
A user is an active member of more than one household, where the policy says one per user (it does by default). In an app
where people may belong to several households but lead one: a user leads more than one.

Stays silent when
-----------------
The further memberships are temporary: a sitter may look after several households. Rows younger than the grace period do
not count, nor do those without a household or of the nil UUID, which stands for nobody.

Evidence
--------
What the app allows, and each household with the role and the time of joining.

What to do
----------
1. Ask Support to ask user {user_id} which of the households {memberships|that they belong to} is theirs.
2. If allowed is one-membership: set their rows in the others to removed; where they lead one that has other members, hand
   leadership over first.
3. If allowed is one-lead: give the lead of the others to another member of each.
4. Find out which path let them join the second one: a request, a creation, or a row written by hand.

How to check
------------
    SELECT m.user_id, count(DISTINCT m.household_id) AS households
      FROM household_members m
     WHERE m.user_id = :user_id AND m.status = 'active' AND NOT coalesce(m.is_temporary, false)
     GROUP BY m.user_id HAVING count(DISTINCT m.household_id) > 1
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.user import UserCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.records import Membership
from detectors.domain.values import NOBODY
from detectors.limits import Limits
from detectors.source import Schema
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="member-of-many-households",
    title="User Is Active in Several Households",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("user_id",),
    needs=frozenset(f"household_members.{column}" for column in ("household_id", "user_id", "status", "is_temporary")),
    not_where=frozenset({"several_households"}),
    sure="rows",
    refuted_by="the memberships are sittings that nobody marked as temporary",
    process="Engineering Escalations, P0: Data integrity issues",
)


def several_exclusive_rows(user: FromClause, context: Context) -> ColumnElement[bool]:
    return user.c.exclusive_rows > 1


def evaluate(case: UserCase, context: Context) -> Iterator[Finding]:
    lead = "leads_one" in context.otherwise
    first: dict[str, Membership] = {}
    for member in case.memberships:
        counts = (member.leads if lead else member.active) and not member.is_temporary
        if member.household_id and counts and member.joined_at <= context.watermark:
            first.setdefault(member.household_id, member)
    if len(first) < 2 or case.user_id == NOBODY:
        return
    rows = sorted(first.values(), key=lambda member: (member.joined_at, member.household_id))
    without = "" if lead else " without leaving"
    yield find(
        META,
        context,
        {"user_id": case.user_id},
        title="User Leads Several Households" if lead else META.title,
        impact=Impact(users=case.affected, households=len(rows)),
        households=list(first),
        users=[case.user_id],
        evidence={
            "allowed": "one-lead" if lead else "one-membership",
            "memberships": [
                {"household_id": row.household_id, "role": row.role, "joined_at": row.joined_at} for row in rows
            ],
        },
        story=Story(
            issue=f"User {'leads' if lead else 'is an active member of'} {count(len(rows), 'household')}; the app allows one.",
            steps=(
                f"User joined {rows[0].household_id} at {stamp(rows[0].joined_at)}",
                *(f"User joined {row.household_id} at {stamp(row.joined_at)}{without}" for row in rows[1:6]),
                "System should have refused the second lead"
                if lead
                else "System should have refused it (ALREADY_IN_HOUSEHOLD)",
            ),
            expected="A user leads one household" if lead else "A user is an active member of one household at a time",
            actual=f"{'Leads' if lead else 'Active in'} {listed([row.household_id for row in rows])}",
            impact=f"{count(case.affected, 'user')} {'leading' if lead else 'with access to'} {count(len(rows) - 1, 'household')} too many",
            screenshots="None; the memberships are listed below",
            requesting="Decision with the user which membership stays, removal of the others, and investigation",
        ),
    )


def pointless(limits: Limits) -> str | None:
    return None if limits.one_household_per_user else "the policy allows several households per user"


def proved_by(schema: Schema) -> str | None:
    return schema.unique_on("household_members", "user_id")


DETECTOR = Detector(
    META, __doc__, (Subscription("active-users", several_exclusive_rows),), evaluate, proved_by, pointless
)
