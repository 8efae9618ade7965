"""One operation may write several audit rows."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.domain.records import Event


def without_retries(events: Iterable[Event]) -> tuple[Event, ...]:
    """Events in order of time; those of one type and correlation_id (and removed person) once, at their earliest time."""
    seen: set[tuple[str, str, str]] = set()
    kept = []
    for event in sorted(events, key=lambda event: (event.at, event.id)):
        correlation = event.text("correlation_id")
        if correlation:
            key = (event.type, correlation, event.text("member_id"))
            if key in seen:
                continue
            seen.add(key)
        kept.append(event)
    return tuple(kept)
