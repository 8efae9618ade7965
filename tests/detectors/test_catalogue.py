"""The conventions that every detector keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.contract import Detector
from detectors.passes import PASSES
from detectors.registry import BY_ID, DETECTORS
from detectors.source import CANONICAL

SECTIONS = ["Problem", "Fires when", "Stays silent when", "Evidence", "What to do"]
TESTS = Path(__file__).parent


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(DETECTORS)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_conventions(detector: Detector) -> None:
    lines = detector.page.strip().splitlines()
    headings = [line for line, under in zip(lines, [*lines[1:], ""], strict=True) if under and set(under) == {"-"}]
    assert headings == SECTIONS
    assert lines[0]
    for need in detector.meta.needs:
        table, column = need.split(".")
        assert column in CANONICAL[table].columns
    assert all(ride.on in PASSES for ride in detector.rides)
    assert detector.rides or detector.inspect or detector.mark
    assert detector.judge or detector.inspect or detector.mark or all(ride.collect for ride in detector.rides)
    assert detector.meta.process.split(",")[0].split(":")[0].strip()


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_each_has_a_file_and_a_test_of_its_name(detector: Detector) -> None:
    """Detectors that share one rule and differ in a word share a test, which imports each of them."""
    name = detector.id.replace("-", "_")
    files = list((TESTS.parent.parent / "detectors").glob(f"*/{name}.py"))
    assert len(files) == 1
    family = TESTS / files[0].parent.name
    own = family / f"test_{name}.py"
    assert own.exists() or any(f" {name}" in path.read_text(encoding="utf-8") for path in family.glob("test_*.py"))
