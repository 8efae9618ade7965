"""Putting a ledger right that has seen a night which had not come: the nights go, what they wrote of the future is drawn back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, delete, func, select, update

from escalation.decide.clocks import deadlines
from escalation.ledger.ledger import Ledger, Transaction
from escalation.ledger.schema import DECISIONS, ENDINGS, ENTRIES, NIGHTS, OUTCOMES, SILENCES, TICKETS, VOLUMES
from escalation.policy.policy import Policy

_MOMENTS: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (ENTRIES, ("first_seen_at", "last_seen_at")),
    (TICKETS, ("opened_at", "acknowledged_at", "resolved_at", "ended_at")),
    (SILENCES, ("made_at", "ended_at")),
    (OUTCOMES, ("made_at",)),
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many nights after a moment there are (or were), and how many tickets have a time after it."""

    nights: int
    tickets: int


def after_moment(ledger: Ledger, moment: datetime) -> Forgotten:
    """What `forget_after` would touch."""
    with ledger.begin() as tx:
        return _counted(tx, moment)


def forget_after(ledger: Ledger, moment: datetime, policy: Policy) -> Forgotten:
    """Forget the nights after `moment`; times after it in what stays become `moment`, and such clocks begin there.

    Findings and tickets stay as they are: what those nights filed is in the queue, and the next run compares with it.
    """
    with ledger.begin() as tx:
        found = _counted(tx, moment)
        tx.drop_bookmark()
        nights = select(NIGHTS.c.id).where(NIGHTS.c.as_of > moment)
        connection = tx.connection
        for table in (DECISIONS, VOLUMES, ENDINGS):
            connection.execute(delete(table).where(table.c.night_id.in_(nights)))
        connection.execute(delete(NIGHTS).where(NIGHTS.c.as_of > moment))
        for ticket in tx.tickets():
            if ticket.clock_began_at > moment:
                due = deadlines(
                    moment, policy.sla(ticket.team, ticket.severity, ticket.detector), policy.business_hours
                )
                values = {
                    "clock_began_at": moment,
                    "acknowledge_due": due.acknowledge,
                    "investigate_due": due.investigate,
                    "resolve_due": due.resolve,
                }
                connection.execute(update(TICKETS).where(TICKETS.c.id == ticket.id).values(values))
        for table, columns in _MOMENTS:
            for name in columns:
                connection.execute(update(table).where(table.c[name] > moment).values({name: moment}))
    return found


def _counted(tx: Transaction, moment: datetime) -> Forgotten:
    nights = tx.connection.scalar(select(func.count()).select_from(NIGHTS).where(NIGHTS.c.as_of > moment))
    late = [
        one
        for one in tx.tickets()
        if any(
            at is not None and at > moment
            for at in (one.opened_at, one.clock_began_at, one.acknowledged_at, one.resolved_at, one.ended_at)
        )
    ]
    return Forgotten(int(nights or 0), len(late))
