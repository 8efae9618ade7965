"""What a night has to say on tickets: collected while it decides, and put into the outbox when all is decided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from detectors.contract import Finding
from escalation.deliver.case_file import pack_case
from escalation.deliver.changes import Change, note
from escalation.deliver.helpdesk import pack_note
from escalation.ledger.ledger import Transaction
from escalation.ledger.records import Entry, OutboxKind, Silence, Ticket
from escalation.nights.case_files import CaseFiles
from escalation.nights.watched import Tickets
from escalation.policy.policy import Policy

Content = tuple[Sequence[Entry], Sequence[tuple[Entry, Silence]]]
"""What a ticket's text tells of, the most urgent first, and what of its cases is put off."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Something to be sent on a ticket. What has no payload is composed when all is decided."""

    key: str
    ticket_id: int
    kind: OutboxKind
    payload: Mapping[str, Any] | None


class Outgoing:
    """What one night sends. `announced` says that there is a Slack to tell, too."""

    def __init__(self, tx: Transaction, policy: Policy, now: datetime, tickets: Tickets, *, announced: bool) -> None:
        self._tx, self._policy, self._now, self._tickets, self._announced = tx, policy, now, tickets, announced
        self._wanted: list[_Wanted] = []
        self._changes: dict[int, list[Change]] = defaultdict(list)

    def want(self, key: str, ticket: Ticket, kind: OutboxKind, payload: Mapping[str, Any] | None = None) -> None:
        """Have something sent."""
        self._wanted.append(_Wanted(key, ticket.id, kind, payload))

    def say(self, ticket: Ticket, change: Change) -> None:
        """Have one comment tonight say all that has changed on a ticket."""
        if ticket.id not in self._changes:
            self.want("", ticket, "comment")
        self._changes[ticket.id].append(change)

    def want_text(self, ticket: Ticket) -> None:
        """Have the ticket's text made anew, once; one that was made tonight has its first text still to come."""
        if ticket.id in self._tickets.made:
            return
        key = f"{ticket.external_id}/update/{ticket.fingerprint[:16]}/{self._now:%Y%m%dT%H%M%SZ}"
        if all(one.key != key for one in self._wanted):
            self.want(key, ticket, "update")

    def send_all(self, tonight: Mapping[str, Finding], content: Callable[[Ticket], Content]) -> None:
        """Put what is wanted into the outbox, in its order; the texts now, as all that they tell of is known."""
        texts = [one.ticket_id for one in self._wanted if one.kind in ("create", "update")]
        files = CaseFiles(self._tx, self._policy, self._now, tonight, texts) if texts else None
        for one in self._wanted:
            ticket, key, payload = self._tickets.of_row(one.ticket_id), one.key, one.payload
            if one.kind == "comment":
                changes = self._changes[ticket.id]
                payload, key = pack_note(note(ticket, changes, self._now)), self._key(ticket, changes)
            elif payload is None and files is not None:
                payload = pack_case(files.of(ticket, *content(ticket)))
            destinations = self._policy.destinations(ticket.team, ticket.severity, announced=self._announced)
            self._tx.enqueue(key, ticket, one.kind, payload or {}, self._now, destinations)
        if files is not None:
            for ticket_id in self._tickets.made:
                files.tell_the_older(self._tickets.of_row(ticket_id), self._tickets.made)

    def _key(self, ticket: Ticket, changes: Sequence[Change]) -> str:
        """The same for the same changes on the same night, so that they are never said twice."""
        parts = sorted(f"{one.decision.reason}/{one.entry.fingerprint}" for one in changes)
        what = parts[0] if len(parts) == 1 else f"changes/{sha256(' '.join(parts).encode()).hexdigest()}"
        return f"{ticket.external_id}/{what[: what.index('/') + 17]}/{self._now:%Y%m%dT%H%M%SZ}"
