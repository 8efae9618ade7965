"""What the ledger knows of a household and its people, for whoever talks to the customer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from escalation.decide.audience import Audience, audience_of, widest
from escalation.ledger.ledger import Ledger
from escalation.ledger.records import Ticket
from escalation.policy.policy import Policy
from escalation.views.digest import InProgress, in_progress

SETTLED_WITHIN = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """A ticket in progress, who may be told of it, and in which words; none where nobody may be told."""

    line: InProgress
    audience: Audience
    tell: tuple[str, ...]
    closed: bool
    """Whether its team is told by e-mail only: then not even its title is for others."""


@dataclass(frozen=True, slots=True)
class HouseholdTickets:
    """The tickets about some ids: those in progress, the most pressing first, and those that ended of late."""

    open: tuple[OpenTicket, ...]
    ended: tuple[Ticket, ...]
    last_look: datetime | None


def household_tickets(ledger: Ledger, policy: Policy, ids: Iterable[str], now: datetime) -> HouseholdTickets:
    """The tickets on which something names one of the household or user `ids`. Raises LedgerError."""
    with ledger.begin() as tx:
        about = {ticket.id: ticket for ticket in tx.tickets_about(ids)}
        entries = {key: tx.entries_on(ticket) for key, ticket in about.items()}
        last_look = tx.latest_look()
    lines = [line for line in in_progress(ledger, policy, now) if line.ticket.id in about]
    ended = [one for one in about.values() if one.ended_at is not None and now - SETTLED_WITHIN <= one.ended_at <= now]
    opened = []
    for line in lines:
        ticket = line.ticket
        audience = widest(
            audience_of(entry.team, entry.detector, entry.subject, policy) for entry in entries[ticket.id]
        )
        said = policy.expectations(ticket.team, ticket.severity, ticket.detector) if audience != "nobody" else ()
        opened.append(OpenTicket(line, audience, said, policy.teams[ticket.team].by == "email"))
    return HouseholdTickets(
        tuple(opened), tuple(sorted(ended, key=lambda one: one.ended_at or now, reverse=True)), last_look
    )
