"""Looking at tickets: one with its whole story, and whether what a ticket claims still holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from detectors.contract import PERSON, Coverage, Finding
from escalation.causes import INCIDENT, one_per_cause
from escalation.decide import claims_of, size_of
from escalation.ledger import EndedSilence, Ledger, PastDecision
from escalation.policy import Policy
from escalation.records import Entry, OutboxRow, Silence, Ticket, TicketOutcome

Outcome = Literal["still true", "changed", "fixed", "happened once", "not looked at", "for a person to judge"]


@dataclass(frozen=True, slots=True)
class TicketStory:
    """Everything the ledger knows of one ticket."""

    ticket: Ticket
    entries: tuple[Entry, ...]
    decisions: tuple[PastDecision, ...]
    silences: tuple[Silence, ...]
    ended_silences: tuple[EndedSilence, ...]
    unsent: tuple[OutboxRow, ...]
    outcomes: tuple[TicketOutcome, ...]


@dataclass(frozen=True, slots=True)
class Recheck:
    """What became of one finding of a ticket: `changes` are (what, then, now)."""

    entry: Entry
    outcome: Outcome
    changes: tuple[tuple[str, Any, Any], ...] = ()


def story_of(ledger: Ledger, external_id: str) -> TicketStory | None:
    """One ticket with its findings, every decision about them, its silences and what is still to be sent."""
    with ledger.begin() as tx:
        ticket = tx.ticket(external_id)
        if ticket is None:
            return None
        entries = tx.entries_on(ticket)
        return TicketStory(
            ticket=ticket,
            entries=tuple(entries),
            decisions=tuple(tx.decisions_of(ticket)),
            silences=tuple(tx.silences(entry.fingerprint for entry in entries).values()),
            ended_silences=tuple(tx.ended_silences(entry.fingerprint for entry in entries)),
            unsent=tuple(row for row in tx.unsent() if row.ticket_id == ticket.id),
            outcomes=tuple(tx.outcomes().get(ticket.id, ())),
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """What must be scanned again for a recheck: these detectors, on these ids, or on everything where both are empty."""

    detectors: tuple[str, ...]
    households: tuple[str, ...]
    users: tuple[str, ...]


def scope_of(entries: Iterable[Entry]) -> Scope:
    """The smallest scan that can say whether what is on a ticket still holds; no detectors where no scan can."""
    entries = [entry for entry in entries if entry.detector != PERSON]
    detectors = tuple(sorted({entry.detector for entry in entries}))
    if any("operation" in entry.subject or not (entry.households or entry.users) for entry in entries):
        return Scope(detectors, (), ())
    households = {one for entry in entries for one in entry.households}
    users = {one for entry in entries if not entry.households for one in entry.users}
    return Scope(detectors, tuple(sorted(households)), tuple(sorted(users)))


def recheck(
    entries: Sequence[Entry], findings: Sequence[Finding], coverage: Collection[Coverage], policy: Policy
) -> list[Recheck]:
    """Each finding of a ticket against a fresh scan (its own findings, not yet one for each cause)."""
    looked = {entry.detector for entry in coverage if entry.status in ("ran", "proved")}
    ongoing = {entry.detector for entry in entries if entry.subject.get("operation") == INCIDENT}
    grouped = one_per_cause(findings, policy.limits, policy.environment, ongoing) if ongoing else ()
    found = {one.fingerprint: one for one in (*grouped, *findings)}
    return [_recheck(entry, found.get(entry.fingerprint), looked=entry.detector in looked) for entry in entries]


def _recheck(entry: Entry, finding: Finding | None, *, looked: bool) -> Recheck:
    if entry.detector == PERSON:
        return Recheck(entry, "for a person to judge")
    if finding is None:
        if not looked:
            return Recheck(entry, "not looked at")
        return Recheck(entry, "fixed" if entry.kind == "state" else "happened once")
    then = {"severity": entry.severity, "affected": entry.size, **entry.claims}
    now = {"severity": finding.severity, "affected": size_of(finding), **claims_of(finding)}
    changes = tuple(
        (key, then.get(key), now.get(key)) for key in dict.fromkeys((*then, *now)) if then.get(key) != now.get(key)
    )
    return Recheck(entry, "changed" if changes else "still true", changes)
