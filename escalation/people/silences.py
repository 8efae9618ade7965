"""What people may say about a finding: not now (snooze), not at all (dismiss), or that its ticket is closed, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from detectors.contract import SubjectKey, fingerprint
from escalation.errors import RefusedError
from escalation.ledger.ledger import Ledger, Transaction
from escalation.ledger.personal import without_people
from escalation.ledger.records import Closing, Entry, Silence, SilenceKind, Ticket
from escalation.ledger.scrub import scrub
from escalation.policy.policy import Policy

INTEGRITY_SNOOZE = timedelta(days=1)
"""Critical data integrity can be put off for a day, and never dismissed."""


def silence_ticket(
    ledger: Ledger,
    external_id: str,
    kind: SilenceKind,
    *,
    until: datetime,
    reason: str,
    author: str,
    policy: Policy,
    now: datetime,
) -> datetime:
    """Snooze or dismiss all that a ticket tells its team of; returns the end. Raises RefusedError, LedgerError."""
    with ledger.begin() as tx:
        ticket = existing(tx, external_id)
        if ticket.ended:
            raise RefusedError(f"{external_id} is {ticket.status}: there is nothing to put off")
        for entry in _of_its_team(tx, ticket):
            _silence(tx, entry.fingerprint, entry.detector, entry, kind, until, reason, author, policy, now)
    return until


def lift_silences(ledger: Ledger, external_id: str, *, reason: str, author: str, now: datetime) -> int:
    """End every silence on a ticket before its time; returns how many there were. Raises RefusedError, LedgerError."""
    _check_words(reason, author)
    with ledger.begin() as tx:
        fingerprints = [entry.fingerprint for entry in tx.entries_on(existing(tx, external_id))]
        lifted = [one for one in tx.silences(fingerprints).values() if one.ends_at > now]
        if not lifted:
            raise RefusedError(f"{external_id} is neither snoozed nor dismissed")
        for one in lifted:
            tx.end_silence(one, now, f"lifted: {scrub(reason)} ({scrub(author)})")
    return len(lifted)


def silence_subject(
    ledger: Ledger,
    detector: str,
    subject: Mapping[SubjectKey, str],
    kind: SilenceKind,
    *,
    until: datetime,
    reason: str,
    author: str,
    policy: Policy,
    now: datetime,
) -> datetime:
    """Snooze or dismiss what a detector says about a subject, also before it has said anything; returns the end.

    Raises RefusedError, LedgerError.
    """
    key = fingerprint(detector, policy.environment, subject)
    with ledger.begin() as tx:
        entry = tx.entries_for([key]).get(key)
        _silence(tx, key, detector, entry, kind, until, reason, author, policy, now)
    return until


def close_ticket(
    ledger: Ledger,
    external_id: str,
    closing: Closing,
    *,
    reason: str,
    author: str,
    policy: Policy,
    now: datetime,
    duplicate_of: str | None = None,
) -> None:
    """Close a ticket for good reason. Raises RefusedError, LedgerError.

    A duplicate's findings are watched on the other ticket from now on. For the other reasons they are dismissed for as
    long as the policy allows; what is still there after that reopens the ticket.
    """
    with ledger.begin() as tx:
        ticket = existing(tx, external_id)
        if ticket.ended:
            raise RefusedError(f"{external_id} is {ticket.status} already")
        if closing == "duplicate":
            _check_words(reason, author)
            tx.move_entries(ticket, to=_other(tx, ticket, duplicate_of))
        else:
            until = now + timedelta(days=policy.exceptions.longest_days)
            for entry in _of_its_team(tx, ticket):
                _silence(tx, entry.fingerprint, entry.detector, entry, "dismiss", until, reason, author, policy, now)
        tx.save_ticket(
            replace(
                ticket,
                status="closed",
                ended_at=now,
                closed_as=closing,
                closing_reason=str(scrub(f"{reason} ({author})")),
            )
        )


def _of_its_team(tx: Transaction, ticket: Ticket) -> list[Entry]:
    """What is on a ticket for its team. What only came of the same acts is another team's, which nobody has asked."""
    return [entry for entry in tx.entries_on(ticket) if entry.team == ticket.team]


def _other(tx: Transaction, ticket: Ticket, external_id: str | None) -> Ticket:
    if external_id is None:
        raise RefusedError("say which ticket it is a duplicate of")
    other = existing(tx, external_id)
    if other.id == ticket.id or other.ended:
        raise RefusedError(f"{external_id} cannot stand for {ticket.external_id}: name another ticket that is open")
    return other


def existing(tx: Transaction, external_id: str) -> Ticket:
    """The ticket of that id. Raises RefusedError where there is none."""
    ticket = tx.ticket(external_id)
    if ticket is None:
        raise RefusedError(
            f"there is no ticket {without_people(external_id)}; `hearthwatch tickets list` shows those there are"
        )
    return ticket


def _silence(
    tx: Transaction,
    key: str,
    detector: str,
    entry: Entry | None,
    kind: SilenceKind,
    until: datetime,
    reason: str,
    author: str,
    policy: Policy,
    now: datetime,
) -> None:
    _check_words(reason, author)
    critical = policy.is_data_integrity(detector) and (entry is None or entry.severity == "P0")
    if kind == "dismiss" and critical:
        raise RefusedError(
            f"{detector} is critical data integrity and cannot be dismissed; snooze it for a day at most"
        )
    longest = INTEGRITY_SNOOZE if critical else timedelta(days=policy.exceptions.longest_days)
    if not now < until <= now + longest:
        raise RefusedError(f"the end must be after now and by {now + longest:%Y-%m-%d %H:%M} UTC")
    tx.add_silence(
        Silence(
            id=0,
            fingerprint=key,
            kind=kind,
            reason=str(scrub(reason)),
            author=str(scrub(author)),
            made_at=now,
            ends_at=until,
            severity=entry.severity if entry else None,
            size=entry.size if entry else None,
        )
    )


def _check_words(reason: str, author: str) -> None:
    if not reason.strip() or not author.strip():
        raise RefusedError("say why, and who says so")
