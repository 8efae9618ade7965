"""Metadata that was written otherwise from some moment on is told: what it said would be overlooked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from detectors.rules.malfunctions.removal_not_applied import DETECTOR
from tests.support.towns import DAY, HOUR, LONG_AGO, NOON, Scanner, Town, uid

Keys = dict[str, Any]


def camel(keys: Keys) -> Keys:
    return {"memberId": keys["member_id"]}


def nested(keys: Keys) -> Keys:
    return {"data": keys}


def inside(keys: Keys) -> Keys:
    return {"member_id": {"id": keys["member_id"]}}


def none_at_all(_: Keys) -> Keys:
    return {}


@pytest.fixture
def town() -> Town:
    """Two households; from each somebody was removed, of whom one is still active."""
    town = Town()
    for number, home in enumerate(("oak", "elm")):
        town.family(home, f"{home} anna", f"{home} ben")
        town.event("household_member_removed", home, f"{home} anna", at=NOON - number * HOUR, member_id=f"{home} ben")
    town.row("elm", "elm ben")["status"] = "removed"
    return town


def told(scanner: Scanner, town: Town) -> list[str]:
    return [notice.said for notice in scanner(town, DETECTOR).notices if "lacks" in notice.said]


@pytest.mark.parametrize("change", [camel, nested, inside, none_at_all])
def test_keys_that_rows_of_late_lack_are_told(on_duckdb: Scanner, town: Town, change: Callable[[Keys], Keys]) -> None:
    assert told(on_duckdb, town) == []
    late = town.household_events[0]
    late["metadata"] = change(late["metadata"])
    (said,) = told(on_duckdb, town)
    assert "lacks member_id in 1 of 2 rows of household_member_removed" in said
    # The detector has looked in part, and says so.
    (entry,) = on_duckdb(town, DETECTOR).coverage
    assert said in (entry.reason or "")


def test_what_only_older_rows_tell_is_told_of(on_postgres: Scanner, town: Town) -> None:
    town.household_events[1]["event_timestamp"] = LONG_AGO + DAY
    late = town.household_events[0]
    late["metadata"] = camel(late["metadata"])
    (said,) = told(on_postgres, town)
    assert "member_id in 1 of 1 rows" in said


def test_what_no_row_ever_told_is_said_otherwise(on_duckdb: Scanner, town: Town) -> None:
    for row in town.household_events:
        row["metadata"] = inside({"member_id": uid("x")})
    result = on_duckdb(town, DETECTOR)
    (entry,) = result.coverage
    assert entry.status == "not_applicable"
    assert "never names member_id" in (entry.reason or "")
