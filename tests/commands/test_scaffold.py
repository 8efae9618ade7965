"""`detectors new`: what it makes runs as it is."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from commands import scaffold
from detectors.registry import BY_FAMILY, DETECTORS, FAMILIES

RULES = scaffold.ROOT / "detectors" / "rules"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scaffold, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("family", FAMILIES)
def test_the_files_are_a_working_detector_and_its_test(checkout: Path, family: str) -> None:
    result = CliRunner().invoke(main, ["detectors", "new", "crowded-garden", "--family", family])
    assert result.exit_code == 0
    made = checkout / "detectors" / "rules" / family / "crowded_garden.py"
    spec = importlib.util.spec_from_file_location("crowded_garden", made)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.DETECTOR.id == "crowded-garden"
    assert {one.meta.team for one in BY_FAMILY[family]} == {module.DETECTOR.meta.team}
    test = checkout / "tests" / "detectors" / "rules" / family / "test_crowded_garden.py"
    compile(test.read_text(encoding="utf-8"), str(test), "exec")
    # Under the name that it would have here, where the program's own rooms are known.
    there = RULES / family / "crowded_garden.py"
    style = [sys.executable, "-m", "ruff", "check", "--quiet", "--stdin-filename", str(there)]
    assert subprocess.run(style, input=made.read_text(), check=False, capture_output=True, text=True).stdout == ""


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


def test_every_rule_is_found_and_in_the_order_of_its_family() -> None:
    files = {path.stem.replace("_", "-") for path in RULES.glob("*/[!_]*.py")}
    assert files == {detector.id for detector in DETECTORS}
    assert {path.parent.name for path in RULES.glob("*/__init__.py")} == set(FAMILIES)


def test_nobody_left_the_words_of_the_scaffold() -> None:
    left = [
        detector.id
        for detector in DETECTORS
        for words in ("(say it in five words)", "What is wrong, and whom it hurts.", "Escalations: the row")
        if words in f"{detector.page}{detector.meta.title}{detector.meta.process}"
    ]
    assert left == []
