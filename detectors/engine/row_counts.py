"""How many rows a source holds: of each table, and of the audit table by day, and from when to when."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import func, select

from detectors.passes.base import Scope
from detectors.published import Kind
from detectors.source import QueryError, Source
from detectors.source.trail import EVENTS
from detectors.text.wording import stamp

logger = logging.getLogger("hearthwatch.scan")
HOUSEHOLD_COLUMN = {"households": "id", "household_members": "household_id", "household_join_requests": "household_id"}
"""The column that names the household in the tables whose rows a scan of some households counts."""
DAY = timedelta(days=1)


def count_rows(
    source: Source,
    scope: Scope | None,
    known: Mapping[str, int] | None = None,
    tables: Collection[str] | None = None,
) -> dict[str, int]:
    """How many rows of each table (or of each of `tables`) but the audit table can be read.

    With a `scope`, of the state tables and in it alone. What is `known` is not counted again.

    A table that fails is left out. Raises SourceError if the source cannot be read at all.
    """
    counts: dict[str, int] = {}
    for name in source.schema.tables:
        if name == EVENTS or (scope is not None and name not in HOUSEHOLD_COLUMN):
            continue
        if tables is not None and name not in tables:
            continue
        if known and name in known:
            counts[name] = known[name]
            continue
        table = source.tables[name]
        counted = select(func.count().label("number")).select_from(table)
        if scope is not None:
            counted = counted.where(source.tables.households_in(table.c[HOUSEHOLD_COLUMN[name]], scope.households))
        try:
            counts[name] = int(
                source.rows(counted, "rows read", reach="whole" if scope is None else "picked")[0]["number"]
            )
        except QueryError:
            logger.debug("counting %s failed", name, exc_info=True)
    return counts


def count_event_days(source: Source, days: Collection[date]) -> dict[date, int]:
    """How many audit rows there are of each of `days` (UTC); empty where they cannot be counted.

    One statement, by the index on their times: a night must not read the whole audit table to know that it is there.
    """
    if EVENTS not in source.tables or not days:
        return {}
    at = source.tables[EVENTS].c.event_timestamp
    wanted = sorted(days)
    # Each day for itself: to ask of every row which of the days it is from takes twice the time.
    counts = [select(func.count()).where(at >= _midnight(day), at < _midnight(day + DAY)) for day in wanted]
    counted = select(*(each.scalar_subquery().label(f"n{place}") for place, each in enumerate(counts)))
    try:
        row = source.rows(counted, "audit rows by day")[0]
    except QueryError:
        logger.debug("counting the audit rows failed", exc_info=True)
        return {}
    return {day: int(row[f"n{place}"]) for place, day in enumerate(wanted)}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def audit_span(source: Source, as_of: datetime) -> tuple[datetime | None, datetime | None]:
    """The time of the first audit row, and of the last one at or before `as_of`; both by the index on them.

    Raises QueryError if the table cannot be asked.
    """
    if EVENTS not in source.tables:
        return None, None
    at = source.tables[EVENTS].c.event_timestamp
    span = select(
        select(func.min(at)).scalar_subquery().label("began"),
        select(func.max(at)).where(at <= as_of).scalar_subquery().label("reached"),
    )
    row = source.rows(span, "audit")[0]
    began, reached = row["began"], row["reached"]
    return began and began.astimezone(UTC), reached and reached.astimezone(UTC)


def unseen(kind: Kind, needs: Collection[str], reached: datetime) -> list[str]:
    """What to say of a detector of things that happen in the window, where the last audit row, of `reached`, lies before it."""
    if kind != "occurrence" or not any(need.startswith(f"{EVENTS}.") for need in needs):
        return []
    return [f"nothing of the window was audited: the newest audit row is of {stamp(reached)}"]
