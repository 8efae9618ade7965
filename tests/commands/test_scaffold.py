"""`detectors new`: what it makes runs as it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from commands import scaffold


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "detectors" / "rules" / "malfunctions").mkdir(parents=True)
    (tmp_path / "detectors" / "rules" / "malfunctions" / "__init__.py").touch()
    monkeypatch.setattr(scaffold, "ROOT", tmp_path)
    return tmp_path


def test_the_files_are_a_working_detector_and_its_test(checkout: Path) -> None:
    result = CliRunner().invoke(main, ["detectors", "new", "crowded-garden"])
    assert result.exit_code == 0
    made = checkout / "detectors" / "rules" / "malfunctions" / "crowded_garden.py"
    spec = importlib.util.spec_from_file_location("crowded_garden", made)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.DETECTOR.id == "crowded-garden"
    test = checkout / "tests" / "detectors" / "rules" / "malfunctions" / "test_crowded_garden.py"
    compile(test.read_text(encoding="utf-8"), str(test), "exec")


def test_nothing_is_overwritten_and_nonsense_is_refused(checkout: Path) -> None:
    assert CliRunner().invoke(main, ["detectors", "new", "crowded-garden"]).exit_code == 0
    for arguments, word in (
        (["crowded-garden"], "exists"),
        (["Bad Id"], "no id"),
        (["fine", "--family", "none"], "no family"),
        (["fine", "--family", ""], "no family"),
        (["fine", "--family", "passes"], "no family"),
        (["no-leader"], "a detector 'no-leader' already"),
        (["class"], "means something else"),
        (["person"], "means something else"),
        (["ünï"], "no id"),
        (["a" * 400], "no id"),
    ):
        result = CliRunner().invoke(main, ["detectors", "new", *arguments])
        assert result.exit_code == 2
        assert word in result.stderr
