"""database-errors: one finding for all operations that the database failed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.rules.integrity import orphaned_household
from detectors.rules.malfunctions import approval_not_applied
from detectors.rules.system.database_errors import DETECTOR
from tests.support.effort import tries
from tests.support.towns import HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

SECOND = timedelta(seconds=1)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    for minute in range(30):
        town.event("api_request", "oak", "anna", at=NOON + minute * MINUTE, status=200, duration_ms=40)
    return town


def fail(town: Town, code: str | None, at: datetime = NOON, **metadata: object) -> None:
    town.event("api_request", "oak", "ben", at=at, error_code=code, status=500, **metadata)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(
    "code", ["08006", "08P01", "53300", "57P01", "57P03", "58030", "XX001", "xx000", "DATABASE_ERROR"]
)
def test_fires_on_a_database_error(scanner: Scanner, town: Town, code: str) -> None:
    fail(town, code)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"operation": "database"}
    assert finding.evidence["error_codes"] == {code.upper(): 1}
    assert finding.users == (uid("ben"),)


@pytest.mark.parametrize(
    "code", ["57014", "23505", "40001", "42P01", "503", "530", "08", "5", "08006X", "", None, "RATE_LIMIT_EXCEEDED"]
)
def test_silent_on_other_codes(scanner: Scanner, town: Town, code: str | None) -> None:
    fail(town, code)
    assert scanner.findings(town, DETECTOR) == []


def test_counts_operations_not_rows(scanner: Scanner, town: Town) -> None:
    fail(town, "08006", NOON + HOUR, correlation_id="c")
    fail(town, "DATABASE_ERROR", NOON, correlation_id="c")
    town.event("household_dashboard_viewed", "oak", "ben", at=NOON + MINUTE, error_code="08006", correlation_id="c")
    fail(town, "08006", NOON + 2 * HOUR)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["count"] == 2
    assert (finding.first_seen, finding.occurred_at) == (NOON, NOON + 2 * HOUR)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (YESTERDAY.start - timedelta(milliseconds=1), 0),
        (YESTERDAY.start, 1),
        (YESTERDAY.end - timedelta(milliseconds=1), 1),
        (YESTERDAY.end, 0),
    ],
)
def test_only_the_window(scanner: Scanner, town: Town, at: datetime, expected: int) -> None:
    fail(town, "08006", at)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_a_retry_of_an_operation_of_the_day_before_belongs_to_that_day(scanner: Scanner, town: Town) -> None:
    fail(town, "08006", YESTERDAY.start - MINUTE, correlation_id="c")
    fail(town, "08006", YESTERDAY.start + MINUTE, correlation_id="c")
    assert scanner.findings(town, DETECTOR) == []


def test_a_bare_error_belongs_to_what_explains_it(scanner: Scanner, town: Town) -> None:
    fail(town, "DATABASE_ERROR", correlation_id="slow")
    town.event("api_request", "oak", "ben", duration_ms=30_001, correlation_id="slow")
    town.event("household_invite_code_failed", "oak", "anna", error_code="DATABASE_ERROR")
    fail(town, "DATABASE_ERROR", correlation_id="code")
    town.event("household_invite_code_failed", "oak", "anna", error_code="CODE_SPACE_FULL", correlation_id="code")
    assert scanner.findings(town, DETECTOR) == []
    fail(town, "53300", correlation_id="slow")
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["error_codes"] == {"53300": 1}
    assert finding.evidence["explained_elsewhere"] == 3


def test_failed_creations_belong_to_the_failure_rate_where_it_is_too_high(scanner: Scanner, town: Town) -> None:
    for place in range(10):
        town.event(
            "household_create_failed", None, f"u{place}", error_code="DATABASE_ERROR", correlation_id=f"c{place}"
        )
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["count"] == 10
    for place in range(10, 20):
        town.event(
            "household_create_failed", None, f"u{place}", error_code="DATABASE_ERROR", correlation_id=f"c{place}"
        )
    assert scanner.findings(town, DETECTOR) == []


def test_a_bare_error_belongs_to_the_state_that_it_left_behind(scanner: Scanner, town: Town) -> None:
    town.request("lost", "oak", "gina", status="approved", at=NOON - HOUR, by="anna")
    town.event(
        "household_join_request_approved", "oak", "anna", request_id="lost", new_member_id="gina", correlation_id="c"
    )
    fail(town, "DATABASE_ERROR", correlation_id="c")
    detectors = (DETECTOR, approval_not_applied.DETECTOR)
    assert [f.detector for f in scanner.findings(town, *detectors)] == ["approval-not-applied"]
    town.member("oak", "gina", at=NOON)
    assert [f.detector for f in scanner.findings(town, *detectors)] == ["database-errors"]


@pytest.mark.parametrize(("locks", "expected"), [(2, 2), (3, 0)])
def test_a_bare_error_belongs_to_repeated_time_outs(scanner: Scanner, town: Town, locks: int, expected: int) -> None:
    for place in range(locks):
        correlation = {"correlation_id": f"c{place}"}
        town.event("lock_acquisition_timeout", "oak", "ben", at=NOON + place * MINUTE, **correlation)
        fail(town, "DATABASE_ERROR", NOON + place * MINUTE, **correlation)
    assert [f.evidence["count"] for f in scanner.findings(town, DETECTOR)] == [expected] * bool(expected)


@pytest.mark.parametrize(("failures", "expected"), [(2, 2), (3, 0)])
def test_a_bare_error_belongs_to_a_member_list_that_keeps_failing(
    scanner: Scanner, town: Town, failures: int, expected: int
) -> None:
    town.family("fir", *(f"m{place}" for place in range(11)))
    for place in range(failures):
        told = {"error_code": "DATABASE_ERROR", "correlation_id": f"c{place}"}
        town.event("household_member_list_viewed", "fir", "m1", at=NOON + place * MINUTE, **told)
        fail(town, "DATABASE_ERROR", NOON + place * MINUTE, correlation_id=f"c{place}")
    assert [f.evidence["count"] for f in scanner.findings(town, DETECTOR)] == [expected] * bool(expected)
    fail(town, "08006", correlation_id="c0")
    assert len(scanner.findings(town, DETECTOR)) == 1


def test_a_failed_creation_belongs_to_the_orphan_that_it_left(scanner: Scanner, town: Town) -> None:
    detectors = (DETECTOR, orphaned_household.DETECTOR)
    town.household("half", "zoe", at=NOON)
    told = {"error_code": "DATABASE_ERROR", "correlation_id": "c"}
    town.event("household_create_failed", "half", "zoe", at=NOON + SECOND, **told)
    assert [f.detector for f in scanner.findings(town, *detectors)] == ["orphaned-household"]
    town.event("household_create_failed", None, "yan", at=NOON, error_code="DATABASE_ERROR", correlation_id="d")
    assert [f.detector for f in scanner.findings(town, *detectors)] == ["database-errors", "orphaned-household"]


def test_codes_are_read_as_numbers_and_texts_are(scanner: Scanner, town: Town) -> None:
    fail(town, "08006")
    town.household_events[-1]["metadata"]["error_code"] = 53300
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["error_codes"] == {"53300": 1}
    town.household_events[-1]["metadata"]["error_code"] = 57014
    assert scanner.findings(town, DETECTOR) == []


def test_malformed_metadata(scanner: Scanner, town: Town) -> None:
    fail(town, "08006")
    town.household_events[-1]["metadata"] = {"error_code": {"code": "08006"}, "duration_ms": "soon", "status": None}
    assert scanner.findings(town, DETECTOR) == []


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["08001", "53100", "57014", "57P01", "23505", "XX000", "DATABASE_ERROR", "INVALID_INPUT"]),
            st.integers(-12, 13).map(lambda hours: NOON + hours * HOUR),
            st.sampled_from(["", "", "a", "b"]),
        ),
        max_size=10,
    )
)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner, on_postgres: Scanner, events: list[tuple[str, datetime, str]]
) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    earliest: dict[str, datetime] = {}
    for number, (code, at, correlation) in enumerate(events):
        fail(town, code, at, **({"correlation_id": correlation} if correlation else {}))
        if code in {"08001", "53100", "57P01", "XX000", "DATABASE_ERROR"}:
            key = correlation or str(number)
            earliest[key] = min(at, earliest.get(key, at))
    number = sum(YESTERDAY.start <= at < YESTERDAY.end for at in earliest.values())
    first = on_duckdb.findings(town, DETECTOR)
    assert [f.evidence["count"] for f in first] == [number] * bool(number)
    assert on_postgres.findings(town, DETECTOR) == first
