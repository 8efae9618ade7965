"""A bookmark comes back as it was left, or not at all."""

from __future__ import annotations

import base64
import json
import zlib
from array import array
from datetime import UTC, datetime
from typing import Any

import pytest

from detectors.engine.bookmark import Bookmark, loaded
from detectors.engine.foreseen import Foreseen
from detectors.source.bucket_sums import BUCKETS, Sums

NOW = datetime(2026, 2, 3, 9, tzinfo=UTC)
NUMBERS = array("q", range(BUCKETS))
LEFT = Bookmark(
    NOW,
    NOW,
    "a server",
    7,
    9,
    "rules",
    "outlook",
    frozenset({"a sign"}),
    None,
    {"users": Sums(NUMBERS, NUMBERS)},
    foreseen={"users": Foreseen(NOW, frozenset({(5, "anna"), (5, "ben")}))},
)
LARGE = base64.b64encode(zlib.compress(bytes(1_000_000))).decode("ascii")


def test_what_was_left_comes_back() -> None:
    assert loaded(LEFT.dumped()) == LEFT
    assert loaded(None) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"sums": []},
        {"least": "7"},
        {"next": None},
        {"as_of": "2026-02-03"},
        {"signs": [1]},
        {"foreseen": {"users": [NOW.isoformat(), [["5", "anna"]]]}},
        {"sums": {"users": [LARGE, LARGE]}},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_a_damaged_one_is_none(damage: dict[str, Any]) -> None:
    assert loaded(json.dumps({**json.loads(LEFT.dumped()), **damage})) is None
    assert loaded("[" * 100_000) is None


def test_one_that_an_earlier_version_left_is_none() -> None:
    earlier = json.loads(LEFT.dumped())
    del earlier["foreseen"]
    assert loaded(json.dumps(earlier)) is None
