"""What nights of the past would have done as one limit moves: numbers by value, their curve, and the curve kept for the page."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field, TypeAdapter

from detectors.text.wording import count, listed
from escalation.nights.dry_run import DryRunNight
from reports.charts import Chart, curve
from reports.page.render import render_curves
from reports.statistics import Part, Statistics

COLUMNS = ("findings", "tickets", "called_false")
Number = Annotated[int, Field(ge=0, lt=10**9)]
Row = tuple[Number, Number, Number, Number]
"""A value of the limit, and what the columns say of it."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The numbers of one sweep, as they are kept between nights."""

    limit: str
    detectors: tuple[str, ...]
    since: datetime
    until: datetime
    nights: int
    incomplete: int
    rows: tuple[Row, ...]


_ADAPTER: TypeAdapter[Curve] = TypeAdapter(Curve)


def swept(
    limit: str, detectors: Sequence[str], plays: Mapping[int, Sequence[DryRunNight]], false: Collection[str]
) -> Curve:
    """New findings and tickets by the limit's value, and how many of those tickets people have called false positives."""
    first = next(iter(plays.values()))
    return Curve(
        limit=limit,
        detectors=tuple(detectors),
        since=first[0].window.start,
        until=first[-1].window.end,
        nights=len(first),
        incomplete=sum(not night.looked for night in first),
        rows=tuple((value, *_numbers(nights, false)) for value, nights in plays.items()),
    )


def _numbers(nights: Sequence[DryRunNight], false: Collection[str]) -> tuple[int, int, int]:
    cases = [case.fingerprint for night in nights for case in night.opened]
    return sum(night.new for night in nights), len(cases), sum(case in false for case in cases)


def numbers(of: Curve) -> Statistics:
    note = "New findings, tickets for them, and how many of those tickets people have closed as false positives."
    return Statistics(
        since=of.since,
        until=of.until,
        nights=of.nights,
        incomplete=of.incomplete,
        parts=(Part("sweep", (of.limit, *COLUMNS), of.rows, note),),
    )


def to_json(of: Curve) -> bytes:
    return _ADAPTER.dump_json(of)


def from_json(text: bytes) -> Curve:
    """The curve that to_json wrote. Raises ValueError for anything else."""
    found = _ADAPTER.validate_json(text)
    if not re.fullmatch(r"[a-z_]{1,80}", found.limit) or len(found.rows) < 2:
        raise ValueError("no limit with two values")
    return found


def to_html(of: Curve, now: float) -> str:
    """The curve on a page of its own; `now` is where the limit stands."""
    return render_curves(f"Findings and tickets as {of.limit} moves", played(of), [chart(of, now)])


def played(of: Curve) -> str:
    """Of which nights and rules the numbers are."""
    short = f" In {count(of.incomplete, 'night')} not everything could look." if of.incomplete else ""
    return (
        f"{count(of.nights, 'night')} from {of.since:%Y-%m-%d} to {of.until:%Y-%m-%d}, played again for each value with "
        f"{listed(of.detectors)}.{short}"
    )


def chart(of: Curve, now: float | None) -> Chart:
    values, findings, tickets, false = ([row[place] for row in of.rows] for place in range(4))
    series = {"new findings": findings, "tickets": tickets, "called false": false}
    return curve(f"sweep-{of.limit}", f"Findings and tickets as {of.limit} moves", of.limit, values, series, now)
