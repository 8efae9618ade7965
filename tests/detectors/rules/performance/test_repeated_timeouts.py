"""repeated-timeouts: three time-outs of one user, or of one household beyond those of its users."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.rules.performance.repeated_timeouts import DETECTOR
from tests.support.effort import tries
from tests.support.towns import HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    return town


def lock(town: Town, household: str | None, user: str | None, at: datetime = NOON, **metadata: Any) -> None:
    town.event("lock_acquisition_timeout", household, user, at=at, resource="household", **metadata)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("number", "expected"), [(2, 0), (3, 1)])
def test_of_a_user(scanner: Scanner, town: Town, number: int, expected: int) -> None:
    for place in range(number):
        lock(town, None if place else "oak", "anna")
    assert scanner.subjects(town, DETECTOR) == [{"user_id": uid("anna")}] * expected


@pytest.mark.parametrize(("number", "expected"), [(2, 0), (3, 1)])
def test_of_a_household(scanner: Scanner, town: Town, number: int, expected: int) -> None:
    for user in ("anna", None, "ben")[:number]:
        lock(town, "oak", user)
    assert scanner.subjects(town, DETECTOR) == [{"household_id": uid("oak")}] * expected


def test_a_users_time_outs_are_not_the_households_too(scanner: Scanner, town: Town) -> None:
    for user in ("anna", "anna", "anna", "ben", None):
        lock(town, "oak", user)
    assert scanner.subjects(town, DETECTOR) == [{"user_id": uid("anna")}]
    lock(town, "oak", None)
    assert scanner.subjects(town, DETECTOR) == [{"household_id": uid("oak")}, {"user_id": uid("anna")}]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"duration_ms": 30_001}, 1),
        ({"duration_ms": 30_000}, 0),
        ({"error_code": "57014"}, 1),
        ({"error_code": "REQUEST_TIMEOUT"}, 1),
        ({"error_code": "LOCK_TIMEOUT"}, 1),
        ({"error_code": "TOKEN_TIMEOUT"}, 0),
        ({"status": 504, "correlation_id": "c"}, 0),
    ],
)
def test_what_a_time_out_is(scanner: Scanner, town: Town, metadata: dict[str, Any], expected: int) -> None:
    for minute in range(3):
        town.event("api_request", "oak", "ben", at=NOON + minute * MINUTE, **metadata)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_the_parts_of_one_operation_are_one(scanner: Scanner, town: Town) -> None:
    lock(town, "oak", "ben", correlation_id="c")
    town.event("api_request", "oak", "ben", status=504, correlation_id="c")
    town.event("household_settings_viewed", "oak", "ben", error_code="57014", correlation_id="c")
    assert scanner.findings(town, DETECTOR) == []


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    timeouts=st.lists(
        st.tuples(st.sampled_from(["oak", "elm", None]), st.sampled_from(["anna", "ben", None]), st.integers(-13, 12)),
        max_size=14,
    )
)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner, on_postgres: Scanner, timeouts: list[tuple[str | None, str | None, int]]
) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    for household, user, hours in timeouts:
        lock(town, household, user, NOON + hours * HOUR)
    real = [(h, u) for h, u, hours in timeouts if NOON + hours * HOUR in YESTERDAY]
    users = {user for _, user in real if user and sum(u == user for _, u in real) >= 3}
    rest = [household for household, user in real if user not in users]
    households = {household for household in rest if household and rest.count(household) >= 3}
    first = on_duckdb.findings(town, DETECTOR)
    assert {f.subject.get("user_id") for f in first} - {None} == {uid(user) for user in users}
    assert {f.subject.get("household_id") for f in first} - {None} == {uid(name) for name in households}
    assert on_postgres.findings(town, DETECTOR) == first
