"""What the audit table speaks of: every type of event, and the sets that rules ask for. Nothing else spells one."""

from __future__ import annotations

from enum import StrEnum


class EventType(StrEnum):
    """The audit table's vocabulary (docs/petforce.md), in the app's own words."""

    CREATED = "household_created"
    CREATE_FAILED = "household_create_failed"
    JOIN_REQUEST_SUBMITTED = "household_join_request_submitted"
    JOIN_REQUEST_APPROVED = "household_join_request_approved"
    JOIN_REQUEST_REJECTED = "household_join_request_rejected"
    JOIN_REQUEST_WITHDRAWN = "household_join_request_withdrawn"
    MEMBER_REMOVED = "household_member_removed"
    LEFT = "household_left"
    LEAVE_STARTED = "household_leave_started"
    LEADERSHIP_TRANSFERRED = "household_leadership_transferred"
    INVITE_CODE_REGENERATED = "household_invite_code_regenerated"
    INVITE_CODE_FAILED = "household_invite_code_failed"
    INVITE_CODE_VALIDATED = "household_invite_code_validated"
    DASHBOARD_VIEWED = "household_dashboard_viewed"
    MEMBER_LIST_VIEWED = "household_member_list_viewed"
    SETTINGS_VIEWED = "household_settings_viewed"
    UPDATED = "household_updated"
    API_REQUEST = "api_request"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    LOCK_ACQUISITION_TIMEOUT = "lock_acquisition_timeout"
    LOGIN_FAILED = "login_failed"
    LOGIN_SUCCEEDED = "login_succeeded"
    SESSION_REVOKED = "session_revoked"
    SESSION_USED = "session_used"
    PET_ACTIVITY_LOGGED = "pet_activity_logged"


EVENT_TYPES: frozenset[str] = frozenset(EventType)

LIFECYCLE = (
    EventType.CREATED,
    EventType.CREATE_FAILED,
    EventType.JOIN_REQUEST_SUBMITTED,
    EventType.JOIN_REQUEST_APPROVED,
    EventType.JOIN_REQUEST_REJECTED,
    EventType.JOIN_REQUEST_WITHDRAWN,
    EventType.MEMBER_REMOVED,
    EventType.LEFT,
    EventType.LEAVE_STARTED,
    EventType.LEADERSHIP_TRANSFERRED,
    EventType.INVITE_CODE_REGENERATED,
)
"""The audit events that tell how a household came to its present state."""
VIEWS = (EventType.DASHBOARD_VIEWED, EventType.MEMBER_LIST_VIEWED, EventType.SETTINGS_VIEWED)
BELONGING = (
    EventType.MEMBER_REMOVED,
    EventType.LEFT,
    EventType.LEAVE_STARTED,
    EventType.LEADERSHIP_TRANSFERRED,
)
"""The events of the lifecycle that only a household with members has."""
LIVED_IN = (*VIEWS, EventType.UPDATED, EventType.PET_ACTIVITY_LOGGED)
"""What only members do, beside the events of the lifecycle."""
LEADER_ACTIONS = (
    EventType.JOIN_REQUEST_APPROVED,
    EventType.JOIN_REQUEST_REJECTED,
    EventType.MEMBER_REMOVED,
    EventType.INVITE_CODE_REGENERATED,
)
"""What only a leader may do."""
CHANGES = (*LEADER_ACTIONS, EventType.UPDATED, EventType.LEADERSHIP_TRANSFERRED, EventType.LEFT)
"""Changes of a household that exists."""
LOGINS = (EventType.LOGIN_FAILED, EventType.LOGIN_SUCCEEDED)
"""Their user id sometimes stands in the metadata alone."""
INSIDE = (*LIVED_IN, *LEADER_ACTIONS)
"""What only a household's members can do. Leaving and asking to join are not among them."""
GUESS = EventType.INVITE_CODE_VALIDATED
DEEDS = (
    *CHANGES,
    EventType.CREATED,
    EventType.JOIN_REQUEST_SUBMITTED,
    EventType.JOIN_REQUEST_WITHDRAWN,
)
"""What a person does, as opposed to looking at it; feeding a pet is ordinary use and may be entered in batches."""
LEADERSHIP_EVENTS = (
    EventType.CREATED,
    EventType.LEAVE_STARTED,
    EventType.LEADERSHIP_TRANSFERRED,
    EventType.LEFT,
    EventType.MEMBER_REMOVED,
)
