"""Mass removal of members

Problem
-------
One person removes members far beyond what a family's life explains: retaliation, a hijacked account, or a script.

Fires when
----------
A user removed more than 20 members in a day, or 45 or more in any three days in a row. Same-day if that holds for two or
more days of the look-back, else Next-day. It fires on the night whose window holds the last such day.

Stays silent when
-----------------
Members leave by themselves; exactly 20 on a day; 44 in three days; one removal logged twice counts once; the app's own
service accounts, as when they end sitters' time. Removals are counted from events alone: a member row that is 'removed'
has no actor and no time.

Evidence
--------
The members removed and households created on each day, as in the process document's template; how many of the removed the
audit rows do not name.

What to do
----------
1. Ask the people who are left in the household, and some of those who were removed, what happened; the whole list is
   attached.
2. Ask the owner of account {user_id} whether it was them: if not, it is an account that somebody took over; end its
   sessions.
3. Decide: no action, warning, feature restriction, suspension or termination; ask Engineering to restore who was
   removed wrongly.

How to check
------------
    SELECT CAST(e.event_timestamp AS date) AS day, count(DISTINCT coalesce(e.metadata->>'member_id', CAST(e.id AS text))) AS members_removed
      FROM household_events e
     WHERE e.user_id = :user_id AND e.event_type = 'household_member_removed'
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
from detectors.text.wording import count

META = Meta(
    id="mass-removal",
    title="Suspected Mass Removal of Members",
    team="trust-safety",
    severity="Same-day",
    kind="occurrence",
    subject=("user_id",),
    needs=frozenset({"household_events.event_type", "household_events.user_id", "household_events.metadata"}),
    events=(frozenset({f"{EventType.MEMBER_REMOVED}.user_id"}),),
    roles={"subject.user_id": "actor", "users": "removed"},
    sure="trail",
    refuted_by="the removed asked for it, as when a household is dissolved",
    process="Trust & Safety Escalations, Same-Day: Excessive member removals (>20 per day, multiple days)",
)


def many_removals(actor: FromClause, context: Context) -> ColumnElement[bool]:
    limits = context.limits
    return actor.c.removals >= min(limits.removals_per_day + 1, limits.removals_per_three_days)


def evaluate(case: UserCase, context: Context) -> Iterator[Finding]:
    limits, deeds = context.limits, deeds_of(case, context)
    found = pattern(deeds.removed, DayLimits(limits.removals_per_day, limits.removals_per_three_days), context)
    if found is None:
        return
    removed_in = {event.household_id for event in deeds.removed}
    people = {event.text("member_id") for event in deeds.removed} - {""}
    unnamed = sum(1 for event in deeds.removed if not event.text("member_id"))
    story = story_of("removals", deeds.days, tuple(sorted(removed_in)))
    story = story.model_copy(update={"affected_users": (case.user_id,)})
    if unnamed:
        told = f"Not named by the audit rows: {count(unnamed, 'removed member')}"
        story = story.model_copy(update={"evidence": (*story.evidence, told)})
    yield finding_of(
        META,
        context,
        deeds,
        found,
        deeds.removed,
        impact=Impact(users=len(people) + unnamed, households=len(removed_in)),
        households=list(removed_in),
        users=[case.user_id, *people],
        evidence={"members_not_named": unnamed} if unnamed else {},
        story=story,
    )


DETECTOR = Detector(
    META, __doc__, (Subscription("acts", many_removals),), evaluate, looks_back={"deeds": days_of_a_pattern}
)
