"""multiple-leaders, orphaned-household, duplicate-member, member-of-many-households."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.integrity import duplicate_member, member_of_many_households, multiple_leaders, orphaned_household
from detectors.limits import Limits
from tests.support.postgres import PostgresServer, load
from tests.support.towns import AS_OF, HOUR, LONG_AGO, MINUTE, Scanner, Town, uid

SECOND = timedelta(seconds=1)
LEADERS, ORPHANS = multiple_leaders.DETECTOR, orphaned_household.DETECTOR
TWICE, MANY = duplicate_member.DETECTOR, member_of_many_households.DETECTOR
ALL = (LEADERS, ORPHANS, TWICE, MANY)
UNDER_WAY = [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)]


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.family("elm", "dora", "emil")
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, *ALL) == []
    assert scanner.findings(Town(), *ALL) == []


def test_several_leaders(scanner: Scanner, town: Town) -> None:
    town.row("oak", "cleo")["role"] = "leader"
    (finding,) = scanner.findings(town, LEADERS)
    assert finding.subject == {"household_id": uid("oak")}
    assert finding.users == tuple(sorted((uid("anna"), uid("cleo"))))
    assert finding.impact.users == 3
    town.row("oak", "cleo")["role"] = "member"
    assert scanner.findings(town, LEADERS) == []


def test_past_leaders_are_no_leaders(scanner: Scanner, town: Town) -> None:
    town.member("oak", "old", role="leader", status="removed")
    town.row("oak", "ben").update(role="leader", status="removed")
    assert scanner.findings(town, LEADERS) == []


@pytest.mark.parametrize(("age", "expected"), UNDER_WAY)
def test_several_leaders_may_be_a_hand_over(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.row("oak", "cleo")["role"] = "leader"
    town.event("household_leave_started", "oak", "anna", at=AS_OF - age)
    assert len(scanner.findings(town, LEADERS)) == expected


def test_a_household_that_never_had_a_member(scanner: Scanner, town: Town) -> None:
    town.household("new", "zoe")
    (finding,) = scanner.findings(town, ORPHANS)
    assert (finding.subject, finding.severity) == ({"household_id": uid("new")}, "P0")
    town.member("new", "zoe", role="leader")
    assert scanner.findings(town, ORPHANS) == []


def test_households_that_everyone_left_are_one_finding(scanner: Scanner, town: Town) -> None:
    for household, name in (("elm", "dora"), ("elm", "emil"), ("oak", "anna"), ("oak", "ben")):
        town.row(household, name)["status"] = "removed"
    (finding,) = scanner.findings(town, ORPHANS)
    assert (finding.subject, finding.severity) == ({"operation": "everyone-left"}, "P2")
    assert [member.households for member in finding.members] == [(uid("elm"),)]
    (raised,) = scanner.findings(town, ORPHANS, limits=Limits(everyone_left_severity="P1"))
    assert raised.severity == "P1"
    town.row("elm", "dora")["status"] = "active"
    assert scanner.findings(town, ORPHANS) == []


@pytest.mark.parametrize(("age", "expected"), UNDER_WAY)
def test_a_creation_may_be_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.household("new", "zoe", at=AS_OF - age)
    assert len(scanner.findings(town, ORPHANS)) == expected


def test_two_active_rows_of_one_person(scanner: Scanner, town: Town) -> None:
    town.member("oak", "ben", at=LONG_AGO + HOUR)
    (finding,) = scanner.findings(town, TWICE)
    assert finding.subject == {"household_id": uid("oak"), "user_id": uid("ben")}
    assert scanner.findings(town, MANY) == []
    town.household_members[-1]["status"] = "removed"
    assert scanner.findings(town, TWICE) == []


def test_a_removed_row_beside_an_active_one_is_fine(scanner: Scanner, town: Town) -> None:
    town.member("oak", "ben", status="removed")
    town.member("elm", "ben", status="removed")
    assert scanner.findings(town, TWICE, MANY) == []


@pytest.mark.parametrize(("age", "expected"), UNDER_WAY)
def test_a_second_row_may_be_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.member("oak", "ben", at=AS_OF - age)
    town.member("elm", "cleo", at=AS_OF - age)
    assert [f.detector for f in scanner.findings(town, TWICE, MANY)] == [TWICE.id, MANY.id][: 2 * expected]


def test_unique_keys_prove_what_they_make_impossible(postgres: PostgresServer, town: Town) -> None:
    with postgres.new_database() as database:
        load(database, town.tables())
        result = Scanner("postgresql", lambda _: database.url)(town, *ALL)
    assert {entry.detector: entry.status for entry in result.coverage} == {
        LEADERS.id: "ran",
        ORPHANS.id: "ran",
        TWICE.id: "proved",
        MANY.id: "ran",
    }


def test_active_in_two_households(scanner: Scanner, town: Town) -> None:
    town.member("elm", "ben", at=LONG_AGO + HOUR)
    (finding,) = scanner.findings(town, MANY)
    assert finding.subject == {"user_id": uid("ben")}
    assert finding.impact.households == 2
    town.row("elm", "ben")["status"] = "removed"
    assert scanner.findings(town, MANY) == []


def test_sitters_may_be_in_many_households(scanner: Scanner, town: Town) -> None:
    for name in ("oak", "elm"):
        town.member(name, "sid", is_temporary=True)
    town.member("elm", "ben", is_temporary=True)
    assert scanner.findings(town, MANY) == []


def test_a_policy_without_that_rule(scanner: Scanner, town: Town) -> None:
    town.member("elm", "ben")
    (entry,) = scanner(town, MANY, limits=Limits(one_household_per_user=False)).coverage
    assert entry.status == "not_applicable"
