"""The escalation process as validated data: who is told what, where, and how soon."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator, model_validator

from detectors.contract import Severity, Team
from escalation.policy.spans import SpanField

Priority = Severity | Literal["any"]
"""A row of a team's tables; `any` is the row of a team that has no priorities."""
Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
Redaction = Literal["nothing", "personal", "ids"]
"""What a channel hides: nothing; names, addresses, texts and devices; or user and household ids as well."""
Text = Annotated[str, Field(min_length=1)]
CHANNEL, MENTION, MENTIONED = r"^#\S+$", r"^(@\S+)?$", r"^@\S+$"
SLACK_ID, TAG, EMAIL = r"^[SUW][A-Z0-9]{6,}$", r"^\[[^\[\]]+\]$", r"^[^@\s]+@[^@\s]+$"
ADDRESS = r"^(https://[A-Za-z0-9][A-Za-z0-9.-]{0,250}(:[0-9]{1,5})?(/[A-Za-z0-9._~%-]{1,100}){0,10}/?)?$"
PATTERNS = {
    ADDRESS: "must be the https:// address of a folder, such as https://hearthwatch.example.com/pages, or empty",
    CHANNEL: "must be a channel such as #incidents",
    MENTION: "must be a mention such as @engineering-oncall, or empty",
    MENTIONED: "must be a mention such as @engineering-oncall",
    SLACK_ID: "must be an id of Slack's such as S012AB3CD",
    TAG: "must be a tag in brackets such as [ENG-ESCALATION]",
    EMAIL: "must be an e-mail address such as team@example.com",
}
"""What a text must be, by the pattern that it must match."""
SlackId = Annotated[str, Field(pattern=SLACK_ID)]
"""A group of users (S…) or a user (U…, W…), as Slack knows them."""


class Part(BaseModel):
    """A part of the policy: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RequiredField(Part):
    """A piece of information that a team's tickets must have, and what the document asks for there."""

    name: Text
    asks: Text


class Action(Part):
    """Something that Trust & Safety may do."""

    name: Text
    means: Text


class SlackPlace(Part):
    """Where a message goes, and who is tagged there (empty for nobody)."""

    channel: str = Field(pattern=CHANNEL)
    mention: str = Field(default="", pattern=MENTION)


class Sla(Part):
    """What a team promises for one priority; a missing promise has no deadline.

    `resolve` is the column that the teams' tables call Resolution, Action or Decision.
    """

    acknowledge: SpanField | None = None
    investigate: SpanField | None = None
    resolve: SpanField | None = None
    communicate: SpanField | None = None
    clock: Literal["absolute", "business"] = "absolute"


class TeamPolicy(Part):
    """One team: its tickets, its places, its promises."""

    name: Text
    tag: str = Field(pattern=TAG)
    by: Literal["ticket", "email"] = "ticket"
    fields: tuple[RequiredField, ...] = Field(min_length=1)
    contact: Text
    email: str = Field(pattern=EMAIL)
    copy_to: tuple[str, ...] = ()
    columns: tuple[Text, Text, Text, Text] = ("Acknowledgment", "Investigation", "Resolution", "Communication")
    """What the team's table calls acknowledge, investigate, resolve and communicate."""
    slack: dict[Priority, SlackPlace] = {}
    sla: dict[Priority, Sla] = {}
    expectations: dict[Priority, tuple[Text, ...]] = {}
    """What to tell the customer; [timeframe] stands for the promise named by `timeframe`."""
    timeframe: Literal["acknowledge", "investigate", "resolve"] = "investigate"
    actions: tuple[Action, ...] = ()
    warning: str = ""

    @model_validator(mode="after")
    def _fields_are_different(self) -> Self:
        names = [field.name for field in self.fields]
        if len(set(names)) < len(names):
            raise ValueError("two required fields have the same name")
        return self


class MatrixRow(Part):
    """A row of the escalation matrix, and the detectors whose findings are such an issue."""

    issue: Text
    severity: Literal["P0", "P1", "P2", "P3"]
    escalate_to: Text
    team: Team
    response: SpanField
    resolution: SpanField
    detectors: tuple[str, ...] = ()


class BusinessHours(Part):
    """When a business clock runs: [start, end) of the named days in the time zone."""

    time_zone: str = "UTC"
    days: tuple[Weekday, ...] = Field(default=("Mon", "Tue", "Wed", "Thu", "Fri"), min_length=1)
    start: time = time(9)
    end: time = time(17)

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name[:40]!r} is no time zone of the IANA database") from error
        return name

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Self:
        if self.start.tzinfo or self.end.tzinfo or self.start >= self.end:
            raise ValueError("start must be a time of day before end, both without a time zone")
        return self


class FollowUpStep(Part):
    """A reminder of a missed acknowledgement: after how many acknowledgement times, and which words."""

    after: float = Field(ge=1, le=1_000, strict=True)
    says: Text


class Nights(Part):
    """How one night is compared with the nights before."""

    catch_up_days: int = Field(default=7, ge=1, le=366)
    """How far back a run reaches for nights that were missed."""
    look_back_days: int = Field(default=35, ge=1, le=36_500)
    """How far back an ordinary night's state rules read the audit table; what is known to be wrong is judged again anyway."""
    whole_history_every_days: int = Field(default=7, ge=1, le=36_500)
    """How often a night reads it as far back as limits.state_lookback_days says, as the first one does."""
    growth_percent: int = Field(default=10, ge=0, le=1_000_000)
    """A finding that has grown or shrunk by less than this since it was last said is not said again."""
    flapping_times: int = Field(default=3, ge=2, le=1_000_000)
    flapping_days: int = Field(default=7, ge=1, le=36_500)
    late_hours: float = Field(default=1, ge=0, le=168)
    """Audit rows may arrive this much later than they happened: up to then before the newest one they are complete."""


class Cases(Part):
    """What belongs to one ticket."""

    both_teams: StrictBool = False
    """Whether Engineering gets a ticket of its own for what only the acts that Trust & Safety is told of have caused."""


class Page(Part):
    """Where people read the morning page."""

    address: str = Field(default="", pattern=ADDRESS)
    """The folder of `run --report` as a web server shows it; empty where none does."""

    def link(self, team: TeamPolicy, reference: str) -> str:
        """Where the page tells of a ticket; empty where it does not: what a team is told by e-mail only has no words there."""
        told = self.address and reference and team.by != "email"
        return f"{self.address.rstrip('/')}/tonight.html#{reference}" if told else ""


class VolumeRules(Part):
    """When a table has lost so many rows that it is not believed."""

    drop_percent: int = Field(default=20, ge=0, le=100)
    """More than this share of its rows; a table that came empty or is missing is never believed."""
    state_percent: int = Field(default=5, ge=0, le=100)
    """The same for the tables that hardly ever lose rows: households, their members and requests, users."""
    least_rows: int = Field(default=3, ge=1, le=1_000_000_000)
    """Fewer lost rows than this are the ordinary life of a small table."""
    audit_days: int = Field(default=7, ge=1, le=31)
    """The audit table is too big to be counted each night; its rows of so many days are counted again."""


class Exceptions(Part):
    """How long people may silence a finding."""

    longest_days: int = Field(default=180, ge=1, le=180)


class Practice(Part):
    """The document's do's and don'ts."""

    dos: tuple[Text, ...]
    donts: tuple[Text, ...]


class RedactionRules(Part):
    """What each channel hides."""

    ticket: Redaction = "personal"
    file: Redaction = "personal"
    email: Redaction = "personal"
    slack: Redaction = "ids"
    page: Redaction = "personal"
    """The morning page, whoever may open it."""


class Document(Part):
    """The document that the policy was taken from."""

    title: Text
    last_updated: date
