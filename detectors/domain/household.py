"""A household with everything that is known of it: what most rules decide about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from detectors.domain.records import Event, Household, JoinRequest, Membership


@dataclass(frozen=True)
class HouseholdCase:
    """One household with everything that is known of it: rows in order of time, events without retries."""

    household_id: str
    household: Household | None
    members: tuple[Membership, ...]
    requests: tuple[JoinRequest, ...]
    events: tuple[Event, ...]
    gone: Mapping[str, datetime] = field(default_factory=dict)
    """When the accounts of its people were deleted. Their rows stay, and nobody stands behind them."""
    inside: Mapping[str, datetime] = field(default_factory=dict)
    """When each person without a member row last did there what only members do, by the audit trail."""

    @property
    def key(self) -> str:
        return self.household_id

    # Each rule asks for them several times.
    @cached_property
    def active(self) -> tuple[Membership, ...]:
        return tuple(member for member in self.members if member.active)

    @cached_property
    def living(self) -> tuple[Membership, ...]:
        """The active members whose accounts exist: they alone lead, succeed and are affected by anything."""
        return tuple(member for member in self.active if member.user_id not in self.gone)

    @property
    def affected(self) -> frozenset[str]:
        """The users behind the active rows."""
        return frozenset(member.user_id for member in self.living)

    def events_of(self, *types: str) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.type in types)
