"""What is open at one moment, for the people who have to do something about it: by team, with ages and what is due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from detectors.contract import Team
from escalation.decide.clocks import Overdue, due_next, overdue_with_team
from escalation.decide.decisions import in_force, is_held
from escalation.ledger.ledger import Ledger
from escalation.ledger.records import Entry, Silence, Ticket
from escalation.people.outcomes import Settled, settled_between, without_outcome
from escalation.policy.policy import Policy

ENDING_SOON = timedelta(days=7)
"""So long before a silence ends, the digest says so."""


@dataclass(frozen=True, slots=True)
class InProgress:
    """A ticket in progress: its age, what is overdue, what is due next and when, and why it may be quiet about it."""

    ticket: Ticket
    age: timedelta
    overdue: tuple[Overdue, ...]
    next: tuple[str, datetime] | None
    flapping: bool
    silence: Silence | None
    """The silence that ends first of those that mute the ticket; None while it is not muted."""
    households: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    """Whom what is on it names."""


@dataclass(frozen=True, slots=True)
class EndingSilence:
    """A silence that ends soon, on a finding that was still there when it was last looked at."""

    silence: Silence
    entry: Entry
    ticket: Ticket | None


@dataclass(frozen=True, slots=True)
class Digest:
    """`teams` has every team with a ticket in progress, in the policy's order, the most pressing ticket first.

    `settled` is what was settled in (since, now], `unlearned` what was settled of late and has no outcome yet, and
    `undelivered` how many messages no destination has confirmed.
    """

    since: datetime
    now: datetime
    teams: dict[Team, tuple[InProgress, ...]]
    ending: tuple[EndingSilence, ...]
    settled: tuple[Settled, ...]
    unlearned: tuple[Ticket, ...]
    undelivered: int


def digest(ledger: Ledger, policy: Policy, since: datetime, now: datetime, teams: Iterable[Team] = ()) -> Digest:
    """The digest of these teams, or of all where none is named. Raises LedgerError."""
    wanted = set(teams) or set(policy.teams)
    open_tickets = [one for one in in_progress(ledger, policy, now) if one.ticket.team in wanted]
    with ledger.begin() as tx:
        entries, silences = tx.entries(), tx.silences()
        by_row = {ticket.id: ticket for ticket in tx.tickets() if ticket.team in wanted}
        settled = settled_between(tx, since, now, policy)
        unlearned = without_outcome(by_row.values(), tx.outcomes(), now)
        undelivered = sum(row.ticket_id in by_row for row in tx.unsent())
    return Digest(
        since=since,
        now=now,
        teams={
            team: those
            for team in policy.teams
            if (those := tuple(one for one in open_tickets if one.ticket.team == team))
        },
        ending=_ending((one for one in entries.values() if one.team in wanted), silences, by_row, now),
        settled=tuple(one for one in settled if one.ticket.team in wanted),
        unlearned=tuple(unlearned),
        undelivered=undelivered,
    )


def in_progress(ledger: Ledger, policy: Policy, now: datetime) -> list[InProgress]:
    """The tickets in progress that were made by `now`: those that have been overdue longest first, then by what is due next."""
    with ledger.begin() as tx:
        tickets, entries, silences = tx.tickets(ended=False), tx.entries(), tx.silences()
    on_ticket: dict[int, list[Entry]] = {}
    for entry in entries.values():
        if entry.ticket_id is not None:
            on_ticket.setdefault(entry.ticket_id, []).append(entry)
    lines = [
        _line(ticket, on_ticket.get(ticket.id, ()), silences, policy, now)
        for ticket in tickets
        if ticket.opened_at <= now
    ]
    return sorted(lines, key=_urgency)


def _line(
    ticket: Ticket, entries: Sequence[Entry], silences: Mapping[str, Silence], policy: Policy, now: datetime
) -> InProgress:
    muting = [silences[entry.fingerprint] for entry in entries if in_force(silences.get(entry.fingerprint), now)]
    return InProgress(
        ticket=ticket,
        age=now - ticket.opened_at,
        overdue=overdue_with_team(ticket, now),
        next=due_next(ticket, policy, now),
        flapping=any(entry.status == "flapping" for entry in entries),
        silence=min(muting, key=lambda one: one.ends_at)
        if is_held(ticket.fingerprint, entries, silences, now)
        else None,
        households=tuple(dict.fromkeys(one for entry in entries for one in entry.households)),
        users=tuple(dict.fromkeys(one for entry in entries for one in entry.users)),
    )


def _urgency(line: InProgress) -> tuple[bool, float, str]:
    moments = [late.since for late in line.overdue] or ([line.next[1]] if line.next else [])
    return (not line.overdue, min((at.timestamp() for at in moments), default=float("inf")), line.ticket.external_id)


def _ending(
    entries: Iterable[Entry],
    silences: Mapping[str, Silence],
    tickets: Mapping[int, Ticket],
    now: datetime,
) -> tuple[EndingSilence, ...]:
    ending = [
        EndingSilence(silence, entry, tickets.get(entry.ticket_id) if entry.ticket_id is not None else None)
        for entry in entries
        if (silence := silences.get(entry.fingerprint)) is not None
        and entry.present
        and in_force(silence, now)
        and silence.ends_at - now <= ENDING_SOON
    ]
    return tuple(sorted(ending, key=lambda one: (one.silence.ends_at, one.entry.fingerprint)))
