"""Automated household actions

Problem
-------
A program, not a person, works on households: it acts like a clock, or faster than anybody can.

Fires when
----------
In the window a user's household actions (views, changes, pets' activities) number at least 30 and their gaps are too
regular for a person: a coefficient of variation under 0.1. Or at least 30 changes have a median gap under one second.

Stays silent when
-----------------
The burst of page views that one screen causes: views within two seconds of its first one are one action. 29 actions. A
retried action, which counts once. A batch of pets' activities entered at once (irregular gaps; not changes). The app's
own service accounts.

Evidence
--------
How many actions and changes, the mean gap and its variation, the median gap between changes.

What to do
----------
Ask the user what program they use; restrict household features if there is no good explanation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean, median, pstdev

from sqlalchemy import ColumnElement, FromClause

from detectors.contract import Context, Detector, Finding, Impact, Meta, Ride, Story, find
from detectors.facts import Event
from detectors.facts_people import VIEWS, ConductCase
from detectors.passes.people import DEEDS
from detectors.timeline import timeline
from detectors.words import count, stamp

META = Meta(
    id="bot-cadence",
    title="Bot-Like Household Actions",
    team="trust-safety",
    severity="Same-day",
    kind="occurrence",
    subject=("user_id",),
    needs=frozenset({"household_events.event_type", "household_events.user_id", "household_events.event_timestamp"}),
    process="Trust & Safety Escalations, Same-Day: Bot-like behavior (automated household actions)",
)


def many_actions(conduct: FromClause, context: Context) -> ColumnElement[bool]:
    return conduct.c.actions >= context.limits.bot_actions


def judge(case: ConductCase, context: Context) -> Iterator[Finding]:
    if "user_id" not in case.subject or case.key in context.limits.service_accounts:
        return
    limits = context.limits
    seen = [event for event in case.events if event.at in context.window and event.at <= context.settled]
    changes = [event for event in seen if event.type in DEEDS]
    actions = without_bursts([e for e in seen if e.type in (*VIEWS, *DEEDS, "pet_activity_logged")], context)
    reasons: list[str] = []
    numbers: dict[str, float | None] = {}
    if len(actions) >= limits.bot_actions:
        gaps = _gaps(actions)
        mean = fmean(gaps)
        variation = pstdev(gaps) / mean if mean else None
        numbers |= {"mean_gap_seconds": round(mean, 3), "variation": variation and round(variation, 4)}
        if variation is not None and variation < limits.bot_variation:
            reasons.append(f"a gap of {mean:.1f} s between actions with a variation of {variation:.3f}")
    if len(changes) >= limits.bot_actions:
        middle = median(_gaps(changes))
        numbers["median_gap_between_changes_seconds"] = round(middle, 3)
        if middle < limits.bot_median_gap_seconds:
            reasons.append(f"a median gap of {middle:.2f} s between changes")
    if reasons:
        yield _finding(case, actions, changes, reasons, numbers, context)


def without_bursts(actions: Sequence[Event], context: Context) -> list[Event]:
    """The actions, of views that follow a screen's first view within the burst time only that first one."""
    kept: list[Event] = []
    screen: Event | None = None
    for event in actions:
        if event.type in VIEWS:
            if screen and (event.at - screen.at).total_seconds() <= context.limits.burst_seconds:
                continue
            screen = event
        kept.append(event)
    return kept


def _gaps(events: Sequence[Event]) -> list[float]:
    return [(later.at - earlier.at).total_seconds() for earlier, later in pairwise(events)]


def _finding(
    case: ConductCase,
    actions: list[Event],
    changes: list[Event],
    reasons: list[str],
    numbers: dict[str, float | None],
    context: Context,
) -> Finding:
    homes = sorted({event.household_id for event in (*actions, *changes)} - {""})
    kinds = Counter(event.type for event in actions)
    return find(
        META,
        context,
        {"user_id": case.key},
        impact=Impact(users=1, households=len(homes)),
        households=homes,
        users=[case.key],
        first_seen=actions[0].at,
        occurred_at=actions[-1].at,
        evidence={"actions": len(actions), "changes": len(changes), "kinds": dict(sorted(kinds.items())), **numbers},
        timeline=timeline(actions),
        story=Story(
            pattern=f"{count(len(actions), 'household action')} at a pace no person keeps: {' and '.join(reasons)}",
            evidence=(
                f"{stamp(actions[0].at)} to {stamp(actions[-1].at)}: {count(len(actions), 'action')}, of them "
                f"{count(len(changes), 'change')}, in {count(len(homes), 'household')}",
                *(f"{kind}: {number}" for kind, number in kinds.most_common(5)),
            ),
            suspected_violation="Bot-like behavior (automated household actions)",
            reporter="Internal monitoring alert",
            requesting="Account review and potential restriction of household features",
        ),
    )


DETECTOR = Detector(META, __doc__, (Ride("conduct", many_actions),), judge)
