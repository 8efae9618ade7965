"""Looking at tickets: one with its whole story, and whether what a ticket claims still holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal

from detectors.contract import PERSON, Coverage, Finding, Thinned, Window
from detectors.findings import Found, whole
from escalation.decide.decisions import held_until
from escalation.decide.incidents import INCIDENT, one_per_cause
from escalation.decide.observations import claims_of, size_of
from escalation.decide.remains import ROWS_GONE, TRAIL_GONE, WORDS, rows_are_gone
from escalation.decide.windows import midnight
from escalation.ledger.ledger import Ledger
from escalation.ledger.nights import PastDecision
from escalation.ledger.records import Entry, OutboxRow, Silence, Ticket, TicketOutcome
from escalation.ledger.silences import EndedSilence
from escalation.policy.policy import Policy

NOTHING_GONE: Mapping[str, frozenset[str]] = MappingProxyType({})
NOTHING_LESS: Mapping[str, Thinned] = MappingProxyType({})
NOTHING_UNSEEN: Mapping[str, str] = MappingProxyType({})
Outcome = Literal[
    "still true", "changed", "fixed", "no longer there", "happened once", "not looked at", "for a person to judge"
]


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
    held_until: datetime | None = None
    """When the silence ends for which nothing is said now; None where what there is to say can be said."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """What became of one finding of a ticket: `changes` are (what, then, now), `why` is said where nobody could tell."""

    entry: Entry
    outcome: Outcome
    changes: tuple[tuple[str, Any, Any], ...] = ()
    why: str = ""


def story_of(ledger: Ledger, external_id: str, now: datetime) -> TicketStory | None:
    """One ticket as of `now`: its findings, every decision about them, its silences and what is still to be sent."""
    with ledger.begin() as tx:
        ticket = tx.ticket(external_id)
        if ticket is None:
            return None
        entries = tx.entries_on(ticket)
        silences = tx.silences(entry.fingerprint for entry in entries)
        return TicketStory(
            ticket=ticket,
            entries=tuple(entries),
            decisions=tuple(tx.decisions_of(ticket)),
            silences=tuple(silences.values()),
            ended_silences=tuple(tx.ended_silences(entry.fingerprint for entry in entries)),
            unsent=tuple(row for row in tx.unsent() if row.ticket_id == ticket.id),
            outcomes=tuple(tx.outcomes().get(ticket.id, ())),
            held_until=held_until(ticket.fingerprint, entries, silences, now),
        )


_OF_EVERYBODY = frozenset({"operation", "window", "feature"})
"""What was counted of everybody is not counted again of some."""


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
    if any(entry.subject.keys() & _OF_EVERYBODY or not (entry.households or entry.users) for entry in entries):
        return Scope(detectors, (), ())
    households = {one for entry in entries for one in entry.households}
    users = {one for entry in entries if not entry.households for one in entry.users}
    return Scope(detectors, tuple(sorted(households)), tuple(sorted(users)))


def window_seen(ledger: Ledger, entries: Iterable[Entry], policy: Policy) -> Window | None:
    """The stretch of time in which what happened was last found; None for states, and where the ledger has forgotten the look.

    In any other one it would be counted otherwise, though nothing about it has changed.
    """
    entries = [entry for entry in entries if entry.detector != PERSON]
    if not entries or any(entry.kind != "occurrence" for entry in entries):
        return None
    with ledger.begin() as tx:
        looks = tx.looks_after(min(entry.last_seen_at for entry in entries) - timedelta.resolution)
    by_time = {look.as_of: look for look in looks}
    seen = [(entry, by_time.get(entry.last_seen_at)) for entry in entries]
    # A quick look also sees the day before, of which its row says nothing.
    starts = [
        midnight(entry.happened_at, policy, 0) if look.kind == "quick" and entry.happened_at else look.window_start
        for entry, look in seen
        if look is not None
    ]
    if len(starts) < len(entries):
        return None
    known = [look for _, look in seen if look is not None]
    return Window(min(*starts, *(look.window_start for look in known)), max(look.window_end for look in known))


def recheck(
    entries: Sequence[Entry],
    findings: Sequence[Found],
    coverage: Collection[Coverage],
    policy: Policy,
    *,
    gone: Mapping[str, frozenset[str]] = NOTHING_GONE,
    trail_gone: Collection[str] = (),
    thinned: Mapping[str, Thinned] = NOTHING_LESS,
    unseen: Mapping[str, str] = NOTHING_UNSEEN,
) -> list[Recheck]:
    """Each finding of a ticket against a fresh scan (its own findings, not yet one for each cause).

    `gone` is what the source holds no row of any more, `trail_gone` the fingerprints of what its audit rows showed,
    `thinned` what is less behind them than when they were last seen, `unseen` why some could not be seen as they were.
    """
    blind = {entry.detector: entry.reason or "" for entry in coverage if entry.status not in ("ran", "proved")}
    failed = {entry.detector for entry in coverage if entry.status == "failed"}
    unasked = {entry.detector for entry in entries} - {entry.detector for entry in coverage}
    ongoing = {entry.detector for entry in entries if entry.subject.get("operation") == INCIDENT}
    both = policy.cases.both_teams
    grouped = one_per_cause(findings, policy.limits, policy.environment, ongoing, both_teams=both) if ongoing else ()
    found: dict[str, Found] = {one.fingerprint: one for one in (*grouped, *findings)}
    rechecked = []
    for entry in entries:
        finding = found.get(entry.fingerprint)
        lost = entry.kind == "state" and entry.detector not in unasked | failed
        if entry.detector == PERSON:
            rechecked.append(Recheck(entry, "for a person to judge"))
        elif finding is not None:
            rechecked.append(_compared(entry, whole(finding)))
        elif lost and rows_are_gone(entry, gone):
            rechecked.append(Recheck(entry, "no longer there", why=ROWS_GONE))
        elif lost and entry.fingerprint in trail_gone:
            rechecked.append(Recheck(entry, "not looked at", why=TRAIL_GONE))
        elif lost and entry.fingerprint in unseen:
            rechecked.append(Recheck(entry, "not looked at", why=unseen[entry.fingerprint]))
        elif lost and entry.fingerprint in thinned:
            rechecked.append(_lost_in_part(entry, thinned[entry.fingerprint]))
        elif entry.detector in blind or entry.detector in unasked:
            rechecked.append(Recheck(entry, "not looked at", why=blind.get(entry.detector, "")))
        elif entry.kind == "occurrence":
            rechecked.append(Recheck(entry, "happened once"))
        else:
            rechecked.append(Recheck(entry, "fixed"))
    return rechecked


def _lost_in_part(entry: Entry, less: Thinned) -> Recheck:
    return Recheck(entry, "no longer there" if less == "nobody-left" else "not looked at", why=WORDS[less])


def _compared(entry: Entry, finding: Finding) -> Recheck:
    then = {"severity": entry.severity, "affected": entry.size, **entry.claims}
    now = {"severity": finding.severity, "affected": size_of(finding), **claims_of(finding)}
    changes = tuple(
        (key, then.get(key), now.get(key)) for key in dict.fromkeys((*then, *now)) if then.get(key) != now.get(key)
    )
    return Recheck(entry, "changed" if changes else "still true", changes)
