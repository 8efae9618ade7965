"""The conventions that every detector keeps."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import get_args

import pytest

from detectors.contract import Detector, Span
from detectors.engine.applicability import elements_of
from detectors.engine.subscribed import spans_of
from detectors.events import EVENT_TYPES
from detectors.limits import Limits
from detectors.passes import PASSES
from detectors.registry import BY_ID, DETECTORS
from detectors.source import CANONICAL
from detectors.source.first_rows import is_column

SECTIONS = ["Problem", "Fires when", "Stays silent when", "Evidence", "What to do", "How to check"]
TESTS = Path(__file__).parent


def test_what_passes_may_look_back_at_some_rule_does() -> None:
    assert spans_of(DETECTORS, Limits()).keys() == set(get_args(Span))


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
    assert all(subscription.on in PASSES for subscription in detector.subscriptions)
    assert detector.subscriptions or detector.inspect or detector.mark
    assert (
        detector.evaluate
        or detector.inspect
        or detector.mark
        or all(subscription.aggregate for subscription in detector.subscriptions)
    )
    assert detector.meta.process.split(",")[0].split(":")[0].strip()


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_each_has_a_file_and_a_test_of_its_name(detector: Detector) -> None:
    """Detectors that share one rule and differ in a word share a test, which imports each of them."""
    name = detector.id.replace("-", "_")
    files = list((TESTS.parent.parent / "detectors" / "rules").glob(f"*/{name}.py"))
    assert len(files) == 1
    family = TESTS / "rules" / files[0].parent.name
    own = family / f"test_{name}.py"
    assert own.exists() or any(f" {name}" in path.read_text(encoding="utf-8") for path in family.glob("test_*.py"))


EXEMPT = {
    "approval-not-applied": "an approval's event is an excuse or a date; the request's own row tells",
    "concurrent-conflict": "the order of answers is taken from the requests where no event tells it",
    "database-errors": "any event may carry an error",
    "invite-code-sharing": "an answer's event is a date; the request's own row tells",
    "member-without-approval": "events only excuse",
    "old-invite-code-accepted": "a transfer explains updated_at, and excuses nothing else",
    "punitive-removals": "a leave excuses; where none is written, an empty household does",
    "removal-not-applied": "an approval's event only excuses",
    "stored-markup": "the event only says since when",
    "self-approved-request": "events only show who belonged",
    "transfer-failed": "events of a leave say how far it got",
    "unauthorised-access": "events only show when somebody belonged",
    "unauthorised-transfer": "a login that failed and a household's creation are circumstances",
}
"""Detectors whose module compares with types of events that it does not conclude from, each with the reason."""


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_what_it_compares_with_is_declared(detector: Detector) -> None:
    function = detector.evaluate or next((subscription.aggregate for subscription in detector.subscriptions), None)
    if function is None:
        return
    source = inspect.getsource(importlib.import_module(function.__module__))
    said = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    named = {element.partition(".")[0] for element in elements_of([detector])}
    undeclared = {word for word in said if isinstance(word, str)} & EVENT_TYPES - named
    assert not undeclared or EXEMPT.get(detector.id), undeclared


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_declarations_name_what_there_is(detector: Detector) -> None:
    assert {each.partition(".")[0] for each in detector.meta.consults} <= CANONICAL.keys()
    further = {each for each in detector.meta.consults if "." in each}
    assert all(is_column(each) for each in further.union(*detector.meta.partly.values()))
    for element in elements_of([detector]):
        if is_column(element):
            continue
        event_type, _, keys = element.partition(".")
        assert event_type in EVENT_TYPES
        assert all(key.isidentifier() for key in keys.split("|")) or not keys
    # A group that nothing can satisfy would silence its detector for good.
    assert all(group for groups in (detector.meta.events, *detector.meta.ways.values()) for group in groups)
