"""Tickets as lines for a terminal: what is open, one ticket's story, and what a recheck found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from detectors.contract import iso
from detectors.text.wording import count
from escalation.views.digest import InProgress
from escalation.views.review import Recheck, TicketStory
from reports import csv_text
from reports.evidence import cell
from reports.neutral import defused, for_ascii_json, in_our_words
from reports.night import DELETED

COLUMNS = (
    *("id", "severity", "team", "status", "detector", "title", "households", "users", "owner", "opened_at"),
    *("age_hours", "overdue", "next", "next_by", "snoozed_until", "url"),
)
"""What programs get of each ticket in progress."""


def listed(lines: Sequence[InProgress]) -> str:
    """Two lines a ticket: id, severity, state, age, title and what is overdue or due next; below whom it is about and who has it."""
    if not lines:
        return "No tickets.\n"
    return "".join(f"{_line(line)}\n    {_below(line)}\n" for line in lines)


def _line(line: InProgress) -> str:
    ticket = line.ticket
    due = ""
    if line.overdue:
        due = f"OVERDUE: {', '.join(one.promise for one in line.overdue)}"
    elif line.next:
        due = f"{line.next[0]} by {_minute(line.next[1])}"
    return f"{ticket.external_id:22} {ticket.severity:9} {ticket.status:12} {_age(line.age):>9}  {defused(ticket.title)}  {due}".rstrip()


def _below(line: InProgress) -> str:
    homes = [defused(one) for one in line.households]
    parts = [
        line.ticket.team,
        f"household {homes[0]}{f' and {len(homes) - 1:,} more' if len(homes) > 1 else ''}" if homes else "",
        f"owner {defused(line.ticket.owner) or 'nobody'}",
        f"snoozed until {_minute(line.silence.ends_at)}" if line.silence else "",
    ]
    return " · ".join(filter(None, parts))


def to_json(lines: Sequence[InProgress]) -> str:
    """A list of objects in ASCII: values as they are, times in UTC."""
    plain = [dict(zip(COLUMNS, _values(line), strict=True)) for line in lines]
    return for_ascii_json(json.dumps({"version": 1, "tickets": plain}, indent=2)) + "\n"


def to_csv(lines: Sequence[InProgress]) -> str:
    """A line for each ticket; several values in one cell stand between semicolons."""
    return csv_text.write(COLUMNS, ([_as_cell(value) for value in _values(line)] for line in lines))


LISTS: dict[str, Callable[[Sequence[InProgress]], str]] = {"table": listed, "json": to_json, "csv": to_csv}


def _values(line: InProgress) -> Sequence[object]:
    ticket = line.ticket
    return (
        *(ticket.external_id, ticket.severity, ticket.team, ticket.status, ticket.detector, ticket.title),
        *(list(line.households), list(line.users), ticket.owner or None, iso(ticket.opened_at)),
        int(line.age.total_seconds() // 3600),
        [one.promise for one in line.overdue],
        *((line.next[0], iso(line.next[1])) if line.next else (None, None)),
        iso(line.silence.ends_at) if line.silence else None,
        ticket.ref_url,
    )


def _as_cell(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)


def story(of: TicketStory) -> str:
    """A ticket's life, findings, decisions with their reasons, silences and what is still to be sent."""
    return "".join(f"{line}\n" for line in _story(of))


def _story(of: TicketStory) -> Iterator[str]:
    ticket = of.ticket
    yield f"{ticket.external_id}  {ticket.severity}  {ticket.team}  {ticket.status}  {defused(ticket.title)}"
    yield f"where: {ticket.ref_url or 'not delivered yet'}"
    for name, at in (
        ("opened", ticket.opened_at),
        ("acknowledge by", ticket.acknowledge_due),
        ("acknowledged", ticket.acknowledged_at),
        ("investigate by", ticket.investigate_due),
        ("resolve by", ticket.resolve_due),
        ("resolved", ticket.resolved_at),
        ("ended", ticket.ended_at),
    ):
        if at is not None:
            yield f"{name}: {_minute(at)}"
    if ticket.status == "missing":
        yield f"it was deleted in the queue; {DELETED}"
    if ticket.closed_as:
        yield f"closed as {ticket.closed_as}: {defused(ticket.closing_reason or '')}"
    yield "findings:"
    for entry in of.entries:
        subject = ", ".join(f"{key} {defused(value)}" for key, value in entry.subject.items())
        yield f"  {entry.detector} ({subject}): {entry.status}, last seen {_minute(entry.last_seen_at)}"
    yield "nights:"
    for decision in of.decisions:
        yield f"  {_minute(decision.as_of)}  {decision.status}: {decision.action} ({decision.reason})"
    for past in of.ended_silences:
        said = f"{defused(past.reason)} ({defused(past.author)})"
        yield f"{past.kind} of {_minute(past.made_at)}: {said}; ended {_minute(past.ended_at)}, {defused(past.why)}"
    for silence in of.silences:
        yield f"{silence.kind} until {_minute(silence.ends_at)}: {defused(silence.reason)} ({defused(silence.author)})"
    for one in of.outcomes:
        action = f" [{defused(one.action)}]" if one.action else ""
        yield f"outcome of {_minute(one.made_at)}{action}: {defused(one.outcome)} ({defused(one.author)})"
        if one.learning:
            yield f"  learned: {defused(one.learning)}"
    for row in of.unsent:
        where = " on Slack" if row.destination == "slack" else ""
        waits = f"; waits, as all that is on it is silenced until {_minute(of.held_until)}" if of.held_until else ""
        yield f"still to be sent{where}: {row.kind}, tried {count(row.attempts, 'time')}{waits}"


def rechecked(found: Iterable[Recheck]) -> str:
    """Each claim with what became of it."""
    lines = []
    for one in found:
        subject = ", ".join(f"{key} {defused(value)}" for key, value in one.entry.subject.items())
        why = f": {in_our_words(one.why)}" if one.why else ""
        lines.append(f"{one.outcome}: {one.entry.detector} ({subject}){why}")
        lines += [
            f"  {defused(what)}: {defused(cell(then))} -> {defused(cell(now))}" for what, then, now in one.changes
        ]
    return "".join(f"{line}\n" for line in lines)


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _age(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours} h old" if hours < 48 else f"{hours // 24} d old"
