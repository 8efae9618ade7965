"""A finding on its way through one night, the tickets that the night touches, and what is to be sent of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from escalation.decide.cases import CaseKey, order_of
from escalation.decide.observations import Observation
from escalation.ledger.ledger import Transaction
from escalation.ledger.records import Entry, Ticket


@dataclass(slots=True)
class Watched:
    """One finding tonight: what was known, how it was met, what it is now, and the case that it belongs to."""

    before: Entry | None
    entry: Entry
    observation: Observation
    case: CaseKey

    @property
    def told(self) -> bool:
        """Whether a ticket's text tells of it: it is there by itself, or it happened."""
        return self.entry.present and self.entry.explained_by is None

    @property
    def turn(self) -> tuple[int, bool, bool, tuple[int, bool, str, str]]:
        """What is seen before what is gone, so that a case goes on; causes before their effects, so that these find the ticket.

        Then what is on a ticket before what needs one, what was there by itself before what it explained, and first of these
        what leads its case: for that a ticket is made, and of that it is said that it is fixed.
        """
        rank = {"seen": 0, "explained": 2}.get(self.observation, 1)
        effect = self.before is not None and self.before.explained_by is not None
        return (rank, self.entry.ticket_id is None, effect, order_of(self.entry, self.entry.subject))


@dataclass(slots=True)
class Tickets:
    """The tickets that tonight touches, as they are by now."""

    tx: Transaction
    by_id: dict[int, Ticket] = field(default_factory=dict)
    made: set[int] = field(default_factory=set)
    """Those that were made tonight."""

    def of(self, entry: Entry) -> Ticket | None:
        return None if entry.ticket_id is None else self.of_row(entry.ticket_id)

    def of_row(self, ticket_id: int) -> Ticket:
        if ticket_id not in self.by_id:
            self.by_id[ticket_id] = self.tx.ticket_by_row(ticket_id)
        return self.by_id[ticket_id]

    def save(self, ticket: Ticket) -> None:
        self.by_id[ticket.id] = ticket
        self.tx.save_ticket(ticket)


def place(entry: Entry, ticket: Ticket) -> tuple[int, bool, tuple[int, bool, str, str]]:
    """Where a ticket tells of a finding: the most urgent first, and of these the one for which it was made."""
    order = order_of(entry, entry.subject)
    return (order[0], entry.fingerprint != ticket.fingerprint, order)
