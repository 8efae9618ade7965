"""Automated household actions

Problem
-------
A program, not a person, works on households: it acts like a clock, or faster than anybody can.

Fires when
----------
In the window a user's household actions (views, changes, pets' activities) number at least 30 and their gaps are too
regular for a person: a coefficient of variation under 0.1. So do at least 30 actions between two pauses, or 30 changes,
whatever else the person does that day. Or at least 30 changes have a median gap under one second.

Stays silent when
-----------------
The burst of page views that one screen causes: views within two seconds of each other are one action, however many they
are. 29 actions. A retried action, and the several rows that one operation writes, which count once. A batch of pets'
activities entered at once (irregular gaps; not changes). The app's own service accounts.

Evidence
--------
How many actions and changes, the mean gap and its variation, the median gap between changes.

What to do
----------
1. Ask the owner of account {user_id} which program they use.
2. If there is no good explanation: decide on a warning or a feature restriction, and ask Engineering for a limit on
   what the program calls.

How to check
------------
    SELECT e.event_type, count(*) AS actions, min(e.event_timestamp) AS first_at, max(e.event_timestamp) AS last_at
      FROM household_events e
     WHERE e.user_id = :user_id AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
     GROUP BY e.event_type
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import fmean, median, pstdev

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.conduct import ConductCase
from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.records import Event
from detectors.domain.retries import first_of_each
from detectors.events import DEEDS, VIEWS, EventType
from detectors.text.wording import count, stamp

META = Meta(
    id="bot-cadence",
    title="Bot-Like Household Actions",
    team="trust-safety",
    severity="Same-day",
    kind="occurrence",
    subject=("user_id",),
    needs=frozenset({"household_events.event_type", "household_events.user_id", "household_events.event_timestamp"}),
    events=(frozenset({*VIEWS, *DEEDS, EventType.PET_ACTIVITY_LOGGED}),),
    roles={"subject.user_id": "actor"},
    sure="inferred",
    refuted_by="a widget or a smart feeder acts for the person, as the app allows",
    process="Trust & Safety Escalations, Same-Day: Bot-like behavior (automated household actions)",
)


def many_actions(conduct: FromClause, context: Context) -> ColumnElement[bool]:
    return conduct.c.actions >= context.limits.bot_actions


def evaluate(case: ConductCase, context: Context) -> Iterator[Finding]:
    if "user_id" not in case.subject or case.key in context.limits.service_accounts:
        return
    limits = context.limits
    seen = [event for event in case.events if event.at in context.window and event.at <= context.watermark]
    changes = _operations(event for event in seen if event.type in DEEDS)
    done = _operations(event for event in seen if event.type in (*VIEWS, *DEEDS, EventType.PET_ACTIVITY_LOGGED))
    actions = without_bursts(done, context)
    reasons: list[str] = []
    numbers: dict[str, float | None] = {}
    rhythm = min(_rhythms(actions, changes, context), default=None)
    if rhythm:
        variation, mean = rhythm
        numbers |= {"mean_gap_seconds": round(mean, 3), "variation": round(variation, 4)}
        if variation < limits.bot_variation:
            reasons.append(f"a gap of {mean:.1f} s between actions with a variation of {variation:.3f}")
    if len(changes) >= limits.bot_actions:
        middle = median(_gaps(changes))
        numbers["median_gap_between_changes_seconds"] = round(middle, 3)
        if middle < limits.bot_median_gap_seconds:
            reasons.append(f"a median gap of {middle:.2f} s between changes")
    if reasons:
        yield _finding(case, actions, changes, reasons, numbers, context)


def _operations(events: Iterable[Event]) -> list[Event]:
    """The events, each operation once whatever their types: a leader's leave is one action and writes several rows."""
    return first_of_each(events, lambda event: event.text("correlation_id"))


def without_bursts(actions: Sequence[Event], context: Context) -> list[Event]:
    """The actions, of views that follow each other within the burst time only the first one."""
    kept: list[Event] = []
    view: Event | None = None
    for event in actions:
        if event.type in VIEWS:
            of_one_screen = view and (event.at - view.at).total_seconds() <= context.limits.burst_seconds
            view = event
            if of_one_screen:
                continue
        kept.append(event)
    return kept


def _rhythms(actions: Sequence[Event], changes: Sequence[Event], context: Context) -> Iterator[tuple[float, float]]:
    """The variation and mean of the gaps in all actions, in the changes alone, and in each stretch between pauses."""
    for events in (actions, changes):
        for some in (events, *_stretches(events, context)):
            if len(some) >= context.limits.bot_actions:
                gaps = _gaps(some)
                mean = fmean(gaps)
                if mean:
                    yield pstdev(gaps) / mean, mean


def _stretches(events: Sequence[Event], context: Context) -> list[list[Event]]:
    """The events parted at pauses, the gaps that are many times as long as the middle one."""
    gaps = _gaps(events)
    longest = context.limits.bot_pause * median(gaps) if gaps else 0.0
    stretches = [list(events[:1])]
    for event, gap in zip(events[1:], gaps, strict=True):
        if gap > longest:
            stretches.append([])
        stretches[-1].append(event)
    return stretches


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


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("conduct", many_actions),),
    evaluate,
    by_night="it judges the rhythm of a person's whole day",
)
