"""api-timeouts: calls that took over 30 s or ended with a time-out error, as one finding."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.rules.system.api_timeouts import DETECTOR
from tests.support.effort import tries
from tests.support.towns import HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    for minute in range(30):
        town.event("api_request", "oak", "anna", at=NOON + minute * MINUTE, status=200, duration_ms=40)
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


TIMED_OUT: tuple[dict[str, Any], ...] = (
    {"duration_ms": 30_001},
    {"duration_ms": 30_000.5},
    {"duration_ms": "45000"},
    {"duration_ms": "4.5e4"},
    {"duration_ms": 4.5e16},
    {"duration_ms": "30000.0001"},
    {"status": 504},
    {"status": 408},
    {"status": "504"},
    {"status": 504.0},
    {"error_code": "TIMEOUT"},
    {"error_code": "gateway_timeout"},
    {"error_code": "ETIMEDOUT"},
    {"error_code": "TIMED_OUT"},
    {"error_code": "Request timed out"},
    {"error_code": "upstream-time-out"},
    {"error_code": "DEADLINE_EXCEEDED"},
    {"error_code": "504"},
    {"error_code": "LOCK_TIMEOUT", "duration_ms": 30_001},
)
NOT_TIMED_OUT: tuple[dict[str, Any], ...] = (
    {"duration_ms": 30_000},
    {"duration_ms": "30000.0"},
    {"duration_ms": "2.9e4"},
    {"duration_ms": "-4.5e4"},
    {"duration_ms": "9e999"},
    {"duration_ms": "9" * 101},
    {"duration_ms": "Infinity"},
    {"duration_ms": "NaN"},
    {"duration_ms": "45000 ms"},
    {"duration_ms": ""},
    {"duration_ms": True},
    {"duration_ms": [45000]},
    {"duration_ms": "soon"},
    {"duration_ms": -99_999},
    {"duration_ms": None},
    {"status": "5040"},
    {"status": None},
    {"status": 500},
    {"error_code": "SESSION_TIMEOUT"},
    {"error_code": "SESSION_TIMEOUT", "status": 401},
    {"error_code": "57014"},
    {"error_code": "LOCK_TIMEOUT"},
    {"error_code": "DATABASE_ERROR"},
)


def test_what_a_time_out_is(scanner: Scanner, town: Town) -> None:
    for metadata in (*TIMED_OUT, *NOT_TIMED_OUT):
        town.event("api_request", "oak", f"{metadata}", route="/households", **metadata)
    (found,) = scanner.findings(town, DETECTOR)
    assert found.subject == {"operation": "api-calls"}
    whose = {uid(f"{metadata}"): metadata for metadata in (*TIMED_OUT, *NOT_TIMED_OUT)}
    assert sorted(str(whose[one]) for one in found.users) == sorted(map(str, TIMED_OUT))


def test_locks_and_slow_views_are_other_findings(scanner: Scanner, town: Town) -> None:
    town.event("lock_acquisition_timeout", "oak", "ben", resource="household", error_code="LOCK_TIMEOUT")
    town.event("household_dashboard_viewed", "oak", "ben", duration_ms=40_000)
    town.event("household_leave_started", "oak", "ben")
    assert scanner.findings(town, DETECTOR) == []


def test_any_operation_can_end_with_a_time_out_error(scanner: Scanner, town: Town) -> None:
    town.event("household_member_list_viewed", "oak", "ben", error_code="ETIMEDOUT")
    town.event("household_create_failed", None, "cleo", error_code="TIMEOUT")
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["count"] == 2


def test_rows_that_arrive_late_count_at_their_own_time(scanner: Scanner, town: Town) -> None:
    for place, minute in enumerate((50, 10, 30)):
        town.event("api_request", "oak", f"u{place}", at=NOON + minute * MINUTE, status=504)
    (finding,) = scanner.findings(town, DETECTOR)
    assert (finding.first_seen, finding.occurred_at) == (NOON + 10 * MINUTE, NOON + 50 * MINUTE)


def test_one_finding_with_the_slowest_first(scanner: Scanner, town: Town) -> None:
    for minute, duration in enumerate((31_000, 95_000, 40_000)):
        town.event("api_request", "oak", "ben", at=NOON + minute * MINUTE, duration_ms=duration, route="/members")
    town.event("api_request", None, None, at=NOON + 5 * MINUTE, status=504, correlation_id="c")
    town.event("api_request", None, None, at=NOON + 6 * MINUTE, status=504, correlation_id="c")
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["count"] == 4
    assert finding.evidence["slowest_ms"] == 95_000
    assert finding.evidence["routes"] == {"/members": 3}
    assert finding.occurred_at == NOON + 5 * MINUTE


@pytest.mark.parametrize(("at", "expected"), [(YESTERDAY.start - MINUTE, 0), (YESTERDAY.start, 1), (YESTERDAY.end, 0)])
def test_only_the_window(scanner: Scanner, town: Town, at: datetime, expected: int) -> None:
    town.event("api_request", "oak", "ben", at=at, status=504)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_waits_for_what_is_under_way(scanner: Scanner, town: Town) -> None:
    town.event("api_request", "oak", "ben", status=504)
    assert scanner.findings(town, DETECTOR, as_of=NOON + MINUTE) == []
    assert len(scanner.findings(town, DETECTOR, as_of=NOON + 2 * MINUTE)) == 1


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from([100, 29_999, 30_000, 30_001, 60_000, None]),
            st.sampled_from([None, "TIMEOUT", "TOKEN_TIMEOUT", "08006"]),
            st.integers(-12, 13).map(lambda hours: NOON + hours * HOUR),
            st.sampled_from(["", "", "a"]),
        ),
        max_size=8,
    )
)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner, on_postgres: Scanner, calls: list[tuple[int | None, str | None, datetime, str]]
) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    earliest: dict[str, datetime] = {}
    for number, (duration, code, at, correlation) in enumerate(calls):
        metadata = {"correlation_id": correlation} if correlation else {}
        town.event("api_request", "oak", "ben", at=at, duration_ms=duration, error_code=code, **metadata)
        if (duration or 0) > 30_000 or code == "TIMEOUT":
            key = correlation or str(number)
            earliest[key] = min(at, earliest.get(key, at))
    number = sum(YESTERDAY.start <= at < YESTERDAY.end for at in earliest.values())
    first = on_duckdb.findings(town, DETECTOR)
    assert [f.evidence["count"] for f in first] == [number] * bool(number)
    assert on_postgres.findings(town, DETECTOR) == first
