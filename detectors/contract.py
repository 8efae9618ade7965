"""What a detector is, and what it says: the contract that every other room builds on.

The pydantic models below `Finding` are the published JSON, version 1. `Meta` and `Detector` describe one rule;
`Outcome` says how a rule ended a scan, because "could not look" must never read like "found nothing".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, field_validator, model_validator

from detectors.limits import Limits

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from detectors.source import Schema

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

CaseKind = Literal[
    "household_id",
    "user_id",
    "creator",
    "support_id",
    "actor",
    "anomaly",
    "target",
    "retaliation_household",
    "accessed_household",
    "handed_over_household",
]
"""What a case is about, and with it the facts that are fetched for it (cases/)."""

SEVERITY_ORDER: tuple[Severity, ...] = ("P0", "Immediate", "P1", "Same-day", "P2", "Next-day")
"""From the most to the least urgent, by the response times of the process document."""


PERSON = "person"
"""Stands in the place of a detector's id where a person escalated something. No rule may have it, and no scan looks for it."""


NEVER_WROTE = "the source never wrote"
"""What a coverage entry's reason says where a detector has nothing to look at because its events do not exist."""


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


ACTOR = "actor"
"""The part of who did it, where nothing more is to be said of what."""

Groups = tuple[frozenset[str], ...]
"""Types of audit events in groups, of each of which one is enough. `type.key` is a type with a metadata key that every such
event has, `type.key|key` one with either; the name of a table stands for its rows, `table.column` for the values in it."""


class Meta(BaseModel):
    """The unchanging facts of a detector. `id` is permanent: tickets, exceptions and fingerprints carry it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z]+(-[a-z]+)*$")
    title: str = Field(min_length=5, max_length=80)
    team: Team
    severity: Severity
    kind: Kind
    subject: tuple[SubjectKey, ...] = Field(min_length=1)
    needs: frozenset[str]
    """Source columns as table.column; without one of them the detector is not applicable. Also those whose absence would make
    a finding of what is in order, as a sitter looks like a member where nobody says who is one."""
    consults: frozenset[str] = frozenset()
    """Tables beyond those of `needs` whose missing rows could make it say something untrue, or keep it silent. `table.column`
    is a column of such a table that must be there if the table is."""
    partly: dict[str, frozenset[str]] = {}
    """What it looks at only where the source has these columns (table.column), in words: without them it says so."""
    events: Groups = ()
    """The audit events that it concludes from, or from whose absence. Where the source never wrote any of a group, it is not
    applicable."""
    ways: dict[str, Groups] = {}
    """Its several ways to find something, in words, each with the events that it takes. Those that the source never wrote are
    said; where all ways are blind, it is not applicable."""
    roles: dict[str, str] = {}
    """For Trust & Safety, whose tickets name everybody involved: where ids stand (`subject.user_id`, `evidence.key`,
    `evidence.key.key` of a list of rows, `users` for all others) and which part those people have in it."""
    actor: str = ACTOR
    """Which of these parts has the person whose acts it tells of. Where nobody has it, it tells of what was done to somebody."""
    sure: Literal["rows", "trail", "inferred"]
    """How sure it is: the rows prove it, the audit trail tells it, or it is inferred from a pattern."""
    refuted_by: str = Field(min_length=10)
    """What would show that it is wrong although the data says it, as the end of a sentence that begins "It would be wrong if"."""
    process: str = Field(min_length=5)
    """The place in the process document that asks for this detector."""
    feature: str = "household management"

    def __hash__(self) -> int:
        return hash(self.id)

    @field_validator("id")
    @classmethod
    def _is_no_persons(cls, name: str) -> str:
        if name == PERSON:
            raise ValueError(f"{PERSON!r} stands for what people escalate themselves")
        return name

    @model_validator(mode="after")
    def _actor_has_a_part(self) -> Self:
        if self.actor != ACTOR and self.actor not in self.roles.values():
            raise ValueError(f"actor must be one of the parts of roles, not {self.actor!r}")
        return self

    @field_validator("needs")
    @classmethod
    def _are_columns(cls, needs: frozenset[str]) -> frozenset[str]:
        bad = sorted(need for need in needs if need.count(".") != 1)
        if bad:
            raise ValueError(f"needs must be table.column, not {bad}")
        return needs


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, [start, end)."""

    start: datetime
    end: datetime

    def __contains__(self, at: object) -> bool:
        return isinstance(at, datetime) and self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a detector may know besides the data: the scan's time and window, and the policy's limits."""

    as_of: datetime
    window: Window
    limits: Limits = field(default_factory=Limits)
    environment: str = "production"
    audit_began: datetime | None = None
    """When the audit table's first row was written; None where there is no audit table or no row."""
    everything: bool = False
    """True for a scan of named households or users, which looks at the whole history instead of the look-back."""
    known: frozenset[str] = frozenset()
    """Households whose events are read however old they are: a rule without facts by key knows something of them."""
    changed: frozenset[str] | None = None
    """For a look at what changed, the households that it judges; None for a look at all."""
    news_from: datetime | None = None
    """For a look at what changed, from when on audit rows may be new to it: what older ones tell has been judged before."""
    again: frozenset[str] = frozenset()
    """For a look at what changed, the users and households of whose acts in the window something is known: it may explain other findings."""
    rewritten: frozenset[str] = frozenset()
    """For a look at what changed, the households of which rows were written or lost: what was done there before is judged anew."""
    explained: frozenset[str] = frozenset()
    """For subscriptions that come last: the correlation ids of the operations that state findings of this scan tell of."""
    never_written: frozenset[str] = frozenset()
    """The types of events of which the source has never held one: their absence tells nothing."""
    late: timedelta | None = None
    """For a look while its window is still open: how much later than it happened an audit row may come."""

    @property
    def watermark(self) -> datetime:
        """What is at or before this moment is no longer in flight."""
        return self.as_of - self.limits.grace

    @property
    def so_far(self) -> bool:
        """Whether more of the window is to come: what that may take back is left to the night."""
        return self.late is not None

    @property
    def heard(self) -> datetime:
        """What is at or before this moment is no longer in flight, and all audit rows that may explain it have come."""
        return self.watermark if self.late is None else min(self.watermark, self.as_of - self.late)

    @property
    def history_start(self) -> datetime | None:
        """From when on a state rule reads events, never later than the window's start; None for all of them."""
        if self.everything:
            return None
        return min(self.window.start, self.as_of - timedelta(days=self.limits.state_lookback_days))

    def news_since(self, start: datetime, before: timedelta = timedelta()) -> datetime:
        """From when on what begins at `start` is looked at: in a look at what changed no longer `before` its news than it must be."""
        return start if self.news_from is None else max(start, self.news_from - before)

    def day(self, at: datetime) -> date:
        """The policy's day that `at` falls on."""
        return at.astimezone(ZoneInfo(self.limits.time_zone)).date()

    def day_start(self, day: date) -> datetime:
        """The moment, in UTC, at which the policy's `day` begins."""
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.limits.time_zone)).astimezone(UTC)


def fingerprint(detector: str, environment: str, subject: Mapping[SubjectKey, str]) -> str:
    """The identity of a finding: 32 hexadecimal digits of a SHA-256 over detector, environment and subject alone."""
    identity = json.dumps([detector, environment, sorted(subject.items())], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def find(meta: Meta, context: Context, subject: Mapping[SubjectKey, str], *, impact: Impact, **rest: Any) -> Finding:
    """A finding of the detector `meta` about `subject`, with what its page fixes filled in.

    `rest` are further fields of Finding; a severity, title or kind given there replaces the detector's own.
    Lists of households and users are made unique and sorted.
    """
    fields: dict[str, Any] = {"severity": meta.severity, "title": meta.title, "kind": meta.kind, **rest}
    for name in ("households", "users"):
        fields[name] = tuple(sorted(set(fields.get(name, ())) - {""}))
    return Finding(
        detector=meta.id,
        team=meta.team,
        fingerprint=fingerprint(meta.id, context.environment, subject),
        subject=dict(sorted(subject.items())),
        impact=impact,
        **fields,
    )


Row = Mapping[str, Any]
Condition = Callable[["FromClause", Context], "ColumnElement[bool]"]
Aggregate = Callable[[Iterable[Row], Context], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A detector's place on a pass: the condition that the pass evaluates for it on each of its rows.

    Without `aggregate` the key of each row that fires becomes a case: its facts are fetched and the detector's `evaluate`
    decides; the condition may then be wider than the rule, never narrower. With `aggregate` the rows are all there is.
    """

    on: str
    condition: Condition
    aggregate: Aggregate | None = None
    columns: tuple[str, ...] = ()
    """Columns of the pass's rows that `aggregate` reads, besides the key."""
    last: bool = False
    """Whether `aggregate` waits until all cases are evaluated, to leave out what their findings explain."""
    optional: bool = False
    """Whether the detector still has work where the source lacks what this subscription's pass needs."""
    by_night: Callable[[Limits], bool] = lambda _: False
    """Whether a look during the day leaves it out."""
    about: SubjectKey | None = None
    """What its findings alone are about, of a detector that has others besides: so that who leaves it out knows which they are."""
    in_part: Callable[[Limits], bool] = lambda _: False
    """Whether a look at what changed may see a part of the group that `aggregate` tells of: it explains, and the night counts."""
    opens: CaseKind | None = None
    """The kind of case that a row opens, where it is not what the pass's key is called."""


Evaluate = Callable[[Any, Context], Iterable[Finding]]
Inspect = Callable[["Schema", Context], Iterable[Finding]]
Mark = Callable[[Finding, Mapping[str, Any], Context], Finding]
"""Given a finding and its users' accounts by id: the same finding, or a copy that says more."""


def _never(_: object) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Detector:
    """One rule: its facts, its page, the passes it subscribes to and the pure function that turns a case into findings."""

    meta: Meta
    page: str
    subscriptions: tuple[Subscription, ...]
    evaluate: Evaluate | None = None
    proved_by: Callable[[Schema], str | None] = _never
    """The name of a validated constraint of the source that makes a violation impossible, or None."""
    pointless: Callable[[Limits], str | None] = _never
    """Why the policy leaves this detector nothing to find, or None."""
    inspect: Inspect | None = None
    """For a rule about the schema itself: it reads no rows, and needs a source with a catalog."""
    mark: Mark | None = None
    """What a detector that finds nothing of its own adds to the others' findings, after all of them have ended."""
    remarkable: Callable[[Any, Context], bool] = lambda _, __: True
    """Whether an account can make a difference to `mark`; the others are not kept while it works."""
    by_night: str = ""
    """Why only a window that has closed can be evaluated; empty where what is found so far stays true."""
    by_night_in_part: str = ""
    """What of it is not evaluated before the window has closed."""
    by_shape: bool = False
    """Whether `evaluate` decides about a quiet household by its shape alone (see engine/alike.py), so that very many can be counted."""

    @property
    def id(self) -> str:
        return self.meta.id


TEAMS: tuple[Team, ...] = get_args(Team)
