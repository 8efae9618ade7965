"""concurrent-conflict: contradictory outcomes for one person in one household."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.rules.edge_cases.concurrent_conflict import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, MINUTE, Scanner, Town, uid

SECOND = timedelta(seconds=1)
FOUND = [{"household_id": uid("oak"), "user_id": uid("zoe")}]
WHEN = LONG_AGO + 9 * DAY


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "emil")
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    for status in ("pending", "withdrawn", "rejected"):
        town.request(status, "oak", status, status=status, by="anna" if status == "rejected" else None)
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("by", "expected"), [("anna", 1), (None, 0), ("zoe", 0)])
def test_fires_on_a_withdrawn_request_with_a_responder(
    scanner: Scanner, town: Town, by: str | None, expected: int
) -> None:
    town.request("asked", "oak", "zoe", status="withdrawn", by=by)
    assert scanner.subjects(town, DETECTOR) == FOUND * expected


def test_fires_on_two_pending_requests(scanner: Scanner, town: Town) -> None:
    town.request("one", "oak", "zoe")
    assert scanner.findings(town, DETECTOR) == []
    town.request("two", "oak", "zoe", at=LONG_AGO + HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND


def test_silent_on_pending_requests_to_different_households(scanner: Scanner, town: Town) -> None:
    town.request("one", "oak", "zoe")
    town.request("two", "elm", "zoe")
    town.request("three", "oak", "yan")
    assert scanner.findings(town, DETECTOR) == []


def answer(town: Town, name: str, answer: str, *, at: timedelta, **metadata: str) -> None:
    town.event(f"household_join_request_{answer}", "oak", "anna", at=WHEN + at, request_id=name, **metadata)


@pytest.mark.parametrize("order", [("approved", "rejected"), ("rejected", "approved")])
@pytest.mark.parametrize("status", ["approved", "rejected"])
@pytest.mark.parametrize("member", ["active", "removed", None])
def test_fires_on_one_request_answered_both_ways(
    scanner: Scanner, town: Town, order: tuple[str, str], status: str, member: str | None
) -> None:
    town.request("one", "oak", "zoe", status=status, at=WHEN, by="anna")
    if member:
        town.member("oak", "zoe", status=member, at=WHEN + HOUR)
    answer(town, "one", order[0], at=HOUR)
    assert scanner.subjects(town, DETECTOR, households=[uid("oak")]) == scanner.subjects(town, DETECTOR)
    answer(town, "one", order[1], at=2 * HOUR)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == FOUND[0]
    assert finding.occurred_at == WHEN + 2 * HOUR


@pytest.mark.parametrize(("status", "told"), [("approved", "rejected"), ("rejected", "approved")])
def test_fires_where_only_the_other_answers_event_is_there(
    scanner: Scanner, town: Town, status: str, told: str
) -> None:
    town.request("one", "oak", "zoe", status=status, at=WHEN, by="anna")
    town.member("oak", "zoe", status="removed", at=WHEN + HOUR)
    answer(town, "one", told, at=HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND


def test_silent_where_two_requests_were_answered_or_an_answer_failed(scanner: Scanner, town: Town) -> None:
    town.request("one", "oak", "zoe", status="rejected", at=WHEN, by="anna")
    answer(town, "one", "rejected", at=HOUR)
    answer(town, "one", "approved", at=2 * HOUR, error_code="DATABASE_ERROR")
    town.request("two", "oak", "zoe", status="approved", at=WHEN + DAY, by="anna")
    answer(town, "two", "approved", at=DAY + HOUR)
    answer(town, "two", "rejected", at=DAY + 2 * HOUR, error_code="CONFLICT")
    town.member("oak", "zoe", at=WHEN + DAY + HOUR)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_waits_for_the_newest_request(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.request("one", "oak", "zoe")
    town.request("two", "oak", "zoe", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_fires_on_a_rejected_member(scanner: Scanner, town: Town) -> None:
    town.request("asked", "oak", "zoe", status="rejected", by="anna", at=WHEN)
    assert scanner.findings(town, DETECTOR) == []
    town.member("oak", "zoe", at=WHEN + HOUR)
    assert scanner.subjects(town, DETECTOR) == FOUND
    town.row("oak", "zoe")["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_waits_for_the_row_of_a_rejected_member(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.request("one", "oak", "zoe", status="rejected", by="anna", at=WHEN)
    town.member("oak", "zoe", at=AS_OF - age)
    assert scanner.subjects(town, DETECTOR) == FOUND * expected


def test_fires_on_an_approval_overtaken_by_a_rejection(scanner: Scanner, town: Town) -> None:
    town.request("asked", "oak", "zoe", status="rejected", by="anna", at=WHEN)
    town.member("oak", "zoe", at=WHEN + HOUR)
    town.event("household_join_request_approved", "oak", "anna", at=WHEN + HOUR, request_id="asked")
    town.event("household_join_request_rejected", "oak", "anna", at=WHEN + HOUR + SECOND, request_id="asked")
    assert scanner.subjects(town, DETECTOR) == FOUND


def test_silent_when_rejected_first_and_approved_later(scanner: Scanner, town: Town) -> None:
    town.request("first", "oak", "zoe", status="rejected", by="anna", at=WHEN - DAY)
    town.request("second", "oak", "zoe", status="approved", by="anna", at=WHEN)
    town.member("oak", "zoe", at=WHEN + HOUR)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("rejected", "expected"), [(-MINUTE, 0), (MINUTE, 1), (None, 1)])
def test_the_events_say_which_answer_came_first(
    scanner: Scanner, town: Town, rejected: timedelta | None, expected: int
) -> None:
    town.request("one", "oak", "zoe", status="approved", by="anna", at=WHEN)
    town.request("two", "oak", "zoe", status="rejected", by="anna", at=WHEN + SECOND)
    town.member("oak", "zoe", at=WHEN + HOUR)
    town.event("household_join_request_approved", "oak", "anna", at=WHEN + HOUR, request_id="one")
    if rejected is not None:
        town.event("household_join_request_rejected", "oak", "anna", at=WHEN + HOUR + rejected, request_id="two")
    assert scanner.subjects(town, DETECTOR) == FOUND * expected


@pytest.mark.parametrize(("rejected", "expected"), [(-MINUTE, 0), (MINUTE, 1), (None, 0)])
def test_an_earlier_request_rejected_late_is_found(
    scanner: Scanner, town: Town, rejected: timedelta | None, expected: int
) -> None:
    town.request("one", "oak", "zoe", status="rejected", by="anna", at=WHEN)
    town.request("two", "oak", "zoe", status="approved", by="anna", at=WHEN + SECOND)
    town.member("oak", "zoe", at=WHEN + HOUR)
    town.event("household_join_request_approved", "oak", "anna", at=WHEN + HOUR, request_id="two")
    if rejected is not None:
        town.event("household_join_request_rejected", "oak", "anna", at=WHEN + HOUR + rejected, request_id="one")
    assert scanner.subjects(town, DETECTOR) == FOUND * expected


def test_browser_clocks_decide_nothing(scanner: Scanner, town: Town) -> None:
    town.request("first", "oak", "zoe", status="rejected", by="anna", at=WHEN - DAY, responded_at=AS_OF + DAY)
    town.request("second", "oak", "zoe", status="approved", by="anna", at=WHEN, responded_at=LONG_AGO)
    town.member("oak", "zoe", at=WHEN + HOUR)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("joined", "expected"), [(HOUR, 0), (-HOUR, 1)])
def test_a_sitter_added_after_a_rejection_is_fine(
    scanner: Scanner, town: Town, joined: timedelta, expected: int
) -> None:
    town.request("asked", "oak", "zoe", status="rejected", by="anna", at=WHEN)
    town.member("oak", "zoe", at=WHEN + joined, is_temporary=True, invited_by=uid("anna"))
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_an_earlier_membership_and_a_later_rejection_are_fine(scanner: Scanner, town: Town) -> None:
    town.request("one", "oak", "zoe", status="approved", by="anna", at=WHEN)
    town.member("oak", "zoe", at=WHEN + HOUR, status="removed")
    town.request("two", "oak", "zoe", status="rejected", by="anna", at=WHEN + DAY)
    assert scanner.findings(town, DETECTOR) == []


def test_all_contradictions_of_a_person_are_one_finding(scanner: Scanner, town: Town) -> None:
    town.request("one", "oak", "zoe", status="withdrawn", by="anna")
    town.request("two", "oak", "zoe")
    town.request("three", "oak", "zoe")
    (finding,) = scanner.findings(town, DETECTOR)
    assert len(finding.evidence["contradictions"]) == 2


@pytest.mark.parametrize("now", [{"role": "leader"}, {"is_temporary": True, "invited_by": uid("emil")}])
@pytest.mark.parametrize("earlier", [True, False])
def test_a_rejected_leader_or_sitter_is_found_beside_an_old_row_too(
    scanner: Scanner, town: Town, now: dict[str, object], earlier: bool
) -> None:
    town.request("asked", "oak", "zoe", status="rejected", by="anna", at=WHEN)
    if earlier:
        town.member("oak", "zoe", at=WHEN - DAY, status="removed")
    town.member("oak", "zoe", at=WHEN + HOUR, **now)  # type: ignore[arg-type]  # columns of the row
    assert scanner.subjects(town, DETECTOR) == FOUND
