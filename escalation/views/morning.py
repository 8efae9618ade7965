"""What the morning page shows, as plain values from the ledger alone: tonight, each ticket, ninety nights, who could look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from detectors.contract import SEVERITY_ORDER, Finding
from escalation.deliver.linking import LINKS_MOST, Links
from escalation.ledger.ledger import Ledger, Transaction
from escalation.ledger.nights import NightRow
from escalation.ledger.records import Entry, Linked, Ticket, TicketOutcome
from escalation.ledger.snapshots import KEPT_AFTER_END, Ending, Said
from escalation.people.outcomes import Settled, settled, settled_between, without_outcome
from escalation.policy.policy import Policy
from escalation.views.digest import InProgress, in_progress
from escalation.views.history import History, history_of

TREND = timedelta(days=90)
AGES = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""Open tickets are counted by their age: up to each of these, and older."""
ChangeKind = Literal["new", "worse", "back", "fixed", "better", "not looked at"]
CHANGES: tuple[ChangeKind, ...] = ("new", "worse", "back", "fixed", "better", "not looked at")
_OPENED_AGAIN = frozenset({"back", "happened-again", "snooze-broken"})
_SAID: Mapping[str, ChangeKind] = {
    "joined": "new",
    "more-urgent": "worse",
    "worse": "worse",
    "snooze-broken": "worse",
    "back": "back",
    "happened-again": "back",
    "flapping": "back",
    "less-urgent": "better",
    "better": "better",
    "part-fixed": "better",
    "rows-gone": "not looked at",
    "rows-fewer": "not looked at",
    "nobody-left": "not looked at",
    "account-deleted": "not looked at",
    "trail-gone": "not looked at",
}
"""What a comment for a reason tells."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the last night noticed of one finding, and the ticket that it is on."""

    kind: ChangeKind
    reason: str
    entry: Entry
    ticket: Ticket | None


@dataclass(frozen=True, slots=True)
class Card:
    """One ticket with what it is about. `findings` has none where nothing is kept of it, else the ticket's own first."""

    ticket: Ticket
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    said: tuple[Said, ...]
    outcome: TicketOutcome | None
    progress: InProgress | None
    """Its clocks, while it is in progress."""
    linked: tuple[Linked, ...] = ()
    """The other tickets about its people and households, as they stand now."""
    told_at: datetime | None = None
    """When the first of `findings` was as it is kept."""
    settled: Settled | None = None
    """Whom to tell what, once it is settled."""


@dataclass(frozen=True, slots=True)
class Night:
    """One night in numbers. `open_by_age` counts the tickets that were in progress then, by AGES."""

    row: NightRow
    rows: Mapping[str, int]
    found: Mapping[str, int]
    opened: Mapping[str, int]
    endings: Mapping[str, Ending]
    open_by_age: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Morning:
    """Everything at `now`. `cards` are the tickets in progress, the most pressing first, and then those that ended of late.

    `older` are the tickets that ended before that. `nights` has one night for each day on which there was one, the last of
    that day.
    """

    now: datetime
    night: NightRow | None
    changes: tuple[Change, ...]
    unchanged: int
    settled: tuple[Settled, ...]
    """What was settled since the night before, so that the customer can be told."""
    cards: tuple[Card, ...]
    older: tuple[Ticket, ...]
    nights: tuple[Night, ...]
    history: History
    unlearned: tuple[Ticket, ...] = ()
    """What was settled of late and has no outcome yet."""

    @property
    def calendar(self) -> tuple[tuple[date, Night | None], ...]:
        """Every day from the first night to the last one, with its night; None where nobody looked."""
        if not self.nights:
            return ()
        known = {night.row.as_of.date(): night for night in self.nights}
        first, last = min(known), max(known)
        days = (first + timedelta(days=place) for place in range((last - first).days + 1))
        return tuple((day, known.get(day)) for day in days)


def morning(ledger: Ledger, policy: Policy, now: datetime) -> Morning:
    """The figures of the page as of `now`. Raises LedgerError."""
    history = history_of(ledger, now - TREND, now + timedelta(microseconds=1))
    pressing = {one.ticket.id: one for one in in_progress(ledger, policy, now)}
    with ledger.begin() as tx:
        nights = _one_a_day(tx.nights(now - TREND, now + timedelta(microseconds=1)))
        last = nights[-1] if nights else None
        tickets = {one.id: one for one in history.tickets}
        changes, unchanged = _changes(tx, last, tickets)
        recent = [one for one in history.tickets if one.ended and _ended(one) > now - KEPT_AFTER_END]
        recent.sort(key=_ended, reverse=True)
        shown = [*(one.ticket for one in pressing.values()), *recent]
        cards = _cards(tx, shown, pressing, policy, now)
        unlearned = without_outcome(history.tickets, tx.outcomes(), now)
        played = _nights(tx, nights, history.tickets)
        tell = settled_between(tx, nights[-2].as_of if len(nights) > 1 else now - KEPT_AFTER_END, now, policy)
    known = {card.ticket.id for card in cards}
    return Morning(
        now=now,
        night=last,
        changes=changes,
        unchanged=unchanged,
        settled=tuple(tell),
        cards=cards,
        older=tuple(one for one in history.tickets if one.id not in known),
        nights=played,
        history=history,
        unlearned=tuple(unlearned),
    )


def _ended(ticket: Ticket) -> datetime:
    return ticket.ended_at or ticket.opened_at


def _one_a_day(nights: Iterable[NightRow]) -> list[NightRow]:
    """The last night of each day: several runs of a day saw the same, the last one the most of it."""
    return list({night.as_of.date(): night for night in nights}.values())


def _changes(tx: Transaction, last: NightRow | None, tickets: Mapping[int, Ticket]) -> tuple[tuple[Change, ...], int]:
    if last is None:
        return (), 0
    said = tx.said(night_id=last.id)
    entries = tx.entries_for(one.fingerprint for one in said)
    kinds = [(one, _kind(one)) for one in said]
    changes = [
        Change(kind, one.reason, entries[one.fingerprint], tickets.get(one.ticket_id or 0))
        for one, kind in kinds
        if kind is not None and one.fingerprint in entries
    ]
    unchanged = sum(kind is None and one.status == "still-there" and one.reason != "explained" for one, kind in kinds)
    return tuple(changes), unchanged


def _kind(said: Said) -> ChangeKind | None:
    match said.action:
        case "open":
            return "back" if said.reason in _OPENED_AGAIN else "new"
        case "reopen":
            return "back"
        case "verify":
            return "fixed"
        case "comment":
            return _SAID.get(said.reason)
        case "none" if said.reason == "same-case":
            return "new"
    return "not looked at" if said.status == "not-looked-at" else None


def _cards(
    tx: Transaction, tickets: Sequence[Ticket], pressing: Mapping[int, InProgress], policy: Policy, now: datetime
) -> tuple[Card, ...]:
    entries, said = defaultdict[int, list[Entry]](list), defaultdict[int, list[Said]](list)
    for entry in tx.entries_of_tickets(now - KEPT_AFTER_END):
        entries[entry.ticket_id or 0].append(entry)
    for words in tx.said():
        said[words.ticket_id or 0].append(words)
    findings, made, outcomes, links = tx.snapshots(), tx.snapshots_made(), tx.outcomes(), Links(tx, policy, now)
    cards = []
    for one in tickets:
        theirs = _of_ticket(one, entries[one.id], findings.get(one.id, {}))
        card = Card(
            ticket=one,
            entries=tuple(entries[one.id]),
            findings=theirs,
            said=tuple(said[one.id]),
            outcome=outcomes[one.id][-1] if one.id in outcomes else None,
            progress=pressing.get(one.id),
            linked=tuple(links.of(one)[:LINKS_MOST]) if one.id in pressing else (),
            told_at=made.get((one.id, theirs[0].fingerprint)) if theirs else None,
            settled=settled(one, entries[one.id], policy),
        )
        cards.append(card)
    return tuple(cards)


def _of_ticket(ticket: Ticket, entries: Sequence[Entry], kept: Mapping[str, Finding]) -> tuple[Finding, ...]:
    """What is kept of what a ticket tells of, in its order; of a ticket on which nothing is left, what it was made for."""
    there = {entry.fingerprint for entry in entries if entry.present and entry.explained_by is None}
    found = [one for key, one in kept.items() if key in there] or [
        kept[key] for key in (ticket.fingerprint,) if key in kept
    ]
    return tuple(
        sorted(
            found,
            key=lambda one: (
                SEVERITY_ORDER.index(one.severity),
                one.fingerprint != ticket.fingerprint,
                one.detector,
                one.fingerprint,
            ),
        )
    )


def _nights(tx: Transaction, rows: Sequence[NightRow], tickets: Sequence[Ticket]) -> tuple[Night, ...]:
    ids = [row.id for row in rows]
    volumes = tx.rows_by_night(ids)
    endings = defaultdict[int, dict[str, Ending]](dict)
    found, opened = defaultdict[int, dict[str, int]](dict), defaultdict[int, dict[str, int]](dict)
    for ending in tx.endings(ids):
        endings[ending.night_id][ending.detector] = ending
    for counted in tx.counted(ids):
        found[counted.night_id][counted.detector] = counted.found
        opened[counted.night_id][counted.detector] = counted.opened
    return tuple(
        Night(
            row=row,
            rows=volumes.get(row.id, {}),
            found={name: number for name, number in found[row.id].items() if number},
            opened={name: number for name, number in opened[row.id].items() if number},
            endings=endings[row.id],
            open_by_age=open_by_age(tickets, row.as_of),
        )
        for row in rows
    )


def open_by_age(tickets: Iterable[Ticket], at: datetime) -> tuple[int, ...]:
    """How many tickets were in progress at `at`, by their age. One that was reopened counts as open all the time."""
    numbers = [0] * (len(AGES) + 1)
    for ticket in tickets:
        if ticket.opened_at <= at and (ticket.ended_at is None or ticket.ended_at > at):
            age = at - ticket.opened_at
            numbers[sum(age > limit for limit in AGES)] += 1
    return tuple(numbers)
