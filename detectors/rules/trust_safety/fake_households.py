"""Fake households

Problem
-------
One person makes households that are no households: alike in name, without anybody else, without any pet's life in them.
Spam, or a way to hoard invite codes.

Fires when
----------
Three or more households of one creator are alike in name, nobody but the creator has ever been a member of them, and no
pet activity was logged within 48 hours of their creation. Names are alike if they differ in numbering alone, or share at
least 0.8 of their characters. A household is judged once its 48 hours have passed.

Stays silent when
-----------------
Two households; names of their own; another member or pet activity in time; a creation that stopped half way and never had
a member row; a household older than the audit table, of which nothing is known.

Evidence
--------
Each household with its name and the time of its creation.

What to do
----------
1. Review account {user_id}: who it is, and which accounts are connected with it.
2. If the households are fake: decide on a warning, a feature restriction or more, and ask Engineering to archive them
   and free their codes.
3. If somebody only tried the app out: close this ticket as expected.

How to check
------------
    SELECT h.id, h.created_at
      FROM households h
     WHERE h.leader_id = :user_id
       AND NOT EXISTS (SELECT 1 FROM household_members m WHERE m.household_id = h.id AND m.user_id <> h.leader_id)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from difflib import SequenceMatcher

from sqlalchemy import ColumnElement, FromClause, true

from detectors.cases.creator import CreatedHousehold, CreatorCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, TimelineEntry, find
from detectors.domain.records import Household
from detectors.events import EventType
from detectors.text.reading import quote, readable
from detectors.text.wording import count, stamp

META = Meta(
    id="fake-households",
    title="Suspected Fake Households",
    team="trust-safety",
    severity="Same-day",
    kind="state",
    subject=("user_id",),
    needs=frozenset({"households.name", "household_members.user_id", "household_events.event_type"}),
    events=(frozenset({EventType.PET_ACTIVITY_LOGGED}),),
    roles={"subject.user_id": "actor"},
    sure="inferred",
    refuted_by="somebody tried the app out, and created a household again each time",
    process="Trust & Safety Escalations, Same-Day: Fake households or spam",
)
SHOWN = 20


def creates_many(creator: FromClause, context: Context) -> ColumnElement[bool]:
    return true()


def evaluate(case: CreatorCase, context: Context) -> Iterator[Finding]:
    lifeless = [
        created_household.household for created_household in case.lonely if is_lifeless(created_household, context)
    ]
    alike = most_alike(lifeless, context.limits.fake_households_likeness)
    if len(alike) >= context.limits.fake_households:
        yield _finding(case.user_id, alike, context)


def is_lifeless(created_household: CreatedHousehold, context: Context) -> bool:
    """Whether the household's first 48 hours have passed, were watched, and saw no pet activity."""
    created = created_household.household.created_at
    ends = created + timedelta(hours=context.limits.fake_households_hours)
    if context.audit_began is None or created < context.audit_began or ends > context.watermark:
        return False
    return created_household.first_activity is None or created_household.first_activity > ends


_COMPARED = 200
"""How many characters of a name are compared: comparing takes the product of the lengths."""


def most_alike(households: list[Household], likeness: float) -> list[Household]:
    """The largest set of households whose names are like that of one among them."""
    names = {
        household.id: " ".join(readable(household.name or "").casefold().split())[:_COMPARED]
        for household in households
    }
    groups = (
        [other for other in households if are_alike(names[household.id], names[other.id], likeness)]
        for household in households
        if names[household.id]
    )
    return max(groups, key=len, default=[])


def are_alike(one: str, other: str, likeness: float) -> bool:
    """Whether two names, in lower case, are equal but for numbering, or share at least `likeness` of their characters."""
    if not one or not other:
        return False
    stems = [re.sub(r"[\W\d_]+", "", name) for name in (one, other)]
    if stems[0] and stems[0] == stems[1]:
        return True
    first, second = sorted((one, other))
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= likeness


def _finding(user_id: str, alike: list[Household], context: Context) -> Finding:
    hours = f"{context.limits.fake_households_hours:g}"
    said = [(household, quote(household.name or "")) for household in alike]
    return find(
        META,
        context,
        {"user_id": user_id},
        impact=Impact(users=1, households=len(alike)),
        households=[household.id for household in alike],
        users=[user_id],
        first_seen=alike[0].created_at,
        occurred_at=alike[-1].created_at,
        evidence={
            "households": [
                {"household_id": household.id, "name": name, "created_at": household.created_at}
                for household, name in said
            ]
        },
        timeline=tuple(
            TimelineEntry(at=household.created_at, what="created the household", actor=user_id)
            for household in alike[-SHOWN:]
        ),
        story=Story(
            pattern=f"User has created {count(len(alike), 'household')} alike in name, with no other member and no pet "
            f"activity within {hours} hours",
            evidence=tuple(f"{stamp(household.created_at)}: created “{name}”" for household, name in said[:SHOWN]),
            suspected_violation="Fake households or spam",
            reporter="Internal monitoring alert",
            requesting="Account review and potential restriction of household features",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("creators", creates_many),), evaluate)
