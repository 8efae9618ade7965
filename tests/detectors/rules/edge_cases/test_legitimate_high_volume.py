"""legitimate-high-volume: a known organisation is refused on three or more days."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.limits import Limits
from detectors.rules.edge_cases.legitimate_high_volume import DETECTOR
from tests.support.effort import tries
from tests.support.towns import DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

SHELTER = Limits(known_organisations=frozenset({uid("shelter"), uid("kennel-home")}))


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("kennel-home", "karl")
    town.family("den", "shelter", "helper")
    return town


def refuse(town: Town, household: str | None, user: str | None, *days: int, limit: str = "household_creation") -> None:
    for day in days:
        town.event("rate_limit_exceeded", household, user, at=NOON - day * DAY, limit_type=limit)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR, limits=SHELTER) == []
    assert scanner.findings(Town(), DETECTOR, limits=SHELTER) == []


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ((0, 1), 0),
        ((0, 0, 0, 1, 1), 0),
        ((0, 1, 2), 1),
        ((0, 3, 6), 1),
        ((0, 3, 7), 0),
        ((1, 2, 3), 0),  # the last day is not in the window
    ],
)
def test_days(scanner: Scanner, town: Town, days: tuple[int, ...], expected: int) -> None:
    refuse(town, None, "shelter", *days)
    refuse(town, "oak", "anna", *days)
    found = scanner.subjects(town, DETECTOR, limits=SHELTER)
    assert found == [{"user_id": uid("shelter")}] * expected


@pytest.mark.parametrize(("correlation", "expected"), [("c", 0), ("d", 1)])
def test_a_retry_after_midnight_is_no_other_day(scanner: Scanner, town: Town, correlation: str, expected: int) -> None:
    refuse(town, None, "shelter", 0, 1)
    midnight = YESTERDAY.start - DAY
    town.event("rate_limit_exceeded", None, "shelter", at=midnight + MINUTE, correlation_id="c")
    for row in town.household_events[:2]:
        row["metadata"]["correlation_id"] = f"c{row['id']}"
    town.event("rate_limit_exceeded", None, "shelter", at=midnight - MINUTE, correlation_id=correlation)
    town.household_events.pop(1)
    found = scanner.findings(town, DETECTOR, limits=SHELTER)
    assert [f.evidence["count"] for f in found] == [3] * expected


def test_a_household_on_the_list(scanner: Scanner, town: Town) -> None:
    refuse(town, "kennel-home", None, 0, 1, 2, limit="member_removal")
    refuse(town, "oak", None, 0, 1, 2, limit="member_removal")
    assert scanner.subjects(town, DETECTOR, limits=SHELTER) == [{"household_id": uid("kennel-home")}]


def test_a_refusal_without_a_user_counts_for_the_leader(scanner: Scanner, town: Town) -> None:
    refuse(town, "den", None, 0, 1, limit="member_removal")
    assert scanner.findings(town, DETECTOR, limits=SHELTER) == []
    refuse(town, "den", "helper", 2, limit="member_removal")
    assert scanner.findings(town, DETECTOR, limits=SHELTER) == []
    refuse(town, None, "shelter", 2, limit="join_request")
    (finding,) = scanner.findings(town, DETECTOR, limits=SHELTER)
    assert finding.subject == {"user_id": uid("shelter")}
    assert finding.evidence["limits"] == {"member_removal": 2, "join_request": 1}


def test_an_empty_list_leaves_nothing_to_find(scanner: Scanner, town: Town) -> None:
    refuse(town, None, "shelter", 0, 1, 2)
    (entry,) = scanner(town, DETECTOR).coverage
    assert (entry.status, entry.reason) == ("not_applicable", "the policy lists no known organisations")


def test_days_are_the_policys(scanner: Scanner, town: Town) -> None:
    for hours in (3, -1 - 24, -1 - 48):
        # 23:00 UTC is the next day in Berlin: three days there as well as here, but others.
        town.event("rate_limit_exceeded", None, "shelter", at=NOON.replace(hour=0) + hours * HOUR)
    assert len(scanner.findings(town, DETECTOR, limits=SHELTER)) == 1
    town.household_events[0]["event_timestamp"] = (
        NOON.replace(hour=0) - HOUR - 24 * HOUR + timedelta(hours=24, minutes=90)
    )
    town.household_events[1]["event_timestamp"] = NOON.replace(hour=0) - HOUR
    berlin = SHELTER.model_copy(update={"time_zone": "Europe/Berlin"})
    assert len(scanner.findings(town, DETECTOR, limits=SHELTER)) == 1
    assert scanner.findings(town, DETECTOR, limits=berlin) == []


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    refused=st.lists(
        st.tuples(
            st.sampled_from(["shelter", "anna", None]), st.sampled_from(["kennel-home", "oak", None]), st.integers(0, 9)
        ),
        max_size=12,
    )
)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner, on_postgres: Scanner, refused: list[tuple[str | None, str | None, int]]
) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("kennel-home", "karl")
    wanted = set()
    for user, household, day in refused:
        refuse(town, household, user, day)
    for place, name in ((0, "shelter"), (1, "kennel-home")):
        days = {row[2] for row in refused if row[place] == name and row[2] < 7}
        if len(days) >= 3 and 0 in days:
            wanted.add(uid(name))
    first = on_duckdb.findings(town, DETECTOR, limits=SHELTER)
    assert {value for f in first for value in f.subject.values()} == wanted
    assert on_postgres.findings(town, DETECTOR, limits=SHELTER) == first
