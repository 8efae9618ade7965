"""multiple-leaders: more than one active member row has the role of leader."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.rules.integrity.multiple_leaders import DETECTOR
from tests.support.towns import AS_OF, MINUTE, Scanner, Town, uid

SECOND = timedelta(seconds=1)
UNDER_WAY = [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)]


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_several_leaders(scanner: Scanner, town: Town) -> None:
    town.row("oak", "cleo")["role"] = "leader"
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"household_id": uid("oak")}
    assert finding.users == tuple(sorted((uid("anna"), uid("ben"), uid("cleo"))))
    assert finding.story.affected_users == (uid("anna"), uid("cleo"))
    assert finding.impact.users == 3
    town.row("oak", "cleo")["role"] = "member"
    assert scanner.findings(town, DETECTOR) == []


def test_past_leaders_are_no_leaders(scanner: Scanner, town: Town) -> None:
    town.member("oak", "old", role="leader", status="removed")
    town.row("oak", "ben").update(role="leader", status="removed")
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), UNDER_WAY)
def test_several_leaders_may_be_a_hand_over(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.row("oak", "cleo")["role"] = "leader"
    town.event("household_leave_started", "oak", "anna", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize(("age", "expected"), UNDER_WAY)
def test_a_leaders_row_may_be_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.member("oak", "dan", role="leader", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected
    town.row("oak", "cleo")["role"] = "leader"
    assert len(scanner.findings(town, DETECTOR)) == 1


def test_two_rows_of_one_leader_are_two_leader_rows(scanner: Scanner, town: Town) -> None:
    town.member("oak", "anna", role="leader")
    assert scanner.subjects(town, DETECTOR) == [{"household_id": uid("oak")}]
    town.household_members[-1]["role"] = "member"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize("leader", [None, "ghost", "ben"])
def test_whoever_leader_id_names(scanner: Scanner, town: Town, leader: str | None) -> None:
    town.row("oak", "cleo")["role"] = "leader"
    town.home("oak")["leader_id"] = leader and uid(leader)
    bare = scanner.without("household_events", "users", "sessions", "support_requests")
    assert bare.subjects(town, DETECTOR) == [{"household_id": uid("oak")}]
