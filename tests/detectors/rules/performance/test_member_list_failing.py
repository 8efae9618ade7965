"""member-list-failing: three failures of the member list of a household with more than ten members."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.rules.performance.member_list_failing import DETECTOR
from tests.support.effort import tries
from tests.support.towns import HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid


def town_of(members: int) -> Town:
    town = Town()
    town.family("oak", *(f"m{place}" for place in range(members)))
    town.family("elm", "dora", "emil")
    return town


def fail(town: Town, household: str | None = "oak", at: datetime = NOON, **metadata: Any) -> None:
    town.event("household_member_list_viewed", household, "m1", at=at, **({"error_code": "DATABASE_ERROR"} | metadata))


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner) -> None:
    town = town_of(12)
    for minute in range(9):
        town.event("household_member_list_viewed", "oak", "m1", at=NOON + minute * MINUTE, duration_ms=300)
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("members", "failures", "expected"), [(10, 5, 0), (11, 2, 0), (11, 3, 1)])
def test_boundaries(scanner: Scanner, members: int, failures: int, expected: int) -> None:
    town = town_of(members)
    town.member("oak", "left", status="removed")
    for minute in range(failures):
        fail(town, at=NOON + minute * MINUTE)
        fail(town, "elm", at=NOON + minute * MINUTE)
    found = scanner.findings(town, DETECTOR)
    assert [f.subject for f in found] == [{"household_id": uid("oak")}] * expected
    assert [f.evidence["members"] for f in found] == [members] * expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"error_code": "TIMEOUT"}, 1),
        ({"error_code": None, "duration_ms": 30_001}, 1),
        ({"error_code": None, "duration_ms": 30_000}, 0),
        ({"error_code": None}, 0),
        ({"error_code": "NOT_A_MEMBER"}, 0),
        ({"error_code": "RATE_LIMIT_EXCEEDED"}, 0),
        ({"correlation_id": "c"}, 0),
        ({"error_code": None, "duration_ms": "3.1e4"}, 1),
        ({"error_code": "57014"}, 1),
        ({"member_count": 0}, 1),
        ({"member_count": -3}, 1),
        ({"member_count": "many"}, 1),
    ],
)
def test_what_a_failure_is(scanner: Scanner, metadata: dict[str, Any], expected: int) -> None:
    town = town_of(11)
    for minute in range(3):
        fail(town, at=NOON + minute * MINUTE, **metadata)
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize(("members", "expected"), [(10, 0), (11, 1), ("11", 1), (11.0, 1), ("1e1", 0), (None, 0)])
def test_the_size_at_that_time_counts(scanner: Scanner, members: object, expected: int) -> None:
    town = town_of(4)
    for minute in range(3):
        fail(town, at=NOON + minute * MINUTE, member_count=members)
        fail(town, None, at=NOON + minute * MINUTE, member_count=members)
    assert scanner.subjects(town, DETECTOR) == [{"household_id": uid("oak")}] * expected


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    members=st.integers(9, 12),
    failures=st.lists(st.tuples(st.integers(-12, 13), st.sampled_from(["X", None, "FORBIDDEN"])), max_size=7),
)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner, on_postgres: Scanner, members: int, failures: list[tuple[int, str | None]]
) -> None:
    town = town_of(members)
    for hours, code in failures:
        fail(town, at=NOON + hours * HOUR, error_code=code)
    real = [hours for hours, code in failures if code == "X" and NOON + hours * HOUR < YESTERDAY.end]
    first = on_duckdb.findings(town, DETECTOR)
    assert bool(first) == (members > 10 and len(real) >= 3)
    assert on_postgres.findings(town, DETECTOR) == first
