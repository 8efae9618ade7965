"""Copies of several times, and rows of several databases, that are read as one table: deleted rows come back, and rows hide each other.

Single rows that were exported twice do no harm, and are read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

FEW = 5
"""Fewer rows than this were met twice by pages that moved on while they were read."""
_APPENDED, _FOREIGN = 2, 2
"""One id in so many is repeated; one repeated id in so many is of several births."""
BORN = dict.fromkeys(("households", "users", "sessions", "support_requests"), "created_at")
"""A time that never changes, of rows that would hide each other if they were two."""
TOLD = frozenset({"household_events", "sessions"})
"""Of what was once written there the latest row tells: copies of several times add nothing wrong."""
APART = timedelta(days=1)
"""Two copies of one time differ by less, whatever their zones and precision."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many ids a table has; how many of them in several rows, in rows that differ, and in rows of other births."""

    ids: int
    repeated: int
    differing: int
    reborn: int = 0

    def of_others(self, table: str) -> str | None:
        """Why the rows are of several databases, if they are."""
        if self.reborn < FEW or self.reborn * _FOREIGN < self.repeated:
            return None
        return (
            f"{self.reborn:,} ids of {table} stand in rows whose {BORN[table]} differs by more than a day: rows of several databases, "
            "shards or regions, hide each other under one id; scan each by itself, or make their ids distinct"
        )

    def of_times(self, table: str) -> str | None:
        """Why the rows are copies of several times, if they are. Of one time they would not differ."""
        if table in TOLD or not self.differing or self.repeated < FEW or self.repeated * _APPENDED < self.ids:
            return None
        return (
            f"{self.repeated:,} of {self.ids:,} ids of {table} stand in several rows, and {self.differing:,} of them in rows that "
            "differ: copies of several times were put together, so deleted rows come back; keep the latest copy alone"
        )
