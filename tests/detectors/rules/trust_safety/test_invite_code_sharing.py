"""invite-code-sharing: a crowd that does not stay is no family."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from detectors.contract import Context, Window
from detectors.engine.runner import scan
from detectors.limits import Limits
from detectors.rules.trust_safety.invite_code_sharing import DETECTOR
from detectors.source import SourceMapping, open_source
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid, write_csv

TICK = timedelta(microseconds=1)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "emil")
    return town


def ask(
    town: Town, people: int, status: str = "pending", *, at: datetime = NOON, prefix: str = "p", stays: bool = True
) -> None:
    for number in range(people):
        name = f"{prefix}{number}"
        asked = at + number * MINUTE
        town.request(f"{name}/{asked}", "oak", name, status=status, at=asked, by="anna")
        if status == "approved":
            town.member("oak", name, at=asked + MINUTE, status="active" if stays else "removed")


def fires(scanner: Scanner, town: Town, limits: Limits | None = None) -> bool:
    found = scanner.subjects(town, DETECTOR, limits=limits)
    assert found in ([], [{"household_id": uid("oak")}])
    return bool(found)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert not fires(scanner, town)
    assert not fires(scanner, Town())


def test_silent_on_a_big_family_on_one_evening(scanner: Scanner, town: Town) -> None:
    ask(town, 13, "approved", at=NOON)
    assert not fires(scanner, town)


@pytest.mark.parametrize(("people", "expected"), [(9, False), (10, True)])
@pytest.mark.parametrize("status", ["pending", "rejected", "withdrawn"])
def test_fires_on_ten_who_were_not_approved(
    scanner: Scanner, town: Town, people: int, status: str, expected: bool
) -> None:
    ask(town, people, status)
    assert fires(scanner, town) == expected


@pytest.mark.parametrize(("stayed", "expected"), [(4, True), (5, False)])
def test_fires_when_fewer_than_half_stayed(scanner: Scanner, town: Town, stayed: int, expected: bool) -> None:
    ask(town, stayed, "approved")
    ask(town, 10 - stayed, "approved", prefix="q", stays=False)
    assert fires(scanner, town) == expected


@pytest.mark.parametrize(("people", "expected"), [(15, False), (16, True)])
def test_fires_on_more_than_a_household_can_hold(scanner: Scanner, town: Town, people: int, expected: bool) -> None:
    ask(town, people, "approved")
    assert fires(scanner, town) == expected


def test_silent_on_one_person_who_asks_ten_times(scanner: Scanner, town: Town) -> None:
    for number in range(20):
        town.request(f"r{number}", "oak", "p", status="rejected", at=NOON + number * MINUTE)
    assert not fires(scanner, town)


def test_silent_on_ten_who_asked_in_different_households(scanner: Scanner, town: Town) -> None:
    ask(town, 5, "rejected")
    for number in range(5):
        town.request(f"e{number}", "elm", f"e{number}", status="rejected", at=NOON)
    assert not fires(scanner, town)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (YESTERDAY.start - DAY, False),
        (YESTERDAY.start, True),
        (YESTERDAY.end - 10 * MINUTE, True),
        (YESTERDAY.end, False),
    ],
)
def test_the_day_touches_the_window(scanner: Scanner, town: Town, at: datetime, expected: bool) -> None:
    ask(town, 10, "pending", at=at)
    assert fires(scanner, town) == expected


def test_days_are_the_policys(scanner: Scanner, town: Town) -> None:
    ask(town, 5, "pending", at=YESTERDAY.start + HOUR)
    ask(town, 5, "pending", at=YESTERDAY.start + 12 * HOUR, prefix="q")
    assert fires(scanner, town)
    assert not fires(scanner, town, Limits(time_zone="America/New_York"))


@pytest.mark.parametrize(("rejected", "expected"), [(5, False), (6, True)])
def test_fires_over_a_week_when_most_were_rejected(scanner: Scanner, town: Town, rejected: int, expected: bool) -> None:
    for number in range(10):
        ask(
            town, 1, "rejected" if number < rejected else "approved", at=NOON - number * HOUR * 14, prefix=f"w{number}-"
        )
    assert fires(scanner, town) == expected


@pytest.mark.parametrize(("after", "expected"), [(DAY - TICK, True), (DAY, False)])
def test_fires_over_a_week_when_most_were_removed_within_a_day(
    scanner: Scanner, town: Town, after: timedelta, expected: bool
) -> None:
    for number in range(10):
        at = NOON - number * HOUR * 14
        ask(town, 1, "approved", at=at, prefix=f"w{number}-", stays=False)
        town.event("household_member_removed", "oak", "anna", at=at + MINUTE + after, member_id=f"w{number}-0")
    assert fires(scanner, town) == expected


@pytest.mark.parametrize(("first", "expected"), [(7 * DAY - TICK, True), (7 * DAY, False)])
def test_a_week_has_seven_days(scanner: Scanner, town: Town, first: timedelta, expected: bool) -> None:
    ask(town, 1, "rejected", at=NOON - first)
    for number in range(9):
        ask(town, 1, "rejected", at=NOON - number * HOUR * 14, prefix=f"w{number}-")
    assert fires(scanner, town) == expected


def test_a_week_that_nothing_happened_in_since_is_old_news(scanner: Scanner, town: Town) -> None:
    for number in range(10):
        ask(town, 1, "rejected", at=YESTERDAY.start - HOUR - number * HOUR * 10, prefix=f"w{number}-")
    assert not fires(scanner, town)
    town.event("household_join_request_rejected", "oak", "anna", requester_id="w0-0")
    assert fires(scanner, town)


def test_a_week_may_end_at_any_moment_of_the_window(scanner: Scanner, town: Town) -> None:
    start = YESTERDAY.start + HOUR
    ask(town, 1, "rejected", at=start - 7 * DAY + MINUTE, prefix="first")
    for number in range(8):
        ask(town, 1, "rejected", at=start - (number + 1) * HOUR * 17, prefix=f"w{number}-")
    ask(town, 1, "rejected", at=start, prefix="last")
    assert fires(scanner, town)
    # The first of them is a week ago by now, and the latest request is by one of the ten.
    town.request("again", "oak", "last0", status="rejected", at=start + 9 * HOUR)
    assert fires(scanner, town)


def test_who_left_by_themselves_or_stayed_longer_was_not_thrown_out(scanner: Scanner, town: Town) -> None:
    for number in range(10):
        at = NOON - number * HOUR * 14
        ask(town, 1, "approved", at=at, prefix=f"w{number}-", stays=False)
        town.event("household_left", "oak", f"w{number}-0", at=at + HOUR)
    assert not fires(scanner, town)


def test_who_was_let_in_again_stayed(scanner: Scanner, town: Town) -> None:
    ask(town, 11, "rejected", at=NOON)
    assert fires(scanner, town)
    ask(town, 11, "approved", at=NOON + HOUR)
    assert not fires(scanner, town)


def test_without_the_audit_table_the_requests_still_tell(tmp_path: Path, town: Town) -> None:
    ask(town, 10, "rejected")
    folder = write_csv(tmp_path, town.tables(), leave_out=["household_events", "support_requests", "sessions", "users"])
    with open_source(str(folder), SourceMapping()) as source:
        result = scan(source, [DETECTOR], Context(as_of=AS_OF, window=YESTERDAY))
    assert [finding.subject for finding in result.findings] == [{"household_id": uid("oak")}]


def test_waits_for_the_grace_period(scanner: Scanner, town: Town) -> None:
    ask(town, 10, "rejected", at=AS_OF - 10 * MINUTE)
    window = Window(AS_OF - DAY, AS_OF)
    assert scanner.findings(town, DETECTOR, window=window) == []
    assert len(scanner.findings(town, DETECTOR, window=window, as_of=AS_OF + MINUTE)) == 1
