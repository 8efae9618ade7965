"""Mass creation of households

Problem
-------
One person creates households far beyond a family's need: automated abuse, spam, or gaming of the app's limits.

Fires when
----------
A user created more than 10 households in a day, or 15 or more in any three days in a row. Same-day if that holds for two
or more days of the look-back, else Next-day. It fires on the night whose window holds the last such day.

Stays silent when
-----------------
Exactly 10 on a day; 14 in three days; the same creation logged twice (one correlation_id, or one household) counts once;
the app's own service accounts, which are nobody's.

Evidence
--------
The households created and members removed on each day, as in the process document's template.

What to do
----------
1. Review account {user_id}: who it is, whether the address or the device is known, and which accounts are connected
   with it.
2. Ask the owner what the {households_created|many} households are for, unless the pattern speaks for itself.
3. Decide: no action, warning, feature restriction, suspension or termination; ask Engineering to remove the empty
   households.

How to check
------------
    SELECT CAST(e.event_timestamp AS date) AS day, count(DISTINCT e.household_id) AS households_created
      FROM household_events e
     WHERE e.user_id = :user_id AND e.event_type = 'household_created'
       AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
     GROUP BY 1 ORDER BY 1
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.user import UserCase
from detectors.contract import Context, Detector, Finding, Impact, Meta, Subscription
from detectors.domain.spans import days_of_a_pattern
from detectors.events import EventType
from detectors.rules.trust_safety._daily_pattern import DayLimits, deeds_of, finding_of, pattern, story_of

META = Meta(
    id="mass-creation",
    title="Suspected Household Abuse Pattern",
    team="trust-safety",
    severity="Same-day",
    kind="occurrence",
    subject=("user_id",),
    needs=frozenset(
        f"household_events.{column}" for column in ("event_type", "user_id", "event_timestamp", "metadata")
    ),
    events=(frozenset({f"{EventType.CREATED}.user_id"}),),
    roles={"subject.user_id": "actor"},
    sure="trail",
    refuted_by="a test account of our own, or an import that was announced",
    process="Trust & Safety Escalations, Same-Day: User creating >10 households per day (multiple days)",
)


def many_creations(actor: FromClause, context: Context) -> ColumnElement[bool]:
    limits = context.limits
    return actor.c.creations >= min(limits.creations_per_day + 1, limits.creations_per_three_days)


def evaluate(case: UserCase, context: Context) -> Iterator[Finding]:
    limits, deeds = context.limits, deeds_of(case, context)
    found = pattern(deeds.created, DayLimits(limits.creations_per_day, limits.creations_per_three_days), context)
    if found is None:
        return
    made_in = {event.household_id for event in deeds.created}
    removed_in = {event.household_id for event in deeds.removed}
    hit = {event.member_id for event in deeds.removed} - {""}
    yield finding_of(
        META,
        context,
        deeds,
        found,
        deeds.created,
        impact=Impact(users=len(hit), households=len(made_in | removed_in)),
        households=[*made_in, *removed_in],
        users=[case.user_id],
        story=story_of("creations", deeds.days, tuple(sorted(removed_in or made_in))),
    )


DETECTOR = Detector(
    META, __doc__, (Subscription("acts", many_creations),), evaluate, looks_back={"deeds": days_of_a_pattern}
)
