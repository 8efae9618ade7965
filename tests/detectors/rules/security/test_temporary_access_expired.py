"""temporary-access-expired: sitters lose access in time and never lead."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.limits import Limits
from detectors.rules.security.temporary_access_expired import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, Scanner, Town, uid

SECOND = timedelta(seconds=1)
FOUND = [{"household_id": uid("oak"), "user_id": uid("sid")}]


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    return town


def sitter(town: Town, ends: datetime | None, **columns: object) -> None:
    town.member("oak", "sid", is_temporary=True, temporary_expires_at=ends, **columns)  # type: ignore[arg-type]  # columns of the row


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    sitter(town, AS_OF + DAY)
    town.member("oak", "tim", is_temporary=True)
    town.member("oak", "una", is_temporary=False, temporary_expires_at=NOON)
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(DAY, 1), (2 * MINUTE, 1), (2 * MINUTE - SECOND, 0), (timedelta(0), 0)])
def test_fires_past_the_expiry(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    sitter(town, AS_OF - age)
    assert scanner.subjects(town, DETECTOR) == FOUND * expected


@pytest.mark.parametrize(("age", "expected"), [(timedelta(0), 0), (SECOND, 1)])
def test_never_fires_at_the_expiry_itself(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    sitter(town, AS_OF - age)
    assert len(scanner.findings(town, DETECTOR, limits=Limits(grace_seconds=0))) == expected


@pytest.mark.parametrize("ends", [None, AS_OF + DAY])
def test_fires_on_a_sitter_with_the_role_of_leader(scanner: Scanner, town: Town, ends: datetime | None) -> None:
    sitter(town, ends, role="leader")
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == FOUND[0]
    assert finding.evidence["leads"] is True
    assert finding.evidence["expired"] is False


def test_fires_on_a_sitter_whom_leader_id_names(scanner: Scanner, town: Town) -> None:
    sitter(town, None)
    town.home("oak")["leader_id"] = uid("sid")
    assert scanner.subjects(town, DETECTOR) == FOUND


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_waits_for_a_hand_over_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    sitter(town, None, role="leader")
    town.event("household_leave_started", "oak", "anna", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_once_removed_or_made_permanent(scanner: Scanner, town: Town) -> None:
    sitter(town, NOON - HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND
    town.row("oak", "sid")["is_temporary"] = False
    assert scanner.findings(town, DETECTOR) == []
    town.row("oak", "sid").update(is_temporary=True, status="removed", role="leader")
    assert scanner.findings(town, DETECTOR) == []
