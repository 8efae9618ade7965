"""slow-dashboard: the 95th percentile over 10 s, or more than 1 % of at least 100 views."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.rules.performance.slow_dashboard import DETECTOR
from tests.support.effort import tries
from tests.support.towns import MINUTE, NOON, YESTERDAY, Scanner, Town, uid

SECOND = timedelta(seconds=1)


def view(town: Town, duration: object, at: datetime = NOON, **metadata: object) -> None:
    town.event("household_dashboard_viewed", "oak", "anna", at=at, duration_ms=duration, member_count=2, **metadata)


def day(slow: int, fast: int, slow_ms: int = 10_001) -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    for place in range(slow + fast):
        view(town, slow_ms if place < slow else 10_000, NOON + place * SECOND)
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner) -> None:
    assert scanner.findings(day(0, 150), DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(
    ("slow", "fast", "expected"),
    [
        (1, 0, 0),  # a single slow view
        (1, 5, 0),
        (2, 0, 1),
        (2, 5, 1),
        (2, 38, 0),  # 5 % of 40: the 95th percentile is not slow
        (2, 37, 1),
        (2, 97, 0),  # 2 % of 99 views are too few views for a share
        (2, 98, 1),
        (1, 99, 0),  # exactly 1 % of 100
        (2, 198, 0),  # exactly 1 % of 200
        (3, 198, 1),
    ],
)
def test_boundaries(scanner: Scanner, slow: int, fast: int, expected: int) -> None:
    found = scanner.findings(day(slow, fast), DETECTOR)
    assert [f.subject for f in found] == [{"window": "household-dashboard"}] * expected
    assert [(f.evidence["slow_views"], f.evidence["views"]) for f in found] == [(slow, slow + fast)] * expected


def test_exactly_ten_seconds_is_not_slow(scanner: Scanner) -> None:
    assert scanner.findings(day(50, 50, slow_ms=10_000), DETECTOR) == []


@pytest.mark.parametrize(
    ("duration", "slow"),
    [
        ("10001", True),
        ("1.1e4", True),
        (10_000.5, True),
        ("10000.0001", True),
        ("1e4", False),
        ("10000", False),
        (-20_000, None),
        ("slow", None),
        (None, None),
    ],
)
def test_how_durations_are_written(scanner: Scanner, duration: object, slow: bool | None) -> None:
    town = day(2, 37)
    view(town, duration)
    found = scanner.findings(town, DETECTOR)
    counted = [(f.evidence["slow_views"], f.evidence["views"]) for f in found]
    assert counted == {True: [(3, 40)], False: [], None: [(2, 39)]}[slow]


def test_retries_and_views_without_a_duration(scanner: Scanner) -> None:
    town = day(0, 99)
    for minute in range(3):
        view(town, 20_000, NOON + minute * MINUTE, correlation_id="c")
    view(town, None)
    view(town, "slow")
    view(town, {"ms": 20_000})
    assert scanner.findings(town, DETECTOR) == []
    view(town, 30_000)
    (finding,) = scanner.findings(town, DETECTOR)
    assert (finding.evidence["slow_views"], finding.evidence["views"]) == (2, 101)
    assert finding.users == (uid("anna"),)


@pytest.mark.parametrize(("at", "expected"), [(YESTERDAY.start, 1), (YESTERDAY.start - SECOND, 0), (YESTERDAY.end, 0)])
def test_only_the_window(scanner: Scanner, at: datetime, expected: int) -> None:
    town = day(5, 0)
    for row in town.household_events:
        row["event_timestamp"] = at
    assert len(scanner.findings(town, DETECTOR)) == expected


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(slow=st.integers(0, 5), fast=st.one_of(st.integers(0, 60), st.integers(80, 320)), retried=st.integers(0, 4))
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner, on_postgres: Scanner, slow: int, fast: int, retried: int
) -> None:
    town = day(slow, fast)
    for row in town.household_events[:retried]:
        row["metadata"]["correlation_id"] = f"c{row['id']}"
        again = dict(row, id=row["id"] + 10_000, event_timestamp=row["event_timestamp"] + MINUTE)
        town.household_events.append(again)
    durations = sorted([10_001] * slow + [10_000] * fast)
    fires = False
    if slow > 1:
        percentile = durations[ceil(95 * len(durations) / 100) - 1]
        fires = percentile > 10_000 or (len(durations) >= 100 and slow / len(durations) > 0.01)
    first = on_duckdb.findings(town, DETECTOR)
    assert bool(first) == fires
    assert on_postgres.findings(town, DETECTOR) == first
