"""`make demo-rt` does what docs/connect.md says, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_the_demo_files_its_tickets_and_goes(request_tracker_template: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob("hearthwatch-rt-*"))
    shown = subprocess.run(
        [sys.executable, "-m", "tests.support.demo_rt", request_tracker_template],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    assert "reopen" in shown
    assert "/Ticket/Display.html?id=" in shown
    assert "as kim, password throwaway" in shown
    assert set(Path(tempfile.gettempdir()).glob("hearthwatch-rt-*")) == before
