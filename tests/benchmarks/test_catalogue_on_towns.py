"""The whole catalogue on generated towns: silent on ordinary life, and every planted fault is found."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from benchmarks.town import generate, preset
from benchmarks.town.spec import TownSpec
from detectors.contract import Context, Window
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source

EVERYONE_LEFT = "orphaned-household/everyone-left"


def _scan(folder: Path, spec: TownSpec) -> ScanResult:
    midnight = spec.as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    context = Context(as_of=spec.as_of, window=Window(midnight - timedelta(days=1), midnight))
    with open_source(str(folder), SourceMapping()) as source:
        return scan(source, DETECTORS, context)


def test_ordinary_life_in_20000_households_gives_no_finding_but_the_true_ones(tmp_path: Path) -> None:
    spec = preset("small", seed=11)
    town = generate(spec)
    town.write_folder(tmp_path, format="parquet")
    result = _scan(tmp_path, spec)
    assert {entry.status for entry in result.coverage} == {"ran", "not_applicable"}
    (finding,) = result.findings
    assert [member.subject for member in finding.members] == sorted(
        town.truth[EVERYONE_LEFT], key=lambda subject: subject["household_id"]
    )


def test_every_planted_fault_is_found_and_nothing_of_those_kinds_is_made_up(tmp_path: Path) -> None:
    spec = preset("tiny", seed=4, plant=2, duplicates=True)
    town = generate(spec)
    town.write_folder(tmp_path, format="csv")
    result = _scan(tmp_path, spec)
    for detector, subjects in town.truth.items():
        if detector != EVERYONE_LEFT:
            found = [f.subject for f in result.findings if f.detector == detector and "operation" not in f.subject]
            assert sorted(map(str, found)) == sorted(str(dict(sorted(s.items()))) for s in subjects), detector
