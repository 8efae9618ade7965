"""Tables that a Spark Connect server reads: what is found there is what is found in a folder, whatever the texts hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from detectors.contract import Context, Window
from detectors.engine.runner import ScanResult, scan
from detectors.findings import whole
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source

DEMO = Path(__file__).parents[3] / "fixtures" / "demo" / "night-2"
NIGHT = datetime(2026, 2, 4, 3, tzinfo=UTC)
CLOSED = Window(datetime(2026, 2, 3, tzinfo=UTC), datetime(2026, 2, 4, tzinfo=UTC))


def scanned(where: str) -> ScanResult:
    with open_source(where, SourceMapping()) as source:
        return scan(source, DETECTORS, Context(as_of=NIGHT, window=CLOSED))


def test_the_demo_town_is_read_as_in_a_folder(sail_url: str) -> None:
    here, there = scanned(str(DEMO)), scanned(f"{sail_url};folder={DEMO}")
    assert [whole(one) for one in there.findings] == [whole(one) for one in here.findings]
    assert there.findings
    assert (there.coverage, there.rows_read) == (here.coverage, here.rows_read)
