"""orphaned-household: never had a member, or everyone left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from detectors.limits import Limits
from detectors.rules.integrity.orphaned_household import DETECTOR
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
    assert finding.evidence["orphan"] == "never-had-a-member-row"
    town.member("new", "zoe", role="leader")
    assert scanner.findings(town, DETECTOR) == []


def test_households_that_everyone_left_are_one_finding(scanner: Scanner, town: Town) -> None:
    for household, name in (("elm", "dora"), ("elm", "emil"), ("oak", "anna"), ("oak", "ben")):
        town.row(household, name)["status"] = "removed"
    (finding,) = scanner.findings(town, DETECTOR)
    assert (finding.subject, finding.severity) == ({"operation": "everyone-left"}, "P2")
    assert [member.households for member in finding.members] == [(uid("elm"),)]
    assert finding.evidence["orphan"] == "everyone-left"
    (raised,) = scanner.findings(town, DETECTOR, limits=Limits(everyone_left_severity="P1"))
    assert raised.severity == "P1"
    town.row("elm", "dora")["status"] = "active"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), UNDER_WAY)
def test_a_creation_may_be_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.household("new", "zoe", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize(("age", "expected"), UNDER_WAY)
def test_nobody_is_left_of_a_household_that_has_just_begun(
    scanner: Scanner, town: Town, age: timedelta, expected: int
) -> None:
    town.household("new", "zoe", at=AS_OF - age)
    town.member("new", "zoe", role="leader", status="removed", at=AS_OF - age)
    assert scanner.subjects(town, DETECTOR) == [{"operation": "everyone-left"}] * expected


def test_both_kinds_apart_and_without_other_tables(scanner: Scanner, town: Town) -> None:
    town.household("new", None)
    town.request("r", "new", "zoe")
    for name in ("fir", "yew"):
        town.household(name, "zoe")
        town.member(name, "zoe", role="leader", status="removed")
        town.member(name, "sid", status="removed", is_temporary=True)
    bare = scanner.without("household_events", "users", "sessions", "support_requests")
    found = bare.findings(town, DETECTOR)
    assert [(finding.severity, finding.subject) for finding in found] == [
        ("P0", {"household_id": uid("new")}),
        ("P2", {"operation": "everyone-left"}),
    ]
    assert sorted(row.subject["household_id"] for row in found[1].members) == sorted((uid("fir"), uid("yew")))


def test_a_sitter_is_somebody(scanner: Scanner, town: Town) -> None:
    for name in ("dora", "emil"):
        town.row("elm", name)["status"] = "removed"
    town.member("elm", "sid", is_temporary=True)
    assert scanner.findings(town, DETECTOR) == []


LIFE = [
    ("household_left", {"was_leader": True}),
    ("household_member_removed", {"member_id": "zoe"}),
    ("household_leadership_transferred", {"from_user_id": "zoe", "to_user_id": "yan"}),
    ("household_dashboard_viewed", {}),
    ("pet_activity_logged", {}),
]


@pytest.mark.parametrize(("event", "metadata"), LIFE)
def test_rows_that_were_deleted_on_leaving_were_there(
    scanner: Scanner, town: Town, event: str, metadata: dict[str, Any]
) -> None:
    town.household("new", "zoe")
    assert scanner.subjects(town, DETECTOR) == [{"household_id": uid("new")}]
    town.event(event, "new", "zoe", error_code="DATABASE_ERROR", **metadata)
    town.event("household_created", "new", "zoe")
    town.event(event, "oak", "anna", **metadata)
    assert scanner.subjects(town, DETECTOR) == [{"household_id": uid("new")}]
    town.event(event, "new", "zoe", **metadata)
    for some in ({}, {"households": [uid("new")]}):
        (finding,) = scanner.findings(town, DETECTOR, **some)
        assert finding.subject == {"operation": "everyone-left"}
        assert [row.households for row in finding.members] == [(uid("new"),)]
