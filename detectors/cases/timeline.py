"""The audit trail in words."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.cases.household import Event
from detectors.contract import TimelineEntry

TIMELINE_LENGTH = 20
"""A ticket shows the latest entries; the household's whole trail stays in the audit table."""


def describe(event: Event) -> str:
    """What an audit event says, in words; ids only."""
    match event.type:
        case "household_created":
            return "created the household"
        case "household_join_request_submitted":
            return "asked to join"
        case "household_join_request_approved":
            return f"approved the request of {event.text('new_member_id') or 'a requester'}"
        case "household_join_request_rejected":
            return f"rejected the request of {event.text('requester_id') or 'a requester'}"
        case "household_join_request_withdrawn":
            return "withdrew the request"
        case "household_member_removed":
            return f"removed {event.text('member_id') or 'a member'}"
        case "household_left":
            return f"left the household{' as its leader' if event.says('was_leader') else ''}"
        case "household_leave_started":
            return f"started to leave, {'with' if event.says('has_successor') else 'without'} a designated successor"
        case "household_leadership_transferred":
            return f"leadership moved from {event.text('from_user_id') or '?'} to {event.text('to_user_id') or '?'}"
        case "household_invite_code_regenerated":
            return "regenerated the invite code"
        case _:
            return event.type.replace("_", " ")


def timeline(events: Iterable[Event], *more: TimelineEntry) -> tuple[TimelineEntry, ...]:
    """The latest events as a timeline, oldest first, with `more` entries at their times."""
    entries = [TimelineEntry(at=event.at, what=describe(event), actor=event.user_id) for event in events]
    return tuple(sorted([*entries, *more], key=lambda entry: entry.at)[-TIMELINE_LENGTH:])
