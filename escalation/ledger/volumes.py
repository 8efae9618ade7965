"""How much each table held on each night: the part of a transaction that the comparison of volumes needs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select

from escalation.ledger.records import Marks, Volume
from escalation.ledger.schema import NIGHTS, VOLUMES
from escalation.ledger.undamaged import undamaged

EVENTS = "household_events"
KEPT_IN_MIND = timedelta(days=7)
"""A table is compared with the most it held in so many days before it was last believed: it cannot dwindle unnoticed."""


class VolumesPart:
    """What can be read and written of volumes in one transaction."""

    _connection: Connection

    def add_volumes(self, night_id: int, volumes: Iterable[Volume]) -> None:
        values = [
            {
                "night_id": night_id,
                "table_name": one.table,
                "rows": one.rows,
                "days": {day.isoformat(): number for day, number in one.days.items()},
                "oldest": one.oldest,
                "believed": one.believed,
                "accepted": one.accepted,
                "newest": {column: _plain(marks) for column, marks in one.newest.items()} or None,
                "sample": _plain(one.sample) or None,
            }
            for one in volumes
        ]
        if values:
            self._connection.execute(insert(VOLUMES), values)

    @undamaged()
    def volumes(self) -> dict[str, list[tuple[datetime, Volume]]]:
        """By table what was believed of late, each with the night's time, the newest first."""
        nights = VOLUMES.join(NIGHTS, NIGHTS.c.id == VOLUMES.c.night_id)
        newest = (
            select(VOLUMES.c.table_name, func.max(NIGHTS.c.as_of).label("as_of"))
            .select_from(nights)
            .where(VOLUMES.c.believed)
            .group_by(VOLUMES.c.table_name)
        )
        found: dict[str, list[tuple[datetime, Volume]]] = {}
        for table, last in self._connection.execute(newest):
            query = (
                select(VOLUMES, NIGHTS.c.as_of)
                .select_from(nights)
                .where(VOLUMES.c.table_name == table, VOLUMES.c.believed, NIGHTS.c.as_of > last - KEPT_IN_MIND)
                .order_by(NIGHTS.c.as_of.desc(), VOLUMES.c.id.desc())
            )
            found[table] = [
                (
                    row["as_of"],
                    Volume(
                        table,
                        row["rows"],
                        {date.fromisoformat(day): number for day, number in row["days"].items()},
                        row["oldest"],
                        accepted=row["accepted"],
                        newest={column: _marks(told) for column, told in (row["newest"] or {}).items()},
                        sample=_marks(row["sample"] or ()),
                    ),
                )
                for row in self._connection.execute(query).mappings()
            ]
        return found

    @undamaged()
    def audit_days(self) -> dict[int, dict[date, int]]:
        """By night what it counted of the audit table's days, as far as the table was believed then."""
        query = select(VOLUMES.c.night_id, VOLUMES.c.days).where(VOLUMES.c.table_name == EVENTS, VOLUMES.c.believed)
        return {
            row.night_id: {date.fromisoformat(day): number for day, number in row.days.items()}
            for row in self._connection.execute(query)
        }

    @undamaged()
    def audit_began_by(self, at: datetime) -> datetime | None:
        """From when on the audit table could be relied on at `at`, as far as any night knows; None if none does.

        That is its first row, or later where somebody has taken a loss of its rows: which ones went nobody can say.
        """
        believed = (
            select(VOLUMES.c.oldest, VOLUMES.c.accepted, NIGHTS.c.as_of)
            .select_from(VOLUMES.join(NIGHTS, NIGHTS.c.id == VOLUMES.c.night_id))
            .where(VOLUMES.c.table_name == EVENTS, VOLUMES.c.believed, NIGHTS.c.as_of <= at)
            .order_by(NIGHTS.c.as_of.desc(), VOLUMES.c.id.desc())
            .limit(1)
        )
        last = self._connection.execute(believed).first()
        lost = self._connection.execute(believed.where(VOLUMES.c.accepted)).first()
        moments = [last.oldest if last else None, lost.as_of if lost else None]
        return max((moment for moment in moments if moment is not None), default=None)


def _plain(marks: Marks) -> list[list[str]]:
    return [[at.isoformat(timespec="seconds"), subject] for at, subject in marks]


def _marks(told: Any) -> Marks:
    return tuple((datetime.fromisoformat(at), str(subject)) for at, subject in told)
