"""The values of rows as records hold them: ids as text, times in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def text_of(value: Any) -> str:
    """An id as text; empty for null."""
    return "" if value is None else str(value)


def optional_text(value: Any) -> str | None:
    """A value as text, where there is one."""
    return None if value is None else str(value)


LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that an export lacks."""
NOBODY = "00000000-0000-0000-0000-000000000000"
"""The nil UUID: apps write it where an account was erased, or where there never was one."""


def moment(value: datetime | None) -> datetime:
    """A time that the app always writes, in UTC; where an export lacks it, long ago."""
    return LONG_AGO if value is None else value.astimezone(UTC)


def utc(value: datetime | None) -> datetime | None:
    """A time that may be missing, in UTC."""
    return None if value is None else value.astimezone(UTC)
