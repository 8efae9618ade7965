"""`pytest --fast`: a fifth of the tests that catches most, for the minute before a commit.

Left out are PostgreSQL (DuckDB runs the same rules), Hypothesis' properties, the third and later variants of a test, and what `tests/slow.txt`
names. `python -m tests.support.selection JUNIT.XML` writes that list anew from what a whole run measured.

A whole run tries each case of a rule's test on one engine; `one_engine_each` says which.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.support.effort import PROFILE

VARIANTS = 2
SLOW = Path(__file__).parent.parent / "slow.txt"
RULES = SLOW.parent / "detectors" / "rules"
WHOLE_RUN = 5_000
"""A run of fewer tests is of a part of the suite, by hand."""
ENGINES = ("duckdb", "postgresql")
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


def one_engine_each(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a whole run's `items`, leave out every second pair of a case of a rule's test and an engine.

    Both engines run each test, and each case runs, on the one engine or the other in turn: what a case asks of a rule's conditions and
    limits is the same on both. Files that are marked `each_engine` ask about texts, for which the engines' patterns differ: they
    keep all pairs, as do all files where a part of the suite is run, or where we explore. Other tests of two lists of which each
    entry stands for itself are marked `in_turn`: every second pair of theirs is left out, and no entry of a list.
    """
    if config.getoption("--fast") or PROFILE != "ci" or len(items) < WHOLE_RUN:
        return
    cases: dict[tuple[Path, str], dict[str, int]] = defaultdict(dict)
    left = []
    for item in items:
        function, _, variant = item.name.partition("[")
        if item.get_closest_marker("in_turn"):
            numbers = cases[item.path, function]
            if _place(item, numbers.setdefault(variant, len(numbers))) % 2:
                left.append(item)
            continue
        engine, _, case = variant.rstrip("]").partition("-")
        if engine in ENGINES and case and RULES in item.path.parents and not item.get_closest_marker("each_engine"):
            numbers = cases[item.path, function]
            if (ENGINES.index(engine) + _place(item, numbers.setdefault(case, len(numbers)))) % 2:
                left.append(item)
    config.hook.pytest_deselected(items=left)
    others = set(left)
    items[:] = [item for item in items if item not in others]


def _place(item: pytest.Item, number: int) -> int:
    """Where the case of this number stands in the lists of cases, all in all: so each entry of two lists meets both engines."""
    place = 0
    for mark in reversed([*item.iter_markers("parametrize")]):
        number, here = divmod(number, len(mark.args[1]))
        place += here
    # What is left over is the place of a fixture of several kinds.
    return place + number


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
