"""Every number a detector compares with. The policy file names them and may change each one."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator, model_validator

from detectors.text import word_lists

_GREATEST = 2**31 - 1
"""What every database takes for a whole number."""


class Limits(BaseModel):
    """Defaults are those of the process document and of the detector catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: str = "UTC"
    """Whose midnight ends a day."""
    grace_seconds: int = Field(default=120, ge=0)
    """An operation is in flight for at most this long; nothing younger fires."""
    state_lookback_days: int = Field(default=3650, ge=1)
    """How far back a state rule reads the audit table; a scan of one household or user reads all of it."""
    pattern_lookback_days: int = Field(default=7, ge=2)
    """How many days, the last of the window included, count when a pattern's days are counted."""
    one_household_per_user: StrictBool = True
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
    incident_members_most: int = Field(default=1_000, ge=1)
    """How many rows of an incident are listed, with their households and users; its count is always exact."""
    household_capacity: int = Field(default=15, ge=1)

    # Operations: the app's own limits, security and system failures, performance.
    app_creations_per_day: int = Field(default=5, ge=1)
    """The app lets a user create this many households in any 24 hours (docs/petforce.md, The app's limits; so below)."""
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
    timeout_words: tuple[str, ...] = ("TIMEOUT", "TIMEDOUT", "DEADLINE_EXCEEDED")
    """An error code that contains one of them, whatever parts its words (TIMED_OUT, TIME-OUT), tells of a time-out..."""
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
    # Codes, texts, founders: what the state tables show.
    creator_seconds: int = Field(default=60, ge=1)
    """The creator is the one whose row was written at most this long after (or before) the household's."""
    old_code_minutes: float = Field(default=5, ge=0)
    """A request with the previous code this long after a regeneration may have been under way."""
    invite_code_words: tuple[str, ...] = word_lists.INVITE_CODE_WORDS
    """A code is a prefix of capital letters and two of these words, joined by hyphens."""
    invite_code_prefix_least: int = Field(default=3, ge=1)
    invite_code_prefix_most: int = Field(default=6, ge=1)
    invite_code_prefix_codes: int = Field(default=400, ge=1)
    """More codes of one prefix in use than this are a warning: generation draws blindly and will soon give up."""
    fake_households: int = Field(default=3, ge=2)
    fake_households_hours: float = Field(default=48, gt=0)
    """This many households, alike in name, in which nothing happened for so long, are fakes."""
    fake_households_likeness: float = Field(default=0.8, gt=0, le=1)
    """From which share of common characters on (difflib's ratio) two names are alike."""
    commercial_sittings: int = Field(default=10, ge=1)
    commercial_sitting_households: int = Field(default=5, ge=1)
    commercial_sitting_days: int = Field(default=30, ge=1)
    """So many temporary memberships, across so many households, within so many days, are a business."""
    commercial_words: tuple[str, ...] = word_lists.COMMERCIAL
    """Words of a business; they count beside contact details or a price."""
    commercial_rates: tuple[str, ...] = word_lists.RATES
    """What a service is charged by; they count right after a price."""
    company_words: tuple[str, ...] = word_lists.COMPANIES
    """Legal forms of companies; they count in a household's name, beside contact details or a price."""
    off_topic_words: tuple[str, ...] = word_lists.OFF_TOPIC
    """Words for what is not the care of pets."""
    competitor_names: tuple[str, ...] = word_lists.COMPETITORS
    """Competing services, as their users write them."""
    # Trust & Safety, unauthorised access, and the people who write to support.
    people_most: int = Field(default=25, ge=1)
    """Of so many people on a Trust & Safety finding it is looked up who they are; the others are named."""
    people_findings_most: int = Field(default=50, ge=0)
    """For so many findings of a scan, the most urgent ones."""
    people_history_days: int = Field(default=90, ge=1)
    """So far back it is looked whether somebody's address and device are known."""
    ties_most: int = Field(default=20, ge=1)
    """So many connected accounts are named on a finding, the strongest ties first."""
    common_address_people: int = Field(default=10, ge=2)
    """An address that more accounts act from connects nobody: a school, a provider, a private relay."""
    service_accounts: tuple[str, ...] = ("00000000-0000-0000-0000-000000000000", "service", "system")
    """User ids under which the app itself acts; what they read or change is nobody's abuse."""
    closed_statuses: tuple[str, ...] = (
        *("closed", "resolved", "solved", "done", "completed", "archived"),
        *("cancelled", "canceled", "withdrawn", "rejected", "declined", "duplicate"),
    )
    """How a settled support request is called, in lower case. One with a status that nobody knows is left out."""
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
    bot_pause: float = Field(default=3, gt=1)
    """A gap longer than this many middle ones is a pause; the actions before and after it are also looked at by themselves."""
    bot_median_gap_seconds: float = Field(default=1, gt=0)
    burst_seconds: float = Field(default=2, ge=0)
    """Views at most this long after another are part of the same screen."""
    scraped_households: int = Field(default=200, ge=1)
    guessed_codes_per_hour: int = Field(default=100, ge=1)
    guessed_codes_per_day: int = Field(default=200, ge=1)

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.grace_seconds)

    @field_validator("commercial_words", "commercial_rates", "company_words", "off_topic_words", "competitor_names")
    @classmethod
    def _are_words(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if not all(word.strip() for word in words):
            raise ValueError("a word is empty")
        return words

    @model_validator(mode="after")
    def _are_human_spans(self) -> Self:
        for unit, most in (("days", 36_500), ("hours", 876_000), ("minutes", 52_560_000), ("seconds", 3_153_600_000)):
            for name, value in self:
                # A number of things by days is no span.
                if "_per_" in name or not name.endswith(f"_{unit}") or not isinstance(value, int | float):
                    continue
                if not value <= most:
                    raise ValueError(f"{name} is more than a hundred years")
        return self

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        for name, value in self:
            if isinstance(value, int | float) and not value <= _GREATEST:
                raise ValueError(f"{name} is more than {_GREATEST:,}")
        if self.invite_code_prefix_least > self.invite_code_prefix_most:
            raise ValueError("invite_code_prefix_least is above invite_code_prefix_most")
        return self

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name[:40]!r} is no time zone of the IANA database") from error
        return name
