"""session-survives-removal: a session from before a removal that is used more than 15 minutes after it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.rules.security.session_survives_removal import DETECTOR
from tests.support.effort import tries
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

SECOND = timedelta(seconds=1)


@pytest.fixture
def town() -> Town:
    """Ben was removed at noon."""
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.row("oak", "ben")["status"] = "removed"
    town.event("household_member_removed", "oak", "anna", at=NOON, member_id="ben")
    return town


def session(town: Town, name: str, user: str, *, began: datetime = LONG_AGO, used: datetime = LONG_AGO) -> None:
    town.sessions.append(
        {
            "id": uid(name),
            "user_id": uid(user),
            "created_at": began,
            "last_activity_at": used,
            "revoked_at": None,
            "ip_address": "203.0.113.7",
            "user_agent": "phone",
        }
    )


def use(town: Town, name: str, user: str | None, at: datetime) -> None:
    town.event("session_used", None, user, at=at, session_id=uid(name))


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    session(town, "s", "cleo", used=NOON + HOUR)
    session(town, "t", "ben", used=NOON)
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("after", "expected"), [(15 * MINUTE, 0), (15 * MINUTE + SECOND, 1)])
@pytest.mark.parametrize("told_by", ["row", "event"])
def test_used_after_the_removal(scanner: Scanner, town: Town, after: timedelta, expected: int, told_by: str) -> None:
    session(town, "s", "ben", used=NOON + after if told_by == "row" else LONG_AGO)
    if told_by == "event":
        use(town, "s", None, NOON + after)
    found = scanner.findings(town, DETECTOR)
    assert [f.subject for f in found] == [{"user_id": uid("ben"), "session_id": uid("s")}] * expected
    assert [f.occurred_at for f in found] == [NOON + after] * expected


@pytest.mark.parametrize(("began", "expected"), [(NOON - SECOND, 1), (NOON, 0), (NOON + MINUTE, 0)])
def test_only_sessions_that_began_before(scanner: Scanner, town: Town, began: datetime, expected: int) -> None:
    session(town, "s", "ben", began=began, used=NOON + HOUR)
    assert len(scanner.findings(town, DETECTOR)) == expected


@pytest.mark.parametrize(
    ("used", "expected"), [(YESTERDAY.start - SECOND, 0), (YESTERDAY.start, 1), (YESTERDAY.end, 0)]
)
def test_the_use_must_lie_in_the_window(scanner: Scanner, town: Town, used: datetime, expected: int) -> None:
    town.household_events[-1]["event_timestamp"] = NOON - 30 * DAY
    session(town, "s", "ben", used=used)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_for_who_left_by_themself(scanner: Scanner, town: Town) -> None:
    town.household_events.clear()
    town.event("household_left", "oak", "ben", was_leader=False)
    town.event("household_member_removed", "oak", "cleo", member_id="cleo")
    session(town, "s", "ben", used=NOON + HOUR)
    session(town, "t", "cleo", used=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []


def test_silent_once_let_in_again(scanner: Scanner, town: Town) -> None:
    session(town, "s", "ben", used=NOON + 2 * HOUR)
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.event("household_join_request_approved", "elm", "dora", at=NOON + HOUR, new_member_id="ben")
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.event("household_join_request_approved", "oak", "anna", at=NOON + HOUR, new_member_id="ben")
    assert len(scanner.findings(town, DETECTOR)) == 1, "approved, and locked out by the old row"
    town.row("oak", "ben")["status"] = "active"
    assert scanner.findings(town, DETECTOR) == []


def test_silent_on_who_came_back_and_left_by_themself(scanner: Scanner, town: Town) -> None:
    session(town, "s", "ben", used=NOON + 4 * HOUR)
    town.member("oak", "ben", at=NOON + 2 * HOUR, status="removed")
    town.event("household_left", "oak", "ben", at=NOON + 3 * HOUR)
    assert scanner.findings(town, DETECTOR) == []


def test_fires_on_a_second_removal_after_the_return(scanner: Scanner, town: Town) -> None:
    session(town, "s", "ben", used=NOON + 4 * HOUR)
    town.member("oak", "ben", at=NOON + 2 * HOUR, status="removed")
    town.event("household_member_removed", "oak", "anna", at=NOON + 3 * HOUR, member_id="ben")
    assert [f.first_seen for f in scanner.findings(town, DETECTOR)] == [NOON + 3 * HOUR]


def test_silent_on_a_removal_that_was_refused(scanner: Scanner, town: Town) -> None:
    town.row("oak", "ben")["status"] = "active"
    town.household_events[-1]["metadata"]["error_code"] = "RATE_LIMIT_EXCEEDED"
    session(town, "s", "ben", used=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []


def test_silent_once_a_new_row_was_written(scanner: Scanner, town: Town) -> None:
    session(town, "s", "ben", used=NOON + 2 * HOUR)
    town.member("oak", "ben", at=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []


def test_a_use_before_the_return_still_counts(scanner: Scanner, town: Town) -> None:
    town.row("oak", "ben")["status"] = "active"
    session(town, "s", "ben", used=NOON + 3 * HOUR)
    use(town, "s", "ben", NOON + HOUR)
    town.event("household_join_request_approved", "oak", "anna", at=NOON + 2 * HOUR, new_member_id="ben")
    assert [f.occurred_at for f in scanner.findings(town, DETECTOR)] == [NOON + HOUR]


def test_a_removal_logged_twice_counts_at_its_earliest_time(scanner: Scanner, town: Town) -> None:
    town.household_events.clear()
    for minute in (0, 10):
        town.event(
            "household_member_removed", "oak", "anna", at=NOON + minute * MINUTE, member_id="ben", correlation_id="c"
        )
    session(town, "s", "ben", began=NOON + 5 * MINUTE, used=NOON + HOUR)
    assert scanner.findings(town, DETECTOR) == []
    session(town, "t", "ben", used=NOON + 20 * MINUTE)
    assert len(scanner.findings(town, DETECTOR)) == 1


def test_malformed_and_missing_ids(scanner: Scanner, town: Town) -> None:
    town.event("household_member_removed", "oak", None)
    town.event("session_used", None, None, at=NOON + HOUR)
    town.household_events[-2]["metadata"] = {"member_id": "not a uuid"}
    town.household_events[-1]["metadata"] = {"session_id": "not a uuid"}
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("number", "expected"), [(10, 10), (11, 1)])
def test_more_than_ten_are_one_systemic_finding(scanner: Scanner, town: Town, number: int, expected: int) -> None:
    for place in range(number):
        session(town, f"s{place}", "ben", used=NOON + HOUR)
    found = scanner.findings(town, DETECTOR)
    assert len(found) == expected
    if number > 10:
        (finding,) = found
        assert finding.subject == {"operation": "session-survives-removal"}
        assert len(finding.members) == finding.evidence["count"] == 11


MINUTES = st.integers(-3000, 1600).map(lambda minutes: NOON + minutes * MINUTE)


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    removals=st.lists(
        st.tuples(st.sampled_from(["ben", "cleo"]), st.sampled_from(["anna", "ben"]), MINUTES), max_size=4
    ),
    sessions=st.lists(st.tuples(st.sampled_from(["ben", "cleo"]), MINUTES, MINUTES), max_size=8),
    uses=st.lists(st.tuples(st.integers(0, 7), MINUTES), max_size=6),
)
def test_agrees_with_the_oracle_on_both_engines(
    on_duckdb: Scanner,
    on_postgres: Scanner,
    removals: list[tuple[str, str, datetime]],
    sessions: list[tuple[str, datetime, datetime]],
    uses: list[tuple[int, datetime]],
) -> None:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    for user, by, at in removals:
        town.event("household_member_removed", "oak", by, at=at, member_id=user)
    for number, (user, began, used) in enumerate(sessions):
        session(town, f"s{number}", user, began=began, used=used)
    for number, at in uses:
        use(town, f"s{number}", None, at)
    wanted = set()
    for number, (user, began, last) in enumerate(sessions):
        for used in [last, *(at for place, at in uses if place == number)]:
            for removed, by, at in removals:
                in_window = YESTERDAY.start <= used < YESTERDAY.end and used <= AS_OF - 2 * MINUTE
                if removed == user != by and began < at and used > at + 15 * MINUTE and in_window:
                    wanted.add((uid(user), uid(f"s{number}")))
    first = on_duckdb.findings(town, DETECTOR)
    assert {(f.subject["user_id"], f.subject["session_id"]) for f in first} == wanted
    assert on_postgres.findings(town, DETECTOR) == first
