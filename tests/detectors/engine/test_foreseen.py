"""What a look tells the next one of the times that will pass."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.engine import foreseen as module
from detectors.engine.foreseen import Foreseen, foreseen
from tests.support.towns import NOON

SECOND = 1_000_000
AT = int(NOON.timestamp()) * SECOND


def test_a_time_has_passed_from_its_moment_on_and_is_told_once() -> None:
    ahead = Foreseen(NOON + timedelta(days=1), frozenset({(AT, "oak"), (AT + 1, "elm"), (AT + SECOND, "fir")}))
    assert ahead.passed(NOON) == {"oak"}
    assert ahead.passed(NOON - timedelta(microseconds=1)) == frozenset()
    left = ahead.with_newer(NOON, [(AT + 5, "ash")])
    assert left is not None
    assert left.until == ahead.until
    assert left.passed(NOON) == frozenset()
    assert left.passed(NOON + timedelta(microseconds=4)) == {"elm"}
    assert left.passed(NOON + timedelta(seconds=1)) == {"elm", "ash", "fir"}


def test_of_too_many_none_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AHEAD", 2)
    two = foreseen(NOON, [(AT, "oak"), (AT, "elm")])
    assert two is not None
    assert two.with_newer(NOON - timedelta(seconds=1), [(AT, "fir")]) is None
    assert foreseen(NOON, [(AT, "oak"), (AT, "elm"), (AT, "fir")]) is None
