"""failed-logins-then-changes: who guessed a password must not change a household unseen."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.contract import Window
from detectors.rules.trust_safety.failed_logins_then_changes import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

TICK = timedelta(microseconds=1)


def fail(town: Town, *times: datetime, user: str = "anna", **metadata: str) -> None:
    for at in times:
        town.event("login_failed", None, user, at=at, ip_address="6.6.6.6", **metadata)


def town_with(
    failures: int = 5, success: timedelta | None = MINUTE, change: timedelta | None = 2 * MINUTE, start: datetime = NOON
) -> Town:
    """Failures a minute apart up to `start`, then a success and a change so long after it."""
    town = Town()
    town.family("oak", "anna", "ben")
    fail(town, *(start - number * MINUTE for number in range(failures)))
    if success is not None:
        town.event("login_succeeded", None, "anna", at=start + success)
    if change is not None:
        town.event("household_updated", "oak", "anna", at=start + change)
    return town


def fires(scanner: Scanner, town: Town) -> bool:
    found = scanner.subjects(town, DETECTOR)
    assert found in ([], [{"user_id": uid("anna")}])
    return bool(found)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner) -> None:
    assert not fires(scanner, town_with(failures=0))
    assert not fires(scanner, Town())


@pytest.mark.parametrize(("failures", "expected"), [(4, False), (5, True), (9, True)])
def test_five_failures(scanner: Scanner, failures: int, expected: bool) -> None:
    assert fires(scanner, town_with(failures)) == expected


@pytest.mark.parametrize(
    ("success", "change"), [(None, MINUTE), (MINUTE, None), (2 * MINUTE, MINUTE), (-9 * MINUTE, MINUTE)]
)
def test_silent_without_a_success_and_then_a_change(
    scanner: Scanner, success: timedelta | None, change: timedelta | None
) -> None:
    assert not fires(scanner, town_with(success=success, change=change))


@pytest.mark.parametrize(("change", "expected"), [(HOUR - TICK, True), (HOUR, False)])
def test_the_change_follows_within_an_hour(scanner: Scanner, change: timedelta, expected: bool) -> None:
    assert fires(scanner, town_with(change=change)) == expected


@pytest.mark.parametrize(("first", "expected"), [(30 * MINUTE - TICK, True), (30 * MINUTE, False)])
def test_the_failures_lie_within_thirty_minutes(scanner: Scanner, first: timedelta, expected: bool) -> None:
    town = town_with(failures=4)
    fail(town, NOON - first)
    assert fires(scanner, town) == expected


def test_finds_ids_that_stand_in_the_metadata_alone(scanner: Scanner) -> None:
    town = town_with(failures=0)
    for number in range(5):
        town.event("login_failed", None, None, at=NOON - number * MINUTE, user_id="anna")
    town.household_events.append(town.household_events[-1] | {"id": 99, "metadata": {"user_id": "no uuid"}})
    assert fires(scanner, town)
    for event in town.household_events:
        if event["event_type"] == "login_succeeded":
            event.update(user_id=None, metadata={"user_id": uid("anna")})
    assert fires(scanner, town)


def test_counts_retries_once(scanner: Scanner) -> None:
    town = town_with(failures=4)
    fail(town, NOON - 5 * MINUTE, NOON - 6 * MINUTE, correlation_id="c")
    assert fires(scanner, town)
    town = town_with(failures=3)
    fail(town, NOON - 5 * MINUTE, NOON - 6 * MINUTE, correlation_id="c")
    assert not fires(scanner, town)


def test_failures_of_several_people_do_not_add_up(scanner: Scanner) -> None:
    town = town_with(failures=4)
    fail(town, NOON, user="ben")
    assert not fires(scanner, town)


@pytest.mark.parametrize(
    ("deed", "expected"),
    [
        ("household_member_removed", True),
        ("household_invite_code_regenerated", True),
        ("household_leadership_transferred", True),
        ("household_left", True),
        ("household_dashboard_viewed", False),
        ("pet_activity_logged", False),
        ("household_leave_started", False),
        ("household_join_request_submitted", False),
    ],
)
def test_what_is_a_change(scanner: Scanner, deed: str, expected: bool) -> None:
    town = town_with(change=None)
    town.event(deed, "oak", "anna", at=NOON + 2 * MINUTE)
    assert fires(scanner, town) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (YESTERDAY.start - 50 * MINUTE, False),
        (YESTERDAY.start - 2 * MINUTE, True),
        (YESTERDAY.end - 2 * MINUTE - TICK, True),
        (YESTERDAY.end - 2 * MINUTE, False),
    ],
)
def test_the_change_lies_in_the_window(scanner: Scanner, start: datetime, expected: bool) -> None:
    assert fires(scanner, town_with(start=start)) == expected


def test_looks_back_far_enough(scanner: Scanner) -> None:
    town = town_with(failures=0, start=YESTERDAY.start - 55 * MINUTE, change=55 * MINUTE)
    fail(town, *(YESTERDAY.start - (55 + 7 * number) * MINUTE for number in range(5)))
    assert fires(scanner, town)


def test_waits_for_the_grace_period(scanner: Scanner) -> None:
    town = town_with(start=AS_OF - 3 * MINUTE)
    assert scanner.findings(town, DETECTOR, window=Window(AS_OF - DAY, AS_OF)) == []


def test_somebody_elses_success_or_change_says_nothing(scanner: Scanner) -> None:
    town = town_with(change=None)
    town.event("household_updated", "oak", "ben", at=NOON + 2 * MINUTE)
    assert not fires(scanner, town)
    town = town_with(success=None)
    town.event("login_succeeded", None, None, at=NOON + MINUTE, user_id="ben")
    assert not fires(scanner, town)


def test_the_latest_burst_before_the_success_counts(scanner: Scanner) -> None:
    town = town_with(change=None)
    town.event("household_updated", "oak", "anna", at=NOON + 80 * MINUTE)
    assert not fires(scanner, town)
    fail(town, *(NOON + (30 + number) * MINUTE for number in range(5)))
    assert not fires(scanner, town)
    town.event("login_succeeded", None, "anna", at=NOON + 40 * MINUTE)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["failed_logins"] == 5


def test_a_failure_written_late_and_out_of_order_counts_when_it_happened(scanner: Scanner) -> None:
    town = town_with()
    town.household_events.reverse()
    for number, event in enumerate(town.household_events):
        event["id"] = number
    assert fires(scanner, town)
