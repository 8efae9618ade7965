"""A person's own escalation: the finding, the cautions and the ticket that follow from it.

It goes through the same ledger, outbox and clocks as what a scan finds. It is an occurrence: no scan can see it gone, so
it stays until people have settled it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from detectors.contract import PERSON, Finding, Impact, Story, SubjectKey, fingerprint
from detectors.engine.lookup import Lookup
from detectors.text.wording import count, stamp
from escalation.decide.clocks import deadlines
from escalation.decide.observations import first_entry, more_urgent
from escalation.deliver.case_file import pack_case
from escalation.deliver.helpdesk import Note, pack_note
from escalation.deliver.linking import Links, linked_case, tell_the_older
from escalation.deliver.notes import external_id_of
from escalation.ledger.ledger import Ledger, Transaction
from escalation.ledger.records import Ticket
from escalation.ledger.scrub import scrub
from escalation.people.questions import QUESTIONS, Escalation
from escalation.people.suggest import suggestions
from escalation.policy.policy import Policy

TICKETS_NAMED = 5
"""A caution names so many open tickets on the same ids."""
FITS_WELL = 0.4
"""From this likeness on, a row of the process that says otherwise is worth a caution."""


def finding_of(
    escalation: Escalation,
    lookup: Lookup | None,
    blind: str,
    past: Sequence[Ticket],
    key: str,
    now: datetime,
) -> Finding:
    """The escalation as a finding with the fingerprint `key`. Without a lookup, `blind` says why; `past` is too old to be linked."""
    affected = escalation.households or (lookup.households if lookup else ())
    people = escalation.users or (lookup.members if lookup else ())
    subject: dict[SubjectKey, str] = {}
    if len(escalation.households) == 1:
        subject["household_id"] = escalation.households[0]
    if len(escalation.users) == 1:
        subject["user_id"] = escalation.users[0]
    reached = {*people, *(lookup.members if lookup else ())}
    return Finding(
        detector=PERSON,
        team=escalation.team,
        severity=escalation.severity,
        fingerprint=key,
        subject=subject,
        households=affected,
        users=people,
        title=escalation.title,
        occurred_at=escalation.occurred_at,
        impact=Impact(users=len(reached), households=len(affected)),
        kind="occurrence",
        marks=lookup.marks if lookup else (),
        evidence=_evidence(escalation, lookup, blind, past, now),
        timeline=lookup.timeline if lookup else (),
        story=_story(escalation, lookup, blind, len(reached)),
    )


def _evidence(
    escalation: Escalation, lookup: Lookup | None, blind: str, past: Sequence[Ticket], now: datetime
) -> dict[str, object]:
    evidence: dict[str, object] = {"escalated_by": escalation.author}
    if lookup is None:
        evidence["looked_up"] = f"could not look: {blind}"
    else:
        evidence["looked_up"] = f"as of {stamp(now)}"
        if lookup.unknown:
            evidence["not_in_the_data"] = list(lookup.unknown)
        if lookup.not_looked_up:
            evidence["more_households"] = f"{lookup.not_looked_up} more of the named users, not looked up"
        if escalation.team != "csm":
            told = (
                list(lookup.values) if lookup.values is not None else "could not look: no account tiers in the source"
            )
            evidence["customer_value"] = told
        evidence["household_state"] = list(lookup.states)
        evidence["members"] = list(lookup.member_rows)
    if not past:
        return evidence
    evidence["earlier_tickets"] = [
        {
            "ticket": ticket.external_id,
            "team": ticket.team,
            "severity": ticket.severity,
            "status": ticket.status,
            "opened": ticket.opened_at,
            "title": ticket.title,
        }
        for ticket in past
    ]
    return evidence


def _story(escalation: Escalation, lookup: Lookup | None, blind: str, reached: int) -> Story:
    answer, answers = escalation.answer, escalation.answers
    fields = {one.field: answer(one.name) for one in QUESTIONS[escalation.team] if one.field and answer(one.name)}
    if escalation.team == "csm":
        fields["Customer value"] = _customer_value(lookup, blind)
    impact = f"{count(reached, 'user')} in {count(len(lookup.households), 'household')} affected" if lookup else ""
    return Story(
        issue=answer("issue"),
        steps=answers.get("steps", ()),
        expected=answer("expected"),
        actual=answer("actual"),
        impact=impact or f"Could not look ({blind}); add how many users are affected",
        error_messages=answer("error_messages"),
        screenshots=answer("screenshots"),
        pattern=answer("pattern"),
        evidence=answers.get("evidence", ()),
        suspected_violation=answer("suspected_violation"),
        reporter=answer("reporter") or f"{escalation.author} (own observation)",
        action_taken=answer("action_taken"),
        requesting=answer("requesting"),
        affected_households=escalation.households or None,
        affected_users=escalation.users or None,
        fields=fields,
    )


def _customer_value(lookup: Lookup | None, blind: str) -> str:
    if lookup is None:
        return f"Could not look ({blind}); add account tier, revenue, tenure"
    if lookup.values is None:
        return "Could not look (the source has no account tiers); add account tier, revenue, tenure"
    return "; ".join(lookup.values) or "Not looked up: no user is named; add account tier, revenue, tenure"


def open_escalation(tx: Transaction | None, escalation: Escalation, environment: str) -> tuple[Ticket | None, str]:
    """The ticket in progress that says this already, if there is one, and the fingerprint that the next one would have.

    The same team, the same ids and the same words in the title are the same escalation. Without a ledger none is known.
    """
    current: Ticket | None = None
    words = " ".join(re.findall(r"\w+", escalation.title.casefold()))
    number = 1
    while True:
        identity: dict[SubjectKey, str] = {
            "household_id": ",".join(escalation.households).casefold(),
            "user_id": ",".join(escalation.users).casefold(),
            "feature": f"{escalation.team}: {words}",
            "window": str(number),
        }
        key = fingerprint(PERSON, environment, identity)
        entry = tx.entries_for([key]).get(key) if tx is not None else None
        if tx is None or entry is None:
            return current, key
        ticket = tx.ticket_by_row(entry.ticket_id) if entry.ticket_id is not None else None
        if ticket is not None and ticket.status in ("open", "acknowledged"):
            current = ticket
        number += 1


def claimed_resolved(tx: Transaction, tickets: Iterable[Ticket]) -> dict[int, datetime]:
    """Of tickets in progress (by their rows) that people have called resolved, when a look last saw that they are not."""
    known = {ticket.id: ticket for ticket in tickets if not ticket.ended}
    found = tx.still_seen(known)
    for ticket in known.values():
        seen = [one.last_seen_at for one in tx.entries_on(ticket) if one.present and one.kind == "state"]
        if ticket.resolved_at is not None and seen and max(seen) > ticket.resolved_at:
            found[ticket.id] = max(seen)
    return found


def cautions(
    escalation: Escalation,
    policy: Policy,
    past: Sequence[Ticket],
    *,
    troubleshot: bool,
    personal: bool,
    unrepaired: Mapping[int, datetime] = MappingProxyType({}),
) -> Iterator[str]:
    """What the process warns of before this is filed: its don'ts, and the rules of its team.

    `unrepaired` is what `claimed_resolved` finds of `past`. `troubleshot` says that basic troubleshooting was done, `personal` that an address or number stands in the words.
    """
    if not troubleshot:
        yield "Don't escalate without attempting basic troubleshooting first; tick it with --troubleshooting-done."
    yield from _open_already(escalation, policy, [ticket for ticket in past if not ticket.ended], unrepaired)
    yield from _another_row(escalation, policy)
    rules = policy.teams[escalation.team]
    if rules.by == "email":
        yield f"{rules.name} is told by e-mail only ({rules.email}; CC {', '.join(rules.copy_to)}). {rules.warning}"
    if personal:
        yield "What you wrote holds an address or a number of somebody; leave it out where the team does not need it."
    if not (escalation.households or escalation.users):
        yield "No id is named, so nothing could be filled in from the data."
    if escalation.team == "product":
        yield "Product escalations are not urgent; what is urgent goes to another team."


def _open_already(
    escalation: Escalation, policy: Policy, still_open: Sequence[Ticket], unrepaired: Mapping[int, datetime]
) -> Iterator[str]:
    """The tickets on the same ids that have not ended."""
    for ticket in still_open[:TICKETS_NAMED]:
        about = f"{ticket.external_id} ({policy.teams[ticket.team].name}, {ticket.severity}: {ticket.title})"
        if ticket.id in unrepaired:
            seen = stamp(unrepaired[ticket.id])
            yield f"{about} on the same ids was called resolved, but the look of {seen} still saw it: comment there first."
        elif ticket.status == "resolved":
            yield f"{about} on the same ids was resolved, but no scan has seen that yet: look there first."
        elif ticket.team == escalation.team:
            yield f"{about} is open on the same ids: if it is the same issue, comment there instead."
        else:
            yield (
                f"{about} is open on the same ids: don't escalate the same issue to multiple teams simultaneously "
                "(unless instructed)."
            )
    if len(still_open) > TICKETS_NAMED:
        more = len(still_open) - TICKETS_NAMED
        yield f"{more:,} more ticket{' is' if more == 1 else 's are'} open on the same ids; this ticket lists them."


def _another_row(escalation: Escalation, policy: Policy) -> Iterator[str]:
    """A row of the process that fits the title well and names another team, or is more urgent than the person says."""
    fitting = [one for one in suggestions(escalation.title, policy) if one.likeness >= FITS_WELL]
    if not fitting:
        return
    best = fitting[0]
    where = f'The title reads like "{best.row}" ({best.section})'
    if all(one.team != escalation.team for one in fitting):
        yield f"{where}: is {policy.teams[escalation.team].name} the right team?"
    elif best.team == escalation.team and best.severity and more_urgent(best.severity, escalation.severity):
        yield f"{where}: is {escalation.severity} urgent enough?"


def file(ledger: Ledger, finding: Finding, policy: Policy, now: datetime, *, announced: bool) -> Ticket | None:
    """Record the escalation and its ticket, to be sent (to Slack too, if `announced`), in one transaction.

    None if it has been filed meanwhile.
    """
    with ledger.begin() as tx:
        if tx.entries_for([finding.fingerprint]):
            return None
        due = deadlines(now, policy.sla(finding.team, finding.severity, PERSON), policy.business_hours)
        entry = first_entry(finding, now)
        external_id = external_id_of(finding.fingerprint, 1)
        ticket = tx.add_ticket(entry, external_id, 1, now, due)
        tx.save_entries([replace(entry, ticket_id=ticket.id)], ())
        destinations = policy.destinations(finding.team, finding.severity, announced=announced)
        links = Links(tx, policy, now)
        case = linked_case(links, ticket, (finding,))
        tx.enqueue(f"{external_id}/create", ticket, "create", pack_case(case), now, destinations)
        tell_the_older(tx, links, ticket, policy, now)
        if policy.teams[finding.team].by != "email":
            tx.add_snapshot(ticket, finding, now)
    return ticket


def add_comment(
    ledger: Ledger, ticket: Ticket, escalation: Escalation, policy: Policy, now: datetime, *, announced: bool
) -> None:
    """Say on `ticket` (and on Slack, if `announced`) what the person wrote; the same words are said once."""
    lines = tuple(
        str(scrub(f"{one.field or one.name.replace('_', ' ').capitalize()}: {escalation.answer(one.name)}"))
        for one in QUESTIONS[escalation.team]
        if escalation.answer(one.name)
    )
    told = Note(
        external_id=ticket.external_id,
        team=ticket.team,
        severity=ticket.severity,
        title=ticket.title,
        reason="added",
        at=now,
        lines=(*lines, f"Added by {scrub(escalation.author)}."),
    )
    mark = fingerprint(PERSON, ticket.external_id, {"operation": "\n".join(lines)})
    with ledger.begin() as tx:
        key = f"{ticket.external_id}/added/{mark[:16]}"
        destinations = policy.destinations(ticket.team, ticket.severity, announced=announced)
        tx.enqueue(key, ticket, "comment", pack_note(told), now, destinations)
