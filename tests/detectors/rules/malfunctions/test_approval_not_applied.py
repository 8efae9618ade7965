"""approval-not-applied: an approved request must have made its person a member."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.domain.values import NOBODY
from detectors.rules.malfunctions.approval_not_applied import DETECTOR
from tests.support.effort import tries
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, Scanner, Town, uid

SECOND = timedelta(seconds=1)
ASKED = NOON - HOUR
LOST = {"request_id": uid("lost")}


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    return town


def approve(town: Town, name: str = "lost", user: str = "gina", at: datetime = ASKED, **columns: Any) -> None:
    """A request made at `at` and approved an hour later, with its event; whether it is applied is the test's matter."""
    town.request(name, "oak", user, status="approved", at=at, by="anna", **columns)
    town.event("household_join_request_approved", "oak", "anna", at=at + HOUR, request_id=name, new_member_id=user)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    approve(town)
    town.member("oak", "gina", at=NOON + SECOND)
    town.request("waiting", "oak", "hugo")
    town.request("no", "oak", "ida", status="rejected", by="anna")
    town.request("off", "oak", "jens", status="withdrawn")
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_fires_when_no_row_was_written(scanner: Scanner, town: Town) -> None:
    approve(town)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == LOST
    assert finding.evidence["approved_by"] == uid("anna")
    assert finding.occurred_at == NOON
    town.member("oak", "gina", at=NOON + DAY / 4)
    assert scanner.findings(town, DETECTOR) == []


def test_fires_without_any_event(scanner: Scanner, town: Town) -> None:
    town.request("lost", "oak", "gina", status="approved", at=ASKED, by="anna")
    assert scanner.subjects(town, DETECTOR) == [LOST]


def test_fires_when_the_old_row_locks_them_out(scanner: Scanner, town: Town) -> None:
    town.row("oak", "ben")["status"] = "removed"
    approve(town, user="ben")
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == LOST
    assert finding.evidence["old_member_row"] is True
    town.row("oak", "ben")["status"] = "active"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("joined", "expected"), [(ASKED - SECOND, 1), (ASKED, 0), (ASKED + SECOND, 0)])
def test_silent_when_they_joined_and_later_left(scanner: Scanner, town: Town, joined: datetime, expected: int) -> None:
    approve(town)
    town.member("oak", "gina", status="removed", at=joined)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_when_another_approved_request_was_applied(scanner: Scanner, town: Town) -> None:
    approve(town, at=ASKED - DAY)
    approve(town, name="second")
    assert len(scanner.findings(town, DETECTOR)) == 2
    town.member("oak", "gina", status="removed", at=NOON + SECOND)
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (ASKED - SECOND, 1),  # gone before asking again
        (NOON - SECOND, 1),  # gone between asking and the approval
        (NOON, 0),
        (NOON + HOUR, 0),  # a member all along, who left later
    ],
)
def test_a_member_who_asked_again(scanner: Scanner, town: Town, left: datetime, expected: int) -> None:
    approve(town, user="ben")
    town.row("oak", "ben")["status"] = "removed"
    town.event("household_left", "oak", "ben", at=left, was_leader=False)
    assert len(scanner.findings(town, DETECTOR)) == expected


CAME = [
    ("household_left", "gina", {"was_leader": False}),
    ("household_member_removed", "anna", {"member_id": "gina"}),
    ("household_leave_started", "gina", {}),
    ("household_member_list_viewed", "gina", {}),
    ("pet_activity_logged", "gina", {}),
]


@pytest.mark.parametrize(("event", "actor", "metadata"), CAME)
def test_who_came_and_went_where_rows_are_deleted(
    scanner: Scanner, town: Town, event: str, actor: str, metadata: dict[str, Any]
) -> None:
    approve(town)
    town.event(event, "oak", actor, at=NOON - SECOND, **metadata)  # before the approval: an earlier stay
    town.event("pet_activity_logged", "oak", "ben", at=NOON + HOUR)
    assert scanner.subjects(town, DETECTOR) == [LOST]
    town.event(event, "oak", actor, at=NOON + HOUR, **metadata)
    assert scanner.findings(town, DETECTOR) == []


def test_a_row_that_locks_them_out_is_no_coming_and_going(scanner: Scanner, town: Town) -> None:
    town.row("oak", "ben")["status"] = "removed"
    approve(town, user="ben")
    town.event("household_dashboard_viewed", "oak", "ben", at=NOON + HOUR)
    assert scanner.subjects(town, DETECTOR) == [LOST]


def test_silent_where_the_household_is_gone(scanner: Scanner, town: Town) -> None:
    town.request("lost", "gone", "gina", status="approved", at=ASKED, by="anna")
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(119 * SECOND, 0), (120 * SECOND, 1)])
@pytest.mark.parametrize("told_by", ["event", "request", "response"])
def test_waits_for_an_approval_under_way(
    scanner: Scanner, town: Town, age: timedelta, expected: int, told_by: str
) -> None:
    if told_by == "event":
        approve(town, at=AS_OF - age - HOUR)
    else:
        asked = AS_OF - age if told_by == "request" else ASKED
        town.request("lost", "oak", "gina", status="approved", at=asked, by="anna", responded_at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize("responded", [None, AS_OF + DAY, AS_OF + SECOND, ASKED - 30 * DAY])
def test_a_browsers_clock_silences_nothing(scanner: Scanner, town: Town, responded: datetime | None) -> None:
    town.request("lost", "oak", "gina", status="approved", at=ASKED, by="anna", responded_at=responded)
    assert scanner.subjects(town, DETECTOR) == [LOST]


def test_repeated_requests_are_in_the_evidence(scanner: Scanner, town: Town) -> None:
    approve(town)
    for place in range(3):
        town.request(f"again-{place}", "oak", "gina", at=NOON + place * MINUTE)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["requests_since"] == 3


HOURS = st.integers(-48, 12)


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.booleans(), HOURS), max_size=2),
    requests=st.lists(st.tuples(st.sampled_from(["approved", "approved", "pending"]), HOURS), max_size=3),
)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner,
    on_postgres: Scanner,
    rows: list[tuple[bool, int]],
    requests: list[tuple[str, int]],
) -> None:
    town = Town()
    town.family("oak", "anna", "cleo")
    for active, hours in rows:
        town.member("oak", "gina", status="active" if active else "removed", at=NOON + hours * HOUR)
    wanted = set()
    for number, (status, asked) in enumerate(requests):
        town.request(f"r{number}", "oak", "gina", status=status, at=NOON + asked * HOUR, by="anna")
        if status == "approved" and not any(active or joined >= asked for active, joined in rows):
            wanted.add(uid(f"r{number}"))
    first = on_duckdb.findings(town, DETECTOR)
    assert {f.subject["request_id"] for f in first} == wanted
    assert on_postgres.findings(town, DETECTOR) == first


def test_the_nil_uuid_is_nobody(on_duckdb: Scanner, town: Town) -> None:
    approve(town)
    assert len(on_duckdb.findings(town, DETECTOR)) == 1
    town.household_join_requests[-1]["user_id"] = NOBODY
    assert on_duckdb.findings(town, DETECTOR) == []
