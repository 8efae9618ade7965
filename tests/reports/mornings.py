"""Mornings for the page's tests, without a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from detectors.contract import Finding
from escalation.ledger.nights import NightRow
from escalation.ledger.records import Entry, Ticket, TicketOutcome
from escalation.ledger.snapshots import Ending
from escalation.views.digest import InProgress
from escalation.views.history import History
from escalation.views.morning import Card, Change, Morning, Night

NOW = datetime(2026, 2, 4, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def ticket(
    number: int, finding: Finding, *, status: str = "open", url: str = "", opened: datetime = NOW - DAY
) -> Ticket:
    return Ticket(
        id=number,
        external_id=f"hw-{number:016x}",
        fingerprint=finding.fingerprint,
        detector=finding.detector,
        team=finding.team,
        severity=finding.severity,
        title=finding.title,
        status=status,  # type: ignore[arg-type]  # one of the record's
        opened_at=opened,
        clock_began_at=opened,
        acknowledge_due=opened + timedelta(minutes=30),
        investigate_due=opened + timedelta(hours=1),
        resolve_due=opened + timedelta(hours=8),
        ended_at=NOW if status in ("verified", "closed") else None,
        ref_id=str(number),
        ref_url=url,
    )


def entry(of: Finding, number: int) -> Entry:
    return Entry(
        fingerprint=of.fingerprint,
        detector=of.detector,
        team=of.team,
        kind=of.kind,
        severity=of.severity,
        size=1,
        title=of.title,
        subject={str(key): value for key, value in of.subject.items()},
        households=of.households,
        users=of.users,
        claims={},
        status="new",
        present=True,
        first_seen_at=NOW,
        last_seen_at=NOW,
        happened_at=None,
        said_severity=of.severity,
        said_size=1,
        ticket_id=number,
    )


def morning(
    findings: Sequence[Finding], *, words: str = "repaired", url: str = "", reason: str | None = None
) -> Morning:
    """Every finding new tonight, with a ticket in progress each; all of them had a night before."""
    cards, changes = [], []
    for number, finding in enumerate(findings, start=1):
        one, known = replace(ticket(number, finding, url=url), owner=words), entry(finding, number)
        progress = InProgress(one, DAY, (), ("resolve", NOW + DAY), flapping=False, silence=None)
        outcome = TicketOutcome(number, words, None, words, "kim", NOW)
        cards.append(Card(one, (known,), (finding,), (), outcome, progress))
        changes.append(Change("new", "new", known, one))
    nights = tuple(
        Night(
            row=NightRow(place, NOW - (2 - place) * DAY, NOW - DAY, NOW, complete=True, seconds=1.5),
            rows={"households": 10 + place},
            found={"no-leader": place + 1},
            opened={"no-leader": 1},
            endings={"no-leader": Ending(place, "no-leader", "ran", reason, 1)},
            open_by_age=(1, 0, 0, 0),
        )
        for place in range(3)
    )
    tickets = tuple(card.ticket for card in cards)
    history = History(NOW - 90 * DAY, NOW, 3, 0, tickets, {}, ())
    return Morning(NOW, nights[-1].row, tuple(changes), 0, (), tuple(cards), (), nights, history)
