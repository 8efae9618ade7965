"""What the ledger tells of a period: plain rows for the statistics. Ids of people are left behind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from escalation.ledger.ledger import Ledger
from escalation.ledger.records import Ticket, TicketOutcome


@dataclass(frozen=True, slots=True)
class History:
    """A period [since, until), with every ticket that was ever made before its end."""

    since: datetime
    until: datetime
    nights: int
    incomplete: int
    tickets: tuple[Ticket, ...]
    reopened: dict[int, int]
    """How often each ticket (by its row) was reopened in the period."""
    outcomes: tuple[tuple[Ticket, TicketOutcome], ...]
    """What was written down in the period, the latest of each ticket."""


def history_of(ledger: Ledger, since: datetime, until: datetime) -> History:
    """The ledger's story of [since, until). Raises LedgerError."""
    with ledger.begin() as tx:
        nights = tx.nights(since, until)
        reopened = tx.reopenings(since, until)
        tickets = [ticket for ticket in tx.tickets() if ticket.opened_at < until]
        outcomes = tx.outcomes()
    latest = (
        (ticket, [one for one in outcomes.get(ticket.id, ()) if since <= one.made_at < until]) for ticket in tickets
    )
    return History(
        since=since,
        until=until,
        nights=len(nights),
        incomplete=sum(not night.complete for night in nights),
        tickets=tuple(tickets),
        reopened=dict(Counter(reopened)),
        outcomes=tuple((ticket, written[-1]) for ticket, written in latest if written),
    )
