"""What the ledger remembers, as plain values. Ids are the only thing it knows of people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from detectors.contract import Kind, Severity, Team, Thinned

NightStatus = Literal["new", "still-there", "worse", "better", "gone", "back", "not-looked-at", "flapping"]
TicketStatus = Literal["open", "acknowledged", "resolved", "verified", "closed", "missing"]
ENDED: tuple[TicketStatus, ...] = ("verified", "closed", "missing")
"""The statuses in which nobody is expected to do anything about a ticket; `missing` is one that a person deleted."""
Closing = Literal["duplicate", "false-positive", "accepted-risk", "expected"]
SilenceKind = Literal["snooze", "dismiss"]
Action = Literal["open", "comment", "reopen", "verify", "none"]
Reason = Literal[
    # open
    "new",
    "silence-ended",
    # open (in place of a ticket that was deleted) or reopen
    "still-seen",
    "closing-ended",
    # open, reopen or comment
    "back",
    "happened-again",
    "snooze-broken",
    "flapping",
    # open or comment
    "more-urgent",
    # comment or reopen
    "joined",
    # comment
    "less-urgent",
    "worse",
    "better",
    "same-cause",
    "part-fixed",
    # comment or none
    "rows-gone",
    Thinned,
    "trail-gone",
    # verify
    "fixed",
    # none
    "same-case",
    "still-there",
    "little-change",
    "explained",
    "fixed-before",
    "happened-once",
    "done",
    "not-looked-at",
    "snoozed",
    "dismissed",
    "ticket-deleted",
]
Look = Literal["night", "quick"]
"""A night looks at a whole day; a quick look in between at what cannot wait."""
OutboxKind = Literal["create", "update", "comment", "follow-up"]
Destination = Literal["queue", "slack"]
Marks = tuple[tuple[datetime, str], ...]
"""Times of rows, each with the household or the user whom the row is about."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One finding through all nights, by its fingerprint."""

    fingerprint: str
    detector: str
    team: Team
    kind: Kind
    severity: Severity
    size: int
    """How much is affected: the largest of users, households and grouped rows."""
    title: str
    subject: dict[str, str]
    households: tuple[str, ...]
    users: tuple[str, ...]
    claims: dict[str, Any]
    """What the finding's evidence said last, without personal values."""
    status: NightStatus
    present: bool
    """False once a state is gone. What was not looked at stays what it was."""
    first_seen_at: datetime
    """When a look first saw it; of a state that was gone and came back, since then."""
    last_seen_at: datetime
    happened_at: datetime | None
    """The latest time at which an occurrence is known to have happened."""
    said_severity: Severity
    said_size: int
    returns: tuple[datetime, ...] = ()
    """When it came back after being gone, within the policy's days of flapping."""
    flapping_said: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)
    """How many rows stood behind a state when it was last seen, by table; empty where nobody counted.

    What its detector did not look at then is there, too, with 0 (see `not_looked_at`).
    """
    explained_by: str | None = None
    """The fingerprint of the finding that explained it last night."""
    ticket_id: int | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket through its life. `ref_id` and `ref_url` are None until the queue has confirmed it."""

    id: int
    external_id: str
    fingerprint: str
    detector: str
    team: Team
    severity: Severity
    title: str
    status: TicketStatus
    opened_at: datetime
    clock_began_at: datetime
    acknowledge_due: datetime | None
    investigate_due: datetime | None
    resolve_due: datetime | None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    ended_at: datetime | None = None
    """When it was verified or closed, or when it was noticed that it had been deleted (`missing`)."""
    closed_as: Closing | None = None
    closing_reason: str | None = None
    generation: int = 1
    reopened: int = 0
    ladder_step: int = 0
    """How many steps of the follow-up ladder are behind it."""
    ref_id: str | None = None
    ref_url: str | None = None
    queue_status: str = "open"
    """What the queue said last. Only a change of it is news: a comment reopens no ticket in every queue."""
    owner: str = ""
    """Who has it, as the queue said last; empty where nobody has, or the queue cannot tell (e-mail)."""

    @property
    def ended(self) -> bool:
        """True if nobody is expected to do anything about it."""
        return self.status in ENDED


Verdict = Literal["open", "resolved", "fixed", "confirmed", "dismissed", "closed", "deleted"]
"""What became of a ticket, in one word: `confirmed` and `dismissed` are people's, `fixed` is a scan's."""


@dataclass(frozen=True, slots=True)
class Linked:
    """Another ticket about somebody, or some household, that a ticket is about."""

    external_id: str
    team: Team
    detector: str
    title: str
    severity: Severity
    verdict: Verdict
    outcome: str
    """What people wrote down or closed it as; empty where they did neither."""
    opened_at: datetime
    households: tuple[str, ...]
    users: tuple[str, ...]
    """The ids that both are about."""
    ref_id: str | None = None
    """The queue's own id of it; None while the queue has not confirmed it."""
    ref_url: str | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Somebody's wish not to hear about one finding until `ends_at` (exclusive)."""

    id: int
    fingerprint: str
    kind: SilenceKind
    reason: str
    author: str
    made_at: datetime
    ends_at: datetime
    severity: Severity | None
    """The finding's severity and size when the silence was made; None where it was not known yet."""
    size: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What one night does about one finding, and the named reason."""

    action: Action
    reason: Reason


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Something to be told to a destination, kept until that has confirmed it."""

    id: int
    key: str
    ticket_id: int
    destination: Destination
    kind: OutboxKind
    payload: dict[str, Any]
    attempts: int
    begun: bool
    """True if an earlier attempt may have arrived."""


@dataclass(frozen=True, slots=True)
class Post:
    """The first message of a ticket's thread on Slack."""

    id: int
    ticket_id: int
    channel: str
    """The process's name of it, such as #incidents."""
    channel_id: str
    timestamp: str
    """Slack's own name for the message, within the channel."""
    severity: Severity
    """How urgent the ticket was when the thread began."""
    settled: bool
    """True if it reads as settled."""
    linked: bool
    """False while it was posted before the queue had confirmed the ticket, and nobody has said since where that is."""


@dataclass(frozen=True, slots=True)
class TicketOutcome:
    """What came of a ticket, in people's words without addresses. The latest one of a ticket holds."""

    ticket_id: int
    outcome: str
    action: str | None
    """What Trust & Safety did, by the policy's name for it."""
    learning: str | None
    author: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Volume:
    """How much a table held on one night."""

    table: str
    rows: int | None
    """None where the source did not have the table. Of the audit table: the rows of `days`."""
    days: Mapping[date, int] = field(default_factory=dict)
    """Of the audit table, which is too big to be counted: the rows of some days (UTC)."""
    oldest: datetime | None = None
    """Of the audit table: the time of its first row; None where it has none."""
    believed: bool = True
    accepted: bool = False
    """Somebody said that a drop was real: what was there before says nothing any more."""
    newest: Mapping[str, Marks] = field(default_factory=dict)
    """By column of times the newest rows, of different households or users; empty where nobody asked."""
    sample: Marks = ()
    """Of the table of households: some of them, with when they began."""

    @property
    def empty(self) -> bool:
        """Of the audit table, days without a row do not say that it has none."""
        return self.rows == 0 and self.oldest is None


@dataclass(frozen=True, slots=True)
class Looked:
    """What a scan saw of the source itself, beside its findings."""

    volumes: tuple[Volume, ...] = ()
    audited: bool = False
    """Whether the source has an audit table."""
    reached: datetime | None = None
    """The newest audit row at or before the scan's time; None where there is none."""
    disbelieved: Mapping[str, str] = field(default_factory=dict)
    """The tables that were not believed, each with the reason."""
    gone: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By table the ids of which the source holds no row any more."""
    behind: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By fingerprint, how many rows stood behind a state tonight, by table."""
    thinned: Mapping[str, Thinned] = field(default_factory=dict)
    """By fingerprint of a state, what is missing behind it that was there when it was last seen."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """By fingerprint of a state that is not found tonight, why it could not be seen as it was when it was last seen."""
    not_seen: tuple[str, ...] = ()
    """One line for each of these reasons that touches a ticket in progress."""
    trail: frozenset[str] = frozenset()
    """The detectors whose verdicts rest on the audit table."""
    left: frozenset[str] = frozenset()
    """The fingerprints of groups of which a look at changes saw a part, or nothing: the night counts them."""
    bookmark: str | None = None
    """What this look leaves for the next look at changes, if it was complete."""
    seconds: float | None = None
    """How long the scan took."""
    server: str | None = None
    """The number of the server that was read."""
