"""Which other tickets are about the same people and households, and how often there have been some."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from detectors.contract import Finding
from escalation.decide.cases import actor_of
from escalation.deliver.case_file import CaseFile, Earlier, Repeat
from escalation.deliver.helpdesk import pack_note
from escalation.deliver.notes import linked_note
from escalation.ledger.ledger import Transaction
from escalation.ledger.records import Entry, Linked, Ticket, TicketOutcome, Verdict
from escalation.policy.policy import Policy

LINKED_FOR = timedelta(days=90)
"""For so long after its end a ticket is linked, and for so long after its making it counts as one of several."""
LINKS_MOST = 20
OUTCOME_MOST = 160
"""Characters of what people wrote down."""
_GOING_ON: tuple[Verdict, ...] = ("open", "resolved")


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
        self._by_email = {team for team, rules in policy.teams.items() if rules.by == "email"}
        self._seen: dict[str, list[Entry]] | None = None
        self._tx = tx
        self._about: dict[str, set[int]] = defaultdict(set)
        for key in self._tickets:
            for one in _united((*entry.households, *entry.users) for entry in self._entries[key]):
                self._about[one].add(key)

    def of(self, ticket: Ticket) -> list[Linked]:
        """The others that are about one of the ticket's people or households: those in progress first, then the newest."""
        mine = self._entries[ticket.id]
        return self.about(_united(one.households for one in mine), _united(one.users for one in mine), ticket)

    def about(self, households: Collection[str], users: Collection[str], besides: Ticket | None = None) -> list[Linked]:
        """The tickets about one of these ids, without one."""
        keys = {key for one in (*households, *users) for key in self._about.get(one, ())}
        keys.discard(besides.id if besides else 0)
        linked = [self._linked(self._tickets[key], households, users) for key in keys]
        return sorted(
            linked, key=lambda one: (one.verdict not in _GOING_ON, -one.opened_at.timestamp(), one.external_id)
        )

    def repeats(self, ticket: Ticket, actor: str | None) -> tuple[Repeat, ...]:
        """How many tickets there were before about the actor, or about the one person and the one household it is about."""
        mine = self._entries[ticket.id]
        users = {actor} if actor else {one for entry in mine for one in entry.users}
        households = set() if actor else {one for entry in mine for one in entry.households}
        found = [self._repeat(ticket, "user", one) for one in users if len(users) == 1]
        found += [self._repeat(ticket, "household", one) for one in households if len(households) == 1]
        return tuple(one for one in found if one.verdicts)

    def earlier(self, ticket: Ticket, findings: Sequence[Finding]) -> tuple[Earlier, ...]:
        """What was found before the ticket about each of a Trust & Safety ticket's people."""
        people = dict.fromkeys(one.user_id for finding in findings for one in finding.story.people)
        found = (self._earlier(ticket, user) for user in people) if ticket.team == "trust-safety" else ()
        return tuple(one for one in found if one is not None)

    def _earlier(self, ticket: Ticket, user: str) -> Earlier | None:
        before = [
            one
            for one in self._seen_of(user)
            if one.first_seen_at < ticket.opened_at and one.ticket_id != ticket.id and one.team not in self._by_email
        ]
        if not before:
            return None
        acted, named = Counter[str](), Counter[str]()
        for one in before:
            (acted if actor_of(one, one.subject, one.claims) == user else named)[one.detector] += 1
        return Earlier(
            user,
            dict(sorted(acted.items())),
            dict(sorted(named.items())),
            max(one.happened_at or one.last_seen_at for one in before),
        )

    def _seen_of(self, user: str) -> list[Entry]:
        if self._seen is None:
            self._seen = defaultdict(list)
            for entry in self._tx.entries_since(self._since):
                for one in {*entry.users, entry.subject.get("user_id", "")} - {""}:
                    self._seen[one].append(entry)
        return self._seen.get(user, [])

    def _repeat(self, ticket: Ticket, what: Literal["user", "household"], about: str) -> Repeat:
        before = self._before(ticket, about)
        same = sum(other.detector == ticket.detector for other in before)
        return Repeat(what, about, tuple(map(self._verdict, before)), same)

    def _before(self, ticket: Ticket, about: str) -> list[Ticket]:
        tickets = [self._tickets[key] for key in self._about.get(about, ()) if key != ticket.id]
        before = [one for one in tickets if self._since <= one.opened_at < ticket.opened_at]
        return sorted(before, key=lambda one: one.id)

    def _linked(self, ticket: Ticket, households: Collection[str], users: Collection[str]) -> Linked:
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
            households=tuple(sorted(_united(one.households for one in theirs) & set(households))),
            users=tuple(sorted(_united(one.users for one in theirs) & set(users))),
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


def _united(ids: Iterable[Collection[str]]) -> set[str]:
    return {one for some in ids for one in some} - {""}


def _outcome(ticket: Ticket, written: Sequence[TicketOutcome]) -> str:
    said: list[str] = [ticket.closed_as or ""]
    if written:
        said += [written[-1].action or "", written[-1].outcome]
    words = "; ".join(filter(None, said))
    return words if len(words) <= OUTCOME_MOST else f"{words[: OUTCOME_MOST - 1]}…"


def linked_case(
    links: Links,
    ticket: Ticket,
    findings: tuple[Finding, ...],
    actor: str | None = None,
    silenced: tuple[str, ...] = (),
) -> CaseFile:
    """What a ticket tells of its findings, with what it is linked with."""
    linked = links.of(ticket)
    return CaseFile(
        findings=findings,
        severity=ticket.severity,
        linked=tuple(linked[:LINKS_MOST]),
        unlisted=max(0, len(linked) - LINKS_MOST),
        repeats=links.repeats(ticket, actor),
        silenced=silenced,
        earlier=links.earlier(ticket, findings),
    )


def tell_the_older(
    tx: Transaction, links: Links, new: Ticket, policy: Policy, now: datetime, made: Collection[int] = ()
) -> None:
    """Say on the older tickets in progress that are about the same people, once, that there is a new one.

    Those that were `made` at the same time name it themselves. A helpdesk is told, and nobody is called for it.
    """
    if policy.teams[new.team].by == "email":
        return
    for one in links.of(new):
        older = tx.ticket(one.external_id)
        if older is None or older.ended or older.id in made or older.id >= new.id:
            continue
        told = pack_note(linked_note(older, new, one, now))
        tx.enqueue(f"{older.external_id}/linked/{new.external_id}", older, "comment", told, now)
