"""member-without-approval: everybody but the creator is let in by an approval."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.domain.values import NOBODY
from detectors.rules.security.member_without_approval import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, MINUTE, Scanner, Town, uid

SECOND = timedelta(seconds=1)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "emil")
    return town


def intruder(town: Town, **columns: object) -> None:
    town.member("oak", "ivan", **{"at": LONG_AGO + 9 * DAY, **columns})  # type: ignore[arg-type]  # columns of the row


FOUND = [{"household_id": uid("oak"), "user_id": uid("ivan")}]


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize("invited_by", [None, uid("anna")])
def test_fires_on_a_member_without_any_request(scanner: Scanner, town: Town, invited_by: str | None) -> None:
    intruder(town, invited_by=invited_by)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == FOUND[0]
    assert finding.severity == "P0"
    assert finding.impact.users == 2


@pytest.mark.parametrize("status", ["pending", "withdrawn"])
def test_fires_on_a_request_that_nobody_approved(scanner: Scanner, town: Town, status: str) -> None:
    town.request("asked", "oak", "ivan", status=status, at=LONG_AGO + 8 * DAY)
    intruder(town)
    assert scanner.subjects(town, DETECTOR) == FOUND


def test_fires_on_a_row_without_a_role(on_duckdb: Scanner, town: Town) -> None:
    intruder(town, role=None)
    assert on_duckdb.subjects(town, DETECTOR) == FOUND


def test_fires_on_an_approval_by_another_household(scanner: Scanner, town: Town) -> None:
    town.request("asked", "elm", "ivan", status="approved", by="dora", at=LONG_AGO + 8 * DAY)
    intruder(town)
    assert scanner.subjects(town, DETECTOR) == FOUND


@pytest.mark.parametrize(("apart", "expected"), [(60 * SECOND, 0), (61 * SECOND, 1), (-61 * SECOND, 1)])
def test_the_creator_joins_within_a_minute(scanner: Scanner, apart: timedelta, expected: int) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.household("fir", "zoe")
    town.member("fir", "zoe", role="leader", at=LONG_AGO + apart)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_when_the_creation_event_names_them(scanner: Scanner, town: Town) -> None:
    town.household("fir", "zoe")
    town.member("fir", "zoe", role="leader", at=LONG_AGO + DAY)
    town.event("household_created", "fir", "zoe", at=LONG_AGO)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("inviter", "expected"), [("anna", 0), ("gone", 0), ("ben", 1), ("stranger", 1), (None, 0)])
def test_sitters_are_added_by_a_leader(scanner: Scanner, town: Town, inviter: str | None, expected: int) -> None:
    town.member("oak", "gone", role="leader", status="removed")
    intruder(town, is_temporary=True, invited_by=inviter and uid(inviter))
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_the_creator_who_leads_no_more_was_a_leader(scanner: Scanner, town: Town) -> None:
    town.home("oak")["leader_id"] = uid("ben")
    town.row("oak", "ben")["role"] = "leader"
    town.row("oak", "anna")["role"] = "member"
    intruder(town, is_temporary=True, invited_by=uid("anna"))
    assert scanner.findings(town, DETECTOR) == []


def test_an_ordinary_member_needs_an_approval_whoever_invited_them(scanner: Scanner, town: Town) -> None:
    intruder(town, is_temporary=False, invited_by=uid("anna"))
    assert scanner.subjects(town, DETECTOR) == FOUND


@pytest.mark.parametrize("metadata", [{"new_member_id": "ivan"}, {"request_id": "asked"}])
def test_silent_when_an_approval_event_explains_it(scanner: Scanner, town: Town, metadata: dict[str, str]) -> None:
    town.request("asked", "oak", "ivan", status="rejected", by="anna", at=LONG_AGO + 8 * DAY)
    intruder(town)
    town.event("household_join_request_approved", "oak", "anna", at=LONG_AGO + 9 * DAY, **metadata)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("after", "expected"), [(HOUR, 0), (-HOUR, 1)])
def test_a_rejection_after_joining_is_a_second_answer(
    scanner: Scanner, town: Town, after: timedelta, expected: int
) -> None:
    town.request("asked", "oak", "ivan", status="rejected", by="anna", at=LONG_AGO + 8 * DAY)
    intruder(town)
    town.event("household_join_request_rejected", "oak", "anna", at=LONG_AGO + 9 * DAY + after, request_id="asked")
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_when_a_withdrawn_request_has_a_responder(scanner: Scanner, town: Town) -> None:
    town.request("asked", "oak", "ivan", status="withdrawn", by="anna", at=LONG_AGO + 8 * DAY)
    intruder(town)
    assert scanner.findings(town, DETECTOR) == []


def test_silent_on_removed_rows_and_once_repaired(scanner: Scanner, town: Town) -> None:
    intruder(town)
    assert scanner.subjects(town, DETECTOR) == FOUND
    town.row("oak", "ivan")["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []
    town.row("oak", "ivan")["status"] = "active"
    town.request("asked", "oak", "ivan", status="approved", by="anna", at=LONG_AGO + 8 * DAY)
    assert scanner.findings(town, DETECTOR) == []


def test_silent_when_rejected_first_and_approved_later(scanner: Scanner, town: Town) -> None:
    town.request("first", "oak", "ivan", status="rejected", by="anna", at=LONG_AGO + 7 * DAY)
    town.request("second", "oak", "ivan", status="approved", by="anna", at=LONG_AGO + 8 * DAY)
    intruder(town)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_waits_for_rows_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    intruder(town, at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_a_scan_of_one_household_or_user_sees_it(scanner: Scanner, town: Town) -> None:
    intruder(town)
    assert scanner.subjects(town, DETECTOR, households=[uid("oak")]) == FOUND
    assert scanner.subjects(town, DETECTOR, users=[uid("ivan")]) == FOUND
    assert scanner.subjects(town, DETECTOR, households=[uid("elm")]) == []


@pytest.mark.parametrize("unknown", ["created_at", "joined_at"])
@pytest.mark.parametrize("temporary", [False, True])
def test_silent_where_the_creator_cannot_be_told(on_duckdb: Scanner, town: Town, unknown: str, temporary: bool) -> None:
    intruder(town, is_temporary=temporary, invited_by=uid("stranger"))
    assert on_duckdb.subjects(town, DETECTOR) == FOUND
    (town.home("oak") if unknown == "created_at" else town.row("oak", "ivan"))[unknown] = None
    assert on_duckdb.findings(town, DETECTOR) == []


def test_a_household_that_is_there_twice_and_differs_is_not_judged(on_duckdb: Scanner, town: Town) -> None:
    """One row of it would make the intruder its creator; the other one does not, and nothing tells which is true."""
    intruder(town)
    town.households.insert(0, town.home("oak") | {"created_at": LONG_AGO + 9 * DAY})
    assert on_duckdb.subjects(town, DETECTOR) == []


def test_the_nil_uuid_is_nobody(on_duckdb: Scanner, town: Town) -> None:
    town.member("oak", "erased", at=LONG_AGO + DAY)
    assert len(on_duckdb.findings(town, DETECTOR)) == 1
    town.household_members[-1]["user_id"] = NOBODY
    assert on_duckdb.findings(town, DETECTOR) == []
