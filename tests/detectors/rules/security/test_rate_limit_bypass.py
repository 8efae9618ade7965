"""rate-limit-bypass: rolling windows, each operation once, refused ones not at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.limits import Limits
from detectors.rules.security.rate_limit_bypass import DETECTOR
from tests.support.effort import tries
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

SECOND = timedelta(seconds=1)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    return town


def create(town: Town, number: int, at: datetime, **metadata: Any) -> None:
    town.event("household_created", f"home-{number}", "anna", at=at, **metadata)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("number", "expected"), [(5, 0), (6, 1)])
def test_household_creations_of_a_user(scanner: Scanner, town: Town, number: int, expected: int) -> None:
    for place in range(number):
        create(town, place, NOON - place * HOUR)
    found = scanner.findings(town, DETECTOR)
    assert [f.subject for f in found] == [{"user_id": uid("anna"), "limit": "household_creation"}] * expected
    assert [f.evidence["most"] for f in found] == [6] * expected


@pytest.mark.parametrize(("span", "expected"), [(24 * HOUR, 0), (24 * HOUR - SECOND, 1)])
def test_the_window_rolls_across_midnight(scanner: Scanner, town: Town, span: timedelta, expected: int) -> None:
    for place in range(5):
        create(town, place, NOON - span + place * SECOND / 10)
    create(town, 9, NOON)
    # The five lie within half a second; only the first decides whether six are within 24 hours.
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize(("last", "expected"), [(YESTERDAY.start - SECOND, 0), (YESTERDAY.start, 1)])
def test_the_moment_over_the_limit_must_lie_in_the_window(
    scanner: Scanner, town: Town, last: datetime, expected: int
) -> None:
    for place in range(6):
        create(town, place, last - place * MINUTE)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_waits_for_what_is_under_way(scanner: Scanner, town: Town) -> None:
    for place in range(5):
        create(town, place, NOON)
    create(town, 6, NOON + 5 * MINUTE)
    assert scanner.findings(town, DETECTOR, as_of=NOON + 6 * MINUTE) == []
    assert len(scanner.findings(town, DETECTOR, as_of=NOON + 7 * MINUTE)) == 1


def test_retries_count_once_at_their_earliest_time(scanner: Scanner, town: Town) -> None:
    for place in range(5):
        create(town, place, NOON, correlation_id=f"c{place}")
        create(town, place, NOON + MINUTE, correlation_id=f"c{place}")
    assert scanner.findings(town, DETECTOR) == []
    # A sixth whose first row is 24 hours older than the others, and whose retry is not.
    create(town, 6, NOON - DAY, correlation_id="c6")
    create(town, 6, NOON - DAY + MINUTE, correlation_id="c6")
    assert scanner.findings(town, DETECTOR) == []


def test_one_household_is_created_once(scanner: Scanner, town: Town) -> None:
    for place in range(6):
        create(town, place // 2, NOON + place * MINUTE)
    assert scanner.findings(town, DETECTOR) == []


def test_silent_on_service_accounts(scanner: Scanner, town: Town) -> None:
    for place in range(6):
        create(town, place, NOON)
    assert len(scanner.findings(town, DETECTOR)) == 1
    assert scanner.findings(town, DETECTOR, limits=Limits(service_accounts=(uid("anna"),))) == []


def test_refused_attempts_do_not_count(scanner: Scanner, town: Town) -> None:
    for place in range(5):
        create(town, place, NOON)
    create(town, 6, NOON, error_code="RATE_LIMIT_EXCEEDED")
    town.event("household_create_failed", None, "anna", error_code="RATE_LIMIT_EXCEEDED")
    create(town, 7, NOON, correlation_id="refused")
    town.event("rate_limit_exceeded", None, "anna", limit_type="household_creation", correlation_id="refused")
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("gap", "expected"), [(12 * MINUTE, 0), (12 * MINUTE - SECOND, 1)])
@pytest.mark.parametrize("told_by", ["rows", "events", "both"])
def test_join_requests_of_a_user(scanner: Scanner, town: Town, gap: timedelta, expected: int, told_by: str) -> None:
    for place in range(6):
        at = NOON + place * gap
        if told_by != "events":
            town.request(f"r{place}", f"home-{place}", "dora", at=at)
        if told_by != "rows":
            town.event("household_join_request_submitted", f"home-{place}", "dora", at=at, request_id=f"r{place}")
    found = scanner.subjects(town, DETECTOR)
    assert found == [{"user_id": uid("dora"), "limit": "join_request"}] * expected


def test_rows_and_events_of_join_requests_are_not_added(scanner: Scanner, town: Town) -> None:
    for place in range(5):
        town.request(f"r{place}", "oak", "dora", at=NOON)
        town.event("household_join_request_submitted", "oak", "dora", at=NOON)
    assert scanner.findings(town, DETECTOR) == []


def test_a_retried_join_request_with_two_rows_counts_once(scanner: Scanner, town: Town) -> None:
    for place in range(6):
        town.request(f"r{place}", "oak", "dora", at=NOON)
        town.event(
            "household_join_request_submitted", "oak", "dora", request_id=f"r{place}", correlation_id=f"c{place // 2}"
        )
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("number", "expected"), [(20, 0), (21, 1)])
def test_removals_of_a_household(scanner: Scanner, town: Town, number: int, expected: int) -> None:
    for place in range(number):
        actor = None if place % 2 else "anna"
        town.event("household_member_removed", "oak", actor, at=NOON + place * MINUTE, member_id=f"m{place}")
    found = scanner.subjects(town, DETECTOR)
    assert found == [{"household_id": uid("oak"), "limit": "member_removal"}] * expected


def test_leaving_and_doubled_rows_are_no_removals(scanner: Scanner, town: Town) -> None:
    for place in range(20):
        town.event("household_member_removed", "oak", "anna", member_id=f"m{place}")
    town.event("household_member_removed", "oak", "anna", at=NOON + MINUTE, member_id="m3")
    town.event("household_member_removed", "oak", "ben", member_id="ben")
    town.event("household_left", "oak", "cleo", was_leader=False)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("number", "expected"), [(10, 0), (11, 1)])
def test_code_regenerations_of_a_household(scanner: Scanner, town: Town, number: int, expected: int) -> None:
    for place in range(number):
        town.event("household_invite_code_regenerated", "oak", "anna", at=NOON - place * HOUR)
    found = scanner.subjects(town, DETECTOR)
    assert found == [{"household_id": uid("oak"), "limit": "invite_regeneration"}] * expected


@pytest.mark.parametrize(("number", "expected"), [(100, 0), (101, 1)])
def test_code_validations_of_an_address(scanner: Scanner, town: Town, number: int, expected: int) -> None:
    for place in range(number):
        town.event(
            "household_invite_code_validated",
            None,
            None if place % 2 else f"user-{place}",
            at=NOON + place * SECOND,
            ip_address="203.0.113.7",
            valid=False,
        )
    town.event("household_invite_code_validated", None, None, at=NOON, valid=False)
    found = scanner.subjects(town, DETECTOR)
    assert found == [{"ip_address": "203.0.113.7", "limit": "invite_validation"}] * expected


def test_validations_over_more_than_an_hour(scanner: Scanner, town: Town) -> None:
    for place in range(101):
        town.event("household_invite_code_validated", None, None, at=NOON + place * 36 * SECOND, ip_address="::1")
    assert scanner.findings(town, DETECTOR) == []


def test_nobody_to_count_for(scanner: Scanner, town: Town) -> None:
    for place in range(30):
        town.event("household_created", f"home-{place}", None)
        town.event("household_member_removed", None, "anna", member_id=f"m{place}")
        town.event("household_invite_code_validated", None, None, ip_address="")
    assert scanner.findings(town, DETECTOR) == []


def test_a_scan_of_one_user_finds_the_same(scanner: Scanner, town: Town) -> None:
    for place in range(6):
        create(town, place, NOON)
    assert len(scanner.findings(town, DETECTOR, users=[uid("anna")])) == 1
    assert scanner.findings(town, DETECTOR, users=[uid("ben")]) == []


SMALL = Limits(
    app_creations_per_day=3,
    app_join_requests_per_hour=2,
    app_removals_per_day=4,
    app_regenerations_per_day=3,
    app_validations_per_hour=3,
)
RULES = {
    "household_created": ("user_id", "household_creation", SMALL.app_creations_per_day, DAY),
    "household_join_request_submitted": ("user_id", "join_request", SMALL.app_join_requests_per_hour, HOUR),
    "household_member_removed": ("household_id", "member_removal", SMALL.app_removals_per_day, DAY),
    "household_invite_code_regenerated": ("household_id", "invite_regeneration", SMALL.app_regenerations_per_day, DAY),
    "household_invite_code_validated": ("ip_address", "invite_validation", SMALL.app_validations_per_hour, HOUR),
}
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(list(RULES)),
        st.sampled_from(["anna", "anna", "anna", "ben", None]),
        st.sampled_from(["oak", "oak", "oak", None]),
        st.one_of(st.integers(-26, 14).map(lambda hours: hours * HOUR), st.integers(0, 130).map(lambda m: m * MINUTE)),
        st.sampled_from(["", "", "", "", "a", "b"]),
        st.sampled_from(["done", "done", "done", "done", "refused", "refused too"]),
    ),
    min_size=12,
    max_size=60,
)
IP = "203.0.113.7"


def oracle(town: Town) -> set[tuple[str, str]]:
    """Straight from the catalogue: for each operation in the window, how many are in the stretch that it ends."""
    found = set()
    refused = {
        row["metadata"]["correlation_id"]
        for row in town.household_events
        if row["event_type"] == "rate_limit_exceeded" and "correlation_id" in row["metadata"]
    }
    for event_type, (key, limit, most, within) in RULES.items():
        rows = [
            (row[key] if key in row else row["metadata"].get(key), row["metadata"], row["event_timestamp"])
            for row in town.household_events
            if row["event_type"] == event_type
        ]
        for actor in {actor for actor, _, _ in rows} - {None}:
            times: list[datetime] = []
            retried: dict[str, datetime] = {}
            for who, metadata, at in rows:
                if who != actor or "error_code" in metadata:
                    continue
                correlation = metadata.get("correlation_id")
                if correlation in refused:
                    continue
                if correlation:
                    retried[correlation] = min(at, retried.get(correlation, at))
                else:
                    times.append(at)
            times += retried.values()
            for end in times:
                inside = sum(end - within < at <= end for at in times)
                if inside > most and YESTERDAY.start <= end < YESTERDAY.end and end <= AS_OF - 2 * MINUTE:
                    found.add((actor, limit))
    return found


@tries(20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner,
    on_postgres: Scanner,
    operations: list[tuple[str, str | None, str | None, timedelta, str, str]],
) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    for number, (event_type, user, household, after, correlation, fate) in enumerate(operations):
        # A thing is made or removed once; the retries of one operation say the same thing.
        thing = f"{event_type} {user} {household} {correlation or number}"
        home = thing if event_type == "household_created" else household
        more: dict[str, str] = {"correlation_id": f"{thing} {fate}"} if correlation else {}
        if event_type == "household_member_removed":
            more["member_id"] = f"{thing} {fate}"
        if event_type == "household_join_request_submitted":
            more["request_id"] = f"{thing} {fate}"
        if event_type == "household_invite_code_validated" and user != "ben":
            more["ip_address"] = IP
        if event_type == "household_created" and correlation:
            home = f"{thing} {fate}"
        if fate == "refused":
            more["error_code"] = "RATE_LIMIT_EXCEEDED"
        town.event(event_type, home, user, at=NOON + after, **more)
        if fate == "refused too" and correlation:
            town.event("rate_limit_exceeded", home, user, at=NOON + after, correlation_id=more["correlation_id"])
            town.household_events[-1]["metadata"] |= {"limit_type": RULES[event_type][1], "ip_address": IP}
    first = on_duckdb.findings(town, DETECTOR, limits=SMALL)
    keys = {(next(v for k, v in f.subject.items() if k != "limit"), f.subject["limit"]) for f in first}
    assert keys == oracle(town)
    assert on_postgres.findings(town, DETECTOR, limits=SMALL) == first
