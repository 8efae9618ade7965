"""The digest: what is open with each team, what is due, whom to tell, and what has gone quiet, as text or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from detectors.text.wording import count, stamp
from escalation.policy.policy import Policy
from escalation.views.digest import Digest, EndingSilence, InProgress
from reports import markdown, text
from reports.closing import to_tell
from reports.message import Section
from reports.neutral import for_markdown

MOST = 25
"""How many tickets of one kind are named one by one."""
SOON = timedelta(days=1)


def digest_sections(of: Digest, policy: Policy) -> Iterator[Section]:
    """Raw texts: the formatters below neutralise them."""
    for team, lines in of.teams.items():
        muted = [line for line in lines if line.silence is not None]
        spoken = [line for line in lines if line.silence is None]
        late = [line for line in spoken if line.overdue]
        soon = [line for line in spoken if not line.overdue and line.next and line.next[1] - of.now <= SOON]
        rest = [line for line in spoken if line not in late and line not in soon]
        name = policy.teams[team].name
        yield from _section(f"{name}: overdue", late, of.now)
        yield from _section(f"{name}: due within a day", soon, of.now)
        yield from _section(f"{name}: in progress", rest, of.now)
        yield from _section(f"{name}: put off", muted, of.now)
    if of.ending:
        points = [_ending(one, of.now) for one in of.ending[:MOST]]
        yield Section(f"Silences that end soon ({len(of.ending)})", (*points, *_more(len(of.ending))))
    if of.settled:
        points = [f"{to_tell(one)}. {one.words}".strip() for one in of.settled[:MOST]]
        heading = f"Settled since {stamp(of.since)}, so tell the customer ({len(of.settled)})"
        yield Section(heading, (*points, *_more(len(of.settled))))
    if of.unlearned:
        points = [
            f"{one.external_id} {one.title}: hearthwatch tickets outcome {one.external_id}"
            for one in of.unlearned[:MOST]
        ]
        yield Section(f"No outcome written down yet ({len(of.unlearned)})", (*points, *_more(len(of.unlearned))))
    if of.undelivered:
        points = [f"{count(of.undelivered, 'message')} wait to be delivered; the next run tries again"]
        yield Section("Not delivered", tuple(points))


def to_text(of: Digest, policy: Policy) -> str:
    """The digest for a terminal or a plain mail."""
    parts = [_head(of), *("\n".join(text.block_lines(section)) for section in digest_sections(of, policy))]
    return "\n\n".join(parts) + "\n"


def to_markdown(of: Digest, policy: Policy) -> str:
    """The digest as a Markdown document."""
    parts = [f"# {for_markdown(_head(of))}"]
    parts.extend("\n".join(markdown.block_lines(section)) for section in digest_sections(of, policy))
    return "\n\n".join(parts) + "\n"


FORMATS: dict[str, Callable[[Digest, Policy], str]] = {"table": to_text, "markdown": to_markdown}


def _head(of: Digest) -> str:
    lines = [line for those in of.teams.values() for line in those]
    late = sum(bool(line.overdue) and line.silence is None for line in lines)
    opened = f"{count(len(lines), 'ticket')} in progress, {late} overdue" if lines else "no tickets in progress"
    return f"{stamp(of.now)}: {opened}"


def _section(heading: str, lines: Sequence[InProgress], now: datetime) -> Iterator[Section]:
    if lines:
        points = [_ticket(line, now) for line in lines[:MOST]]
        yield Section(f"{heading} ({len(lines)})", (*points, *_more(len(lines))))


def _more(number: int) -> tuple[str, ...]:
    return (f"and {number - MOST:,} more: hearthwatch tickets list",) if number > MOST else ()


def _ticket(line: InProgress, now: datetime) -> str:
    ticket = line.ticket
    parts = [f"{ticket.external_id} {ticket.severity} {ticket.title}", f"{ticket.status}, {length(line.age)} old"]
    if line.silence is not None:
        parts.append(f"{line.silence.kind} until {stamp(line.silence.ends_at)} ({line.silence.reason})")
    else:
        if line.overdue:
            late = (f"{one.promise} ({length(now - one.since)})" for one in line.overdue)
            parts.append(f"overdue: {', '.join(late)}")
        if line.next is not None:
            what, at = line.next
            what = "tell the customer how it stands" if what == "communicate" else what
            parts.append(f"next: {what} {f'within {length(at - now)}' if at > now else 'now'}")
    if ticket.reopened:
        parts.append(f"reopened {count(ticket.reopened, 'time')}")
    if line.flapping:
        parts.append("flapping: it goes and comes back")
    return "; ".join(parts)


def _ending(one: EndingSilence, now: datetime) -> str:
    of = one.ticket.external_id if one.ticket is not None else one.entry.detector
    said = f"{one.silence.reason} ({one.silence.author})"
    return f"{of} {one.entry.title}: {one.silence.kind} ends in {length(one.silence.ends_at - now)}; {said}"


def length(time: timedelta) -> str:
    """`40 min`, `5 h`, `3 days`: in whole units, rounded down."""
    minutes = int(time.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else count(minutes // 1440, "day")
