"""Every number a detector compares with. The policy file names them and may change each one."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Limits(BaseModel):
    """Defaults are those of the process document and of the detector catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: str = "UTC"
    """Whose midnight ends a day."""
    grace_seconds: int = Field(default=120, ge=0)
    """An operation is in flight for at most this long; nothing younger fires."""
    state_lookback_days: int = Field(default=45, ge=1)
    """How far back a state rule reads the audit table; a scan of one household or user reads all of it."""
    pattern_lookback_days: int = Field(default=7, ge=2)
    """How many days, the last of the window included, count when a pattern's days are counted."""
    one_household_per_user: bool = True
    creations_per_day: int = Field(default=10, ge=1)
    """Process, Trust & Safety, Same-day: more than this many households created in a day."""
    creations_per_three_days: int = Field(default=15, ge=1)
    """This many or more households created in three days (the process document's own example)."""
    removals_per_day: int = Field(default=20, ge=1)
    removals_per_three_days: int = Field(default=45, ge=1)
    everyone_left_severity: Literal["P0", "P1", "P2"] = "P2"
    """How urgent the grouped finding of households that everyone has left is."""
    incident_size: int = Field(default=25, ge=1)
    """More findings of one detector in one scan than this are one incident."""
    incident_members_most: int = Field(default=100_000, ge=1)
    """How many rows of an incident are carried along; its count is always exact."""
    household_capacity: int = Field(default=15, ge=1)

    # Trust & Safety, unauthorised access, and the people who write to support.
    service_accounts: tuple[str, ...] = ("00000000-0000-0000-0000-000000000000", "service", "system")
    """User ids under which the app itself acts; what they read or change is nobody's abuse."""
    closed_statuses: tuple[str, ...] = ("closed", "resolved", "solved", "done", "completed", "cancelled", "withdrawn")
    """A support request with any other status is open; compared in lower case."""
    urgent_abuse_categories: tuple[str, ...] = ("threat", "child_safety")
    abuse_categories: tuple[str, ...] = ("harassment",)
    objection_categories: tuple[str, ...] = (
        "harassment",
        "threat",
        "child_safety",
        "dispute",
        "custody",
        "spam",
        "commercial_use",
    )
    """With these a member reports, disputes or objects to something."""
    dispute_categories: tuple[str, ...] = ("dispute",)
    capacity_categories: tuple[str, ...] = ("capacity",)
    policy_categories: tuple[str, ...] = ("policy_question",)
    feature_categories: tuple[str, ...] = ("feature_request",)
    legal_categories: tuple[str, ...] = ("legal_request", "subpoena", "court_order", "custody", "tos_dispute")
    deletion_categories: tuple[str, ...] = ("data_deletion",)
    deletion_days: int = Field(default=30, ge=1)
    """A deletion request open for longer than this is overdue."""
    feature_people: int = Field(default=5, ge=1)
    feature_days: int = Field(default=30, ge=1)
    """This many people asking for one feature within so many days make a gap."""
    premium_tiers: tuple[str, ...] = ("premium",)
    """Account tiers of VIP customers, compared in lower case."""
    vip_monthly_revenue: float = Field(default=100, ge=0)
    """Above this a customer is a VIP, whatever their tier."""
    punitive_hours: float = Field(default=24, gt=0)
    """A removal less than this after the removed member's objection looks like retaliation."""
    punitive_removals: int = Field(default=3, ge=1)
    punitive_removals_hours: float = Field(default=1, gt=0)
    """This many members removed within so many hours of a rejected or disputed action look like retaliation."""
    clearing_hours: float = Field(default=24, gt=0)
    """A leader who leaves within this time after removing everybody was clearing the household."""
    harassment_people: int = Field(default=2, ge=2)
    harassment_days: int = Field(default=7, ge=1)
    leave_explains_minutes: float = Field(default=60, gt=0)
    """The old leader's own leave explains a transfer within this time after it was started."""
    reset_events: tuple[str, ...] = ("password_reset", "password_reset_requested", "password_changed")
    """Event types that say that an account's password was reset."""
    failed_logins_before_transfer: int = Field(default=2, ge=1)
    transfer_after_failures_minutes: float = Field(default=60, gt=0)
    failed_logins: int = Field(default=5, ge=1)
    failed_logins_minutes: float = Field(default=30, gt=0)
    change_after_failures_minutes: float = Field(default=60, gt=0)
    access_networks: int = Field(default=3, ge=2)
    access_new_agents: int = Field(default=2, ge=1)
    access_minutes: float = Field(default=60, gt=0)
    """So many networks, or user agents never seen, within so many minutes, and a change at most as long after."""
    habit_days: int = Field(default=7, ge=1)
    """How long a person must have been known before something new about them means anything."""
    habit_lookback_days: int = Field(default=14, ge=2)
    """How far back a person's habits (networks, user agents) are read."""
    sharing_people: int = Field(default=10, ge=1)
    sharing_days: int = Field(default=7, ge=1)
    sharing_removed_within_hours: float = Field(default=24, gt=0)
    bot_actions: int = Field(default=30, ge=3)
    bot_variation: float = Field(default=0.1, gt=0)
    """Gaps with a coefficient of variation under this are too regular for a person."""
    bot_median_gap_seconds: float = Field(default=1, gt=0)
    burst_seconds: float = Field(default=2, ge=0)
    """Views at most this long after another are part of the same screen."""
    scraped_households: int = Field(default=200, ge=1)
    guessed_codes_per_hour: int = Field(default=100, ge=1)
    guessed_codes_per_day: int = Field(default=200, ge=1)

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.grace_seconds)

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is no time zone of the IANA database") from error
        return name
