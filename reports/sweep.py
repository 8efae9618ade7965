"""What nights of the past would have done as one limit moves: numbers by value, and their curve."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from escalation.nights.dry_run import DryRunNight
from reports.charts import Chart, curve
from reports.page.render import render_curves
from reports.statistics import Part, Statistics

COLUMNS = ("findings", "tickets", "called_false")


def swept(limit: str, plays: Mapping[int, Sequence[DryRunNight]], false: Collection[str]) -> Statistics:
    """New findings and tickets by the limit's value, and how many of those tickets people have called false positives."""
    first = next(iter(plays.values()))
    rows = tuple((value, *_numbers(nights, false)) for value, nights in plays.items())
    note = "New findings, tickets for them, and how many of those tickets people have closed as false positives."
    return Statistics(
        since=first[0].window.start,
        until=first[-1].window.end,
        nights=len(first),
        incomplete=sum(not night.looked for night in first),
        parts=(Part("sweep", (limit, *COLUMNS), rows, note),),
    )


def _numbers(nights: Sequence[DryRunNight], false: Collection[str]) -> tuple[int, int, int]:
    cases = [case.fingerprint for night in nights for case in night.opened]
    return sum(night.new for night in nights), len(cases), sum(case in false for case in cases)


def to_html(of: Statistics, now: float) -> str:
    """The curve on a page of its own; `now` is where the limit stands."""
    (part,) = of.parts
    limit = part.columns[0]
    title = f"Findings and tickets as {limit} moves"
    says = f"{of.nights} nights from {of.since:%Y-%m-%d} to {of.until:%Y-%m-%d}, played again for each value."
    return render_curves(title, says, [_curve(part, title, now)])


def _curve(part: Part, title: str, now: float) -> Chart:
    columns = list(zip(*part.rows, strict=True))
    whole = [[value for value in column if isinstance(value, int)] for column in columns]
    series = dict(zip(("new findings", "tickets", "called false"), whole[1:], strict=True))
    return curve("sweep", title, part.columns[0], whole[0], series, now)
