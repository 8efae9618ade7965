"""Lengths of time in the process document's own words: `30 min`, `4-8 hours`, `Every 2-3 days`, `Weekly updates`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, InstanceOf, PlainSerializer

_UNITS = {
    "min": timedelta(minutes=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_RHYTHMS = {
    "hourly updates": timedelta(hours=1),
    "daily updates": timedelta(days=1),
    "weekly updates": timedelta(weeks=1),
}
LONGEST = timedelta(days=36_500)
_RANGE = re.compile(r"(?:every )?(\d+)(?:\s*[-–]\s*(\d+))? (min|minute|hour|day|week)s?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time as it was written, and what it allows at the least and at the most.

    `Immediate` allows nothing. `Varies` promises nothing: `most` is None, and no deadline follows from it.
    """

    says: str
    least: timedelta
    most: timedelta | None

    def __str__(self) -> str:
        return self.says


def parse_span(value: object) -> Span:
    """The span that `value` (text, or a Span already) says. Raises ValueError, with examples, if it is none."""
    if isinstance(value, Span):
        return value
    if not isinstance(value, str):
        raise ValueError('is no length of time; write it like "30 min", "4-8 hours" or "Weekly updates"')
    text = value.strip().lower()
    if text == "immediate":
        return Span(value, timedelta(0), timedelta(0))
    if text == "varies":
        return Span(value, timedelta(0), None)
    if text in _RHYTHMS:
        return Span(value, _RHYTHMS[text], _RHYTHMS[text])
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError(f'{value!r} is no length of time; write it like "30 min", "4-8 hours" or "Weekly updates"')
    unit = _UNITS[found[3].lower()]
    try:
        least, most = int(found[1]) * unit, int(found[2] or found[1]) * unit
    except (OverflowError, ValueError):
        least = most = LONGEST + unit
    if most > LONGEST:
        raise ValueError("is longer than a hundred years")
    if most < least:
        raise ValueError(f"{value!r} ends before it begins")
    return Span(value, least, most)


def stricter(one: Span | None, other: Span | None) -> Span | None:
    """Of two promises about one thing, the one that is broken first; an absent or varying one promises nothing."""
    if one is None or one.most is None:
        return other if other is not None and other.most is not None else one or other
    if other is None or other.most is None:
        return one
    return min(one, other, key=lambda span: (span.most, span.least))


SpanField = Annotated[InstanceOf[Span], BeforeValidator(parse_span), PlainSerializer(str, return_type=str)]
"""A Span as a field of the policy: text in the file."""
