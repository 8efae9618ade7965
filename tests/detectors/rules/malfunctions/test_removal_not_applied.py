"""removal-not-applied: who left or was removed must not be an active member."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.contract import Window
from detectors.rules.malfunctions.removal_not_applied import DETECTOR
from tests.support.effort import tries
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, Scanner, Town, uid

SECOND = timedelta(seconds=1)
BEN = {"household_id": uid("oak"), "user_id": uid("ben")}


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.family("elm", "dora", "emil")
    return town


def remove(town: Town, user: str, at: datetime = NOON, household: str = "oak", correlation: str | None = None) -> None:
    more = {"correlation_id": correlation} if correlation else {}
    town.event("household_member_removed", household, "anna", at=at, member_id=user, **more)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    remove(town, "ben")
    town.row("oak", "ben")["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_fires_when_a_removed_member_is_still_active(scanner: Scanner, town: Town) -> None:
    remove(town, "ben")
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == BEN
    assert finding.occurred_at == NOON
    town.row("oak", "ben")["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []


def test_fires_when_somebody_left_and_is_still_active(scanner: Scanner, town: Town) -> None:
    town.event("household_left", "oak", "ben", was_leader=False)
    assert scanner.subjects(town, DETECTOR) == [BEN]


def test_a_failure_of_some_weeks_ago_is_still_one(scanner: Scanner, town: Town) -> None:
    remove(town, "ben", NOON - 40 * DAY)
    assert scanner.subjects(town, DETECTOR) == [BEN]


def test_a_window_wider_than_the_look_back_is_read_whole(scanner: Scanner, town: Town) -> None:
    remove(town, "ben", NOON - 60 * DAY)
    assert scanner.subjects(town, DETECTOR, window=Window(NOON - 61 * DAY, AS_OF)) == [BEN]


def test_the_removed_person_counts_and_not_the_actor(scanner: Scanner, town: Town) -> None:
    remove(town, "stranger")
    assert scanner.findings(town, DETECTOR) == []


def test_another_household_is_another_matter(scanner: Scanner, town: Town) -> None:
    remove(town, "ben", household="elm")
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("joined", "expected"), [(NOON - SECOND, 1), (NOON, 1), (NOON + SECOND, 0)])
def test_a_row_written_after_the_event_is_a_return(
    scanner: Scanner, town: Town, joined: datetime, expected: int
) -> None:
    remove(town, "ben")
    town.row("oak", "ben")["joined_at"] = joined
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_a_second_active_row_written_later(scanner: Scanner, town: Town) -> None:
    remove(town, "ben")
    town.row("oak", "ben")["status"] = "removed"
    town.member("oak", "ben", at=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("asked", "expected"), [(NOON - HOUR, 1), (NOON, 1), (NOON + SECOND, 0)])
@pytest.mark.parametrize("status", ["approved", "pending", "rejected"])
def test_a_later_approved_request_brought_them_back(
    scanner: Scanner, town: Town, asked: datetime, expected: int, status: str
) -> None:
    remove(town, "ben")
    # The old row is active again and keeps its joined_at.
    town.request("again", "oak", "ben", status=status, at=asked, by="anna")
    assert len(scanner.findings(town, DETECTOR)) == (expected if status == "approved" else 1)


def test_an_approval_may_name_the_request_alone(scanner: Scanner, town: Town) -> None:
    remove(town, "ben")
    town.event("household_join_request_approved", "oak", "anna", at=NOON + HOUR, request_id="oak/ben")
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("code", "expected"), [("RATE_LIMIT_EXCEEDED", []), ("DATABASE_ERROR", [BEN])])
def test_silent_on_a_removal_that_was_refused(
    scanner: Scanner, town: Town, code: str, expected: list[dict[str, str]]
) -> None:
    town.event("household_member_removed", "oak", "anna", member_id="ben", error_code=code)
    assert scanner.subjects(town, DETECTOR) == expected


def test_an_approval_without_its_request_brought_them_back(scanner: Scanner, town: Town) -> None:
    remove(town, "ben")
    town.event("household_join_request_approved", "oak", "anna", at=NOON - HOUR, new_member_id="ben")
    assert scanner.subjects(town, DETECTOR) == [BEN]
    town.event("household_join_request_approved", "oak", "anna", at=NOON + HOUR, new_member_id="ben")
    assert scanner.findings(town, DETECTOR) == []


def test_the_last_departure_decides(scanner: Scanner, town: Town) -> None:
    remove(town, "ben", NOON - DAY)
    town.row("oak", "ben")["joined_at"] = NOON - HOUR
    assert scanner.findings(town, DETECTOR) == []
    remove(town, "ben")
    assert scanner.subjects(town, DETECTOR) == [BEN]


def test_a_retry_counts_at_its_earliest_time(scanner: Scanner, town: Town) -> None:
    remove(town, "ben", NOON, correlation="c")
    remove(town, "ben", NOON + 30 * MINUTE, correlation="c")
    town.row("oak", "ben")["joined_at"] = NOON + 10 * MINUTE
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(119 * SECOND, 0), (120 * SECOND, 1)])
def test_waits_for_a_removal_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    remove(town, "ben", AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_an_id_in_upper_case_names_the_same_person(on_postgres: Scanner, town: Town) -> None:
    """A uuid column knows no case; the metadata keeps what the phone wrote."""
    remove(town, "ben")
    town.household_events[-1]["metadata"]["member_id"] = uid("ben").upper()
    assert on_postgres.subjects(town, DETECTOR) == [BEN]
    town.event("household_join_request_approved", "oak", "anna", at=NOON + HOUR)
    town.household_events[-1]["metadata"]["new_member_id"] = uid("ben").upper()
    assert on_postgres.findings(town, DETECTOR) == []


def test_malformed_and_missing_ids(scanner: Scanner, town: Town) -> None:
    for metadata in ({}, {"member_id": None}, {"member_id": "ben"}, {"member_id": ["x"]}):
        town.event("household_member_removed", "oak", "anna")
        town.household_events[-1]["metadata"] = metadata
    town.event("household_left", "oak", None)
    town.event("household_left", None, "ben")
    assert scanner.findings(town, DETECTOR) == []


HOURS = st.integers(-48, 12)


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.booleans(), HOURS), max_size=2),
    departures=st.lists(st.tuples(st.booleans(), HOURS), max_size=3),
    requests=st.lists(st.tuples(st.sampled_from(["approved", "rejected"]), HOURS), max_size=2),
)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner,
    on_postgres: Scanner,
    rows: list[tuple[bool, int]],
    departures: list[tuple[bool, int]],
    requests: list[tuple[str, int]],
) -> None:
    town = Town()
    town.family("oak", "anna", "cleo")
    for active, hours in rows:
        town.member("oak", "ben", status="active" if active else "removed", at=NOON + hours * HOUR)
    for removed, hours in departures:
        if removed:
            remove(town, "ben", NOON + hours * HOUR)
        else:
            town.event("household_left", "oak", "ben", at=NOON + hours * HOUR, was_leader=False)
    for number, (status, hours) in enumerate(requests):
        town.request(f"r{number}", "oak", "ben", status=status, at=NOON + hours * HOUR, by="anna")
    wanted = False
    if departures:
        last = max(hours for _, hours in departures)
        still = any(active and hours <= last for active, hours in rows)
        back = any(active and hours > last for active, hours in rows)
        back = back or any(status == "approved" and hours > last for status, hours in requests)
        wanted = still and not back
    first = on_duckdb.findings(town, DETECTOR)
    assert [f.subject for f in first] == [BEN] * wanted
    assert on_postgres.findings(town, DETECTOR) == first
