"""Rows of state tables from after the scan's own time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select

from detectors.source.base import Notice, Source
from detectors.source.filled import FEW, MOST_LATER, NEVER, TOLERATED, Later
from detectors.source.first_rows import Samples
from detectors.source.trail import EVENTS


def said_of_later(
    source: Source, later: Sequence[Later], as_of: datetime, samples: Samples, *, audited: bool
) -> Iterator[str | Notice]:
    """What to say of state rows from after `as_of`: where audit rows are, too, the scan is of the past. Raises QueryError."""
    if not later:
        return
    past = False
    if audited:
        at, known = source.tables[EVENTS].c.event_timestamp, samples[EVENTS].of("event_timestamp")
        past = any(as_of + TOLERATED < one <= NEVER for one in known) or (
            not samples[EVENTS].whole
            and bool(source.rows(select(at).where(at > as_of + TOLERATED, at <= NEVER).limit(1), "words"))
        )
    for one in later:
        table = one.place.partition(".")[0]
        told = f"{one.place} lies after {as_of:%Y-%m-%d %H:%M:%S} UTC in {one.rows:,} of {one.of:,} rows"
        if past:
            yield Notice(table, f"{told}, as this scan is of a past time")
            continue
        not_yet = f"{told}, which have not happened yet"
        yield Notice(table, not_yet, frozenset({one.place}), households=one.households)
        if audited and one.rows >= FEW and one.rows * 100 > MOST_LATER * one.of:
            yield (
                f"{told}, though no audit row does: these times are wrong, so export or map the column again; where they are "
                "right, give a later --as-of"
            )
