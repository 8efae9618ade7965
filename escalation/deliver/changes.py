"""The words of a night's one comment on a ticket: what has changed of each finding that is on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from detectors.contract import SEVERITY_ORDER
from detectors.text.wording import count, listed, stamp
from escalation.deliver.helpdesk import Note
from escalation.deliver.notes import about
from escalation.ledger.records import Decision, Entry, Reason, Ticket

_ORDER: tuple[Reason, ...] = (
    "still-seen",
    "closing-ended",
    "back",
    "happened-again",
    "snooze-broken",
    "more-urgent",
    "joined",
    "flapping",
    "worse",
    "same-cause",
    "less-urgent",
    "better",
    "rows-gone",
    "rows-fewer",
    "nobody-left",
    "account-deleted",
    "trail-gone",
    "part-fixed",
    "fixed",
)
"""What leads a comment: first that for which somebody is called again."""
_NAMED_MOST = 10


@dataclass(frozen=True, slots=True)
class Change:
    """What a night decided to say of one finding."""

    before: Entry | None
    entry: Entry
    decision: Decision
    remaining: tuple[Entry, ...] = ()
    """What else is still there on the ticket."""
    cause: Ticket | None = None
    """The ticket of what explains it."""


def note(ticket: Ticket, changes: Sequence[Change], now: datetime) -> Note:
    """What a night says on a ticket, in one comment. `changes` has at least one."""
    ordered = sorted(changes, key=_urgency)
    lead = ordered[0]
    reasons = tuple(dict.fromkeys(one.decision.reason for one in ordered))
    lines = [line for reason in reasons for line in _said(reason, ordered, now)]
    if lead.decision.action == "verify":
        lines.append(
            f"Write down what came of it and what was learned: hearthwatch tickets outcome {ticket.external_id}"
        )
    return Note(
        external_id=ticket.external_id,
        team=ticket.team,
        severity=lead.entry.severity,
        title=ticket.title,
        reason=lead.decision.reason,
        at=now,
        lines=tuple(lines),
        reopens=any(one.decision.action == "reopen" for one in changes),
        also=reasons[1:],
    )


def _urgency(change: Change) -> tuple[int, int, str]:
    entry = change.entry
    return _ORDER.index(change.decision.reason), SEVERITY_ORDER.index(entry.severity), entry.fingerprint


def _said(reason: Reason, changes: Sequence[Change], now: datetime) -> Iterator[str]:
    """The lines on all changes for one reason: what is said of several in the same words is said once."""
    names = _names(changes)
    mine = [one for one in changes if one.decision.reason == reason]
    together = _TOGETHER.get(reason)
    if together is not None:
        yield from together(mine, names, now)
        return
    same: dict[tuple[str, ...], list[Change]] = {}
    for one in mine:
        same.setdefault(_lines(one, now), []).append(one)
    for lines, some in same.items():
        if len(names) == 1:
            yield from lines
            continue
        who = listed([names[one.entry.fingerprint] for one in some], _NAMED_MOST)
        yield f"{who}: {' '.join(_lines(some[0], now, 'It' if len(some) == 1 else 'Each'))}"


def _names(changes: Sequence[Change]) -> Mapping[str, str]:
    """What each finding on the ticket is called: several of one title are told apart by whom they are about.

    Where all are of one title, which is the ticket's, that alone is said.
    """
    entries = {one.fingerprint: one for change in changes for one in (change.entry, *change.remaining)}
    titles = [one.title for one in entries.values()]
    if len(entries) > 1 and len(set(titles)) == 1:
        shared = set[str].intersection(*({*one.subject.values()} for one in entries.values()))
        return {key: about(one, shared) for key, one in entries.items()}
    return {
        key: one.title if titles.count(one.title) == 1 else f"{one.title} ({about(one)})"
        for key, one in entries.items()
    }


def _lines(change: Change, now: datetime, it: str = "It") -> tuple[str, ...]:
    """What is said of one finding that stands by itself, and of each of several."""
    before, entry, cause = change.before, change.entry, change.cause
    said = before or entry
    affected = f"Affected now: {entry.size} (when last said: {said.said_size})."
    match change.decision.reason:
        case "back":
            return f"{it} was fixed and is back: the scan of {stamp(now)} sees it again.", affected
        case "still-seen":
            return f"Marked as resolved, but the scan of {stamp(now)} still sees it: {entry.title}.", affected
        case "closing-ended":
            return "The time for which this was closed has passed, and it is still there.", affected
        case "happened-again":
            when = f" at {stamp(entry.happened_at)}" if entry.happened_at else ""
            return f"{it} happened again{when}.", affected
        case "snooze-broken":
            return f"{it} was snoozed, but has grown or become more urgent since.", affected
        case "flapping":
            times = count(len(entry.returns), "time")
            return (f"Flapping: gone and back {times} within days. Nothing more is said about it until it settles.",)
        case "more-urgent" | "less-urgent":
            return f"Severity is now {entry.severity} (was {said.said_severity}).", affected
        case "same-cause":
            other = f": see {cause.external_id}, {cause.title}" if cause else ""
            return (f"Its cause has been found{other}. Both are watched until they are fixed.",)
        case _:
            which = "worse" if change.decision.reason == "worse" else "better"
            return f"{it} has become {which} as of {stamp(now)}.", affected


def _joined(changes: Sequence[Change], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    if len(changes) == 1:
        entry = changes[0].entry
        found = names[entry.fingerprint] if len(names) > 1 else f"{entry.title} ({about(entry)})"
        yield f"One more of this case, seen by the scan of {stamp(now)}: {found}. It is {entry.severity}."
        yield f"Affected now: {entry.size}."
        return
    found = listed([f"{names[one.entry.fingerprint]} ({one.entry.severity})" for one in changes], _NAMED_MOST)
    yield f"{len(changes)} more of this case, seen by the scan of {stamp(now)}: {found}."


def _part_fixed(changes: Sequence[Change], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    still = dict.fromkeys(names[each.fingerprint] for one in changes for each in one.remaining)
    gone = listed([names[one.entry.fingerprint] for one in changes], _NAMED_MOST)
    yield f"Fixed as of {stamp(now)}: {gone}."
    yield f"Still on this ticket: {listed(list(still))}."


def _rows_gone(changes: Sequence[Change], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    of = listed([about(one.entry) for one in changes], _NAMED_MOST)
    yield f"No longer there: the scan of {stamp(now)} finds no row any more of what this was about, or of the people in it ({of})."
    yield (
        "That is no repair, and nobody is told that it was one. If it was deleted on purpose, resolve the ticket by hand: no scan "
        "will. If not, find out first where the rows went."
    )


def _rows_fewer(changes: Sequence[Change], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    of = listed([about(one.entry) for one in changes], _NAMED_MOST)
    yield (
        f"The scan of {stamp(now)} does not find it any more ({of}), but rows that stood behind it are no longer there either. "
        "So it cannot say whether what is left was repaired."
    )
    yield "Find out where those rows went and look for yourself; resolve the ticket when it is repaired."


def _nobody_left(changes: Sequence[Change], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    of = listed([about(one.entry) for one in changes], _NAMED_MOST)
    yield (
        f"Nobody is left: the scan of {stamp(now)} does not find it any more ({of}), as nobody who belonged to it is an active "
        "member with an account."
    )
    yield "That is no repair, and nobody is told that it was one. Resolve the ticket where nothing is left to be done."


def _account_deleted(changes: Sequence[Change], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    of = listed([about(one.entry) for one in changes], _NAMED_MOST)
    yield (
        f"The scan of {stamp(now)} does not find it any more ({of}), but somebody who belongs to it has deleted their account "
        "since it was last seen. So it cannot say whether what is left was repaired."
    )
    yield "Look for yourself, and resolve the ticket when it is repaired."


def _trail_gone(changes: Sequence[Change], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    of = f" ({listed([names[one.entry.fingerprint] for one in changes], _NAMED_MOST)})" if len(names) > 1 else ""
    yield (
        f"The audit rows that showed it{of} are no longer there, so the scan of {stamp(now)} cannot say whether it is repaired."
    )
    yield "Look for yourself, and resolve the ticket when it is."


def _fixed(changes: Sequence[Change], names: Mapping[str, str], now: datetime) -> Iterator[str]:
    yield f"Fixed: the scan of {stamp(now)} looked and no longer sees it. Verified."


_TOGETHER: Mapping[Reason, Callable[[Sequence[Change], Mapping[str, str], datetime], Iterator[str]]] = {
    "joined": _joined,
    "part-fixed": _part_fixed,
    "rows-gone": _rows_gone,
    "rows-fewer": _rows_fewer,
    "nobody-left": _nobody_left,
    "account-deleted": _account_deleted,
    "trail-gone": _trail_gone,
    "fixed": _fixed,
}
"""The reasons whose words name all the findings at once."""
