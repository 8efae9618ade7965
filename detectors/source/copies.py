"""Copies of several times, and rows of several databases, that are read as one table: deleted rows come back, and rows hide each other.

Single rows that were exported twice do no harm, and are read once. The audit table only grows: its copies may overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

FEW = 5
"""Fewer rows than this were met twice by pages that moved on while they were read."""
_APPENDED, _FOREIGN = 2, 2
"""One id in so many is repeated; one repeated id in so many is of several births."""
BORN = {"households": "created_at", "users": "created_at", "sessions": "created_at"}
"""A time that never changes, of rows that would hide each other if they were two."""
APART = timedelta(days=1)
"""Two copies of one time differ by less, whatever their zones and precision."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many ids a table has; how many of them in several rows, in rows that differ, and in rows of other births."""

    ids: int
    repeated: int
    differing: int
    reborn: int = 0

    def fault_of(self, table: str) -> str | None:
        """Why the table cannot be believed, if these are no single rows."""
        if self.reborn >= FEW and self.reborn * _FOREIGN >= self.repeated:
            return (
                f"{self.reborn:,} ids of {table} stand in rows whose {BORN[table]} differs by more than a day: rows of several databases, "
                "shards or regions, hide each other under one id; scan each by itself, or make their ids distinct"
            )
        if self.differing and self.repeated >= FEW and self.repeated * _APPENDED >= self.ids:
            return (
                f"{self.repeated:,} of {self.ids:,} ids of {table} stand in several rows, and {self.differing:,} of them in rows that "
                "differ: copies of several times were put together, so deleted rows come back; keep the latest copy alone"
            )
        return None
