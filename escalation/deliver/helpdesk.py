"""Telling the helpdesk: the outbox is emptied into a queue, each thing exactly once.

A ticket is looked up by its external id before it is made and marked only after the queue has confirmed it; comments
have keys under which a queue takes them once. So whatever is lost on the way, the next run can simply go on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from detectors.contract import SEVERITY_ORDER, Finding, Severity, Team
from escalation.decide.decisions import held_until, is_held
from escalation.deliver.case_file import CaseFile, case_from
from escalation.ledger.ledger import Ledger, Transaction
from escalation.ledger.records import OutboxKind, OutboxRow, Reason, Ticket

logger = logging.getLogger("hearthwatch.delivery")
GIVE_UP_AFTER = 5
"""So many failures in a row mean that the queue is out of reach; the rest waits for the next run."""


class Reference(Protocol):
    """A ticket in its queue: the queue's own id, and where a person opens it."""

    @property
    def id(self) -> str: ...
    @property
    def url(self) -> str: ...


class State(Protocol):
    """What people made of a ticket."""

    @property
    def status(self) -> Literal["open", "acknowledged", "resolved", "closed", "missing"]: ...
    @property
    def first_reply_at(self) -> datetime | None: ...
    @property
    def owner(self) -> str: ...


RefT = TypeVar("RefT", bound=Reference)
MessageT = TypeVar("MessageT")
Message_contra = TypeVar("Message_contra", contravariant=True)


class Queue(Protocol[RefT, Message_contra]):
    """A helpdesk queue as the escalation needs it. Any exception means: perhaps not done, try again next time."""

    def find(self, external_id: str) -> RefT | None: ...
    def create(self, external_id: str, message: Message_contra) -> RefT: ...
    def comment(self, ref: RefT, key: str, message: Message_contra) -> None: ...
    def update(self, ref: RefT, message: Message_contra) -> None: ...
    def state(self, ref: RefT) -> State: ...


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be said on a ticket: why, in which words, and (for follow-ups) where on Slack and to whom."""

    external_id: str
    team: Team
    severity: Severity
    title: str
    reason: Reason | Literal["follow-up", "added", "linked"]
    at: datetime
    lines: tuple[str, ...]
    channel: str = ""
    mention: str = ""
    reopens: bool = False
    """True if with it a ticket is opened again that people have ended."""
    also: tuple[Reason, ...] = ()
    """What else is said in it."""


@dataclass(frozen=True, slots=True)
class HelpdeskDelivery(Generic[RefT, MessageT]):
    """A queue, how to name one of its tickets again, and how cases and notes become its messages."""

    queue: Queue[RefT, MessageT]
    ref: Callable[[str, str], RefT]
    """Makes the queue's reference from the id and url that it gave."""
    ticket: Callable[[CaseFile, str], MessageT]
    """The message of a case's ticket, known by the external id."""
    note: Callable[[Note], MessageT]
    place: Callable[[Team], str] = lambda _: "helpdesk"
    """Where a team's tickets go. That one place is out of reach says nothing of another."""
    restarted: Callable[[Ticket, datetime], Ticket] = lambda ticket, _: ticket
    """Begins the clock of a ticket anew that arrives later than it was made."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Something that the queue has confirmed."""

    external_id: str
    kind: OutboxKind
    url: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Something that the queue has not confirmed; the next run tries again."""

    external_id: str
    kind: OutboxKind | Literal["state"]
    error: str


def deliver(
    ledger: Ledger, helpdesk: HelpdeskDelivery[RefT, MessageT], findings: Mapping[str, Finding], now: datetime
) -> tuple[list[Delivered], list[Failed]]:
    """Send what is in the outbox, the most urgent first, except on tickets that are muted now.

    `findings` are tonight's, by fingerprint. What arrives only now starts its team's clock only now.
    """
    delivered: list[Delivered] = []
    failed: list[Failed] = []
    with ledger.begin() as tx:
        rows, silences = by_urgency(tx, tx.unsent("queue")), tx.silences()
    blocked: set[int] = set()
    in_a_row: Counter[str] = Counter()
    for row in rows:
        with ledger.begin() as tx:
            ticket = tx.ticket_by_row(row.ticket_id)
            held = ticket.id in blocked or is_held(ticket.fingerprint, tx.entries_on(ticket), silences, now)
        if held:
            continue
        place = helpdesk.place(ticket.team)
        try:
            if in_a_row[place] == GIVE_UP_AFTER:
                raise ConnectionError("not tried: the queue is out of reach")
            ref = _send(ledger, helpdesk, ticket, row, findings)
            stands = helpdesk.queue.state(ref).status if row.payload.get("reopens") else ticket.queue_status
        except Exception as error:
            logger.debug("delivery of %s failed", row.key, exc_info=True)
            in_a_row[place] = min(in_a_row[place] + may_pass(error), GIVE_UP_AFTER)
            blocked.add(ticket.id)
            failed.append(Failed(ticket.external_id, row.kind, one_line(error)))
            with ledger.begin() as tx:
                tx.mark_failed(row, failed[-1].error)
            continue
        in_a_row[place] = 0
        _confirm(ledger, helpdesk, replace(ticket, ref_id=ref.id, ref_url=ref.url, queue_status=stands), row, now)
        delivered.append(Delivered(ticket.external_id, row.kind, ref.url))
    return delivered, failed


def _confirm(
    ledger: Ledger, helpdesk: HelpdeskDelivery[RefT, MessageT], known: Ticket, row: OutboxRow, now: datetime
) -> None:
    """Keep that a row has arrived, with the ticket as the queue has it: what we opened ourselves nobody has acknowledged."""
    begins = row.kind == "create" or bool(row.payload.get("reopens"))
    with ledger.begin() as tx:
        tx.save_ticket(helpdesk.restarted(known, now) if begins and known.acknowledged_at is None else known)
        tx.mark_sent(row, now)


def put_off(tx: Transaction, now: datetime) -> Iterator[tuple[str, datetime]]:
    """The tickets (by their external ids) on which something waits until a silence ends, and until when at least."""
    silences = tx.silences()
    for key in sorted({row.ticket_id for row in tx.unsent()}):
        ticket = tx.ticket_by_row(key)
        until = held_until(ticket.fingerprint, tx.entries_on(ticket), silences, now)
        if until is not None:
            yield ticket.external_id, until


def by_urgency(tx: Transaction, rows: Iterable[OutboxRow]) -> list[OutboxRow]:
    """The rows of the most urgent tickets first; those of one ticket stay in their order."""
    urgency = {ticket.id: SEVERITY_ORDER.index(ticket.severity) for ticket in tx.tickets()}
    return sorted(rows, key=lambda row: (urgency[row.ticket_id], row.id))


def may_pass(error: Exception) -> bool:
    """Whether it can be the queue's own trouble; what is for a person to mend tells nothing of the next ticket."""
    return bool(getattr(error, "retry", True))


def _send(
    ledger: Ledger,
    helpdesk: HelpdeskDelivery[RefT, MessageT],
    ticket: Ticket,
    row: OutboxRow,
    findings: Mapping[str, Finding],
) -> RefT:
    queue = helpdesk.queue
    if row.kind == "create":
        known = queue.find(ticket.external_id)
        return known or queue.create(
            ticket.external_id, _ticket_message(ledger, helpdesk, ticket, case_from(row.payload, findings))
        )
    if ticket.ref_id is None:
        raise LookupError("the ticket itself has not been made yet")
    ref = helpdesk.ref(ticket.ref_id, ticket.ref_url or "")
    if row.kind == "update":
        queue.update(ref, _ticket_message(ledger, helpdesk, ticket, case_from(row.payload, findings)))
    else:
        queue.comment(ref, row.key, helpdesk.note(note_from(row.payload)))
    return ref


def _ticket_message(
    ledger: Ledger, helpdesk: HelpdeskDelivery[RefT, MessageT], ticket: Ticket, case: CaseFile
) -> MessageT:
    """The message of a ticket, with the ids under which the same queue holds those that it is linked with."""
    place = helpdesk.place(ticket.team)
    with ledger.begin() as tx:
        linked = (tx.ticket(one.external_id) for one in case.linked)
        known = tuple(one.ref_id for one in linked if one and one.ref_id and helpdesk.place(one.team) == place)
    return helpdesk.ticket(replace(case, references=known), ticket.external_id)


def pack_note(note: Note) -> dict[str, Any]:
    """A note as JSON types."""
    return {
        "external_id": note.external_id,
        "team": note.team,
        "severity": note.severity,
        "title": note.title,
        "reason": note.reason,
        "at": note.at.isoformat(),
        "lines": list(note.lines),
        "channel": note.channel,
        "mention": note.mention,
        "reopens": note.reopens,
        "also": list(note.also),
    }


def note_from(payload: Mapping[str, Any]) -> Note:
    """The note that pack_note kept."""
    lists = {key: tuple(payload.get(key, ())) for key in ("lines", "also")}
    return Note(**{**payload, **lists, "at": datetime.fromisoformat(payload["at"])})


def one_line(error: Exception) -> str:
    """An error's text on one line."""
    return " ".join(str(error).split())[:300] or "it failed without a reason; --verbose shows where"
