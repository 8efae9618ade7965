"""Ninety nights: what was found and filed, how old open tickets are, promises kept, what turned out wrong, what watching costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from escalation.ledger.volumes import EVENTS
from escalation.policy.policy import Policy
from escalation.views.morning import Morning, Night
from reports import charts
from reports.charts import Chart
from reports.message import Table
from reports.page.week import Week, week
from reports.page.words import beside
from reports.statistics import Part, Statistics, in_words, statistics

AGE_NAMES = ("up to a day", "up to 7 days", "up to 30 days", "older")
KEPT = {"kept": "kept", "broken": "broken"}


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of bars, its text alternative and its data."""

    title: str
    says: str
    svg: Markup
    table: Table


@dataclass(frozen=True, slots=True)
class Trends:
    """`week` is this week beside the days before; each chart has its numbers as a table."""

    nights: int
    week: Week
    heat: tuple[Chart, ...]
    ages: Chart | None
    bars: tuple[Bars, ...]
    volumes: tuple[Chart, ...]
    costs: tuple[Chart, ...]


def trends(of: Morning, policy: Policy) -> Trends:
    """The charts of `of.nights`. A detector without a finding has no row."""
    days = [day for day, _ in of.calendar]
    nights = [night for _, night in of.calendar]
    numbers = statistics(of.history, policy, of.now)
    return Trends(
        nights=len(of.nights),
        week=week(of),
        heat=_heat(nights, days),
        ages=_ages(nights, days),
        bars=_bars(numbers),
        volumes=_volumes(nights, days),
        costs=_costs(nights, days),
    )


Nights = Sequence[Night | None]


def _heat(nights: Nights, days: Sequence[date]) -> tuple[Chart, ...]:
    found = []
    for name, title, unit, counted in (
        (
            "found",
            "Findings by detector",
            "findings that a night saw",
            [None if one is None else one.found for one in nights],
        ),
        (
            "made",
            "Tickets made by detector",
            "tickets that a night made",
            [None if one is None else one.opened for one in nights],
        ),
    ):
        detectors = sorted({detector for night in counted for detector in night or ()})
        numbers = {
            detector: [None if night is None else night.get(detector, 0) for night in counted] for detector in detectors
        }
        if numbers:
            found.append(charts.heat_map(f"heat-{name}", title, numbers, days, unit))
    return tuple(found)


def _ages(nights: Nights, days: Sequence[date]) -> Chart | None:
    if not nights:
        return None
    series = {
        name: [None if night is None else night.open_by_age[place] for night in nights]
        for place, name in enumerate(AGE_NAMES)
    }
    return charts.stacked("ages", "Tickets in progress, by age", series, days, "tickets in progress that night")


def _bars(of: Statistics) -> tuple[Bars, ...]:
    parts = {part.name: part for part in of.parts}
    bars = []
    for promise, title in (("acknowledge", "Acknowledged in time"), ("resolve", "Resolved in time")):
        part = parts[f"{promise}_promises"]
        rows = {
            f"{row[0]} {row[1]} ({row[2] or 'nothing'})": (_number(row[6]), _number(row[7]))
            for row in part.rows
            if row[6] or row[7]
        }
        if rows:
            bars.append(_bar(promise, f"{title}: promises kept and broken", rows, KEPT, part, _medians(part)))
    part = parts["detectors"]
    judged = {
        str(row[0]): (_number(row[2]) + _number(row[3]) - _number(row[5]), _number(row[5]))
        for row in part.rows
        if _number(row[2]) + _number(row[3])
    }
    if judged:
        kinds = {"kept": "right", "broken": "false positives"}
        worst = max(judged, key=lambda name: (judged[name][1], judged[name][1] / sum(judged[name])))
        false = judged[worst][1]
        alarms = f"Most false alarms: {worst}, {false} of {sum(judged[worst])} ended." if false else "No false alarm."
        bars.append(_bar("precision", "Was the detector right? Ended tickets", judged, kinds, part, alarms))
    return tuple(bars)


def _medians(part: Part) -> str:
    """What it took, beside what is promised, in the promise's own unit."""
    said = [
        f"{row[0]} {row[1]} {beside(row[2], row[4])}"
        for row in part.rows
        if isinstance(row[2], str) and isinstance(row[4], float)
    ]
    return f"Median, beside the promise: {'; '.join(said)}." if said else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _bar(
    name: str, title: str, rows: Mapping[str, tuple[int, ...]], kinds: dict[str, str], part: Part, more: str
) -> Bars:
    kept, whole = sum(row[0] for row in rows.values()), sum(map(sum, rows.values()))
    table = Table(
        title,
        tuple(column.replace("_", " ").capitalize() for column in part.columns),
        tuple(
            tuple(in_words(cell, column) for column, cell in zip(part.columns, row, strict=True)) for row in part.rows
        ),
        part.note,
    )
    first = next(iter(kinds.values()))
    says = f"{kept} of {whole} {first}. {more}".strip()
    return Bars(title, says, charts.shares(f"bars-{name}", title, rows, kinds), table)


def _volumes(nights: Nights, days: Sequence[date]) -> tuple[Chart, ...]:
    tables = sorted({table for night in nights if night for table in night.rows})
    return tuple(
        charts.line(
            f"rows-{table.replace('_', '-')}",
            table.replace("_", " ").capitalize(),
            [None if night is None else night.rows.get(table) for night in nights],
            days,
            "rows of the day before" if table == EVENTS else "rows",
        )
        for table in tables
    )


def _costs(nights: Nights, days: Sequence[date]) -> tuple[Chart, ...]:
    seconds = [None if night is None else night.row.seconds for night in nights]
    if not any(value is not None for value in seconds):
        return ()
    tables = [
        None if night is None else sum(rows for table, rows in night.rows.items() if table != EVENTS)
        for night in nights
    ]
    return (
        charts.line("seconds", "What a scan takes", seconds, days, "seconds"),
        charts.line("rows-all", "Rows in all tables but events", tables, days, "rows"),
    )
