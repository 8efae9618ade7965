"""Small words of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from detectors.contract import SEVERITY_ORDER, Severity

PROMISES = {
    "acknowledge": "acknowledgement",
    "investigate": "investigation",
    "resolve": "resolution",
    "communicate": "word to the customer",
}
REASONS = {
    "new": "found for the first time",
    "silence-ended": "its silence ended",
    "still-seen": "still there",
    "closing-ended": "still there after it was closed",
    "back": "came back",
    "happened-again": "happened again",
    "snooze-broken": "got worse while it was snoozed",
    "flapping": "comes and goes",
    "more-urgent": "more urgent",
    "less-urgent": "less urgent",
    "worse": "affects more",
    "better": "affects fewer",
    "joined": "joined the ticket of its case",
    "same-case": "is on the ticket of its case",
    "same-cause": "has the same cause",
    "part-fixed": "fixed in part",
    "rows-gone": "its rows are gone",
    "rows-fewer": "rows behind it are gone",
    "nobody-left": "nobody alive is left in it",
    "account-deleted": "somebody's account was deleted",
    "trail-gone": "its audit rows are gone",
    "fixed": "a scan no longer finds it",
    "not-looked-at": "its detector could not look",
}
"""The named reasons of decisions that are told."""
ABOUT_MOST = 110
_UUID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ACTIONS = {"open": "ticket made", "comment": "commented", "reopen": "reopened", "verify": "verified as fixed"}


def span(length: timedelta) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `25 min`."""
    minutes = max(0, int(length.total_seconds() // 60))
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours and days < 10 else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def beside(promise: str, hours: float) -> str:
    """So many hours in the unit in which the promise is written, and the promise: `18 min of 30 min`."""
    for unit, length in (("min", 1 / 60), ("day", 24), ("week", 168)):
        if unit in promise:
            # Hours come with one decimal, so that minutes are known by six.
            return (
                f"{round(hours / length, 1 if length > 1 else None):g} {unit}{'s' if length > 1 else ''} of {promise}"
            )
    return f"{hours:g} hours of {promise}"


def ahead(length: timedelta) -> str:
    """`in 3 h`, or `now`."""
    return f"in {span(length)}" if length >= timedelta(minutes=1) else "now"


def about(subject: Mapping[str, str]) -> str:
    """What a finding is about, with a separator behind it; empty where that is longer than a line holds."""
    words = ", ".join(f"{key.removesuffix('_id').replace('_', ' ')} {_short(value)}" for key, value in subject.items())
    return f"{words} · " if words and len(words) <= ABOUT_MOST else ""


def _short(value: str) -> str:
    """The beginning of an id in UUID's form; whoever needs the rest finds it on the ticket."""
    return f"{value[:8]}…" if _UUID.fullmatch(value) else value


def clock(at: datetime) -> str:
    """`2026-02-03 14:35`; the page says once that all times are UTC."""
    return f"{at:%Y-%m-%d %H:%M}"


def urgency(severity: Severity) -> int:
    return SEVERITY_ORDER.index(severity)


def tone(severity: Severity) -> str:
    """The class of a severity's badge."""
    return ("now", "now", "soon", "soon", "later", "later")[urgency(severity)]
