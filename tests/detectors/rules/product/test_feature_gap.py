"""feature-gap: five people who ask for one thing."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.rules.product.feature_gap import DETECTOR
from tests.support.effort import tries
from tests.support.towns import DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town

pytestmark = pytest.mark.each_engine

TICK = timedelta(microseconds=1)


def asking(
    *people: str, feature: str | None = "Shared calendar", at: datetime = NOON, first: datetime | None = None
) -> Town:
    """A town in which `people` asked at `at`, the first of them at `first`."""
    town = Town()
    for number, person in enumerate(people):
        when = first if first and not number else at
        town.report(f"r{number}", "feature_request", person, at=when, feature=feature)
    return town


FIVE = ("anna", "ben", "cleo", "dora", "emil")


@pytest.mark.parametrize(("people", "fires"), [(FIVE, 1), (FIVE[:4], 0), (("anna",) * 9, 0), ((*FIVE[:4], "anna"), 0)])
def test_five_people(scanner: Scanner, people: tuple[str, ...], fires: int) -> None:
    assert len(scanner.findings(asking(*people), DETECTOR)) == fires
    assert scanner.findings(Town(), DETECTOR) == []


def test_counts_examples_and_revenue(scanner: Scanner) -> None:
    town = asking(*FIVE, "anna")
    for number, person in enumerate(FIVE[:3]):
        town.account(person, monthly_revenue=10 + number)
    town.support_requests[0]["feature"] = " shared_CALENDAR "
    town.support_requests[1]["status"] = "closed"
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"feature": "shared calendar"}
    assert (finding.evidence["people"], finding.evidence["requests"]) == (5, 6)
    assert finding.evidence["monthly_revenue"] == 33
    assert list(finding.story.fields) == [
        "Feature request",
        "Use case",
        "Frequency",
        "Workaround",
        "Competitive comparison",
        "Revenue impact",
    ]


@pytest.mark.parametrize("feature", [None, "", "  "])
def test_silent_without_a_feature(scanner: Scanner, feature: str | None) -> None:
    assert scanner.findings(asking(*FIVE, feature=feature), DETECTOR) == []


def test_silent_on_other_categories(scanner: Scanner) -> None:
    town = asking(*FIVE)
    town.support_requests[0]["category"] = "capacity"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("before", "fires"), [(30 * DAY - TICK, 1), (30 * DAY, 0)])
def test_within_thirty_days(scanner: Scanner, before: timedelta, fires: int) -> None:
    assert len(scanner.findings(asking(*FIVE, first=NOON - before), DETECTOR)) == fires


@pytest.mark.parametrize(
    ("at", "fires"), [(YESTERDAY.start - TICK, 0), (YESTERDAY.start, 1), (YESTERDAY.end - TICK, 1), (YESTERDAY.end, 0)]
)
def test_the_last_of_them_lies_in_the_window(scanner: Scanner, at: datetime, fires: int) -> None:
    assert len(scanner.findings(asking(*FIVE, at=at, first=at - HOUR), DETECTOR)) == fires


def test_without_accounts_nothing_is_said_of_revenue(scanner: Scanner) -> None:
    (finding,) = scanner.without("users", "sessions", "household_events").findings(asking(*FIVE), DETECTOR)
    assert finding.evidence["monthly_revenue"] is None
    assert finding.story.fields["Revenue impact"] == ""
    (entry,) = scanner.without("support_requests")(asking(*FIVE), DETECTOR).coverage
    assert (entry.status, entry.reason) == ("not_applicable", "needs support_requests")


@pytest.mark.parametrize(("age", "fires"), [(2 * MINUTE - TICK, 0), (2 * MINUTE, 1)])
def test_waits_for_the_grace_period(scanner: Scanner, age: timedelta, fires: int) -> None:
    town = asking(*FIVE, at=YESTERDAY.end - age)
    assert len(scanner.findings(town, DETECTOR, as_of=YESTERDAY.end)) == fires


wishes = st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["dark mode", "Dark-Mode", "maps"]), st.integers(0, 40))


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(wishes, max_size=25))
def test_agrees_with_the_catalogue_read_plainly(
    on_duckdb: Scanner, on_postgres: Scanner, asked: list[tuple[str, str, int]]
) -> None:
    town = Town()
    by_feature: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for number, (person, feature, days) in enumerate(asked):
        at = NOON - days * DAY + number * HOUR / 10
        town.report(f"r{number}", "feature_request", person, at=at, feature=feature)
        by_feature["maps" if feature == "maps" else "dark mode"].append((at, person))
    expected = {
        feature
        for feature, those in by_feature.items()
        for last, _ in those
        if last.date() == NOON.date() and len({who for at, who in those if last - 30 * DAY < at <= last}) >= 5
    }
    for scanner in (on_duckdb, on_postgres):
        assert {one["feature"] for one in scanner.subjects(town, DETECTOR)} == expected
