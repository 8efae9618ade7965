"""Closing the loop (process, "Post-Escalation"): what came of a ticket, what was learned, and whom to tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from escalation.decide.audience import audience_of, widest
from escalation.decide.observations import IDS_KEPT
from escalation.errors import RefusedError
from escalation.ledger.ledger import Transaction
from escalation.ledger.records import Entry, Ticket, TicketOutcome
from escalation.ledger.scrub import scrub
from escalation.policy.policy import Policy

ASKED_FOR = timedelta(days=30)
"""For so long after a ticket was settled its outcome is asked for every night."""
WORDS_MOST = 2000


@dataclass(frozen=True, slots=True)
class Settled:
    """A ticket that was settled since the last night: whom it concerns (ids), and the policy's words for the customer.

    `reporter_only` says that users and households were left out, because some of them must not be told; `cut` that there
    may be more of them than the ledger keeps.
    """

    ticket: Ticket
    support: tuple[str, ...]
    users: tuple[str, ...]
    households: tuple[str, ...]
    reporter_only: bool
    cut: bool
    words: str


def outcome_of(
    ticket: Ticket,
    *,
    outcome: str,
    action: str | None,
    learning: str | None,
    author: str,
    policy: Policy,
    now: datetime,
) -> TicketOutcome:
    """The outcome as the ledger keeps it: one line each, without addresses. Raises RefusedError."""
    known = [one.name for one in policy.teams[ticket.team].actions]
    if action is not None and not known:
        raise RefusedError(f"{ticket.external_id} is no Trust & Safety ticket, so it has no --action")
    named = [name for name in known if action is not None and action.casefold().strip() in _short_names(name)]
    if action is not None and not named:
        raise RefusedError(f"{action[:40]!a} is no action of this team; choose from: {', '.join(known)}")
    return TicketOutcome(
        ticket_id=ticket.id,
        outcome=_line("outcome", outcome),
        action=named[0] if named else None,
        learning=_line("learning", learning) if learning is not None else None,
        author=_line("author", author),
        made_at=now,
    )


def _short_names(action: str) -> set[str]:
    """`Account warning` may be called `warning`, `No action` `none`."""
    whole = action.casefold()
    return {whole, "none" if whole.startswith("no ") else whole.split()[-1]}


def _line(name: str, said: str) -> str:
    words = str(scrub(" ".join(said.encode("utf-8", "replace").decode().replace("\x00", " ").split())))
    if not words or len(words) > WORDS_MOST:
        raise RefusedError(f"--{name} is {'empty' if not words else f'longer than {WORDS_MOST:,} characters'}")
    return words


def settled_at(ticket: Ticket) -> datetime | None:
    """When it was seen fixed, or closed because a person had settled what happened; None for whatever else ended it.

    A person's word that a state is repaired settles nothing before a scan has seen it.
    """
    if ticket.closed_as is not None or ticket.closing_reason is not None:
        return None
    return ticket.ended_at if ticket.status in ("verified", "closed") else None


def settled_between(tx: Transaction, since: datetime | None, until: datetime, policy: Policy) -> list[Settled]:
    """The tickets that were settled in (since, until] and of which somebody may be told, in the order of their making.

    Without `since`, all until then.
    """
    found = [
        settled(one, tx.entries_on(one), policy)
        for one in tx.tickets()
        if (at := settled_at(one)) is not None and (since is None or since < at) and at <= until
    ]
    return [one for one in found if one is not None]


def settled(ticket: Ticket, entries: Sequence[Entry], policy: Policy) -> Settled | None:
    """Whom to tell what of a ticket that is about `entries`; None where it is not settled, or nobody may be told."""
    if settled_at(ticket) is None:
        return None
    audience = widest(
        [
            audience_of(ticket.team, ticket.detector, {}, policy),
            *(audience_of(one.team, one.detector, one.subject, policy) for one in entries),
        ]
    )
    if audience == "nobody":
        return None
    told = () if audience == "reporter" else entries
    return Settled(
        ticket=ticket,
        support=_ids(entry.subject["support_id"] for entry in entries if "support_id" in entry.subject),
        users=_ids(user for entry in told for user in entry.users),
        households=_ids(household for entry in told for household in entry.households),
        reporter_only=audience == "reporter",
        cut=any(max(len(entry.users), len(entry.households)) >= IDS_KEPT for entry in told),
        words=policy.closing.get(ticket.team, ""),
    )


def _ids(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(ids)))


def without_outcome(
    tickets: Iterable[Ticket], outcomes: Mapping[int, Sequence[TicketOutcome]], now: datetime
) -> list[Ticket]:
    """The tickets settled of late whose outcome nobody has written down since they were last (re)opened."""
    return [
        ticket
        for ticket in tickets
        if (at := settled_at(ticket)) is not None
        and at > now - ASKED_FOR
        and not any(one.made_at >= ticket.clock_began_at for one in outcomes.get(ticket.id, ()))
    ]
