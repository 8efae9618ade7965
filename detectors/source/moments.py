"""Times beyond Python's: both engines hold years before 1 and after 9999, and infinite times for "never"."""

from __future__ import annotations

from datetime import UTC, datetime

from psycopg.abc import Buffer
from psycopg.types.datetime import TimestamptzLoader

EARLIEST, LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""What lies beyond these is read as these. Rules may count days from any time, so they are a year from Python's ends."""
EVER = datetime(1990, 1, 1, tzinfo=UTC)
"""Times before this are no times of ours: a clock at zero, the first day of some calendar."""
_EARLIEST, _LATEST = (f"TIMESTAMPTZ '{moment.isoformat()}'" for moment in (EARLIEST, LATEST))


class NearestTime(TimestamptzLoader):
    """Reads PostgreSQL's times, which must come as DateStyle ISO and TimeZone UTC write them."""

    def load(self, data: Buffer) -> datetime:
        try:
            # Several times faster than the loader of the library that can be extended; a scan reads many times.
            moment = datetime.fromisoformat(str(data, "ascii"))
        except ValueError:
            said = bytes(data)
            return EARLIEST if said.startswith(b"-") or said.endswith(b"BC") else LATEST
        return moment if EARLIEST <= moment <= LATEST else min(max(moment, EARLIEST), LATEST)


def is_beyond(time: str) -> str:
    """DuckDB's condition that the column `time` lies beyond EARLIEST or LATEST."""
    return f"({time} < {_EARLIEST} OR {time} > {_LATEST})"


def nearest(time: str) -> str:
    """DuckDB's expression for `time`, read as EARLIEST or LATEST where it lies beyond them; null stays null."""
    return f"CASE WHEN {time} < {_EARLIEST} THEN {_EARLIEST} WHEN {time} > {_LATEST} THEN {_LATEST} ELSE {time} END"


def nearest_of_text(field: str) -> str:
    """The same for a text, also as PostgreSQL writes the years before 1, which DuckDB does not read; null for no time."""
    return f"CASE WHEN {is_before_christ(field)} THEN {_EARLIEST} ELSE {nearest(time_of_text(field))} END"


def time_of_text(field: str) -> str:
    """DuckDB's expression for the time in a text, also without seconds and with a blank before its zone; null for no time."""
    day, zone = r"^ *(\d{4}-\d\d-\d\d)[Tt ]+", r" *([zZ]|[+-]\d\d(:?\d\d)?)( UTC)? *$"
    seconds = rf"regexp_replace({field}, '{day}(\d\d:\d\d){zone}', '\1 \2:00\3')"
    spaced = rf"regexp_replace({seconds}, '{day}(\d\d:\d\d:\d\d([.]\d+)?){zone}', '\1 \2\4')"
    return f"coalesce(TRY_CAST({field} AS TIMESTAMPTZ), TRY_CAST(upper({spaced}) AS TIMESTAMPTZ))"


def is_before_christ(field: str) -> str:
    """DuckDB's condition that a text is a time before the year 1 as PostgreSQL writes it."""
    return f"regexp_matches({field}, '^\\d{{4,}}-\\d\\d-\\d\\d .* BC$')"
