"""The audit trail in words."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.contract import TimelineEntry
from detectors.domain.records import Event
from detectors.events import EventType

TIMELINE_LENGTH = 20
"""A ticket shows the latest entries; the household's whole trail stays in the audit table."""


def describe(event: Event) -> str:
    """What an audit event says, in words; ids only."""
    match event.type:
        case EventType.CREATED:
            return "created the household"
        case EventType.JOIN_REQUEST_SUBMITTED:
            return "asked to join"
        case EventType.JOIN_REQUEST_APPROVED:
            return f"approved the request of {event.text('new_member_id') or 'a requester'}"
        case EventType.JOIN_REQUEST_REJECTED:
            return f"rejected the request of {event.text('requester_id') or 'a requester'}"
        case EventType.JOIN_REQUEST_WITHDRAWN:
            return "withdrew the request"
        case EventType.MEMBER_REMOVED:
            return f"removed {event.text('member_id') or 'a member'}"
        case EventType.LEFT:
            return f"left the household{' as its leader' if event.says('was_leader') else ''}"
        case EventType.LEAVE_STARTED:
            return f"started to leave, {'with' if event.says('has_successor') else 'without'} a designated successor"
        case EventType.LEADERSHIP_TRANSFERRED:
            return f"leadership moved from {event.text('from_user_id') or '?'} to {event.text('to_user_id') or '?'}"
        case EventType.INVITE_CODE_REGENERATED:
            return "regenerated the invite code"
        case _:
            return event.type.replace("_", " ")


def timeline(events: Iterable[Event], *more: TimelineEntry) -> tuple[TimelineEntry, ...]:
    """The latest events as a timeline, oldest first, with `more` entries at their times."""
    entries = [TimelineEntry(at=event.at, what=describe(event), actor=event.user_id) for event in events]
    return tuple(sorted([*entries, *more], key=lambda entry: entry.at)[-TIMELINE_LENGTH:])
