"""The generated pages say what the program says now, and the process is covered row by row."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from detectors.registry import BY_ID

ROOT = Path(__file__).parent.parent.parent
_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
assert _spec
assert _spec.loader
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.PAGES)
def test_the_page_is_what_its_generator_makes(name: str) -> None:
    written = (ROOT / name).read_text(encoding="utf-8")
    assert generate.PAGES[name]() == written, "run `make docs` and commit what it changes"


def test_every_row_of_the_process_has_a_detector_or_a_person_and_every_detector_a_row() -> None:
    covered = [name.strip() for _, _, names in generate.process_rows() for name in names.split(",")]
    assert set(covered) == set(BY_ID) | {"a person"}, "docs/process_rows.txt names each detector at a row"
