"""A night as Prometheus metrics, for the text file collector of the node exporter."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from detectors.contract import Coverage
from escalation.ledger.records import Look
from escalation.nights.night import NightReport
from reports import files

_LONGEST = 10_000_000
_PREFIX: Mapping[Look, str] = {"night": "hearthwatch", "quick": "hearthwatch_quick"}
"""A collector refuses the same name from two files."""
_LAST_SUCCESS = "last_success_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class _Page:
    """The metrics of one file, and how their names begin."""

    registry: CollectorRegistry
    prefix: str

    def set(self, name: str, what: str, value: float) -> None:
        Gauge(f"{self.prefix}_{name}", what, registry=self.registry).set(value)

    def each(
        self, name: str, what: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
    ) -> None:
        gauge = Gauge(f"{self.prefix}_{name}", what, labels, registry=self.registry)
        for key, value in values:
            gauge.labels(*key).set(value)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run has seen: its report, how each detector ended, and how many rows each table had."""

    report: NightReport
    coverage: tuple[Coverage, ...]
    rows_read: dict[str, int]


def write(
    path: Path,
    now: datetime,
    exit_code: int,
    seconds: float,
    seen: Seen | None,
    *,
    well: bool,
    look: Look = "night",
) -> None:
    """Replace the file at `path` at once, so that nobody reads half of it; a new one is for this user alone.

    A run that failed keeps the time of the last one that went well, and says nothing of findings and tickets.

    Raises:
        OddFileError: what stands there is a link, a folder, a device or another thing that is no file.
        OSError: it cannot be written.
    """
    # Whoever lets a collector read the file gives it the right once.
    mode = stat.S_IMODE(path.lstat().st_mode) if files.is_there(path) else files.PRIVATE
    page = _Page(CollectorRegistry(), _PREFIX[look])
    page.set("run_timestamp_seconds", "When the last run began.", now.timestamp())
    page.set("run_seconds", "How long the last run took.", seconds)
    page.set("run_exit_code", "The last run's exit code.", exit_code)
    success = now.timestamp() if well else _last_success(path, f"{page.prefix}_{_LAST_SUCCESS}")
    if success is not None:
        page.set(_LAST_SUCCESS, "When the last run that went well began.", success)
    if seen is not None:
        _night(page, seen)
    files.put(path, generate_latest(page.registry), mode)


def _night(page: _Page, seen: Seen) -> None:
    report = seen.report
    page.set("complete", "1 if every detector could look at everything.", float(report.complete))
    findings = Counter((one.detector, one.team, one.severity) for one in report.findings)
    page.each("findings", "Tonight's findings.", ("detector", "team", "severity"), findings.items())
    endings = Counter((one.status,) for one in seen.coverage)
    page.each("detectors", "How the detectors ended.", ("status",), endings.items())
    waiting = (((team,), number) for team, number in report.open_tickets.items())
    page.each("tickets_open", "Tickets in progress.", ("team",), waiting)
    page.set("tickets_overdue", "Tickets with a broken promise.", len(report.overdue))
    undelivered = len(report.failed) + len(report.unannounced)
    page.set("undelivered", "Messages that the next run tries again.", undelivered)
    rows = (((table,), number) for table, number in seen.rows_read.items())
    page.each("rows", "Rows of the source's tables.", ("table",), rows)


def _last_success(path: Path, name: str) -> float | None:
    """What the file says by now; None where there is none that can be read."""
    try:
        families = list(text_string_to_metric_families(files.read(path, _LONGEST).decode()))
    except (OSError, ValueError, files.OddFileError):
        return None
    return next((family.samples[0].value for family in families if family.name == name), None)
