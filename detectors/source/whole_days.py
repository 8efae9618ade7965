"""Times that have lost their hour or their minutes on the way, as where a spreadsheet or a cast kept the day or the hour alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from detectors.source.base import Source
from detectors.source.filled import FEW, FIRST, NEVER
from detectors.source.first_rows import Sample
from detectors.source.moments import EVER

_TOLD_BY_MINUTES = {"household_events": "event_timestamp", "household_join_requests": "requested_at"}
"""The times of which rules ask what came first, and how many within an hour."""
_RECENT = timedelta(days=8)
_DAYS = 3
"""On fewer days many rows may have been written at one moment."""
_MANY_HOURS, _HOURS = 50, 24
"""So many rows, in so many different hours, are not all written as the clock strikes."""
_BESIDE = {"households": "created_at", "household_members": "joined_at"}
"""Times of other tables. Where they lie about whole hours, too, the town was made up so, and nothing was lost on the way."""
_MINUTES = 10
"""So many different ones are told by chance; a second or five minutes after the hour is made up, too."""


def whole_days(source: Source, samples: Mapping[str, Sample], as_of: datetime) -> Iterator[str]:
    """A line for each of these columns that holds days or hours alone, in its first rows and in its recent ones. Raises QueryError."""
    for table, column in _TOLD_BY_MINUTES.items():
        first = [row.get(column) for row in samples[table].first] if table in samples else []
        times = [at for at in first if at is not None]
        if len(times) < FEW or len(set(times)) < _DAYS or not _are_hours(times):
            continue
        theirs = source.tables[table].c[column]
        recent = select(theirs).where(theirs > as_of - _RECENT, theirs <= as_of).limit(FIRST)
        others = [row[column] for row in source.rows(recent, "words")]
        if _are_days(source, times) and _are_days(source, others):
            yield (
                f"{table}.{column} holds days without an hour, so that nobody can tell what came first: export the column with "
                "its time of day"
            )
        elif len(times) >= _MANY_HOURS and len(set(times)) >= _HOURS and _are_hours(others) and _tell_minutes(samples):
            yield (
                f"{table}.{column} holds whole hours, so that nobody can tell what came first: export the column with its "
                "minutes and seconds"
            )


def _tell_minutes(samples: Mapping[str, Sample]) -> bool:
    beside = [row.get(column) for table, column in _BESIDE.items() if table in samples for row in samples[table].first]
    return len({at.minute for at in beside if at is not None}) >= _MINUTES


def _are_hours(times: list[datetime]) -> bool:
    # Zones differ by quarters of an hour at the least: of a time in one of them the minutes are others.
    return (
        all(at.minute % 15 == 0 and at.second == at.microsecond == 0 for at in times)
        and len({at.minute for at in times}) <= 1
    )


def _are_days(source: Source, times: list[datetime]) -> bool:
    zones = (UTC, ZoneInfo(source.tables.mapping.zone))
    # Nearer the end of all times there are none in other zones.
    times = [at for at in times if EVER.year < at.year < NEVER.year]
    return any(all(at.astimezone(zone).time() == time() for at in times) for zone in zones)
