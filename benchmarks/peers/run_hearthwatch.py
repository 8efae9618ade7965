"""A scan by Hearthwatch: python -m benchmarks.peers.run_hearthwatch JOB ANSWER [nine].

With `nine` only the detectors that cover the nine checks run, else the whole catalogue. A check whose detector is not
there is counted as null.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.checks import CREATIONS_PER_DAY, REMOVALS_PER_DAY
from detectors.contract import Context, Finding, Window
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.findings import whole
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source

Counting = Callable[[Iterable[Finding], date], int]


def main() -> None:
    job_file, answer_file, *chosen = sys.argv[1:]
    job = json.loads(Path(job_file).read_text())
    as_of, since, until = (datetime.fromisoformat(job[name]) for name in ("as_of", "start", "end"))
    wanted = {detector for detector, _ in COUNTED.values()}
    detectors = [detector for detector in DETECTORS if not chosen or detector.id in wanted]
    with open_source(job["url"], SourceMapping()) as source:
        result = scan(source, detectors, Context(as_of=as_of, window=Window(since, until)))
    answer = {
        "version": f"hearthwatch {version('hearthwatch')}",
        "detectors": len(detectors),
        "counts": counts(result, since.date()),
        "findings": len(result.findings),
        "failed": [entry.detector for entry in result.coverage if entry.status == "failed"],
    }
    Path(answer_file).write_text(json.dumps(answer))


def counts(result: ScanResult, first_day: date) -> dict[str, int | None]:
    """Of each of the nine checks, how many rows its plain statement would have; None where no detector looked."""
    looked = {entry.detector for entry in result.coverage if entry.status in {"ran", "proved"}}
    return {
        check: counting((whole(f) for f in result.findings if f.detector == detector), first_day)
        if detector in looked
        else None
        for check, (detector, counting) in COUNTED.items()
    }


def _each(findings: Iterable[Finding], _: date) -> int:
    return sum(1 for _finding in findings)


def _grouped(findings: Iterable[Finding], _: date) -> int:
    return sum(finding.evidence.get("count", 1) for finding in findings)


def _role_not_moved(findings: Iterable[Finding], _: date) -> int:
    return sum(finding.evidence["failure"] == "role-not-moved" for finding in findings)


def _in_use_twice(findings: Iterable[Finding], _: date) -> int:
    return sum(len(finding.evidence["households_now"]) > 1 for finding in findings)


def _too_many(key: str, limit: int) -> Counting:
    """Who went over `limit` on a day of the window; the detectors find more, by the sum of three days."""

    def count(findings: Iterable[Finding], first_day: date) -> int:
        return sum(
            any(day[key] > limit and date.fromisoformat(day["day"]) >= first_day for day in finding.evidence["days"])
            for finding in findings
        )

    return count


COUNTED: dict[str, tuple[str, Counting]] = {
    "several_leaders": ("multiple-leaders", _each),
    "no_leader": ("no-leader", _each),
    "orphaned": ("orphaned-household", _grouped),
    "leader_mismatch": ("transfer-failed", _role_not_moved),
    "duplicate_members": ("duplicate-member", _each),
    "approved_without_member": ("approval-not-applied", _each),
    "duplicate_codes": ("invite-code-collision", _in_use_twice),
    "many_creations": ("mass-creation", _too_many("households_created", CREATIONS_PER_DAY)),
    "many_removals": ("mass-removal", _too_many("members_removed", REMOVALS_PER_DAY)),
}
"""Which detector covers which check, and which part of its findings that is."""


if __name__ == "__main__":
    main()
