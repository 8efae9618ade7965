"""The generator's command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.town import generate, preset

ROOT = Path(__file__).parents[2]


def town(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.town", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_folder_is_what_the_same_spec_gives_in_python(tmp_path: Path) -> None:
    arguments = ("--seed", "5", "--plant", "1", "--no-unique", "--format", "csv", "--truth", str(tmp_path / "truth"))
    done = town(*arguments, "--folder", str(tmp_path / "command"))
    assert (done.returncode, done.stdout) == (0, "")
    assert "residents are settled" in done.stderr
    same = generate(preset("tiny", seed=5, plant=1, duplicates=True))
    same.write_folder(tmp_path / "python", "csv")
    for path in (tmp_path / "python").iterdir():
        assert path.read_bytes() == (tmp_path / "command" / path.name).read_bytes()
    assert json.loads((tmp_path / "truth").read_text()) == same.truth


def test_history_grows_and_the_end_moves(tmp_path: Path) -> None:
    shape = ("--history-factor", "2", "--events", "4000", "--as-of", "2026-03-01T05:00:00+00:00", "--format", "csv")
    assert town(*shape, "--folder", str(tmp_path)).returncode == 0
    lines = (tmp_path / "household_events.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 4000
    assert "2025-12-31 " in lines[1]
    assert "2026-03-01 04:" in lines[-1]
