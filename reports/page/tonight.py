"""Tonight: what changed, what is overdue, what is due next, and how each team stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from detectors.contract import SEVERITY_ORDER, Severity
from detectors.text.wording import count, listed
from escalation.ledger.records import Ticket
from escalation.ledger.snapshots import Said
from escalation.views.morning import CHANGES, Card, Change, Morning
from reports.page.coverage import kind_of
from reports.page.hiding import Hiding
from reports.page.shared import Shared, shared
from reports.page.words import PROMISES, REASONS, about, ahead, clock, span, tone, urgency

SHOWN = 25
"""So many tickets of one list are named; a line says how many more there are."""
DAY = timedelta(days=1)
NEVER = "read events that were never written"
Health = Literal["good", "part", "bad"]
"""Whether everything was looked at, something was not, or nothing may be concluded."""


@dataclass(frozen=True, slots=True)
class Line:
    """One ticket in a list: `link` is its place on the page, empty where there is none."""

    severity: Severity
    tone: str
    title: str
    link: str
    team: str
    words: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A ticket in one line."""

    id: str
    title: str
    tone: str
    number: int
    lines: tuple[Line, ...]
    tile: str
    """What stands below its number where the number stands alone."""

    @property
    def more(self) -> int:
        return self.number - len(self.lines)


@dataclass(frozen=True, slots=True)
class TeamRow:
    """What is open with one team."""

    name: str
    open: str
    overdue: int
    new: int
    fixed: int
    next: str


@dataclass(frozen=True, slots=True)
class Tonight:
    """What the page says first: how the night went, what it did, what is due."""

    verdict: str
    health: Health
    changes: tuple[Listing, ...]
    overdue: Listing
    due: Listing
    put_off: Listing
    unlearned: Listing
    told: tuple[Line, ...]
    shared: tuple[Shared, ...]
    teams: tuple[TeamRow, ...]
    unchanged: int
    open: int
    touched: str
    """How many people and households what is open names."""

    @property
    def lists(self) -> tuple[Listing, ...]:
        """The lists that hold something: what to do, then what changed."""
        return tuple(one for one in (self.overdue, self.due, *self.changes, self.put_off, self.unlearned) if one.number)

    @property
    def tiles(self) -> tuple[Listing, ...]:
        """What is bad news first."""
        return (*self.changes[:3], self.overdue, *self.changes[3:])


def tonight(of: Morning, hiding: Hiding, trouble: str = "") -> Tonight:
    """The first part of the page."""
    waiting = [card for card in of.cards if card.progress is not None]
    overdue = [card for card in waiting if card.progress and card.progress.overdue and not card.progress.silence]
    due = sorted(
        (card for card in waiting if card.progress and card.progress.next and not card.progress.overdue),
        key=lambda card: card.progress.next[1] if card.progress and card.progress.next else of.now,
    )
    verdict, health = _verdict(of, trouble)
    return Tonight(
        verdict=verdict,
        health=health,
        changes=tuple(_changed(of, hiding, kind) for kind in CHANGES),
        overdue=_listing("overdue", "Overdue", "now", [_late(card, of, hiding) for card in overdue]),
        due=_listing("due", "Due next", "soon", [_due(card, of, hiding) for card in due]),
        put_off=_listing(
            "put-off",
            "Put off",
            "later",
            [_muted(card, hiding) for card in waiting if card.progress and card.progress.silence],
        ),
        unlearned=_listing(
            "unlearned",
            "No outcome written down yet",
            "later",
            [_line(one, hiding, f"hearthwatch tickets outcome {one.external_id}") for one in of.unlearned],
        ),
        told=tuple(_line(one.ticket, hiding, hiding.to_tell(one)) for one in of.settled),
        shared=shared(waiting, hiding),
        teams=tuple(_team(of, hiding, team, waiting) for team in hiding.policy.teams),
        unchanged=of.unchanged,
        open=len(waiting),
        touched=_touched(waiting),
    )


def _touched(waiting: Sequence[Card]) -> str:
    people = {one for card in waiting for entry in card.entries if entry.present for one in entry.users}
    homes = {one for card in waiting for entry in card.entries if entry.present for one in entry.households}
    # The ledger keeps the first ids of each finding alone.
    return f"at least {count(len(people), 'person', 'people')} in {count(len(homes), 'household')}"


def _verdict(of: Morning, trouble: str) -> tuple[str, Health]:
    """Whether the night could look, first of all: what nobody looked at was not found to be well."""
    if trouble:
        return trouble, "bad"
    if of.night is None:
        return "No night has been played yet.", "bad"
    if of.now - of.night.as_of > 1.5 * DAY:
        ago = span(of.now - of.night.as_of)
        return f"The last night was {clock(of.night.as_of)}, {ago} ago: nothing since is on this page.", "bad"
    endings = of.nights[-1].endings.values()
    if not of.night.complete:
        failed = sorted(one.detector for one in endings if one.status == "failed")
        return f"Incomplete: {listed(failed) or 'a table'} could not be looked at, so nothing is known of it.", "bad"
    if not endings:
        return "The night was complete.", "good"
    return _looked(Counter(map(kind_of, endings)))


def _looked(kinds: Counter[str]) -> tuple[str, Health]:
    """A complete night in the numbers of Coverage; it is good where every detector looked at everything."""
    blind = [
        f"{count(kinds[kind], 'detector')} {words}"
        for kind, words in (("part", "looked in part"), ("unable", "had nothing to look at"), ("unwritten", NEVER))
        if kinds[kind]
    ]
    proved = f", {kinds['proved']} more proved impossible" if kinds["proved"] else ""
    whole = f"{count(kinds['ran'], 'detector')} looked at everything that they needed{proved}"
    if not blind:
        return f"{whole}.", "good"
    return f"{whole}; {listed(blind)} (see Coverage).", "part"


def _listing(name: str, title: str, colour: str, lines: Sequence[Line], tile: str = "") -> Listing:
    return Listing(name, title, colour, len(lines), tuple(lines[:SHOWN]), tile or title)


def _changed(of: Morning, hiding: Hiding, kind: str) -> Listing:
    tones = {"new": "soon", "worse": "now", "back": "now", "fixed": "good", "better": "good", "not looked at": "later"}
    changes = sorted(
        (one for one in of.changes if one.kind == kind),
        key=lambda one: (urgency(one.entry.severity), one.entry.detector),
    )
    names = {"not looked at": "Not looked at", "fixed": "Fixed, verified by a scan"}
    title = names.get(kind, kind.capitalize())
    tickets = len({one.ticket.id for one in changes if one.ticket})
    on = f"{'New findings' if kind == 'new' else f'{title},'} on {count(tickets, 'ticket')}"
    cards = {card.ticket.id: card for card in of.cards} if kind == "back" else {}
    return _listing(
        kind.replace(" ", "-"),
        title,
        tones[kind],
        [_change(one, hiding, _returned(one, cards, hiding)) for one in changes],
        on if tickets != len(changes) else "",
    )


def _returned(one: Change, cards: Mapping[int, Card], hiding: Hiding) -> str:
    """Of a ticket that was opened again: how it was called fixed, and by whom, and since when it is open."""
    card = cards.get(one.ticket.id) if one.ticket else None
    if card is None or not any(_reopened(said, card.ticket) for said in card.said):
        return ""
    owner = hiding.owner(card.ticket)
    by = f" by people (owner: {owner})" if owner else " by people"
    verified = [said.as_of for said in card.said if said.action == "verify"]
    called = {"still-seen": f"called fixed{by}", "closing-ended": f"closed{by}"}.get(one.reason, "")
    if not called and verified:
        called = f"verified as fixed by the scan of {clock(verified[-1])}"
    return "; ".join(filter(None, (called, f"reopened {clock(card.ticket.clock_began_at)}")))


def _reopened(said: Said, ticket: Ticket) -> bool:
    return said.action == "reopen" and said.as_of == ticket.clock_began_at


def _change(one: Change, hiding: Hiding, more: str) -> Line:
    entry = one.entry
    where = "" if hiding.is_closed(entry.team) else hiding.line(about(entry.subject), [entry])
    words = f"{where}{REASONS.get(one.reason, one.reason)}{f' · {more}' if more else ''}"
    # What is fixed is known by its ticket's title, as in every other list; the finding is named where that differs.
    title = one.ticket.title if one.ticket and one.kind == "fixed" else entry.title
    if title != entry.title and not hiding.is_closed(entry.team):
        words = f"{hiding.line(entry.title, [entry])} · {words}"
    return Line(
        severity=entry.severity,
        tone=tone(entry.severity),
        title=hiding.title(entry.team, title, [entry]),
        link=one.ticket.external_id if one.ticket else "",
        team=hiding.policy.teams[entry.team].name,
        words=words,
    )


def _line(ticket: Ticket, hiding: Hiding, words: str, at: str = "", card: Card | None = None) -> Line:
    if card is not None and not hiding.is_closed(ticket.team):
        primary = [entry for entry in card.entries if entry.fingerprint == ticket.fingerprint]
        words = hiding.line("".join(about(entry.subject) for entry in primary), primary) + words
    return Line(
        severity=ticket.severity,
        tone=tone(ticket.severity),
        title=hiding.title(ticket.team, ticket.title, card.entries if card else ()),
        link=ticket.external_id,
        team=hiding.policy.teams[ticket.team].name,
        words=words,
        at=at,
    )


def _late(card: Card, of: Morning, hiding: Hiding) -> Line:
    broken = card.progress.overdue if card.progress else ()
    since = min(one.since for one in broken)
    promises = listed([PROMISES[one.promise] for one in broken])
    owner = hiding.owner(card.ticket)
    has = f"; owner: {owner}" if owner else ""
    return _line(card.ticket, hiding, f"{promises}, for {span(of.now - since)}{has}", clock(since), card)


def _muted(card: Card, hiding: Hiding) -> Line:
    silence = card.progress.silence if card.progress else None
    until = f"until {clock(silence.ends_at)}" if silence else ""
    why = f": {hiding.line(silence.reason, card.entries)}" if silence and not hiding.is_closed(card.ticket.team) else ""
    return _line(card.ticket, hiding, f"{until}{why}", card=card)


def _due(card: Card, of: Morning, hiding: Hiding) -> Line:
    what, at = card.progress.next if card.progress and card.progress.next else ("", of.now)
    return _line(card.ticket, hiding, f"{PROMISES[what]} due {ahead(at - of.now)}", clock(at), card)


def _team(of: Morning, hiding: Hiding, team: str, waiting: Iterable[Card]) -> TeamRow:
    theirs = [card for card in waiting if card.ticket.team == team]
    severities = [
        f"{number} {severity}"
        for severity in SEVERITY_ORDER
        if (number := sum(card.ticket.severity == severity for card in theirs))
    ]
    clocks = sorted(
        (card.progress.next[1], card.progress.next[0]) for card in theirs if card.progress and card.progress.next
    )
    changes = [one.kind for one in of.changes if one.entry.team == team]
    return TeamRow(
        name=next(rules.name for name, rules in hiding.policy.teams.items() if name == team),
        open=", ".join(severities) or "none",
        overdue=sum(bool(card.progress and card.progress.overdue) for card in theirs),
        new=changes.count("new") + changes.count("back"),
        fixed=changes.count("fixed"),
        next=f"{PROMISES[clocks[0][1]]} {ahead(clocks[0][0] - of.now)}" if clocks else "-",
    )
