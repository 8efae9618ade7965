"""Every ticket's life, and what came of it: a part of a transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from escalation.decide.clocks import Deadlines
from escalation.ledger.records import ENDED, Entry, Ticket, TicketOutcome
from escalation.ledger.schema import ENTRIES, OUTCOMES, TICKETS
from escalation.ledger.undamaged import inserted, record, undamaged


class TicketsPart:
    """What can be read and written of tickets and their outcomes in one transaction."""

    _connection: Connection

    @undamaged()
    def tickets(self, *, ended: bool = True) -> list[Ticket]:
        """All tickets in the order of their making; without `ended`, those that somebody should still do something about."""
        query = select(TICKETS).order_by(TICKETS.c.id)
        if not ended:
            query = query.where(TICKETS.c.status.not_in(ENDED))
        return [record(Ticket, row) for row in self._connection.execute(query).mappings()]

    @undamaged()
    def ticket(self, external_id: str) -> Ticket | None:
        row = self._connection.execute(select(TICKETS).where(TICKETS.c.external_id == external_id)).mappings().first()
        return None if row is None else record(Ticket, row)

    @undamaged()
    def ticket_by_row(self, ticket_id: int) -> Ticket:
        return record(
            Ticket, self._connection.execute(select(TICKETS).where(TICKETS.c.id == ticket_id)).mappings().one()
        )

    @undamaged()
    def tickets_about(self, ids: Iterable[str]) -> list[Ticket]:
        """The tickets, ended ones too, on which something names one of the household or user `ids`, newest first."""
        wanted = set(ids)
        query = select(ENTRIES.c.ticket_id, ENTRIES.c.households, ENTRIES.c.users).where(
            ENTRIES.c.ticket_id.is_not(None)
        )
        about = {
            row.ticket_id
            for row in self._connection.execute(query)
            if not wanted.isdisjoint(row.households) or not wanted.isdisjoint(row.users)
        }
        return [self.ticket_by_row(key) for key in sorted(about, reverse=True)]

    def generations(self, fingerprint: str) -> int:
        """How many tickets there have been whose primary finding is this one."""
        query = select(func.count()).select_from(TICKETS).where(TICKETS.c.fingerprint == fingerprint)
        return int(self._connection.scalar(query) or 0)

    def add_ticket(self, entry: Entry, external_id: str, generation: int, now: datetime, due: Deadlines) -> Ticket:
        values = {
            "external_id": external_id,
            "fingerprint": entry.fingerprint,
            "detector": entry.detector,
            "team": entry.team,
            "severity": entry.severity,
            "title": entry.title,
            "status": "open",
            "opened_at": now,
            "clock_began_at": now,
            "acknowledge_due": due.acknowledge,
            "investigate_due": due.investigate,
            "resolve_due": due.resolve,
            "generation": generation,
            "reopened": 0,
            "ladder_step": 0,
            "queue_status": "open",
        }
        return self.ticket_by_row(inserted(self._connection.execute(insert(TICKETS).values(values))))

    def save_ticket(self, ticket: Ticket) -> None:
        values = {field.name: getattr(ticket, field.name) for field in dataclasses.fields(ticket)}
        self._connection.execute(update(TICKETS).where(TICKETS.c.id == ticket.id).values(values))

    def move_entries(self, ticket: Ticket, to: Ticket) -> None:
        """Put everything that is on one ticket on another one."""
        self._connection.execute(update(ENTRIES).where(ENTRIES.c.ticket_id == ticket.id).values(ticket_id=to.id))

    def add_outcome(self, outcome: TicketOutcome) -> None:
        self._connection.execute(insert(OUTCOMES).values(dataclasses.asdict(outcome)))

    @undamaged()
    def outcomes(self) -> dict[int, list[TicketOutcome]]:
        """Every ticket's outcomes by the ticket's row, oldest first."""
        found: dict[int, list[TicketOutcome]] = {}
        columns = (column for column in OUTCOMES.c if column.name != "id")
        for row in self._connection.execute(select(*columns).order_by(OUTCOMES.c.id)).mappings():
            found.setdefault(row["ticket_id"], []).append(record(TicketOutcome, row))
        return found
