"""`pytest --fast`: a fifth of the tests that catches most, for the minute before a commit.

Left out are PostgreSQL (DuckDB runs the same rules), Hypothesis' properties, the third and later variants of a test, and what `tests/slow.txt`
names. `python -m tests.support.selection JUNIT.XML` writes that list anew from what a whole run measured.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

VARIANTS = 2
SLOW = Path(__file__).parent.parent / "slow.txt"
SLOW_SECONDS = 0.5
"""On two busy cores; half of it on quiet ones."""


def add_option(parser: pytest.Parser) -> None:
    """The option, for conftest's hook."""
    parser.addoption("--fast", action="store_true", help="run the fifth of the tests that catches most")


def keep_fast(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of `items` what is not for a quick look."""
    if not config.getoption("--fast"):
        return
    slow, seen = set(SLOW.read_text(encoding="utf-8").split()), Counter[str]()
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        name = _name(item.path.stem, item.name)
        fast = not (name in slow or "postgres" in item.name or item.get_closest_marker("hypothesis"))
        seen[name] += fast
        (kept if fast and seen[name] <= VARIANTS else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def long_first(items: list[pytest.Item]) -> None:
    """Begin with the tests of the whole program, which take up to minutes each: begun last, one of them keeps the other cores idle."""
    items.sort(key=lambda item: item.path.parent != SLOW.parent)


def _name(file: str, test: str) -> str:
    """A test without its folder and variant, so that it is known wherever its file goes."""
    return f"{file}::{test.partition('[')[0]}"


def slow_tests(report: Path) -> list[str]:
    """The tests of which an ordinary variant took long, by what pytest's --junitxml wrote."""
    cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314  # pytest wrote it a moment ago
    named = [(case.get("classname", "").split("."), case.get("name", ""), float(case.get("time", 0))) for case in cases]
    return sorted(
        {
            _name(next(part for part in place if part.startswith("test_")), test)
            for place, test, seconds in named
            if seconds > SLOW_SECONDS and "postgres" not in test
        }
    )


if __name__ == "__main__":
    SLOW.write_text("".join(f"{name}\n" for name in slow_tests(Path(sys.argv[1]))), encoding="utf-8")
