"""no-leader: somebody must be able to lead every household that has members."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.rules.integrity.no_leader import DETECTOR
from tests.support.towns import AS_OF, HOUR, MINUTE, NOON, Scanner, Town, uid

SECOND = timedelta(seconds=1)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_fires_when_leader_id_is_null(scanner: Scanner, town: Town) -> None:
    town.home("oak")["leader_id"] = None
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"household_id": uid("oak")}
    assert finding.impact.users == 3
    assert finding.evidence["longest_standing_member"] == uid("anna")


def test_a_sitter_is_no_heir(scanner: Scanner, town: Town) -> None:
    town.home("oak")["leader_id"] = None
    town.row("oak", "anna")["is_temporary"] = True
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["longest_standing_member"] == uid("ben")


def test_fires_when_leader_id_names_a_stranger(scanner: Scanner, town: Town) -> None:
    town.home("oak")["leader_id"] = uid("nobody")
    assert scanner.subjects(town, DETECTOR) == [{"household_id": uid("oak")}]


def test_fires_when_the_leader_left_and_took_leadership_along(scanner: Scanner, town: Town) -> None:
    town.row("oak", "anna")["status"] = "removed"
    assert scanner.subjects(town, DETECTOR) == [{"household_id": uid("oak")}]


def test_fires_when_nobody_has_the_role(scanner: Scanner, town: Town) -> None:
    town.row("elm", "dora")["role"] = "member"
    assert scanner.subjects(town, DETECTOR) == [{"household_id": uid("elm")}]


def test_silent_when_leader_id_and_the_role_disagree(scanner: Scanner, town: Town) -> None:
    town.home("oak")["leader_id"] = uid("ben")
    assert scanner.findings(town, DETECTOR) == []


def test_silent_when_nobody_is_left(scanner: Scanner, town: Town) -> None:
    for name in ("dora", "emil"):
        town.row("elm", name)["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_waits_for_a_hand_over_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.home("oak")["leader_id"] = None
    town.event("household_leave_started", "oak", "anna", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_waits_for_a_member_who_has_just_come(scanner: Scanner, age: timedelta, expected: int) -> None:
    town = Town()
    town.household("oak", "anna")
    town.member("oak", "anna", role="leader", status="removed")
    town.member("oak", "ben", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected
    town.member("oak", "cleo")
    assert len(scanner.findings(town, DETECTOR)) == 1


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_waits_for_a_creation_under_way(scanner: Scanner, age: timedelta, expected: int) -> None:
    town = Town()
    town.household("oak", "nobody", at=AS_OF - age)
    town.member("oak", "anna", at=AS_OF - HOUR)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_an_ordinary_departure_delays_nothing(scanner: Scanner, town: Town) -> None:
    town.home("oak")["leader_id"] = None
    town.row("oak", "ben")["status"] = "removed"
    town.event("household_left", "oak", "ben", at=AS_OF - SECOND, was_leader=False)
    town.event("household_member_removed", "oak", "anna", at=AS_OF - SECOND, member_id="dora")
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.event("household_left", "oak", "anna", at=AS_OF - SECOND, was_leader=True)
    assert scanner.findings(town, DETECTOR) == []


def test_needs_neither_events_nor_accounts(scanner: Scanner, town: Town) -> None:
    town.home("oak")["leader_id"] = uid("ghost")
    bare = scanner.without("household_events", "users", "sessions", "support_requests")
    assert bare.subjects(town, DETECTOR) == [{"household_id": uid("oak")}]


def test_silent_once_repaired(scanner: Scanner, town: Town) -> None:
    town.home("oak")["leader_id"] = None
    town.event("household_left", "oak", "anna", at=NOON, was_leader=True)
    town.row("oak", "anna")["status"] = "removed"
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.home("oak")["leader_id"] = uid("ben")
    town.row("oak", "ben")["role"] = "leader"
    assert scanner.findings(town, DETECTOR) == []
