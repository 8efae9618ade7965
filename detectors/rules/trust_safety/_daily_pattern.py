"""How often one person did something on each day, and on which of those days it was too often.

Process, Trust & Safety, Same-day: a limit for one day, counted over several days; and the document's own example, which
no single day gives away: fifteen households in three days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from detectors.cases.user import UserCase
from detectors.contract import Context, Finding, Meta, Severity, Story, TimelineEntry, find
from detectors.domain.records import Event
from detectors.domain.retries import DOUBLE_CLICK, Removal, each_removal_once, first_of_each
from detectors.domain.spans import first_day_of_a_pattern
from detectors.events import EventType
from detectors.text.wording import count


@dataclass(frozen=True, slots=True)
class DayLimits:
    """More than `per_day` in a day, or `per_three_days` or more in three days in a row, is too much."""

    per_day: int
    per_three_days: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """The days on which it was too much, in order, and how urgent that is."""

    days: tuple[date, ...]
    severity: Severity


@dataclass(frozen=True, slots=True)
class Deeds:
    """What one person did in the look-back, each deed once and in order of time; `days` are the evidence of both."""

    user_id: str
    created: tuple[Event, ...]
    removed: tuple[Event, ...]
    days: list[dict[str, object]]


def deeds_of(case: UserCase, context: Context) -> Deeds:
    """What the case's person did; the app's own service accounts are nobody, who does nothing."""
    if case.user_id in context.limits.service_accounts:
        return Deeds(case.user_id, (), (), [])
    created, removed = _creations(case, context), _removals(case, context)
    return Deeds(case.user_id, created, removed, _per_day(created, removed, context))


def _creations(case: UserCase, context: Context) -> tuple[Event, ...]:
    created = _in_lookback(case.events_of(EventType.CREATED), context)
    return tuple(first_of_each(created, lambda event: event.household_id))


def _removals(case: UserCase, context: Context) -> tuple[Event, ...]:
    """The removals of others by the user in the look-back, each once, however often it was logged."""
    removed = _in_lookback(case.events_of(EventType.MEMBER_REMOVED), context)
    others = [event for event in removed if event.text("member_id") != case.user_id]
    return tuple(each_removal_once(others, _removal, double_click=DOUBLE_CLICK))


def _removal(event: Event) -> Removal:
    whom = event.text("member_id")
    return Removal(whom and (event.household_id, whom), event.at, event.text("correlation_id"))


def _in_lookback(events: Iterable[Event], context: Context) -> Iterable[Event]:
    first_day = first_day_of_a_pattern(context)
    start = context.day_start(first_day)
    return (event for event in events if start <= event.at < context.window.end and event.at <= context.watermark)


def pattern(events: Iterable[Event], limits: DayLimits, context: Context) -> Pattern | None:
    """The pattern of `events`, if its last day lies in the scan's window; Same-day urgent if on two or more days."""
    per_day = Counter(context.day(event.at) for event in events)
    too_much: set[date] = set()
    for day, number in per_day.items():
        if number > limits.per_day:
            too_much.add(day)
        span = [day - timedelta(days=back) for back in (2, 1, 0)]
        if sum(per_day[other] for other in span) >= limits.per_three_days:
            too_much.update(other for other in span if per_day[other])
    days = tuple(sorted(too_much))
    if not days or not _ends_in_window(days[-1], context):
        return None
    return Pattern(days, "Same-day" if len(days) > 1 else "Next-day")


def _ends_in_window(day: date, context: Context) -> bool:
    starts, ends = context.day_start(day), context.day_start(day + timedelta(days=1))
    return starts < context.window.end and ends > context.window.start


def _per_day(created: Iterable[Event], removed: Iterable[Event], context: Context) -> list[dict[str, object]]:
    """Each day with what was done on it, the latest first: [{"day", "households_created", "members_removed"}]."""
    made, gone = (Counter(context.day(event.at) for event in events) for events in (created, removed))
    return [
        {"day": day.isoformat(), "households_created": made[day], "members_removed": gone[day]}
        for day in sorted(made.keys() | gone.keys(), reverse=True)
    ]


def finding_of(
    meta: Meta,
    context: Context,
    deeds: Deeds,
    found: Pattern,
    counted: Sequence[Event],
    *,
    story: Story,
    evidence: Mapping[str, object] | None = None,
    **rest: Any,
) -> Finding:
    """The finding about a person's `deeds`, of which the `counted` ones were too many."""
    return find(
        meta,
        context,
        {"user_id": deeds.user_id},
        severity=found.severity,
        first_seen=counted[0].at,
        occurred_at=counted[-1].at,
        evidence={
            "days": deeds.days,
            "qualifying_days": [day.isoformat() for day in found.days],
            "households_created": len(deeds.created),
            "members_removed": len(deeds.removed),
            **(evidence or {}),
        },
        timeline=_timeline(deeds.days, deeds.user_id, context),
        story=story,
        **rest,
    )


def story_of(what: str, rows: list[dict[str, object]], households: tuple[str, ...]) -> Story:
    """The Trust & Safety template for a person's days. `what` is "creations" or "removals", the part that was too much."""
    made = sum(int(str(row["households_created"])) for row in rows)
    gone = sum(int(str(row["members_removed"])) for row in rows)
    days = count(len(rows), "day")
    if what == "creations":
        said = f"User has created {count(made, 'household')} in {days}" + (
            f", removed {count(gone, 'member')} total" if gone else ""
        )
    else:
        said = f"User has removed {count(gone, 'member')} in {days}" + (
            f", created {count(made, 'household')} total" if made else ""
        )
    return Story(
        pattern=said,
        evidence=tuple(f"{row['day']}: {_done(row, made, gone)}" for row in rows),
        suspected_violation="Automated abuse or testing/gaming the system",
        reporter="Internal monitoring alert",
        requesting="Account review and potential restriction of household features",
        affected_households=households,
    )


def _done(row: dict[str, object], made: int, gone: int) -> str:
    parts = []
    if made:
        parts.append(f"created {count(int(str(row['households_created'])), 'household')}")
    if gone:
        parts.append(f"removed {count(int(str(row['members_removed'])), 'member')}")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def _timeline(rows: list[dict[str, object]], user_id: str, context: Context) -> tuple[TimelineEntry, ...]:
    """One entry a day, oldest first."""
    return tuple(
        TimelineEntry(
            at=context.day_start(date.fromisoformat(str(row["day"]))),
            what=f"on {row['day']}: {row['households_created']} households created, {row['members_removed']} members removed",
            actor=user_id,
        )
        for row in reversed(rows)
    )
