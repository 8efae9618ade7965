"""unauthorised-access: only who belongs to a household at that moment reads or changes it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.limits import Limits
from detectors.rules.security.unauthorised_access import DETECTOR
from tests.support.towns import DAY, HOUR, MINUTE, NOON, Scanner, Town, uid

GRACE = 2 * MINUTE
TICK = timedelta(microseconds=1)
VIEW = "household_dashboard_viewed"


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.family("elm", "dora", "emil")
    for name in ("anna", "ben", "cleo"):
        town.event(VIEW, "oak", name)
    return town


def who(scanner: Scanner, town: Town, limits: Limits | None = None) -> dict[str, list[str]]:
    """By name of the person: why they had no right to what they did in oak."""
    names = {uid(name): name for name in ("anna", "ben", "cleo", "dora", "mallory", "sam")}
    found = scanner.findings(town, DETECTOR, limits=limits)
    assert all(finding.subject["household_id"] == uid("oak") for finding in found)
    return {names[finding.subject["user_id"]]: finding.evidence["reasons"] for finding in found}


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert who(scanner, town) == {}
    assert who(scanner, Town()) == {}


@pytest.mark.parametrize(
    ("by", "expected"),
    [("anna", {}), ("mallory", {"mallory": ["never belonged"]}), (None, {"mallory": ["never belonged"]})],
)
def test_a_rejections_event_may_name_whom_it_rejects(
    scanner: Scanner, town: Town, by: str | None, expected: dict[str, list[str]]
) -> None:
    town.request("asked", "oak", "mallory", status="rejected", at=NOON - HOUR, by=by)
    town.event("household_join_request_rejected", "oak", "mallory", request_id="asked")
    assert who(scanner, town) == expected


@pytest.mark.parametrize(
    "deed",
    [
        VIEW,
        "household_member_list_viewed",
        "household_settings_viewed",
        "household_updated",
        "household_join_request_approved",
        "household_invite_code_regenerated",
        "pet_activity_logged",
    ],
)
def test_fires_on_strangers(scanner: Scanner, town: Town, deed: str) -> None:
    town.event(deed, "oak", "mallory")
    town.event(deed, "oak", "dora")
    assert who(scanner, town) == {"mallory": ["never belonged"], "dora": ["never belonged"]}


@pytest.mark.parametrize(
    "deed",
    [
        "household_join_request_submitted",
        "household_join_request_withdrawn",
        "household_invite_code_validated",
        "household_left",
        "rate_limit_exceeded",
        "api_request",
    ],
)
def test_silent_on_what_outsiders_may_do(scanner: Scanner, town: Town, deed: str) -> None:
    town.event(deed, "oak", "mallory")
    assert who(scanner, town) == {}


def test_silent_on_refusals_null_ids_and_households_that_do_not_exist(scanner: Scanner, town: Town) -> None:
    for deed in (VIEW, "household_updated", "household_invite_code_regenerated"):
        town.event(deed, "oak", "mallory", error_code="FORBIDDEN")
    town.event(VIEW, "oak", None)
    town.event(VIEW, None, "mallory")
    town.event(VIEW, "nowhere", "mallory")
    assert who(scanner, town) == {}


def test_silent_on_service_accounts(scanner: Scanner, town: Town) -> None:
    town.event(VIEW, "oak", "mallory")
    assert who(scanner, town, Limits(service_accounts=(uid("mallory"),))) == {}


@pytest.mark.parametrize(("after", "fires"), [(GRACE, False), (GRACE + TICK, True)])
@pytest.mark.parametrize("way", ["household_left", "household_member_removed"])
def test_fires_after_the_person_was_gone(scanner: Scanner, town: Town, way: str, after: timedelta, fires: bool) -> None:
    town.row("oak", "ben")["status"] = "removed"
    if way == "household_left":
        town.event(way, "oak", "ben", at=NOON)
    else:
        town.event(way, "oak", "anna", at=NOON, member_id="ben")
    town.event(VIEW, "oak", "ben", at=NOON + after)
    assert who(scanner, town) == ({"ben": ["had left or was removed"]} if fires else {})


def test_silent_before_the_person_was_gone(scanner: Scanner, town: Town) -> None:
    town.row("oak", "ben")["status"] = "removed"
    town.event("household_left", "oak", "ben", at=NOON + HOUR)
    assert who(scanner, town) == {}


def test_nobody_knows_since_when_a_row_is_removed(scanner: Scanner, town: Town) -> None:
    town.row("oak", "ben")["status"] = "removed"
    assert who(scanner, town) == {}


@pytest.mark.parametrize("joined", [NOON - HOUR - GRACE, NOON - HOUR])
def test_silent_when_an_approval_brought_the_person_back(scanner: Scanner, town: Town, joined: datetime) -> None:
    """Without the unique constraint a new row is written, in the same operation as the approval's event."""
    town.row("oak", "ben")["status"] = "removed"
    town.event("household_left", "oak", "ben", at=NOON - DAY)
    town.event("household_join_request_approved", "oak", "anna", at=NOON - HOUR, new_member_id="ben")
    town.member("oak", "ben", at=joined, status="removed")
    assert who(scanner, town) == {}


@pytest.mark.parametrize("named", [{"new_member_id": "ben"}, {"request_id": "again"}])
def test_silent_when_an_approval_tells_of_a_row_that_is_gone(
    scanner: Scanner, town: Town, named: dict[str, str]
) -> None:
    town.household_members.remove(town.row("oak", "ben"))
    town.event("household_left", "oak", "ben", at=NOON - DAY)
    town.request("again", "oak", "ben", status="approved", at=NOON - 2 * HOUR, by="anna")
    town.event("household_join_request_approved", "oak", "anna", at=NOON - HOUR, **named)
    assert who(scanner, town) == {}


def test_fires_when_the_old_row_blocked_the_approval(scanner: Scanner, town: Town) -> None:
    town.row("oak", "ben")["status"] = "removed"
    town.event("household_left", "oak", "ben", at=NOON - DAY)
    town.event("household_join_request_approved", "oak", "anna", at=NOON - HOUR, new_member_id="ben")
    assert who(scanner, town) == {"ben": ["had left or was removed"]}
    town.row("oak", "ben")["status"] = "active"
    assert who(scanner, town) == {}


def test_silent_when_the_removal_was_not_applied(scanner: Scanner, town: Town) -> None:
    town.event("household_member_removed", "oak", "anna", at=NOON - HOUR, member_id="ben")
    assert who(scanner, town) == {}


@pytest.mark.parametrize(("before", "fires"), [(GRACE, False), (GRACE + TICK, True)])
def test_fires_before_joining(scanner: Scanner, town: Town, before: timedelta, fires: bool) -> None:
    town.member("oak", "sam", at=NOON)
    town.event("household_join_request_submitted", "oak", "sam", at=NOON - HOUR)
    town.event(VIEW, "oak", "sam", at=NOON - before)
    assert who(scanner, town) == ({"sam": ["joined later"]} if fires else {})


@pytest.mark.parametrize(("after", "fires"), [(GRACE, False), (GRACE + TICK, True)])
@pytest.mark.parametrize("status", ["active", "removed"])
def test_fires_after_a_temporary_membership_ended(
    scanner: Scanner, town: Town, status: str, after: timedelta, fires: bool
) -> None:
    town.member("oak", "sam", is_temporary=True, temporary_expires_at=NOON, status=status)
    town.event(VIEW, "oak", "sam", at=NOON + after)
    assert bool(who(scanner, town)) == fires


def test_silent_on_a_sitter_without_an_end(scanner: Scanner, town: Town) -> None:
    town.member("oak", "sam", is_temporary=True, temporary_expires_at=None)
    town.event(VIEW, "oak", "sam")
    assert who(scanner, town) == {}


def hand_over(town: Town, **metadata: str) -> None:
    town.home("oak")["leader_id"] = uid("ben")
    town.row("oak", "ben")["role"] = "leader"
    moved = {"from_user_id": "anna", "to_user_id": "ben", **metadata}
    town.event("household_leadership_transferred", "oak", "anna", at=NOON, **moved)


@pytest.mark.parametrize(("after", "fires"), [(GRACE, False), (GRACE + TICK, True)])
@pytest.mark.parametrize("deed", ["household_join_request_rejected", "household_invite_code_regenerated"])
def test_fires_on_a_former_leader_who_still_leads(
    scanner: Scanner, town: Town, deed: str, after: timedelta, fires: bool
) -> None:
    hand_over(town)
    town.event(deed, "oak", "anna", at=NOON + after)
    assert who(scanner, town) == ({"anna": ["was no longer the leader"]} if fires else {})


def test_fires_on_a_former_leader_whose_leave_was_not_logged(scanner: Scanner, town: Town) -> None:
    hand_over(town)
    town.row("oak", "anna")["status"] = "removed"
    town.event("household_dashboard_viewed", "oak", "anna", at=NOON + HOUR)
    assert who(scanner, town) == {}, "nobody knows since when the row is removed"
    town.event("household_member_removed", "oak", "anna", at=NOON + HOUR, member_id="cleo")
    assert who(scanner, town) == {"anna": ["was no longer the leader"]}


@pytest.mark.parametrize(("after", "fires"), [(GRACE, False), (GRACE + TICK, True)])
def test_the_transfer_of_a_leave_tells_when_the_leader_was_gone(
    scanner: Scanner, town: Town, after: timedelta, fires: bool
) -> None:
    hand_over(town, reason="leave")
    town.event(VIEW, "oak", "anna", at=NOON + after)
    assert who(scanner, town) == {}, "the leave stopped before the row was changed"
    town.row("oak", "anna")["status"] = "removed"
    assert who(scanner, town) == ({"anna": ["had left or was removed"]} if fires else {})


@pytest.mark.parametrize("way", ["household_left", "household_member_removed"])
def test_a_later_departure_tells_of_a_leave_that_had_stopped(scanner: Scanner, town: Town, way: str) -> None:
    hand_over(town, reason="leave")
    town.row("oak", "anna")["status"] = "removed"
    town.event(way, "oak", "anna" if way == "household_left" else "ben", at=NOON + 2 * HOUR, member_id="anna")
    town.event(VIEW, "oak", "anna", at=NOON + HOUR)
    assert who(scanner, town) == {}


def test_silent_on_what_a_former_leader_may_do(scanner: Scanner, town: Town) -> None:
    hand_over(town)
    town.event("household_updated", "oak", "anna", at=NOON + HOUR)
    town.event("household_invite_code_regenerated", "oak", "anna", at=NOON - HOUR)
    town.event("household_invite_code_regenerated", "oak", "ben", at=NOON + HOUR)
    assert who(scanner, town) == {}


def test_silent_when_leadership_came_back(scanner: Scanner, town: Town) -> None:
    hand_over(town)
    town.event("household_leadership_transferred", "oak", "ben", at=NOON + HOUR, from_user_id="ben", to_user_id="anna")
    town.event("household_invite_code_regenerated", "oak", "anna", at=NOON + 2 * HOUR)
    assert who(scanner, town) == {}


def test_silent_on_the_creator_of_a_household_without_rows(scanner: Scanner, town: Town) -> None:
    town.household("fir", "mallory", at=NOON - HOUR)
    town.event(VIEW, "fir", "mallory")
    assert who(scanner, town) == {}


def test_a_scan_of_a_household_or_of_the_stranger_sees_it(scanner: Scanner, town: Town) -> None:
    town.event(VIEW, "oak", "mallory")
    found = [{"household_id": uid("oak"), "user_id": uid("mallory")}]
    assert scanner.subjects(town, DETECTOR, households=[uid("oak")]) == found
    assert scanner.subjects(town, DETECTOR, users=[uid("mallory")]) == found
    assert scanner.subjects(town, DETECTOR, users=[uid("dora")]) == []
    assert scanner.subjects(town, DETECTOR, households=[uid("elm")]) == []


def test_a_scan_of_a_user_sees_what_they_did_as_a_member(scanner: Scanner, town: Town) -> None:
    town.event("household_updated", "oak", "dora")
    town.event("household_updated", "elm", "dora")
    found = [{"household_id": uid("oak"), "user_id": uid("dora")}]
    assert scanner.subjects(town, DETECTOR, users=[uid("dora")]) == found


@pytest.mark.parametrize(
    ("status", "recorded", "began", "silent"),
    [
        ("approved", False, NOON - DAY, True),  # approved before the trail began
        ("approved", False, NOON - 9 * DAY, False),
        ("approved", True, NOON - 9 * DAY, False),
        ("rejected", False, NOON - DAY, False),
    ],
)
def test_an_approval_that_no_trail_can_tell_of(
    on_duckdb: Scanner, town: Town, status: str, recorded: bool, began: datetime, silent: bool
) -> None:
    """Somebody without a row here: with a trail that reaches back, an approval in it tells when they were let in."""
    town.request("asked", "oak", "mallory", status=status, at=NOON - 5 * DAY, by="anna")
    town.event(VIEW, "oak", "anna", at=began)
    town.event(VIEW, "oak", "mallory", at=NOON - HOUR)
    if recorded:
        # Let in only after what they did.
        town.event(
            "household_join_request_approved", "oak", "anna", request_id="asked", new_member_id="mallory", at=NOON
        )
    elif not silent:
        town.event(
            "household_join_request_approved", "elm", "dora", request_id="another", new_member_id="emil", at=NOON
        )
    result = on_duckdb(town, DETECTOR)
    assert [found.subject["user_id"] for found in result.findings] == ([] if silent else [uid("mallory")])
