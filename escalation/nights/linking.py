"""Which other tickets are about the same people and households, and how often there have been some."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from escalation.deliver.case_file import Repeat
from escalation.ledger.ledger import Transaction
from escalation.ledger.records import Entry, Linked, Ticket, TicketOutcome, Verdict
from escalation.policy.policy import Policy

LINKED_FOR = timedelta(days=90)
"""For so long after its end a ticket is linked, and for so long after its making it counts as one of several."""
LINKS_MOST = 20
OUTCOME_MOST = 160
"""Characters of what people wrote down."""


class Links:
    """The tickets of the last 90 days by whom they are about. A team that is told by e-mail only is nobody else's to read of."""

    def __init__(self, tx: Transaction, policy: Policy, now: datetime) -> None:
        since = now - LINKED_FOR
        self._since = since
        self._outcomes = tx.outcomes()
        self._entries: dict[int, list[Entry]] = defaultdict(list)
        for entry in tx.entries_of_tickets(since):
            self._entries[entry.ticket_id or 0].append(entry)
        self._tickets = {
            one.id: one
            for one in tx.tickets()
            if one.id in self._entries and policy.teams[one.team].by != "email" and one.opened_at <= now
        }
        self._about: dict[str, set[int]] = defaultdict(set)
        for key in self._tickets:
            for one in _ids(self._entries[key]):
                self._about[one].add(key)

    def of(self, ticket: Ticket) -> list[Linked]:
        """The others that are about one of the ticket's people or households: those in progress first, then the newest."""
        mine = self._entries[ticket.id]
        others = {key for one in _ids(mine) for key in self._about.get(one, ())} - {ticket.id}
        linked = [self._linked(self._tickets[key], mine) for key in others]
        return sorted(
            linked,
            key=lambda one: (one.verdict not in ("open", "resolved"), -one.opened_at.timestamp(), one.external_id),
        )

    def repeats(self, ticket: Ticket, actor: str | None) -> tuple[Repeat, ...]:
        """How many tickets there were before about the actor, or about the one person and the one household it is about."""
        mine = self._entries[ticket.id]
        users = {actor} if actor else {one for entry in mine for one in entry.users}
        households = set() if actor else {one for entry in mine for one in entry.households}
        found = [self._repeat(ticket, "user", one) for one in users if len(users) == 1]
        found += [self._repeat(ticket, "household", one) for one in households if len(households) == 1]
        return tuple(one for one in found if one.verdicts)

    def _repeat(self, ticket: Ticket, what: Literal["user", "household"], about: str) -> Repeat:
        before = self._before(ticket, about)
        same = sum(other.detector == ticket.detector for other in before)
        return Repeat(what, about, tuple(map(self._verdict, before)), same)

    def _before(self, ticket: Ticket, about: str) -> list[Ticket]:
        tickets = [self._tickets[key] for key in self._about.get(about, ()) if key != ticket.id]
        before = [one for one in tickets if self._since <= one.opened_at < ticket.opened_at]
        return sorted(before, key=lambda one: one.id)

    def _linked(self, ticket: Ticket, mine: Sequence[Entry]) -> Linked:
        theirs = self._entries[ticket.id]
        return Linked(
            external_id=ticket.external_id,
            team=ticket.team,
            detector=ticket.detector,
            title=ticket.title,
            severity=ticket.severity,
            verdict=self._verdict(ticket),
            outcome=_outcome(ticket, self._outcomes.get(ticket.id, ())),
            opened_at=ticket.opened_at,
            households=_shared((one.households for one in mine), (one.households for one in theirs)),
            users=_shared((one.users for one in mine), (one.users for one in theirs)),
            ref_id=ticket.ref_id,
            ref_url=ticket.ref_url,
        )

    def _verdict(self, ticket: Ticket) -> Verdict:
        match ticket.status:
            case "open" | "acknowledged":
                return "open"
            case "resolved":
                return "resolved"
            case "verified":
                return "fixed"
            case "missing":
                return "deleted"
        if ticket.closed_as is not None:
            return "closed" if ticket.closed_as == "duplicate" else "dismissed"
        actions = [one.action for one in self._outcomes.get(ticket.id, ()) if one.action]
        if not actions:
            return "closed"
        return "dismissed" if actions[-1].casefold().startswith("no ") else "confirmed"


def _ids(entries: Iterable[Entry]) -> set[str]:
    return {one for entry in entries for one in (*entry.households, *entry.users)} - {""}


def _shared(mine: Iterable[Collection[str]], theirs: Iterable[Collection[str]]) -> tuple[str, ...]:
    both = {one for some in mine for one in some} & {one for some in theirs for one in some}
    return tuple(sorted(both - {""}))


def _outcome(ticket: Ticket, written: Sequence[TicketOutcome]) -> str:
    said: list[str] = [ticket.closed_as or ""]
    if written:
        said += [written[-1].action or "", written[-1].outcome]
    words = "; ".join(filter(None, said))
    return words if len(words) <= OUTCOME_MOST else f"{words[: OUTCOME_MOST - 1]}…"
