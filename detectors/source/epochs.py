"""Times that are written as numbers: how long after the beginning of 1970, in a unit that the numbers themselves tell."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, DateTime, literal_column, type_coerce

_FROM, _TO = 946_684_800, 4_102_444_800
"""The years 2000 and 2100, in seconds. No time of one unit lies between them in another one, as these differ by a thousand."""
UNITS = {"second": 1, "millisecond": 10**3, "microsecond": 10**6, "nanosecond": 10**9}
"""How many make a second."""
MICROS = 10**6
OF_NO_UNIT = "numbers that are no times of one unit since 1970, between 2000 and 2100"


def unit_of(least: object, most: object) -> str | None:
    """The unit in which all numbers from `least` to `most` are times of this century; seconds where there are none."""
    if least is None or most is None:
        return "second"
    low, high = Decimal(str(least)), Decimal(str(most))
    return next((name for name, parts in UNITS.items() if _FROM * parts <= low and high < _TO * parts), None)


def since_1970(unit: str) -> Callable[[ColumnElement[Any]], ColumnElement[Any]]:
    """How a server's column of numbers is read. A product with an interval holds each microsecond."""
    parts = UNITS[unit]
    step: ColumnElement[Any] = literal_column(f"interval '1 {unit if parts <= MICROS else 'microsecond'}'")
    begin: ColumnElement[Any] = literal_column("timestamptz 'epoch'")

    def read(column: ColumnElement[Any]) -> ColumnElement[Any]:
        count = column.op("/")(literal_column(str(parts // MICROS))).self_group() if parts > MICROS else column
        return type_coerce(begin.op("+")(count.op("*")(step)).self_group(), DateTime(timezone=True))

    return read
