"""over-capacity: more than fifteen people in one household."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.rules.customer_success.over_capacity import DETECTOR
from tests.support.towns import AS_OF, MINUTE, Scanner, Town, uid


def crowd(people: int) -> Town:
    town = Town()
    town.family("oak", *(f"person {place}" for place in range(people)))
    return town


def test_silent_on_an_empty_town(scanner: Scanner) -> None:
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("people", "expected"), [(15, 0), (16, 1)])
def test_the_limit_itself_is_fine(scanner: Scanner, people: int, expected: int) -> None:
    assert scanner.subjects(crowd(people), DETECTOR) == [{"household_id": uid("oak")}] * expected


def test_temporary_members_count_and_removed_ones_do_not(scanner: Scanner) -> None:
    town = crowd(15)
    town.member("oak", "gone", status="removed")
    assert scanner.findings(town, DETECTOR) == []
    town.member("oak", "sitter", is_temporary=True)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["active_members"] == 16
    assert finding.evidence["temporary_members"] == 1
    assert len(finding.users) == finding.impact.users == 16
    assert list(finding.story.fields) == [
        "Customer value",
        "Issue summary",
        "Customer impact",
        "Requested outcome",
        "Your recommendation",
        "Urgency justification",
    ]


def test_a_person_with_two_rows_counts_once(scanner: Scanner) -> None:
    town = crowd(15)
    town.member("oak", "person 3")
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - MINUTE / 60, 0), (2 * MINUTE, 1)])
def test_waits_for_rows_under_way(scanner: Scanner, age: timedelta, expected: int) -> None:
    town = crowd(15)
    town.member("oak", "new", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_once_repaired(scanner: Scanner) -> None:
    town = crowd(16)
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.row("oak", "person 7")["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []
