"""What people say of a ticket that its queue does not tell us: that somebody is at it, and that it is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from escalation.errors import RefusedError
from escalation.ledger.ledger import Ledger
from escalation.ledger.records import Ticket
from escalation.people.silences import existing


def acknowledge_ticket(ledger: Ledger, external_id: str, now: datetime) -> Ticket:
    """Somebody is at it: its acknowledgement is met and nobody is reminded. Raises RefusedError, LedgerError."""
    with ledger.begin() as tx:
        ticket = existing(tx, external_id)
        if ticket.status != "open":
            raise RefusedError(f"{external_id} is {ticket.status} already")
        changed = replace(ticket, status="acknowledged", acknowledged_at=now)
        tx.save_ticket(changed)
    return changed


def resolve_ticket(ledger: Ledger, external_id: str, now: datetime) -> Ticket:
    """It is repaired or decided. The next scan verifies that, or reopens it. Raises RefusedError, LedgerError."""
    with ledger.begin() as tx:
        ticket = existing(tx, external_id)
        if ticket.ended or ticket.status == "resolved":
            raise RefusedError(f"{external_id} is {ticket.status} already")
        acknowledged = ticket.acknowledged_at or now
        changed = replace(ticket, status="resolved", acknowledged_at=acknowledged, resolved_at=now)
        tx.save_ticket(changed)
    return changed
