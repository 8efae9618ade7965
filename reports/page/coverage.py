"""Coverage: which detector could look on which night, and why not. What nobody looked at was not found to be well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from detectors.contract import NEVER_WROTE
from detectors.text.wording import count, listed
from escalation.ledger.snapshots import Ending
from escalation.views.morning import Morning, Night
from reports import charts
from reports.charts import Chart
from reports.message import Table

LEGEND = {
    "ran": "looked",
    "part": "looked in part",
    "proved": "proved impossible",
    "unable": "nothing to look at",
    "unwritten": "never written",
    "failed": "failed",
    "missed": charts.NO_RUN,
}
"""How a detector ended a night: the class of its cell and the word for it."""
NAMED = 6
"""So many failed detectors of one night are named."""
_ORDER = ("failed", "unwritten", "unable", "part", "ran", "proved")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Tonight's endings in words, the grid of all nights, and each detector's sums."""

    tonight: tuple[tuple[str, int], ...]
    grid: Chart | None
    unseen: Table
    gaps: tuple[str, ...]
    """The days without a run and the nights on which a detector failed, the newest first."""


def kind_of(ending: Ending | None) -> str:
    """The class of a cell; empty where nothing is known of that night."""
    if ending is None:
        return ""
    if ending.status == "ran":
        return "part" if ending.reason else "ran"
    if ending.status == "not_applicable":
        return "unwritten" if NEVER_WROTE in (ending.reason or "") else "unable"
    return ending.status


def coverage(of: Morning) -> Coverage:
    """The last part of the page."""
    known = [night for night in of.nights if night.endings]
    last = known[-1].endings if known and known[-1] is of.nights[-1] else {}
    counted = Counter(kind_of(ending) for ending in last.values())
    reasons = [
        (ending.detector, LEGEND[kind_of(ending)], ending.reason or "")
        for ending in sorted(last.values(), key=lambda one: (_ORDER.index(kind_of(one)), one.detector))
        if kind_of(ending) != "ran"
    ]
    return Coverage(
        tonight=tuple((words, counted[kind]) for kind, words in LEGEND.items() if counted[kind]),
        grid=_grid(known, of.calendar) if known else None,
        unseen=Table("Who could not look at everything tonight", ("Detector", "How it ended", "Why"), tuple(reasons)),
        gaps=tuple(_gaps(reversed(of.calendar))),
    )


def _gaps(days: Iterable[tuple[date, Night | None]]) -> Iterator[str]:
    for day, night in days:
        if night is None:
            yield f"No run on {day}."
        elif failed := sorted(one.detector for one in night.endings.values() if one.status == "failed"):
            yield f"{listed(failed, NAMED)} failed on {day}."


def _grid(known: Sequence[Night], calendar: Sequence[tuple[date, Night | None]]) -> Chart:
    detectors = list(dict.fromkeys(name for night in reversed(known) for name in night.endings))
    cells = {
        name: ["missed" if night is None else kind_of(night.endings.get(name)) for _, night in calendar]
        for name in detectors
    }
    days = [day for day, _ in calendar]
    title = "Who looked on which night"
    failed = sum("failed" in kinds for kinds in cells.values())
    says = f"{count(len(detectors), 'detector')} over {count(len(days), 'day')}; {failed or 'none'} of them failed on some night."
    rows = tuple(
        (name, *(str(kinds.count(kind)) for kind in LEGEND), "-" if not kinds[-1] else LEGEND[kinds[-1]])
        for name, kinds in cells.items()
    )
    columns = ("Detector", *(f"{words.capitalize()}" for words in LEGEND.values()), "On the last night")
    table = Table("Nights by how a detector ended them", columns, rows)
    return Chart(title, says, charts.grid("coverage-grid", title, says, cells, days, LEGEND), table)
