"""old-invite-code-accepted: a regenerated code must lock the old one out."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.rules.malfunctions.old_invite_code_accepted import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, Scanner, Town, uid

pytestmark = pytest.mark.each_engine

SECOND = timedelta(seconds=1)
OLD, NEW = "FAM-ALPHA-BRAVO", "FAM-ZULU-ZULU"
FOUND = [{"household_id": uid("oak")}]


@pytest.fixture
def town() -> Town:
    """The code of oak was regenerated yesterday at noon."""
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "emil")
    town.home("oak").update(invite_code=NEW, updated_at=NOON)
    town.event("household_invite_code_regenerated", "oak", "anna", at=NOON)
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    town.request("asked", "oak", "zoe", invite_code=NEW, at=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize("status", ["pending", "approved", "rejected", "withdrawn"])
def test_fires_on_a_request_with_the_old_code(scanner: Scanner, town: Town, status: str) -> None:
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON + HOUR, status=status)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == FOUND[0]
    assert finding.users == (uid("zoe"),)
    assert OLD not in finding.model_dump_json()


@pytest.mark.parametrize(("after", "expected"), [(5 * MINUTE, 0), (5 * MINUTE + SECOND, 1), (-HOUR, 0)])
def test_five_minutes_are_allowed(scanner: Scanner, town: Town, after: timedelta, expected: int) -> None:
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON + after, status="approved")
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_on_an_old_request_that_is_approved_late(scanner: Scanner, town: Town) -> None:
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON - DAY, status="approved", responded_at=NOON + 9 * HOUR)
    assert scanner.findings(town, DETECTOR) == []


def test_codes_are_compared_in_upper_case(scanner: Scanner, town: Town) -> None:
    town.request("asked", "oak", "zoe", invite_code=f" {NEW.lower()} ", at=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []


def test_a_refused_regeneration_began_no_code(scanner: Scanner, town: Town) -> None:
    refusal = {"at": NOON + 2 * HOUR, "error_code": "RATE_LIMIT_EXCEEDED"}
    town.event("household_invite_code_regenerated", "oak", "anna", **refusal)  # type: ignore[arg-type]  # a time and a text
    town.event("household_invite_code_regenerated", "elm", "dora", **refusal)  # type: ignore[arg-type]  # a time and a text
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON + HOUR)
    town.request("elsewhere", "elm", "zoe", invite_code=OLD, at=NOON + 3 * HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND


def test_a_retried_event_counts_at_its_earliest_time(scanner: Scanner, town: Town) -> None:
    town.household_events.clear()
    for at in (NOON, NOON + 2 * HOUR):
        town.event("household_invite_code_regenerated", "oak", "anna", at=at, correlation_id="one")
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON + HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND


def test_nothing_is_concluded_without_an_event(scanner: Scanner, town: Town) -> None:
    town.household_events.clear()
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []


def test_silent_when_a_later_regeneration_was_never_logged(scanner: Scanner, town: Town) -> None:
    town.home("oak")["updated_at"] = NOON + 3 * HOUR
    town.request("asked", "oak", "zoe", invite_code="FAM-LIMA-LIMA", at=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize("updated", [NOON + HOUR - 6 * MINUTE, AS_OF + SECOND, AS_OF + 300 * DAY])
def test_an_update_before_the_request_or_in_the_future_hides_nothing(
    scanner: Scanner, town: Town, updated: datetime
) -> None:
    town.home("oak")["updated_at"] = updated
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON + HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND


def test_a_forged_clock_does_not_hide_a_code_that_is_known_to_be_old(scanner: Scanner, town: Town) -> None:
    town.home("oak")["updated_at"] = NOON + 3 * HOUR
    town.request("before", "oak", "yan", invite_code=OLD, at=NOON - DAY, status="rejected", by="anna")
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON + HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND


def test_a_transfer_explains_a_later_update(scanner: Scanner, town: Town) -> None:
    town.home("oak")["updated_at"] = NOON + 3 * HOUR
    town.event("household_leadership_transferred", "oak", "anna", at=NOON + 3 * HOUR, to_user_id="ben")
    town.request("asked", "oak", "zoe", invite_code="FAM-LIMA-LIMA", at=NOON + HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND


def test_a_transfer_does_not_explain_a_change_long_after_it(scanner: Scanner, town: Town) -> None:
    """The new leader regenerated the code too; that event was lost, or comes an hour late."""
    town.event("household_leadership_transferred", "oak", "anna", at=NOON + 3 * HOUR, to_user_id="ben")
    town.home("oak").update(invite_code="FAM-MIKE-MIKE", updated_at=NOON + 9 * HOUR)
    town.request("asked", "oak", "zoe", invite_code=NEW, at=NOON + HOUR, status="approved")
    assert scanner.findings(town, DETECTOR) == []


def test_codes_that_an_event_names_are_used(scanner: Scanner, town: Town) -> None:
    town.household_events.clear()
    town.event("household_invite_code_regenerated", "oak", "anna", old_invite_code=OLD, new_invite_code=NEW)
    town.home("oak")["updated_at"] = NOON + 3 * HOUR
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON + HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND
    town.home("oak")["invite_code"] = "FAM-MIKE-MIKE"
    assert scanner.findings(town, DETECTOR) == []


def test_waits_for_a_request_under_way_and_is_silent_once_it_is_gone(scanner: Scanner, town: Town) -> None:
    town.request("asked", "oak", "zoe", invite_code=OLD, at=AS_OF - 2 * MINUTE + SECOND)
    assert scanner.findings(town, DETECTOR) == []
    town.household_join_requests[-1]["requested_at"] = AS_OF - 2 * MINUTE
    assert scanner.subjects(town, DETECTOR) == FOUND
    town.household_join_requests.pop()
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize("code", [None, "", "  "])
def test_silent_where_a_code_is_missing(scanner: Scanner, town: Town, code: str | None) -> None:
    town.home("oak")["invite_code"] = code
    town.request("asked", "oak", "zoe", invite_code=OLD, at=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []
