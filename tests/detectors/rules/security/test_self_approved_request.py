"""self-approved-request: only those who belong may answer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.rules.security.self_approved_request import DETECTOR
from tests.support.towns import AS_OF, DAY, LONG_AGO, MINUTE, Scanner, Town, uid

SECOND = timedelta(seconds=1)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "emil")
    town.member("oak", "ivan", at=LONG_AGO + 9 * DAY)
    return town


def asked(town: Town, by: str | None, status: str = "approved", **columns: object) -> None:
    town.request("asked", "oak", "ivan", status=status, by=by, **{"at": LONG_AGO + 8 * DAY, **columns})  # type: ignore[arg-type]  # columns of the row


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    asked(town, "anna")
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize("status", ["approved", "rejected"])
@pytest.mark.parametrize("by", [None, "ivan", "dora", "stranger"])
def test_fires_on_an_answer_by_nobody_oneself_or_a_stranger(
    scanner: Scanner, town: Town, by: str | None, status: str
) -> None:
    asked(town, by, status)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"request_id": uid("asked")}
    assert finding.households == (uid("oak"),)


@pytest.mark.parametrize("status", ["pending", "withdrawn"])
def test_silent_on_requests_without_an_answer(scanner: Scanner, town: Town, status: str) -> None:
    asked(town, None, status)
    assert scanner.findings(town, DETECTOR) == []


def test_silent_on_a_leader_who_has_changed_or_left(scanner: Scanner, town: Town) -> None:
    asked(town, "anna")
    town.home("oak")["leader_id"] = uid("ben")
    town.row("oak", "ben")["role"] = "leader"
    town.row("oak", "anna")["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []
    town.row("oak", "anna")["role"] = "member"
    assert scanner.findings(town, DETECTOR) == []


def test_silent_on_a_leader_whose_row_is_missing(scanner: Scanner, town: Town) -> None:
    asked(town, "old")
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.event("household_leadership_transferred", "oak", "old", from_user_id="old", to_user_id="anna", at=LONG_AGO)
    assert scanner.findings(town, DETECTOR) == []
    town.household_events.clear()
    town.home("oak")["leader_id"] = uid("old")
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_waits_for_answers_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    asked(town, "stranger")
    town.event("household_join_request_approved", "oak", "stranger", request_id="asked", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_a_forged_browser_clock_does_not_hide_it(scanner: Scanner, town: Town) -> None:
    asked(town, "stranger", responded_at=AS_OF + 30 * DAY)
    assert len(scanner.findings(town, DETECTOR)) == 1


def test_silent_once_repaired_and_for_a_household_that_is_gone(scanner: Scanner, town: Town) -> None:
    asked(town, "stranger")
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.household_join_requests[-1]["responded_by"] = uid("anna")
    assert scanner.findings(town, DETECTOR) == []
    town.request("lost", "vanished", "ivan", status="approved", by=None)
    assert scanner.findings(town, DETECTOR) == []
