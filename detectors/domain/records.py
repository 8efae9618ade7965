"""The rows of PetForce as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detectors.events import EventType


@dataclass(frozen=True, slots=True)
class Household:
    """A household's row."""

    id: str
    name: str | None
    description: str | None
    invite_code: str | None
    invite_code_expires_at: datetime | None
    leader_id: str | None
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Membership:
    """A member row. `active` and `leads` are its status and role; a removed row may still have the role of leader."""

    household_id: str
    user_id: str
    role: str
    status: str
    is_temporary: bool
    temporary_expires_at: datetime | None
    invited_by: str | None
    joined_at: datetime

    @property
    def active(self) -> bool:
        return self.status == "active"

    @property
    def leads(self) -> bool:
        return self.active and self.role == "leader"


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A join request's row."""

    id: str
    household_id: str
    user_id: str
    invite_code: str | None
    status: str
    requested_at: datetime
    responded_at: datetime | None
    responded_by: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """An audit row, its type in canonical words. `user_id` is the actor."""

    id: int
    type: str
    household_id: str
    user_id: str
    at: datetime
    metadata: Mapping[str, Any]

    def text(self, key: str) -> str:
        """The value of a metadata key as text, empty where it is missing or null."""
        value = self.metadata.get(key)
        if value is None:
            return ""
        if isinstance(value, dict | list):
            return _nested_text(value)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def says(self, key: str) -> bool:
        """Whether a metadata key is true, as a flag, as a word or as a number."""
        return self.text(key).strip().lower() in {"true", "t", "yes", "1"}

    @property
    def member_id(self) -> str:
        """Who this event says is no longer a member: the removed person, or the one who left."""
        return self.text("member_id") if self.type == EventType.MEMBER_REMOVED else self.user_id


def _nested_text(value: object) -> str:
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return ""


@dataclass(frozen=True, slots=True)
class SupportRequest:
    """A support request's row; ids that are missing are empty."""

    id: str
    created_at: datetime
    requester_id: str
    household_id: str
    subject_user_id: str
    category: str
    feature: str
    body: str
    status: str


@dataclass(frozen=True, slots=True)
class User:
    """An account's row."""

    id: str
    created_at: datetime | None
    deleted_at: datetime | None
    account_tier: str
    monthly_revenue: float | None


@dataclass(frozen=True, slots=True)
class Session:
    """A session's row."""

    id: str
    user_id: str
    created_at: datetime
    revoked_at: datetime | None
    ip_address: str
    user_agent: str
