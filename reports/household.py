"""A household on one screen of 80 columns, for whoever talks to the customer; and the same for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size

from detectors.contract import iso
from detectors.engine.household_view import HouseholdView, Looked
from detectors.text.wording import count
from escalation.ledger.records import Ticket
from escalation.views.household import HouseholdTickets, OpenTicket
from reports.neutral import defused, for_ascii_json, for_shell, visible

WIDTH = 80
VERSION = 1
MEMBERS_SHOWN = 16
PENDING_SHOWN = 5
TICKETS_SHOWN = 6
ENDED_SHOWN = 3
BY_EMAIL = "(told by e-mail only)"
NOBODY = "no such household: nothing in the source has this id, code or address"
_NAME_MOST = 40


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything that the screen shows. `tickets` is None where the ledger could not be asked, and `blind` says why."""

    looked: Looked
    tickets: HouseholdTickets | None
    blind: str
    now: datetime


def to_table(of: Screen) -> str:
    """The screen; of somebody in several households each in turn. No line is wider than the terminal, unless it is to be copied."""
    return "".join(f"{line}\n" for line in (*map(fit, _lines(of)), *_to_paste(of)))


def fit(line: str, width: int = WIDTH) -> str:
    """A line in at most so many columns, with an ellipsis where it is cut. It is neutral already."""
    return line if cell_len(line) <= width else set_cell_size(line, width - 1).rstrip() + "…"


def _lines(of: Screen) -> Iterator[str]:
    looked = of.looked
    if looked.user_id:
        homes = len(looked.households) + looked.further
        yield f"user {defused(looked.user_id)}: in {count(homes, 'household') if homes else 'no household'}"
        yield ""
    for home in looked.households:
        yield from _household(home, of.now)
        yield ""
    if looked.further:
        yield f"and {count(looked.further, 'more household')}: name one for its screen"
        yield ""
    yield from _tickets(of)
    yield ""
    yield from _what_to_tell(of)


def _household(home: HouseholdView, now: datetime) -> Iterator[str]:
    name = fit(visible(home.name), _NAME_MOST)
    yield f"household {defused(home.household_id)}{f'  “{defused(name)}”' if name else ''}"
    yield _leader(home)
    if home.created_at is not None:
        yield f"created {home.created_at:%Y-%m-%d}; {_code(home, now)}"
    former = f"; {home.former} former" if home.former else ""
    yield f"members, and since when: {len(home.members)}{former}"
    for one in home.members[:MEMBERS_SHOWN]:
        notes = f"  {', '.join(one.notes)}" if one.notes else ""
        yield f"  {defused(one.user_id):36}  {'LEADER' if one.leads else 'member'}  {one.joined_at:%Y-%m-%d}{notes}"
    yield from _more(len(home.members) - MEMBERS_SHOWN)
    yield f"pending requests: {len(home.pending) or 'none'}"
    for asked in home.pending[:PENDING_SHOWN]:
        waits = now - asked.requested_at
        yield f"  {defused(asked.user_id):36}  asked {asked.requested_at:%Y-%m-%d %H:%M} UTC, {_span(waits)} ago"
    yield from _more(len(home.pending) - PENDING_SHOWN)


def _leader(home: HouseholdView) -> str:
    if home.leaderless:
        return f"NOBODY LEADS IT: {defused(home.leaderless)}"
    since = f"since {home.leads_since:%Y-%m-%d %H:%M} UTC" if home.leads_since else "since when is not in the data"
    return f"led by {defused(home.leader_id or '')}, {since}"


def _code(home: HouseholdView, now: datetime) -> str:
    if not home.has_code:
        return "no invite code"
    if home.code_expires_at is None:
        return "its invite code never expires"
    ended = home.code_expires_at <= now
    return f"its invite code {'expired' if ended else 'is valid until'} {home.code_expires_at:%Y-%m-%d %H:%M} UTC"


def _more(number: int) -> Iterator[str]:
    if number > 0:
        yield f"  and {number:,} more"


def _tickets(of: Screen) -> Iterator[str]:
    if of.tickets is None:
        yield f"tickets: not known ({visible(of.blind)})"
        return
    found = of.tickets
    look = f"; last look {found.last_look:%Y-%m-%d %H:%M} UTC" if found.last_look else "; nobody has looked yet"
    yield f"open tickets: {len(found.open) or 'none'}{look}"
    for one in found.open[:TICKETS_SHOWN]:
        ticket = one.line.ticket
        title = BY_EMAIL if one.closed else defused(ticket.title)
        yield f"  {ticket.external_id}  {ticket.severity} {ticket.team}, {ticket.status}: {title}"
        yield f"    {_promise(one, of.now)}"
    yield from _more(len(found.open) - TICKETS_SHOWN)
    if found.ended:
        yield f"ended in the last 90 days: {len(found.ended)}"
        yield from (f"  {_ended(one)}" for one in found.ended[:ENDED_SHOWN])
        yield from _more(len(found.ended) - ENDED_SHOWN)


def _ended(ticket: Ticket) -> str:
    how = ticket.closed_as or ticket.status
    at = f" {ticket.ended_at:%Y-%m-%d}" if ticket.ended_at else ""
    return f"{ticket.external_id}  {how}{at}: {ticket.detector}"


def _promise(one: OpenTicket, now: datetime) -> str:
    line = one.line
    if line.silence is not None:
        return f"put off until {line.silence.ends_at:%Y-%m-%d %H:%M} UTC"
    if line.overdue:
        late = line.overdue[0]
        return f"OVERDUE: {late.promise} since {late.since:%Y-%m-%d %H:%M} UTC ({_span(now - late.since)})"
    if line.next is not None:
        what, at = line.next
        return f"{what} by {at:%Y-%m-%d %H:%M} UTC (in {_span(at - now)})"
    return "nothing is promised"


def _what_to_tell(of: Screen) -> Iterator[str]:
    yield "what to tell the customer:"
    for said in tell(of):
        yield from textwrap.wrap(defused(said), WIDTH, initial_indent="- ", subsequent_indent="  ")


def tell(of: Screen) -> list[str]:
    """What may be said, and to whom; without a ticket, that nothing is known, or what is to be done first."""
    found = of.tickets
    said: list[str] = []
    for one in found.open if found else ():
        about = "" if one.closed or one.audience == "reporter" else f"{one.line.ticket.title}: "
        if one.audience == "reporter" and one.tell:
            said.append("Say this only to whoever reported it, and nothing to anybody named above:")
        said += [f"{about}“{words}”" for words in one.tell]
        if one.tell and one.line.overdue:
            said.append(f"{about}what was promised is late: say so, and promise no new time.")
        if not one.tell:
            said.append(f"{about}nothing: this is no matter of the customer's.")
    if _untold(of) is not None:
        knows = "no open ticket says so" if found else "whether a ticket says so is not known"
        said.append(f"Nobody leads the household, and {knows}: file one.")
    if not said:
        known = (
            "As far as the last look tells, nothing is wrong here."
            if found
            else "Whether a ticket is open is not known."
        )
        said.append(f"{known} If the customer sees something else, escalate it.")
    return list(dict.fromkeys(said))


def _untold(of: Screen) -> HouseholdView | None:
    """A household without a leader of which no open ticket is known."""
    leaderless = (home for home in of.looked.households if home.leaderless and home.members)
    return None if of.tickets and of.tickets.open else next(leaderless, None)


def command(of: Screen) -> str:
    """What files what no ticket says; empty where there is nothing to be filed."""
    home = _untold(of)
    return for_shell(("hearthwatch", "escalate", "eng", "--household", home.household_id)) if home else ""


def _to_paste(of: Screen) -> Iterator[str]:
    """The command in one piece: a terminal breaks what is wider than itself, and copies it whole."""
    if command(of):
        yield f"  {command(of)}"


def _span(length: timedelta) -> str:
    minutes = max(0, int(length.total_seconds() // 60))
    if minutes < 120:
        return count(minutes, "minute")
    return count(minutes // 60, "hour") if minutes < 48 * 60 else count(minutes // 1440, "day")


def to_json(of: Screen) -> str:
    """One document in ASCII: values as they are, times in UTC."""
    plain = {
        "household": {
            "version": VERSION,
            "as_of": iso(of.now),
            "found_as": of.looked.kind,
            "user_id": of.looked.user_id or None,
            "households": [_plain_household(home) for home in of.looked.households],
            "further_households": of.looked.further,
            "tickets": None if of.tickets is None else _plain_tickets(of.tickets.open),
            "ended_tickets": None if of.tickets is None else [one.external_id for one in of.tickets.ended],
            "tickets_not_known": of.blind or None,
            "tell": tell(of),
            "command": command(of) or None,
        }
    }
    return for_ascii_json(json.dumps(plain, indent=2)) + "\n"


def _plain_household(home: HouseholdView) -> dict[str, object]:
    return {
        "household_id": home.household_id,
        "name": home.name.encode("utf-8", "replace").decode(),
        "created_at": _iso(home.created_at),
        "leader_id": home.leader_id,
        "leads_since": _iso(home.leads_since),
        "leaderless": home.leaderless or None,
        "next_leader": home.next_leader or None,
        "members": [
            {"user_id": one.user_id, "leads": one.leads, "joined_at": iso(one.joined_at), "notes": list(one.notes)}
            for one in home.members
        ],
        "former_members": home.former,
        "pending_requests": [
            {"request_id": one.request_id, "user_id": one.user_id, "requested_at": iso(one.requested_at)}
            for one in home.pending
        ],
        "code_expires_at": _iso(home.code_expires_at),
    }


def _plain_tickets(tickets: Sequence[OpenTicket]) -> list[dict[str, object]]:
    return [
        {
            "id": one.line.ticket.external_id,
            "severity": one.line.ticket.severity,
            "team": one.line.ticket.team,
            "status": one.line.ticket.status,
            "title": BY_EMAIL if one.closed else one.line.ticket.title,
            "url": one.line.ticket.ref_url,
            "audience": one.audience,
            "overdue": [{"promise": late.promise, "since": iso(late.since)} for late in one.line.overdue],
            "next": {"promise": one.line.next[0], "by": iso(one.line.next[1])} if one.line.next else None,
        }
        for one in tickets
    ]


def _iso(at: datetime | None) -> str | None:
    return iso(at) if at is not None else None
