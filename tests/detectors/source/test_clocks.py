"""An audit table in another time zone than the others ends the scan; clocks that differ a little do not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.engine.applicability import health_of
from detectors.limits import Limits
from detectors.source import SourceMapping, open_source
from detectors.source.clocks import is_shift
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, MINUTE, Scanner, Town

SECOND = timedelta(seconds=1)


@pytest.fixture
def town() -> Town:
    """Twelve households whose creation, and a request to each, were audited a moment later."""
    town = Town()
    for number in range(12):
        home, at = f"h{number}", LONG_AGO + number * 7 * HOUR
        town.family(home, f"{home} anna", f"{home} ben", at=at)
        town.event("household_created", home, f"{home} anna", at=at + SECOND)
        for row in town.household_join_requests:
            if row["household_id"] == town.home(home)["id"]:
                row["requested_at"] = at + DAY
                town.event("household_join_request_submitted", home, f"{home} ben", at=at + DAY + SECOND)
    return town


def faults(scanner: Scanner, town: Town) -> str:
    with open_source(scanner.open_town(town.tables()), SourceMapping()) as source:
        return "".join(health_of(source, (), Limits(), as_of=AS_OF).faults)


def test_a_trail_of_another_zone_ends_the_scan(scanner: Scanner, town: Town) -> None:
    assert not faults(scanner, town)
    for row in town.household_events:
        row["event_timestamp"] -= 2 * HOUR
    assert "lies 2 hours before households.created_at of the same act in 12 of 12 rows" in faults(scanner, town)


def test_summers_alone_are_enough(on_duckdb: Scanner, town: Town) -> None:
    """Where clocks change, a zone is mistaken for a part of the year; requests tell of it where creations do not."""
    asked = [row for row in town.household_events if row["event_type"] == "household_join_request_submitted"]
    for row in asked[:10]:
        row["event_timestamp"] += HOUR
    assert "lies 1 hour after household_join_requests.requested_at" in faults(on_duckdb, town)
    asked[0]["event_timestamp"] -= HOUR
    assert not faults(on_duckdb, town)


def test_who_asks_again_every_half_hour_shifts_no_clock(on_duckdb: Scanner, town: Town) -> None:
    """Each of these acts lies whole half hours from the rows of all the others."""
    for number in range(24):
        at = LONG_AGO + 30 * DAY + number * HOUR / 2
        town.request(f"bot {number}", "h0", "bot", status="withdrawn", at=at)
        town.event("household_join_request_submitted", "h0", "bot", at=at + SECOND)
    assert not faults(on_duckdb, town)


def test_an_import_of_a_night_that_dates_its_rows_by_the_day_shifts_no_clock(on_duckdb: Scanner, town: Town) -> None:
    for number in range(30):
        home, at = f"import {number}", LONG_AGO.replace(hour=2) + 10 * DAY
        town.family(home, f"{home} anna", at=at - 2 * HOUR)
        town.event("household_created", home, f"{home} anna", at=at + number * SECOND / 10)
    assert not faults(on_duckdb, town)


def test_rows_that_a_move_dated_anew_are_of_no_other_zone(on_duckdb: Scanner, town: Town) -> None:
    for row in town.households:
        row["created_at"] = LONG_AGO
    assert not faults(on_duckdb, town)


@pytest.mark.parametrize(
    ("apart", "shifted"),
    [
        (2 * HOUR, True),
        (-8 * HOUR - 20 * SECOND, True),
        (5 * HOUR + 30 * MINUTE, True),
        (MINUTE, False),
        (10 * SECOND, False),
        (2 * HOUR + MINUTE, False),
        (2 * DAY, False),
    ],
)
def test_what_zones_differ_by(apart: timedelta, shifted: bool) -> None:
    assert is_shift(apart) is shifted


def test_sessions_of_another_zone_end_the_scan(scanner: Scanner, town: Town) -> None:
    """Of uses before a removal they would say that they came afterwards."""
    for number in range(12):
        who, at = f"h{number} anna", LONG_AGO + number * 7 * HOUR
        town.event("login_succeeded", None, who, at=at)
        town.session(f"s{number}", who, at=at + SECOND)
    assert not faults(scanner, town)
    for row in town.sessions:
        row["created_at"] -= 5 * HOUR
    assert "lies 5 hours after sessions.created_at of the same act in 12 of 12 rows" in faults(scanner, town)
    # Who logs in again an hour or two after a session began, always, is in no zone of many people.
    for row in town.sessions:
        row["created_at"] += 4 * HOUR
    assert not faults(scanner, town)
    for row in town.sessions:
        row["created_at"] += 3 * HOUR
    assert "lies 2 hours before sessions.created_at of the same act in 12 of 12 rows" in faults(scanner, town)
    for row in town.sessions:
        row["created_at"] -= 7 * HOUR
    # A town that was made up at whole minutes may have sessions that began some hours before a log-in.
    for row in town.sessions:
        row["created_at"] -= SECOND
    assert not faults(scanner, town)
    # What is renewed after some hours each time, and keeps the latest alone, is of no other zone.
    for number, row in enumerate(town.sessions):
        row["created_at"] += 5 * HOUR + number % 4 * HOUR + SECOND
    assert not faults(scanner, town)
