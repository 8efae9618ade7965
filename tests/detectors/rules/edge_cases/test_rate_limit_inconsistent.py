"""rate-limit-inconsistent: refused although fewer than half of the limit was really done."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.rules.edge_cases.rate_limit_inconsistent import DETECTOR
from tests.support.effort import tries
from tests.support.towns import DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

SECOND = timedelta(seconds=1)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.event("pet_activity_logged", "oak", "anna", at=NOON - 30 * DAY)
    # A source that writes what it limits: where it never does, nothing is known of what was done.
    for event in ("household_created", "household_member_removed", "household_invite_code_regenerated"):
        town.event(event, "elm", "dora", at=NOON - 30 * DAY, member_id="emil")
    return town


def refuse(town: Town, limit: str | None, household: str | None, user: str | None, at: datetime = NOON) -> None:
    town.event("rate_limit_exceeded", household, user, at=at, limit_type=limit)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("done", "expected"), [(0, 1), (2, 1), (3, 0), (5, 0)])
def test_creations_of_a_user(scanner: Scanner, town: Town, done: int, expected: int) -> None:
    for place in range(done):
        town.event("household_created", f"home-{place}", "anna", at=NOON - place * HOUR)
    refuse(town, "household_creation", None, "anna")
    found = scanner.subjects(town, DETECTOR)
    assert found == [{"user_id": uid("anna"), "limit": "household_creation"}] * expected


@pytest.mark.parametrize(("done", "expected"), [(9, 1), (10, 0)])
def test_half_the_limit_is_enough(scanner: Scanner, town: Town, done: int, expected: int) -> None:
    for place in range(done):
        town.event("household_member_removed", "oak", "anna", at=NOON - place * HOUR, member_id=f"m{place}")
    refuse(town, "member_removal", "oak", None)
    found = scanner.subjects(town, DETECTOR)
    assert found == [{"household_id": uid("oak"), "limit": "member_removal"}] * expected


@pytest.mark.parametrize(("age", "expected"), [(24 * HOUR - SECOND, 0), (24 * HOUR, 1)])
def test_only_the_stretch_before_the_refusal(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    for _ in range(5):
        town.event("household_invite_code_regenerated", "oak", "anna", at=NOON - age)
    town.event("household_invite_code_regenerated", "oak", "anna", at=NOON + MINUTE)
    refuse(town, "invite_regeneration", "oak", "anna")
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize("told_by", ["rows", "events"])
def test_join_requests_are_known_from_rows_and_events(scanner: Scanner, town: Town, told_by: str) -> None:
    refuse(town, "join_request", None, "dora")
    for place in range(3):
        assert scanner.subjects(town, DETECTOR) == [{"user_id": uid("dora"), "limit": "join_request"}]
        if told_by == "rows":
            town.request(f"r{place}", "oak", "dora", at=NOON - place * MINUTE)
        else:
            town.event("household_join_request_submitted", "oak", "dora", at=NOON - place * MINUTE)
    assert scanner.findings(town, DETECTOR) == []


def test_retries_are_not_really_done(scanner: Scanner, town: Town) -> None:
    for minute in range(5):
        town.event("household_created", "home", "anna", at=NOON - minute * MINUTE, correlation_id="c")
    refuse(town, "household_creation", None, "anna")
    assert len(scanner.findings(town, DETECTOR)) == 1


def test_what_was_done_before_the_audit_began_is_not_known(scanner: Scanner, town: Town) -> None:
    for event in town.household_events:
        event["event_timestamp"] = NOON - DAY + SECOND
    refuse(town, "member_removal", "oak", None)
    assert scanner.findings(town, DETECTOR) == []
    town.household_events[0]["event_timestamp"] = NOON - DAY
    assert len(scanner.findings(town, DETECTOR)) == 1


def test_silent_where_nobody_or_no_limit_is_named(scanner: Scanner, town: Town) -> None:
    refuse(town, None, "oak", "anna")
    refuse(town, "uploads", "oak", "anna")
    refuse(town, "household_creation", "oak", None)
    refuse(town, "member_removal", None, "anna")
    town.event("rate_limit_exceeded", None, None, limit_type="invite_validation", ip_address="203.0.113.7")
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("at", "expected"), [(YESTERDAY.start - SECOND, 0), (YESTERDAY.start, 1), (YESTERDAY.end, 0)])
def test_only_the_window(scanner: Scanner, town: Town, at: datetime, expected: int) -> None:
    refuse(town, "member_removal", "oak", None, at)
    assert len(scanner.findings(town, DETECTOR)) == expected


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    done=st.lists(st.tuples(st.sampled_from(["oak", "elm"]), st.integers(-40, 12)), max_size=16),
    refused=st.lists(st.tuples(st.sampled_from(["oak", "elm", None]), st.integers(-14, 12)), max_size=4),
)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner,
    on_postgres: Scanner,
    done: list[tuple[str, int]],
    refused: list[tuple[str | None, int]],
) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.event("pet_activity_logged", "oak", "anna", at=NOON - 30 * DAY)
    for household, hours in done:
        town.event("household_invite_code_regenerated", household, "anna", at=NOON + hours * HOUR)
    for refused_in, hours in refused:
        refuse(town, "invite_regeneration", refused_in, None, NOON + hours * HOUR)
    wanted = {
        uid(household)
        for household, end in refused
        if household
        and NOON + end * HOUR in YESTERDAY
        and sum(home == household and end - 24 < hours <= end for home, hours in done) < 5
    }
    first = on_duckdb.findings(town, DETECTOR)
    assert {f.subject["household_id"] for f in first} == wanted
    assert on_postgres.findings(town, DETECTOR) == first
