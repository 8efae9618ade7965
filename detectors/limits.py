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

    # Operations: the app's own limits, security and system failures, performance.
    app_creations_per_day: int = Field(default=5, ge=1)
    """The app lets a user create this many households in any 24 hours (petforce-data.md, section 3; so below)."""
    app_join_requests_per_hour: int = Field(default=5, ge=1)
    app_removals_per_day: int = Field(default=20, ge=1)
    """A household's member removals in any 24 hours."""
    app_regenerations_per_day: int = Field(default=10, ge=1)
    """A household's code regenerations in any 24 hours."""
    app_validations_per_hour: int = Field(default=100, ge=1)
    """An address's code validations in any 60 minutes."""
    refusal_codes: frozenset[str] = frozenset({"RATE_LIMIT_EXCEEDED"})
    """Error codes of an operation that the app refused for its limit."""
    session_grace_minutes: int = Field(default=15, ge=0)
    """A removed member's session may be used this long."""
    surviving_sessions_most: int = Field(default=10, ge=1)
    """More surviving sessions in a window than this are one systemic finding."""
    database_error_classes: frozenset[str] = frozenset({"08", "53", "57", "58", "XX"})
    """SQLSTATE classes of a database in trouble."""
    query_cancelled_code: str = "57014"
    """The SQLSTATE of a statement that ran into its time-out: no database error, but a time-out."""
    app_database_error: str = "DATABASE_ERROR"
    """The app's answer to every unexpected failure."""
    call_timeout_ms: int = Field(default=30_000, ge=1)
    """Process, Engineering, P0: a call that takes longer has timed out."""
    timeout_statuses: frozenset[int] = frozenset({408, 504})
    timeout_words: tuple[str, ...] = ("TIMEOUT", "TIMED_OUT", "TIMEDOUT")
    """An error code that contains one of them tells of a time-out..."""
    expiry_words: tuple[str, ...] = ("SESSION", "TOKEN", "IDLE")
    """...unless it contains one of these: then somebody was merely logged out."""
    lock_words: tuple[str, ...] = ("LOCK",)
    """A time-out whose code contains one of them was waiting for a lock, and is no call that took too long."""
    creation_failures_most: float = Field(default=0.05, gt=0, lt=1)
    """Process, Engineering, P0: a greater share of failed household creations."""
    creation_attempts_least: int = Field(default=20, ge=1)
    creation_attempts_plenty: int = Field(default=200, ge=1)
    """With fewer attempts the lower 95 % Wilson bound must be above the share too."""
    user_error_codes: frozenset[str] = frozenset(
        {"INVALID_HOUSEHOLD_NAME", "ALREADY_IN_HOUSEHOLD", "RATE_LIMIT_EXCEEDED", "INVALID_INPUT"}
    )
    """Failures of a creation that are the user's own."""
    dashboard_slow_ms: int = Field(default=10_000, ge=1)
    """Process, Engineering, P1: a dashboard that takes longer is slow."""
    dashboard_slow_most: float = Field(default=0.01, gt=0, lt=1)
    """A greater share of slow views, of at least `dashboard_views_least`."""
    dashboard_views_least: int = Field(default=100, ge=1)
    member_list_big: int = Field(default=10, ge=1)
    """Process, Engineering, P1: the member list of a household with more members."""
    member_list_failures_least: int = Field(default=3, ge=1)
    member_list_refusals: frozenset[str] = frozenset(
        {"UNAUTHORIZED", "FORBIDDEN", "NOT_A_MEMBER", "NOT_AUTHORIZED", "PERMISSION_DENIED", "ACCESS_DENIED"}
    )
    """Error codes of a member list that was rightly not shown."""
    timeouts_least: int = Field(default=3, ge=1)
    """This many time-outs of one user or household in a window are repeated time-outs."""
    refusal_days_least: int = Field(default=3, ge=1)
    """On this many days of `pattern_lookback_days` a known organisation must have been refused."""
    known_organisations: frozenset[str] = frozenset()
    """Ids of users or households that are shelters, rescues and the like: their high volume is legitimate."""

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
