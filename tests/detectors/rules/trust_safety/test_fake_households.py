"""fake-households: alike in name, nobody else in them, no life in them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.rules.trust_safety.fake_households import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, Scanner, Town, uid

SECOND = timedelta(seconds=1)
MADE = NOON - 10 * DAY
FOUND = [{"user_id": uid("fred")}]


def fakes(*names: str, at: datetime = MADE) -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.event("pet_activity_logged", "oak", "anna", at=MADE - DAY)
    for place, name in enumerate(names):
        home = f"fake {place}"
        town.household(home, "fred", at=at + place * HOUR)
        town.home(home)["name"] = name
        town.member(home, "fred", role="leader", status="removed", at=at + place * HOUR)
    return town


def test_silent_on_an_empty_town(scanner: Scanner) -> None:
    assert scanner.findings(Town(), DETECTOR) == []


def test_fires_on_three_and_not_on_two(scanner: Scanner) -> None:
    assert scanner.findings(fakes("Home 1", "Home 2"), DETECTOR) == []
    (finding,) = scanner.findings(fakes("Home 1", "Home 2", "Home 3"), DETECTOR)
    assert finding.subject == FOUND[0]
    assert finding.severity == "Same-day"
    assert finding.households == tuple(sorted(uid(f"fake {place}") for place in range(3)))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Promo Home A", "Promo Home B", "Promo Home C"), 1),
        (("Home", "home", "HOME"), 1),
        (("Beach House", "City Flat", "Granny and Max"), 0),
        (("Home 1", "Home 2", "Granny and Max"), 0),
        (("Home 1", "Home 2", "Granny and Max", "Home 3"), 1),
        (("", "", ""), 0),
    ],
)
def test_names_must_be_alike(scanner: Scanner, names: tuple[str, ...], expected: int) -> None:
    assert len(scanner.findings(fakes(*names), DETECTOR)) == expected


@pytest.mark.parametrize("status", ["active", "removed"])
def test_another_member_makes_it_a_household(scanner: Scanner, status: str) -> None:
    town = fakes("Home 1", "Home 2", "Home 3")
    town.member("fake 1", "zoe", status=status, at=MADE + 2 * HOUR)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("after", "expected"), [(48 * HOUR, 0), (48 * HOUR + SECOND, 1)])
def test_pet_activity_in_time_makes_it_a_household(scanner: Scanner, after: timedelta, expected: int) -> None:
    town = fakes("Home 1", "Home 2", "Home 3")
    town.event("household_dashboard_viewed", "fake 0", "fred", at=MADE + HOUR)
    town.event("pet_activity_logged", "fake 0", "fred", at=MADE + after)
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize(("age", "expected"), [(48 * HOUR + 2 * MINUTE - SECOND, 0), (48 * HOUR + 2 * MINUTE, 1)])
def test_judged_once_its_hours_have_passed(scanner: Scanner, age: timedelta, expected: int) -> None:
    town = fakes("Home 1", "Home 2", "Home 3", at=AS_OF - age - 2 * HOUR)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_on_creations_that_stopped_half_way(scanner: Scanner) -> None:
    town = fakes("Home 1", "Home 2", "Home 3")
    town.household_members = [row for row in town.household_members if row["household_id"] != uid("fake 2")]
    assert scanner.findings(town, DETECTOR) == []


def test_nothing_is_concluded_from_before_the_audit_table(scanner: Scanner) -> None:
    town = fakes("Home 1", "Home 2", "Home 3")
    town.household_events[0]["event_timestamp"] = MADE + MINUTE
    assert scanner.findings(town, DETECTOR) == []


def test_households_of_different_creators_do_not_add_up(scanner: Scanner) -> None:
    town = fakes("Home 1", "Home 2", "Home 3")
    town.home("fake 2")["leader_id"] = uid("zoe")
    town.row("fake 2", "fred")["user_id"] = uid("zoe")
    assert scanner.findings(town, DETECTOR) == []


def test_a_sitter_is_somebody_else_too(scanner: Scanner) -> None:
    town = fakes("Home 1", "Home 2", "Home 3")
    town.member("fake 1", "zoe", at=MADE + 2 * HOUR, is_temporary=True, temporary_expires_at=MADE + 3 * HOUR)
    assert scanner.findings(town, DETECTOR) == []


def test_gone_once_two_are_left(scanner: Scanner) -> None:
    town = fakes("Home 1", "Home 2", "Home 3")
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.households = [row for row in town.households if row["id"] != uid("fake 2")]
    assert scanner.findings(town, DETECTOR) == []


def test_one_younger_household_neither_counts_nor_clears(scanner: Scanner) -> None:
    town = fakes("Home 1", "Home 2", "Home 3", "Home 4", at=AS_OF - 51 * HOUR)
    (finding,) = scanner.findings(town, DETECTOR)
    assert uid("fake 3") not in finding.households
    town.home("fake 2")["created_at"] = AS_OF - 47 * HOUR
    assert scanner.findings(town, DETECTOR) == []
