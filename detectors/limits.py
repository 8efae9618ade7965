"""Every number a detector compares with. The policy file names them and may change each one."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from detectors import vocabulary


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

    # Codes, texts, founders: what the state tables show.
    creator_seconds: int = Field(default=60, ge=1)
    """The creator is the one whose row was written at most this long after (or before) the household's."""
    old_code_minutes: float = Field(default=5, ge=0)
    """A request with the previous code this long after a regeneration may have been under way."""
    invite_code_words: tuple[str, ...] = vocabulary.INVITE_CODE_WORDS
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
    commercial_words: tuple[str, ...] = vocabulary.COMMERCIAL
    """Words of a business; they count beside contact details or a price."""
    off_topic_words: tuple[str, ...] = vocabulary.OFF_TOPIC
    """Words for what is not the care of pets."""
    competitor_names: tuple[str, ...] = vocabulary.COMPETITORS
    """Competing services, as their users write them."""

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
