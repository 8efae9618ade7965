"""Small words for tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 member`, `4 members`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(items: Sequence[str], most: int = 5) -> str:
    """`a`, `a and b`, `a, b and c`; of many only the first `most`, with the number of the others."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most:,} more"
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def stamp(at: datetime) -> str:
    """A time as the process document writes it: `2026-02-02 14:35:00 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
