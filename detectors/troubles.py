"""What the rules on errors and time-outs share: the rows of the pass `troubles` as plain values, and one finding per kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detectors.contract import Context, Finding, Impact, Meta, Row, Story, SubjectKey, TimelineEntry, find
from detectors.facts import moment, text_of
from detectors.words import stamp

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
"""The pass's columns that `troubles_of` reads, besides its key."""

EXAMPLES = 5
MESSAGE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Trouble:
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


def troubles_of(rows: Iterable[Row]) -> list[Trouble]:
    """The pass's rows in order of time."""
    found = [
        Trouble(
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


def each_once(troubles: Iterable[Trouble], context: Context) -> list[Trouble]:
    """The window's troubles in order of time, those of one correlation_id once, at their earliest time."""
    seen: set[str] = set()
    kept = []
    for trouble in troubles:
        if trouble.correlation_id:
            if trouble.correlation_id in seen:
                continue
            seen.add(trouble.correlation_id)
        if trouble.at in context.window and trouble.at <= context.settled:
            kept.append(trouble)
    return kept


def tells_of_timeout(trouble: Trouble, context: Context) -> bool:
    """Whether the error code or the HTTP status is that of a time-out. A code may part its words in any way, or none."""
    limits, code = context.limits, _letters(trouble.error_code)
    words = any(_letters(word) in code for word in limits.timeout_words)
    expired = any(word in trouble.error_code for word in limits.expiry_words)
    return (words and not expired) or not {trouble.status, code}.isdisjoint(map(str, limits.timeout_statuses))


def _letters(code: str) -> str:
    return "".join(filter(str.isalnum, code))


def is_timed_out_call(trouble: Trouble, context: Context) -> bool:
    """A call that took over the limit, or ended with a time-out error; waiting for a lock is no call."""
    if trouble.type == "lock_acquisition_timeout":
        return False
    waited = any(word in trouble.error_code for word in context.limits.lock_words)
    too_long = trouble.type == "api_request" and (trouble.duration_ms or 0) > context.limits.call_timeout_ms
    return too_long or (tells_of_timeout(trouble, context) and not waited)


def codes(troubles: Iterable[Trouble]) -> dict[str, int]:
    """How often each error code came, the most frequent first; "(none)" where there was none."""
    return dict(Counter(trouble.error_code or "(none)" for trouble in troubles).most_common())


def occurrences_finding(
    meta: Meta,
    context: Context,
    subject: Mapping[SubjectKey, str],
    troubles: Sequence[Trouble],
    *,
    worst: Sequence[Trouble],
    evidence: Mapping[str, Any],
    story: Story,
) -> Finding:
    """One finding for all `troubles` (not empty, in order of time): counts, first and last, the `worst`, who was hit."""
    users = sorted({trouble.user_id for trouble in troubles} - {""})
    households = sorted({trouble.household_id for trouble in troubles} - {""})
    shown = worst[:EXAMPLES]
    most = context.limits.incident_members_most
    return find(
        meta,
        context,
        subject,
        impact=Impact(users=len(users), households=len(households)),
        households=households[:most],
        users=users[:most],
        first_seen=troubles[0].at,
        occurred_at=troubles[-1].at,
        evidence={
            "count": len(troubles),
            "first": troubles[0].at,
            "last": troubles[-1].at,
            "users_hit": len(users),
            "households_hit": len(households),
            "error_codes": codes(troubles),
            **evidence,
            "examples": [trouble.as_example() for trouble in shown],
        },
        timeline=tuple(
            TimelineEntry(at=trouble.at, what=in_words(trouble), actor=trouble.user_id)
            for trouble in sorted(shown, key=lambda trouble: trouble.at)
        ),
        story=story,
    )


def in_words(trouble: Trouble) -> str:
    """`api_request /households: DATABASE_ERROR, 31.2 s`."""
    name = f"{trouble.type} {trouble.route}".strip()
    told = [trouble.error_code, f"status {trouble.status}" if trouble.status and not trouble.error_code else ""]
    if trouble.duration_ms is not None:
        told.append(f"{trouble.duration_ms / 1000:.1f} s")
    details = ", ".join(part for part in told if part)
    return f"{name}: {details}" if details else name


def span(troubles: Sequence[Trouble]) -> str:
    """`from 2026-02-02 10:00:00 UTC to 2026-02-02 11:00:00 UTC`."""
    first, last = troubles[0].at, troubles[-1].at
    return f"at {stamp(first)}" if first == last else f"from {stamp(first)} to {stamp(last)}"
