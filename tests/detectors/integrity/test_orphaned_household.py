"""orphaned-household: never had a member, or everyone left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.integrity.orphaned_household import DETECTOR
from detectors.limits import Limits
from tests.support.towns import AS_OF, MINUTE, Scanner, Town, uid

SECOND = timedelta(seconds=1)
UNDER_WAY = [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)]


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_a_household_that_never_had_a_member(scanner: Scanner, town: Town) -> None:
    town.household("new", "zoe")
    (finding,) = scanner.findings(town, DETECTOR)
    assert (finding.subject, finding.severity) == ({"household_id": uid("new")}, "P0")
    town.member("new", "zoe", role="leader")
    assert scanner.findings(town, DETECTOR) == []


def test_households_that_everyone_left_are_one_finding(scanner: Scanner, town: Town) -> None:
    for household, name in (("elm", "dora"), ("elm", "emil"), ("oak", "anna"), ("oak", "ben")):
        town.row(household, name)["status"] = "removed"
    (finding,) = scanner.findings(town, DETECTOR)
    assert (finding.subject, finding.severity) == ({"operation": "everyone-left"}, "P2")
    assert [member.households for member in finding.members] == [(uid("elm"),)]
    (raised,) = scanner.findings(town, DETECTOR, limits=Limits(everyone_left_severity="P1"))
    assert raised.severity == "P1"
    town.row("elm", "dora")["status"] = "active"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), UNDER_WAY)
def test_a_creation_may_be_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.household("new", "zoe", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected
