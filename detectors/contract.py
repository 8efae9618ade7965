"""What a detector is: the contract that every other room builds on.

`Meta` and `Detector` describe one rule, `Context` what it may know, `Finding` and the other models of `published` what it
says. Whoever uses any of them takes it from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from detectors.context import Context, Span, Window
from detectors.limits import Limits
from detectors.published import (
    SEVERITY_ORDER,
    TEAMS,
    Coverage,
    Finding,
    Impact,
    Involved,
    Kind,
    Member,
    Related,
    ScanDocument,
    ScanInfo,
    Severity,
    Status,
    Story,
    SubjectKey,
    Team,
    Tie,
    TimelineEntry,
    WindowInfo,
    fingerprint,
    iso,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from detectors.source import Schema
    from detectors.source.base import Fact
else:
    # What a source is takes long to import; a test holds the names.
    Fact = str

__all__ = [
    "ACTOR",
    "NEVER_WROTE",
    "PERSON",
    "SEVERITY_ORDER",
    "TEAMS",
    "Aggregate",
    "CaseKind",
    "Condition",
    "Context",
    "Coverage",
    "Detector",
    "Evaluate",
    "Finding",
    "Groups",
    "Impact",
    "Inspect",
    "Involved",
    "Kind",
    "Mark",
    "Member",
    "Meta",
    "Related",
    "Row",
    "ScanDocument",
    "ScanInfo",
    "Severity",
    "Span",
    "Status",
    "Story",
    "SubjectKey",
    "Subscription",
    "Team",
    "Tie",
    "TimelineEntry",
    "Window",
    "WindowInfo",
    "find",
    "fingerprint",
    "iso",
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

PERSON = "person"
"""Stands in the place of a detector's id where a person escalated something. No rule may have it, and no scan looks for it."""

NEVER_WROTE = "the source never wrote"
"""What a coverage entry's reason says where a detector has nothing to look at because its events do not exist."""

ACTOR = "actor"
"""The part of who did it, where nothing more is to be said of what."""

Groups = tuple[frozenset[str], ...]
"""Types of audit events in groups, of each of which one is enough. `type.key` is a type with a metadata key that every such
event has, `type.key|key` one with either; the name of a table stands for its rows, `table.column` for the values in it."""


Thinned = Literal["rows-fewer", "nobody-left", "account-deleted"]
"""Why what is not found any more is no repair, though it was looked at: what it rested on is less than it was."""


BETWEEN = "\n"


def belonging(household: str, user: str) -> str:
    """What stands for one person's rows in one household, among ids of households."""
    return f"{household}{BETWEEN}{user}"


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
    not_where: frozenset[Fact] = frozenset()
    """What must not be true of the app, as it would make a finding of what is in order there."""
    partly_where: dict[Fact, str] = {}
    """What it does not look at where this is true of the app, in words; the coverage says so."""
    among_the_living: Literal["no", "one", "each"] = "no"
    """Whether it asks for active members whose accounts exist. Where none is left its silence is no repair; where it looks at each of
    them, neither is it where another account is deleted since."""
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


LookBack = Callable[[Limits], timedelta]
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
    looks_back: Mapping[Span, LookBack] = field(default_factory=dict, hash=False)
    """How far before the window it looks back at what: its passes and fetchers read so far, and it concludes from no more."""
    by_night: str = ""
    """Why only a window that has closed can be evaluated; empty where what is found so far stays true."""
    by_night_in_part: str = ""
    """What of it is not evaluated before the window has closed."""
    by_shape: bool = False
    """Whether `evaluate` decides about a quiet household by its shape alone (see engine/alike.py), so that very many can be counted."""

    @property
    def id(self) -> str:
        return self.meta.id
