"""The last seven days beside a week of the days before: is it getting better or worse?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from detectors.text.wording import count
from escalation.ledger.records import Ticket
from escalation.views.morning import Morning
from reports.message import Table

DAY, WEEK = timedelta(days=1), timedelta(days=7)
BEFORE_MOST = 28
"""The week is held beside so many days before it, where there were nights for as long."""
ALIKE = 0.25
"""Two weeks are about the same if they differ by no more than this share, or by less than two tickets."""


@dataclass(frozen=True, slots=True)
class Week:
    """The comparison in one sentence, and its numbers."""

    says: str
    table: Table


def week(of: Morning) -> Week:
    """The week that ends now. Tickets older than the first night that is kept count on neither side."""
    days = _days_before(of)
    end = of.now - WEEK
    start = end - days * DAY
    pairs = {
        name: (_sum(of, counted, end, of.now), _sum(of, counted, start, end) * 7 / days if days else None)
        for name, counted in _COUNTS.items()
    }
    rows = tuple(
        (name, f"{now}{_waiting(of) if name == LATE else ''}", "-" if before is None else f"{before:.1f}")
        for name, (now, before) in pairs.items()
    )
    columns = ("What", "Last 7 days", f"A week, of the {count(days, 'day')} before" if days else "Before")
    return Week(_says(*pairs[MADE], *pairs[FIXED], days), Table("This week", columns, rows, _note(of, days)))


def _days_before(of: Morning) -> int:
    """How many days before the last seven are held: from the first night's on, at most four weeks."""
    if not of.nights:
        return 0
    held = (of.now - WEEK).date() - of.nights[0].row.as_of.date()
    return max(0, min(BEFORE_MOST, held.days + 1))


def _sum(of: Morning, counted: Count, start: datetime, end: datetime) -> int:
    return sum(counted(one, start, end) for one in of.history.tickets)


def _says(made: int, made_before: float | None, fixed: int, fixed_before: float | None, days: int) -> str:
    tickets = f"{count(made, 'ticket')} made and {fixed:,} verified as fixed in the last 7 days"
    if made_before is None or fixed_before is None:
        return f"{tickets}; no day before them is known."
    apart = made - made_before
    alike = abs(apart) < 2 or abs(apart) <= ALIKE * made_before
    word = "About the same" if alike else "Worse" if apart > 0 else "Better"
    before = f"{made_before:.1f} and {fixed_before:.1f} in a week of the {count(days, 'day')} before"
    return f"{word}: {tickets}, beside {before}."


def _note(of: Morning, days: int) -> str:
    """Which days are meant, and on how many of them nobody looked."""
    if not days:
        return ""
    last = (of.now - WEEK).date()
    first = last - (days - 1) * DAY
    missed = sum(night is None and first <= day <= last for day, night in of.calendar)
    without = f", {missed} of them without a run" if missed else ""
    return f"The days before are {first} to {last}{without}: their sum, divided by {days} and times 7."


def _waiting(of: Morning) -> str:
    """How many tickets should have been acknowledged by now and are not: they are late in no week yet."""
    progress = [card.progress for card in of.cards if card.progress and not card.progress.silence]
    waiting = sum(any(broken.promise == "acknowledge" for broken in one.overdue) for one in progress)
    return f" (and {waiting} overdue, not acknowledged yet)" if waiting else ""


def _within(at: datetime | None, start: datetime, end: datetime) -> bool:
    return at is not None and start < at <= end


def _late(one: Ticket, start: datetime, end: datetime) -> bool:
    due, done = one.acknowledge_due, one.acknowledged_at
    return due is not None and done is not None and done > due and _within(done, start, end)


MADE, FIXED, LATE = "Tickets made", "Verified as fixed", "Acknowledged late"
Count = Callable[[Ticket, datetime, datetime], bool]
_COUNTS: dict[str, Count] = {
    MADE: lambda one, start, end: _within(one.opened_at, start, end),
    FIXED: lambda one, start, end: one.status == "verified" and _within(one.ended_at, start, end),
    "Closed by people": lambda one, start, end: one.status == "closed" and _within(one.ended_at, start, end),
    "False positives": lambda one, start, end: one.closed_as == "false-positive" and _within(one.ended_at, start, end),
    LATE: _late,
}
