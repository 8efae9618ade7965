"""What a scan says: its findings and how each detector ended. The pydantic models here are the published JSON, version 1."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

Team = Literal["engineering", "trust-safety", "csm", "product", "legal"]
Severity = Literal["P0", "P1", "P2", "Immediate", "Same-day", "Next-day"]
Kind = Literal["state", "occurrence"]
Status = Literal["ran", "not_applicable", "proved", "failed"]
SubjectKey = Literal[
    "household_id",
    "user_id",
    "request_id",
    "support_id",
    "invite_code",
    "prefix",
    "ip_address",
    "session_id",
    "limit",
    "table",
    "operation",
    "feature",
    "window",
]

TEAMS: tuple[Team, ...] = get_args(Team)
SEVERITY_ORDER: tuple[Severity, ...] = ("P0", "Immediate", "P1", "Same-day", "P2", "Next-day")
"""From the most to the least urgent, by the response times of the process document."""


def iso(at: datetime) -> str:
    """`at` as UTC in ISO 8601 with a trailing Z, to the microsecond where there is one."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[AwareDatetime, PlainSerializer(iso, return_type=str, when_used="json")]


_GIVEN: dict[frozenset[str], set[str]] = {}
"""The sets of fields that models were given, each once: of a hundred thousand findings they are most of the memory."""


class _Light(BaseModel):
    """A frozen model that shares the set of the fields it was given with all that were given the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_post_init(self, _: Any) -> None:
        given = self.__pydantic_fields_set__
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))


class Published(_Light):
    """A frozen model of the published JSON: unknown fields are an error, order is the order of declaration."""


class TimelineEntry(Published):
    """One thing that happened: when (UTC), what, and the id of who did it (empty where nobody is known)."""

    at: Timestamp
    what: str
    actor: str = ""


class Member(Published):
    """One row of a grouped incident."""

    subject: dict[SubjectKey, str]
    households: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


class Related(Member):
    """A finding that another one explains."""

    detector: str


class Impact(Published):
    """How many users and households cannot do what they should be able to."""

    users: int = Field(ge=0)
    households: int = Field(ge=0)


class Involved(_Light):
    """Somebody whom a finding about people names, with what the data knows of them. Their role is their part in it."""

    user_id: str
    role: str
    since: Timestamp | None = None
    """When the account was made."""
    status: str = ""
    """Empty where nobody looked: of very many only the first are looked up."""
    tier: str = ""
    leads: tuple[str, ...] = ()
    belongs: tuple[str, ...] = ()
    acts_from: str = ""
    """Whether address and device are new for them."""


class Tie(_Light):
    """An account that shares something with one that a finding is about: what, and how strong a tie that is."""

    user_id: str
    of: str
    shares: tuple[str, ...]
    strength: Literal["strong", "medium", "weak"]


class Story(_Light):
    """The words of a ticket, with the values filled in. Wording is not part of the published JSON.

    Engineering tickets read issue, steps, expected, actual, impact, error_messages, screenshots and requesting;
    Trust & Safety tickets read pattern, evidence, suspected_violation, reporter, action_taken and requesting; the other
    teams' fields are in `fields`, by the name the process document gives them. An empty text means that the data has no answer.
    """

    issue: str = ""
    steps: tuple[str, ...] = ()
    expected: str = ""
    actual: str = ""
    stopped: str = ""
    """Of an operation that was half done: the step that failed, by its number and in plain words."""
    impact: str = ""
    error_messages: str = ""
    screenshots: str = ""
    pattern: str = ""
    evidence: tuple[str, ...] = ()
    suspected_violation: str = ""
    reporter: str = ""
    action_taken: str = ""
    requesting: str = ""
    affected_households: tuple[str, ...] | None = None
    """The households for the ticket's Household ID line, where they are fewer than all that are involved."""
    affected_users: tuple[str, ...] | None = None
    fields: dict[str, str] = {}
    decides: dict[str, str] = {}
    """What decides which steps of the detector's page are said, and is no evidence by itself."""
    observed: str = ""
    """Between which looks a state began; only who keeps looks can say it."""
    people: tuple[Involved, ...] = ()
    ties: tuple[Tie, ...] = ()


class Finding(Published):
    """One thing that is wrong (`kind` state) or that happened (`kind` occurrence), with its evidence."""

    detector: str
    team: Team
    severity: Severity
    fingerprint: str
    subject: dict[SubjectKey, str]
    households: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    title: str
    first_seen: Timestamp | None = None
    """When it was first observed: of a state by the ledger's looks, and by an event where one tells. No row's own date."""
    occurred_at: Timestamp | None = None
    impact: Impact
    kind: Kind
    marks: tuple[str, ...] = ()
    evidence: dict[str, Any] = {}
    timeline: tuple[TimelineEntry, ...] = ()
    related: tuple[Related, ...] = ()
    members: tuple[Member, ...] = ()
    story: Story = Field(default=Story(), exclude=True)

    @property
    def sort_key(self) -> tuple[int, str, tuple[tuple[str, str], ...]]:
        """Most urgent first, then by detector and subject: the stable order of every list of findings."""
        return (SEVERITY_ORDER.index(self.severity), self.detector, tuple(sorted(self.subject.items())))

    def as_related(self) -> Related:
        """This finding as the effect of another one."""
        return Related(detector=self.detector, subject=self.subject, households=self.households, users=self.users)


class Coverage(Published):
    """How one detector ended the scan. One that ran has a `reason` where it could look at a part only: what is missing."""

    detector: str
    status: Status
    reason: str | None = None
    findings: int = Field(default=0, ge=0)


class WindowInfo(Published):
    """The scan's window, [from, to)."""

    start: Timestamp = Field(serialization_alias="from", validation_alias="from")
    end: Timestamp = Field(serialization_alias="to", validation_alias="to")
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ScanInfo(Published):
    """What was scanned, as of when, and how much was read."""

    version: Literal[1] = 1
    source: str
    as_of: Timestamp
    window: WindowInfo
    engine: Literal["postgresql", "duckdb", "spark"]
    rows_read: dict[str, int]
    seconds: float = Field(ge=0)


class ScanDocument(Published):
    """One scan: the document that `hearthwatch scan --format json` prints."""

    scan: ScanInfo
    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]


def fingerprint(detector: str, environment: str, subject: Mapping[SubjectKey, str]) -> str:
    """The identity of a finding: 32 hexadecimal digits of a SHA-256 over detector, environment and subject alone."""
    identity = json.dumps([detector, environment, sorted(subject.items())], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
