"""Each ticket: its words, its pictures, its clocks, and what the nights have said of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from escalation.deliver.case_file import CaseFile
from escalation.ledger.records import Ticket
from escalation.ledger.snapshots import ROWS_KEPT
from escalation.views.morning import Card, Morning
from reports import pictures
from reports.case import case_ticket
from reports.message import Section, Table, Template, Timeline
from reports.page.hiding import Hiding
from reports.page.words import ACTIONS, PROMISES, REASONS, ahead, clock, span, tone
from reports.text import template_lines
from reports.ticket import TO_CUSTOMER

LINK = re.compile(r"https?://[^\s\"'<>]+")
STATUSES = {
    "open": "open",
    "acknowledged": "acknowledged",
    "resolved": "resolved, to be verified",
    "verified": "verified as fixed",
    "closed": "closed",
    "missing": "deleted in its queue",
}


@dataclass(frozen=True, slots=True)
class Story:
    """What a card shows once it is opened; all of it is hidden for what e-mail alone may tell."""

    lines: tuple[str, ...]
    sections: tuple[Section, ...]
    tables: tuple[Table, ...]
    moments: tuple[tuple[str, str, str], ...]
    stopped: str
    missing: str
    household: Markup | None
    sequence: Markup | None
    cut: bool


@dataclass(frozen=True, slots=True)
class TicketView:
    """One ticket of the page: its clocks, its story, its pictures."""

    id: str
    title: str
    severity: str
    tone: str
    team: str
    status: str
    clock: str
    late: bool
    facts: tuple[tuple[str, str], ...]
    link: str
    place: str
    customer: str
    """Of a ticket that has ended, what its customer is told now."""
    alone: bool
    """Whether it is in progress and no other ticket is about whom it is about."""
    as_of: str
    """Of what time its story is."""
    story: Story | None
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Older:
    """The tickets of one month that ended long ago."""

    month: str
    rows: tuple[tuple[str, str, str, str, str], ...]


def view_of(card: Card, of: Morning, hiding: Hiding, *, whole: bool) -> TicketView:
    """One ticket as the page shows it, with its story where it is shown as a `whole`."""
    one = card.ticket
    words, late = _clock(card, of)
    told = whole and bool(card.findings)
    case = hiding.case(CaseFile(card.findings, one.severity, linked=card.linked)) if told else None
    url = one.ref_url or ""
    return TicketView(
        id=one.external_id,
        title=hiding.title(one.team, one.title, card.entries),
        severity=one.severity,
        tone=tone(one.severity),
        team=hiding.policy.teams[one.team].name,
        status=STATUSES[one.status],
        clock=words,
        late=late,
        facts=tuple((name, hiding.line(words, card.entries)) for name, words in _facts(card, of, hiding)),
        link=url if LINK.fullmatch(url) else "",
        place=url,
        customer=_customer(card, hiding),
        alone=card.progress is not None and not card.linked,
        as_of=clock(card.told_at) if card.told_at else "",
        story=_story(card, case, hiding) if case else None,
        said=tuple(
            f"{clock(said.as_of)} {ACTIONS.get(said.action, said.action)}: {REASONS.get(said.reason, said.reason)}"
            for said in card.said
        ),
    )


def _customer(card: Card, hiding: Hiding) -> str:
    if card.progress is not None:
        return ""
    if card.settled is not None:
        said = hiding.to_tell(card.settled)
        return said[:1].upper() + said[1:]
    return "Nothing more: it was not settled, or concerns no customer"


def _clock(card: Card, of: Morning) -> tuple[str, bool]:
    progress = card.progress
    if progress is None:
        return f"ended {clock(card.ticket.ended_at)}" if card.ticket.ended_at else "ended", False
    if progress.silence is not None:
        return f"put off until {clock(progress.silence.ends_at)}", False
    if progress.overdue:
        since = min(one.since for one in progress.overdue)
        return f"{PROMISES[progress.overdue[0].promise]} overdue for {span(of.now - since)}", True
    if progress.next is not None:
        return f"{PROMISES[progress.next[0]]} due {ahead(progress.next[1] - of.now)}", False
    return "nothing is due", False


def _facts(card: Card, of: Morning, hiding: Hiding) -> list[tuple[str, str]]:
    one = card.ticket
    facts = [("Detector", one.detector), ("Opened", f"{clock(one.opened_at)}, {span(of.now - one.opened_at)} ago")]
    for name, due, done in (
        ("Acknowledge", one.acknowledge_due, one.acknowledged_at),
        ("Resolve", one.resolve_due, one.resolved_at or one.ended_at),
    ):
        if done is not None:
            late = due is not None and done > due
            facts.append((name, f"done {clock(done)}{', late' if late else ''}"))
        elif due is not None and card.progress is not None:
            facts.append((name, f"by {clock(due)}"))
    if card.progress is not None and (owner := hiding.owner(one)):
        facts.append(("Owner", owner))
    if one.reopened:
        facts.append(("Reopened", f"{one.reopened} times" if one.reopened > 1 else "once"))
    if one.closed_as:
        facts.append(("Closed as", one.closed_as))
    if card.outcome is not None and not hiding.is_closed(one.team):
        facts += [("Outcome", card.outcome.outcome), ("Learned", card.outcome.learning or "-")]
    return facts


def _story(card: Card, case: CaseFile, hiding: Hiding) -> Story:
    of = card.ticket
    message = case_ticket(case, hiding.policy, reference=of.external_id, pseudonyms=hiding.hides == "ids")
    # Those words are for a ticket in progress: what an ended one's customer is told stands above them.
    over = {TO_CUSTOMER} if card.progress is None else set()
    findings, finding = case.findings, case.findings[0]
    lines = [line for block in message.blocks if isinstance(block, Template) for line in template_lines(block)]
    moments = [moment for block in message.blocks if isinstance(block, Timeline) for moment in block.moments]
    cut = any(len(one.members) >= ROWS_KEPT for one in findings) or any(
        isinstance(value, list | tuple) and len(value) >= ROWS_KEPT
        for one in findings
        for value in one.evidence.values()
    )
    people = pictures.people_of(finding)
    missing = pictures.missing_of(finding)
    return Story(
        lines=tuple(lines),
        sections=tuple(block for block in message.blocks if isinstance(block, Section) and block.heading not in over),
        tables=tuple(
            block for block in message.blocks if isinstance(block, Table) and block.heading != "About this ticket"
        ),
        moments=tuple((f"{moment.at:%Y-%m-%d %H:%M:%S}", moment.what, moment.who) for moment in moments),
        stopped=finding.story.stopped,
        missing=missing,
        household=pictures.household(f"who-{of.external_id}", people) if people else None,
        sequence=pictures.sequence(f"when-{of.external_id}", finding.timeline, missing) if finding.timeline else None,
        cut=cut,
    )


def older(tickets: Sequence[Ticket]) -> tuple[Older, ...]:
    """The other tickets by the month in which they were made, the newest month first."""
    newest = sorted(tickets, key=lambda one: (one.opened_at, one.id), reverse=True)
    return tuple(
        Older(
            month,
            tuple(
                (
                    one.external_id,
                    f"{one.opened_at:%Y-%m-%d}",
                    one.severity,
                    one.detector,
                    f"{one.closed_as or one.status} {one.ended_at:%Y-%m-%d}" if one.ended_at else one.status,
                )
                for one in those
            ),
        )
        for month, those in groupby(newest, key=lambda one: f"{one.opened_at:%B %Y}")
    )
