"""A ticket as urgent as the worst of what it tells of, with the promises that go with it. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from escalation.decide.clocks import Deadlines, sooner
from escalation.decide.observations import more_urgent
from escalation.ledger.records import Entry, Ticket


def reopened(ticket: Ticket, worst: Entry, due: Deadlines, now: datetime) -> Ticket:
    """The ticket at its beginning again: nobody has acknowledged or resolved it, and its clock begins now."""
    return replace(
        ticket,
        status="open",
        severity=worst.severity,
        reopened=ticket.reopened + 1,
        clock_began_at=now,
        acknowledge_due=due.acknowledge,
        investigate_due=due.investigate,
        resolve_due=due.resolve,
        acknowledged_at=None,
        resolved_at=None,
        ended_at=None,
        closed_as=None,
        closing_reason=None,
        ladder_step=0,
    )


def as_urgent_as(ticket: Ticket, worst: Entry, due: Deadlines) -> Ticket:
    """The ticket with the severity of the worst. One that became more urgent keeps what it had promised already."""
    if not more_urgent(worst.severity, ticket.severity):
        return replace(ticket, severity=worst.severity)
    kept = sooner(Deadlines(ticket.acknowledge_due, ticket.investigate_due, ticket.resolve_due), due)
    return replace(
        ticket,
        severity=worst.severity,
        acknowledge_due=kept.acknowledge,
        investigate_due=kept.investigate,
        resolve_due=kept.resolve,
    )
