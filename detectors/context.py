"""What a detector may know besides the data: the scan's time and window, and the policy's limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from detectors.limits import Limits

if TYPE_CHECKING:
    from detectors.source.base import Fact

Span = Literal[
    "accesses",
    "adverse actions",
    "deeds",
    "failed logins",
    "feature requests",
    "habits",
    "join requests",
    "objections",
    "refusals",
    "removals",
    "sittings",
    "trouble before a hand-over",
]
"""What rules look back at, for longer than the window. How far is each rule's own word (`Detector.looks_back`)."""
FEW_CHANGED = 1_000
"""Households. An index on the types of audit rows grows with history; to look through all rows of so many costs less."""


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
    audit_reached: datetime | None = None
    """When its last row was written, of those up to the scan's time."""
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
    visited: frozenset[str] = frozenset()
    """For a look at what changed, the households of which any audit row has come since the last look."""
    explained: frozenset[str] = frozenset()
    """For subscriptions that come last: the correlation ids of the operations that state findings of this scan tell of."""
    never_written: frozenset[str] = frozenset()
    """The types of events of which the source has never held one: their absence tells nothing."""
    otherwise: frozenset[Fact] = frozenset()
    """What is otherwise in the source's app than in PetForce's own (`Schema.otherwise`)."""
    births_untold: bool = False
    """Whether the trail tells nothing of how many households began: of such a household its silence proves nothing."""
    spans: Mapping[Span, timedelta] = field(default_factory=dict, hash=False)
    """How far the rules of this scan look back at something; of several the longest."""
    late: timedelta | None = None
    """For a look while its window is still open: how much later than it happened an audit row may come."""

    def back(self, span: Span) -> timedelta:
        """How far a pass or a fetcher must read before the window: what no rule of this scan asks for need not be read."""
        return self.spans.get(span, timedelta())

    @property
    def watermark(self) -> datetime:
        """What is at or before this moment is no longer in flight."""
        return self.as_of - self.limits.grace

    @property
    def so_far(self) -> bool:
        """Whether more of the window is to come: what that may take back is left to the night."""
        return self.late is not None

    @property
    def few_changed(self) -> bool:
        """Whether a look at what changed judges so few households that theirs are found among all rows sooner than by their kind."""
        return self.changed is not None and len(self.changed) <= FEW_CHANGED

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
