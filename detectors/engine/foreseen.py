"""The times of rows that will pass: a look tells the next one, which need not read them of each row again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HORIZON = timedelta(hours=6)
"""So far ahead times are read, and read anew of all rows once in as long: what lies further ahead would be written with each look."""
MOST_AHEAD = 10_000
"""Of more times in one table each look asks each row: a bookmark is written, and read, with each look."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The times of a table's rows that lie ahead of a look and not after `until`, in microseconds, and whose each is."""

    until: datetime
    times: frozenset[tuple[int, str]]

    def passed(self, at: datetime) -> frozenset[str]:
        """Of whom a time has passed `at` a moment."""
        now = _number(at)
        return frozenset(owner for moment, owner in self.times if moment <= now)

    def with_newer(self, at: datetime, newer: Iterable[tuple[int, str]]) -> Foreseen | None:
        """What lies ahead `at` a later moment, with what `newer` rows tell; None where it is too much to be kept."""
        return foreseen(
            self.until, {*((moment, owner) for moment, owner in self.times if moment > _number(at)), *newer}
        )


def foreseen(until: datetime, times: Iterable[tuple[int, str]]) -> Foreseen | None:
    """These times, unless they are too many to be kept."""
    kept = frozenset(times)
    return Foreseen(until, kept) if len(kept) <= MOST_AHEAD else None


def _number(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
