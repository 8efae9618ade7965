"""members-without-household: active member rows of a household that has no row of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from detectors.limits import Limits
from detectors.registry import DETECTORS
from detectors.rules.integrity.members_without_household import DETECTOR
from escalation.decide.causes import explain
from tests.support.towns import AS_OF, DAY, MINUTE, Scanner, Town, uid

SECOND = timedelta(seconds=1)


def lose(town: Town, household: str) -> dict[str, Any]:
    row = town.home(household)
    town.households.remove(row)
    return row


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_fires_at_any_age_until_it_is_repaired(scanner: Scanner, town: Town) -> None:
    row = lose(town, "oak")
    (finding,) = scanner.findings(town, DETECTOR)
    assert (finding.subject, finding.severity) == ({"household_id": uid("oak")}, "P0")
    assert finding.users == tuple(sorted(map(uid, ("anna", "ben", "cleo"))))
    assert finding.impact.users == 3
    assert finding.first_seen is finding.occurred_at is None
    town.households.append(row)
    assert scanner.findings(town, DETECTOR) == []


def test_one_ordinary_member_is_enough_and_removed_rows_are_not(scanner: Scanner, town: Town) -> None:
    lose(town, "oak")
    for name in ("anna", "cleo"):
        town.row("oak", name)["status"] = "removed"
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.users == (uid("ben"),)
    town.row("oak", "ben")["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []


def test_a_deleted_account_is_not_affected(scanner: Scanner, town: Town) -> None:
    lose(town, "elm")
    town.account("emil", deleted_at=AS_OF - DAY)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.impact.users == 1


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_a_creation_may_be_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.member("new", "zoe", role="leader", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"households": [uid("oak")]}, 1),
        ({"users": [uid("cleo")]}, 1),
        ({"households": [uid("elm")]}, 0),
        ({"users": [uid("dora")]}, 0),
    ],
)
def test_a_scan_of_some_finds_it_there_alone(
    scanner: Scanner, town: Town, wanted: dict[str, Any], expected: int
) -> None:
    lose(town, "oak")
    assert len(scanner.findings(town, DETECTOR, **wanted)) == expected


def test_it_explains_what_else_is_wrong_there(scanner: Scanner, town: Town) -> None:
    lose(town, "oak")
    town.row("oak", "ben").update(role="leader", is_temporary=True, temporary_expires_at=AS_OF - DAY)
    town.row("oak", "cleo")["role"] = "leader"
    town.event("household_member_removed", "oak", "anna", member_id="cleo")
    rules = [
        one for one in DETECTORS if one.meta.team == "engineering" and not (one.inspect or one.pointless(Limits()))
    ]
    (cause,) = explain(scanner.findings(town, *rules), Limits())
    assert cause.detector == DETECTOR.id
    assert {one.detector for one in cause.related} >= {"multiple-leaders", "temporary-access-expired"}
