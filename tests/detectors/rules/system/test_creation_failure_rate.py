"""creation-failure-rate: more than 5 % of creations fail, and not by chance."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import sqrt

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.rules.system.creation_failure_rate import DETECTOR
from tests.support.effort import tries
from tests.support.towns import HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

SECOND = timedelta(seconds=1)


def day(created: int, failed: int, code: str | None = "DATABASE_ERROR") -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.event("household_created", "oak", "anna", at=NOON - 30 * HOUR)
    town.event("household_create_failed", None, "anna", at=NOON - 30 * HOUR)
    for place in range(created):
        town.event("household_created", f"home-{place}", f"u{place}", at=NOON + place * SECOND)
    for place in range(failed):
        town.event("household_create_failed", None, f"f{place}", at=NOON + place * SECOND, error_code=code)
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner) -> None:
    assert scanner.findings(day(300, 0), DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(
    ("created", "failed", "expected"),
    [
        (190, 10, 0),  # exactly 5 % of 200
        (189, 11, 1),  # 5.5 % of 200: no bound is asked for
        (188, 11, 0),  # 5.5 % of 199: chance explains it
        (0, 19, 0),  # too few attempts
        (0, 20, 1),
        (17, 3, 1),  # 15 % of 20: the lower bound is 5.2 %
        (18, 2, 0),
        (16, 4, 1),
    ],
)
def test_boundaries(scanner: Scanner, created: int, failed: int, expected: int) -> None:
    found = scanner.findings(day(created, failed), DETECTOR)
    assert [f.subject for f in found] == [{"operation": "household-creation"}] * expected
    assert [f.evidence["attempts"] for f in found] == [created + failed] * expected


def test_the_users_own_errors_are_no_attempts(scanner: Scanner) -> None:
    town = day(15, 4)
    for code in ("INVALID_HOUSEHOLD_NAME", "ALREADY_IN_HOUSEHOLD", "RATE_LIMIT_EXCEEDED", "INVALID_INPUT"):
        for place in range(20):
            town.event("household_create_failed", None, f"v{place}", error_code=code)
    assert scanner.findings(town, DETECTOR) == []
    town.event("household_create_failed", None, "anna", error_code=None)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["attempts"] == 20
    assert finding.evidence["error_codes"] == {"DATABASE_ERROR": 4, "(none)": 1}


def test_retries_count_once(scanner: Scanner) -> None:
    town = day(18, 0)
    for minute in range(20):
        town.event(
            "household_create_failed", None, "anna", at=NOON + minute * MINUTE, error_code="X", correlation_id="c"
        )
    assert scanner.findings(town, DETECTOR) == []
    town = day(15, 4)
    for minute in range(3):
        town.event("household_created", "home-0", "u0", at=NOON + minute * MINUTE)
    assert scanner.findings(town, DETECTOR) == []


def test_an_attempt_that_succeeded_in_the_end_has_not_failed(scanner: Scanner) -> None:
    town = day(15, 5)
    assert len(scanner.findings(town, DETECTOR)) == 1
    failed = [row for row in town.household_events if row["event_type"] == "household_create_failed"][1:]
    failed[0]["metadata"]["correlation_id"] = "c"
    town.event("household_created", "home", "f0", at=NOON + MINUTE, correlation_id="c")
    (finding,) = scanner.findings(town, DETECTOR)
    assert (finding.evidence["attempts"], finding.evidence["count"]) == (20, 4)
    town.household_events[2]["metadata"]["correlation_id"] = "d"
    failed[1]["metadata"]["correlation_id"] = "d"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("at", "expected"), [(YESTERDAY.start, 1), (YESTERDAY.start - SECOND, 0), (YESTERDAY.end, 0)])
def test_only_the_window(scanner: Scanner, at: datetime, expected: int) -> None:
    town = day(0, 20)
    for row in town.household_events:
        row["event_timestamp"] = at
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_the_finding_names_whom_it_hit(scanner: Scanner) -> None:
    (finding,) = scanner.findings(day(0, 20), DETECTOR)
    assert finding.impact.users == 20
    assert uid("f3") in finding.users


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(created=st.integers(0, 220), failed=st.integers(0, 16), own=st.integers(0, 5), hours=st.integers(-12, 11))
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner, on_postgres: Scanner, created: int, failed: int, own: int, hours: int
) -> None:
    town = day(created, failed)
    for place in range(own):
        town.event("household_create_failed", None, f"v{place}", error_code="INVALID_INPUT", at=NOON + hours * HOUR)
    number, share = created + failed, failed / (created + failed or 1)
    fires = number >= 20 and share > 0.05
    if fires and number < 200:
        # The Wilson interval is where |share - p| <= z * sqrt(p (1 - p) / n): 5 % must lie outside.
        fires = share - 0.05 > 1.96 * sqrt(0.05 * 0.95 / number)
    first = on_duckdb.findings(town, DETECTOR)
    assert bool(first) == fires
    assert on_postgres.findings(town, DETECTOR) == first
