"""What the rules on errors and time-outs share: the rows of the pass `error-events` as plain values, and one finding per kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detectors.contract import Context, Finding, Impact, Meta, Row, Story, SubjectKey, TimelineEntry, find
from detectors.domain.retries import first_of_each
from detectors.domain.values import moment, text_of
from detectors.events import EventType
from detectors.text.wording import stamp

COLUMNS = (
    "event_id",
    "event_type",
    "household_id",
    "at",
    "correlation_id",
    "error_code",
    "error_message",
    "duration_ms",
    "status",
    "route",
    "member_count",
    "active_members",
)
"""The pass's columns that `error_events_of` reads, besides its key."""

EXAMPLES = 5
MESSAGE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """An event with an error or a time-out, or a creation that went well. Empty texts and None mean: not told."""

    event_id: str
    type: str
    household_id: str
    user_id: str
    at: datetime
    correlation_id: str
    error_code: str
    error_message: str
    duration_ms: float | None
    status: str
    route: str
    member_count: str
    active_members: int

    def as_example(self) -> dict[str, Any]:
        """The event for a ticket's evidence; what is not told is left out."""
        told: dict[str, Any] = {
            "at": self.at,
            "event": self.type,
            "error_code": self.error_code,
            "error_message": self.error_message[:MESSAGE_LENGTH],
            "route": self.route,
            "status": self.status,
            "duration_ms": self.duration_ms,
            "correlation_id": self.correlation_id,
            "household_id": self.household_id,
            "user_id": self.user_id,
        }
        return {key: value for key, value in told.items() if value not in ("", None)}


def error_events_of(rows: Iterable[Row]) -> list[ErrorEvent]:
    """The pass's rows in order of time."""
    found = [
        ErrorEvent(
            event_id=text_of(row["event_id"]),
            type=text_of(row["event_type"]),
            household_id=text_of(row["household_id"]),
            user_id=text_of(row["user_id"]),
            at=moment(row["at"]),
            correlation_id=text_of(row["correlation_id"]),
            error_code=text_of(row["error_code"]).strip().upper(),
            error_message=text_of(row["error_message"]),
            duration_ms=None if row["duration_ms"] is None else float(row["duration_ms"]),
            status=text_of(row["status"]).removesuffix(".0"),
            route=text_of(row["route"]),
            member_count=text_of(row["member_count"]),
            active_members=int(row["active_members"]),
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.at, one.event_id, one.type, one.household_id, one.user_id))


def each_once(error_events: Iterable[ErrorEvent], context: Context) -> list[ErrorEvent]:
    """The window's troubles in order of time, those of one correlation_id once, at their earliest time."""
    # Whatever their types: the call, the lock and the statement of one attempt are one trouble.
    first = first_of_each(error_events, lambda error_event: error_event.correlation_id)
    return [one for one in first if one.at in context.window and one.at <= context.watermark]


def tells_of_timeout(error_event: ErrorEvent, context: Context) -> bool:
    """Whether the error code or the HTTP status is that of a time-out. A code may part its words in any way, or none."""
    limits, code = context.limits, _letters(error_event.error_code)
    words = any(_letters(word) in code for word in limits.timeout_words)
    expired = any(word in error_event.error_code for word in limits.expiry_words)
    return (words and not expired) or not {error_event.status, code}.isdisjoint(map(str, limits.timeout_statuses))


def _letters(code: str) -> str:
    return "".join(filter(str.isalnum, code))


def is_timed_out_call(error_event: ErrorEvent, context: Context) -> bool:
    """A call that took over the limit, or ended with a time-out error; waiting for a lock is no call."""
    if error_event.type == EventType.LOCK_ACQUISITION_TIMEOUT:
        return False
    waited = any(word in error_event.error_code for word in context.limits.lock_words)
    too_long = (
        error_event.type == EventType.API_REQUEST and (error_event.duration_ms or 0) > context.limits.call_timeout_ms
    )
    return too_long or (tells_of_timeout(error_event, context) and not waited)


def codes(error_events: Iterable[ErrorEvent]) -> dict[str, int]:
    """How often each error code came, the most frequent first; "(none)" where there was none."""
    return dict(Counter(error_event.error_code or "(none)" for error_event in error_events).most_common())


def occurrences_finding(
    meta: Meta,
    context: Context,
    subject: Mapping[SubjectKey, str],
    error_events: Sequence[ErrorEvent],
    *,
    worst: Sequence[ErrorEvent],
    evidence: Mapping[str, Any],
    story: Story,
) -> Finding:
    """One finding for all `error_events` (not empty, in order of time): counts, first and last, the `worst`, who was hit."""
    users = sorted({error_event.user_id for error_event in error_events} - {""})
    households = sorted({error_event.household_id for error_event in error_events} - {""})
    shown = worst[:EXAMPLES]
    most = context.limits.incident_members_most
    return find(
        meta,
        context,
        subject,
        impact=Impact(users=len(users), households=len(households)),
        households=households[:most],
        users=users[:most],
        first_seen=error_events[0].at,
        occurred_at=error_events[-1].at,
        evidence={
            "count": len(error_events),
            "first": error_events[0].at,
            "last": error_events[-1].at,
            "users_hit": len(users),
            "households_hit": len(households),
            "error_codes": codes(error_events),
            **evidence,
            "examples": [error_event.as_example() for error_event in shown],
        },
        timeline=tuple(
            TimelineEntry(at=error_event.at, what=in_words(error_event), actor=error_event.user_id)
            for error_event in sorted(shown, key=lambda error_event: error_event.at)
        ),
        story=story,
    )


def in_words(error_event: ErrorEvent) -> str:
    """`api_request /households: DATABASE_ERROR, 31.2 s`."""
    name = f"{error_event.type} {error_event.route}".strip()
    told = [
        error_event.error_code,
        f"status {error_event.status}" if error_event.status and not error_event.error_code else "",
    ]
    if error_event.duration_ms is not None:
        told.append(f"{error_event.duration_ms / 1000:.1f} s")
    details = ", ".join(part for part in told if part)
    return f"{name}: {details}" if details else name


def span(error_events: Sequence[ErrorEvent]) -> str:
    """`from 2026-02-02 10:00:00 UTC to 2026-02-02 11:00:00 UTC`."""
    first, last = error_events[0].at, error_events[-1].at
    return f"at {stamp(first)}" if first == last else f"from {stamp(first)} to {stamp(last)}"
