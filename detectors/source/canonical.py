"""The canonical tables and the words in them, as the detectors know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from detectors.events import EVENT_TYPES
from detectors.source.ids import WRAPPING

ColumnKind = Literal["user", "household", "id", "text", "flag", "time", "json", "number"]


@dataclass(frozen=True, slots=True)
class CanonicalColumn:
    """What a column holds (`user` and `household` are ids that are compared across tables), and whether it may lack."""

    kind: ColumnKind
    optional: bool = False


@dataclass(frozen=True, slots=True)
class CanonicalTable:
    """A table as the detectors know it."""

    columns: dict[str, CanonicalColumn]
    optional: bool = False


def _table(*, optional: bool = False, **columns: str) -> CanonicalTable:
    kinds: dict[str, CanonicalColumn] = {}
    for name, spec in columns.items():
        kinds[name] = CanonicalColumn(kind=spec.rstrip("?"), optional=spec.endswith("?"))  # type: ignore[arg-type]  # the literals below are checked by the mapping's tests
    return CanonicalTable(kinds, optional)


CANONICAL: dict[str, CanonicalTable] = {
    "households": _table(
        id="household",
        name="text?",
        description="text?",
        invite_code="text?",
        invite_code_expires_at="time?",
        leader_id="user",
        created_at="time",
        updated_at="time?",
    ),
    "household_members": _table(
        id="id?",
        household_id="household",
        user_id="user",
        role="text",
        status="text",
        is_temporary="flag?",
        temporary_expires_at="time?",
        invited_by="user?",
        joined_at="time",
    ),
    "household_join_requests": _table(
        id="id",
        household_id="household",
        user_id="user",
        invite_code="text?",
        status="text",
        requested_at="time",
        responded_at="time?",
        responded_by="user?",
    ),
    "users": _table(
        optional=True,
        id="user",
        email="text?",
        created_at="time?",
        deleted_at="time?",
        account_tier="text?",
        monthly_revenue="number?",
    ),
    "support_requests": _table(
        optional=True,
        id="id",
        created_at="time",
        requester_id="user",
        household_id="household?",
        subject_user_id="user?",
        category="text",
        feature="text?",
        body="text?",
        status="text",
    ),
    "sessions": _table(
        optional=True,
        id="id",
        user_id="user",
        created_at="time",
        last_activity_at="time?",
        revoked_at="time?",
        ip_address="text?",
        user_agent="text?",
    ),
    "household_events": _table(
        optional=True,
        id="id?",
        event_type="text",
        household_id="household",
        user_id="user",
        event_timestamp="time",
        metadata="json?",
    ),
}
"""docs/petforce.md describes them. A missing optional table or column makes its detectors not applicable."""

DISPENSABLE: frozenset[str] = frozenset({"users", "support_requests", "sessions"})
"""Tables that are left out where a column of theirs that they need lacks or is broken. The audit table excuses much: where it
is there and cannot be read, nothing is believed."""

STATE_WORDS: dict[str, frozenset[str]] = {
    "household_members.role": frozenset({"leader", "member"}),
    "household_members.status": frozenset({"active", "removed"}),
    "household_join_requests.status": frozenset({"pending", "approved", "rejected", "withdrawn"}),
}
"""The words of the state tables. A rule that met another one would take a member for nobody, or a leader for a member."""
SUPPORT_CATEGORIES: frozenset[str] = frozenset(
    [
        *("harassment", "threat", "child_safety", "dispute", "feature_request", "capacity", "custom_rate_limit"),
        *("data_deletion", "legal_request", "subpoena", "court_order", "custody", "tos_dispute", "spam"),
        *("commercial_use", "policy_question"),
    ]
)
SUPPORT_OPEN: frozenset[str] = frozenset(
    [
        *("open", "new", "pending", "in_progress", "in progress", "assigned", "waiting", "on_hold", "on hold"),
        *("escalated", "reopened"),
    ]
)
"""What helpdesks call a request that is not closed yet. What is neither among these nor called closed is left out."""
WORDS: dict[str, frozenset[str]] = {
    **STATE_WORDS,
    "support_requests.category": SUPPORT_CATEGORIES,
    "support_requests.status": SUPPORT_OPEN,
    "household_events.event_type": EVENT_TYPES,
}
"""The columns whose values are words that rules compare with, and the words that each is known to have."""
WORDS_BY_POLICY = frozenset({"support_requests.category", "support_requests.status"})
"""Where the policy's limits may name words of their own."""


def folded(word: str) -> str:
    """A word as it is compared: without regard to case and to the blanks around it."""
    return word.strip(WRAPPING).casefold()
