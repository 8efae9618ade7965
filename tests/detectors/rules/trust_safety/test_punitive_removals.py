"""punitive-removals: nobody is removed for having complained."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.contract import Window
from detectors.rules.trust_safety.punitive_removals import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

TICK = timedelta(microseconds=1)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo", "dora", "emil", "finn")
    return town


def remove(town: Town, *names: str, at: datetime = NOON, by: str = "anna", **metadata: str) -> None:
    for name in names:
        town.row("oak", name)["status"] = "removed"
        town.event("household_member_removed", "oak", by, at=at, member_id=name, **metadata)


def removed(scanner: Scanner, town: Town) -> list[str]:
    names = {uid(name): name for name in ("ben", "cleo", "dora", "emil", "finn")}
    found = scanner.findings(town, DETECTOR)
    assert [finding.subject for finding in found] in ([], [{"household_id": uid("oak")}])
    return [names[row["user_id"]] for row in found[0].evidence["removed"]] if found else []


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert removed(scanner, town) == []
    assert removed(scanner, Town()) == []


@pytest.mark.parametrize("category", ["harassment", "threat", "child_safety", "dispute", "spam"])
@pytest.mark.parametrize("status", ["open", "closed"])
def test_fires_when_who_complained_is_removed(scanner: Scanner, town: Town, category: str, status: str) -> None:
    town.report("r", category, "ben", at=NOON - HOUR, household_id="oak", status=status)
    remove(town, "ben")
    assert removed(scanner, town) == ["ben"]


@pytest.mark.parametrize(("before", "fires"), [(DAY - TICK, True), (DAY, False), (-TICK, False), (timedelta(), True)])
def test_a_complaint_counts_for_a_day(scanner: Scanner, town: Town, before: timedelta, fires: bool) -> None:
    town.report("r", "harassment", "ben", at=NOON - before)
    remove(town, "ben")
    assert bool(removed(scanner, town)) == fires


def test_silent_on_other_peoples_and_other_households_complaints(scanner: Scanner, town: Town) -> None:
    town.report("r", "harassment", "cleo", at=NOON - HOUR, household_id="oak")
    town.report("s", "harassment", "ben", at=NOON - HOUR, household_id="elm", subject_user_id="dora")
    town.report("t", "feature_request", "ben", at=NOON - HOUR, household_id="oak")
    remove(town, "ben")
    assert removed(scanner, town) == []


def test_silent_when_who_complained_leaves(scanner: Scanner, town: Town) -> None:
    town.report("r", "harassment", "ben", at=NOON - HOUR, household_id="oak")
    town.event("household_left", "oak", "ben")
    town.event("household_member_removed", "oak", "ben", member_id="ben")
    town.event("household_member_removed", "oak", None, member_id="ben")
    assert removed(scanner, town) == []


def test_silent_on_a_sitter_whose_time_was_over(scanner: Scanner, town: Town) -> None:
    town.report("r", "dispute", "ben", at=NOON - HOUR, household_id="oak")
    town.row("oak", "ben").update(is_temporary=True, temporary_expires_at=NOON)
    remove(town, "ben")
    assert removed(scanner, town) == []
    town.row("oak", "ben")["temporary_expires_at"] = NOON + TICK
    assert removed(scanner, town) == ["ben"]


def reject(town: Town, at: datetime = NOON) -> None:
    town.event("household_join_request_rejected", "oak", "anna", at=at, requester_id="gus")


def test_fires_on_three_removals_after_a_rejection(scanner: Scanner, town: Town) -> None:
    reject(town)
    remove(town, "ben", "cleo", at=NOON + MINUTE)
    assert removed(scanner, town) == []
    remove(town, "dora", at=NOON + 2 * MINUTE)
    assert removed(scanner, town) == ["ben", "cleo", "dora"]


def test_fires_on_three_removals_after_a_dispute(scanner: Scanner, town: Town) -> None:
    town.report("r", "dispute", "finn", household_id="oak")
    remove(town, "ben", "cleo", "dora", at=NOON + MINUTE)
    assert removed(scanner, town) == ["ben", "cleo", "dora"]


def test_silent_on_three_removals_after_nothing(scanner: Scanner, town: Town) -> None:
    town.report("r", "capacity", "finn", household_id="oak")
    remove(town, "ben", "cleo", "dora", at=NOON + MINUTE)
    reject(town, NOON + 2 * MINUTE)
    assert removed(scanner, town) == []


@pytest.mark.parametrize(("last", "fires"), [(HOUR - TICK, True), (HOUR, False)])
def test_the_third_removal_follows_within_an_hour(scanner: Scanner, town: Town, last: timedelta, fires: bool) -> None:
    reject(town)
    remove(town, "ben", "cleo", at=NOON + MINUTE)
    remove(town, "dora", at=NOON + last)
    assert bool(removed(scanner, town)) == fires


def test_counts_each_member_and_each_retry_once(scanner: Scanner, town: Town) -> None:
    reject(town)
    remove(town, "ben", "cleo", at=NOON + MINUTE)
    remove(town, "cleo", at=NOON + 2 * MINUTE)
    remove(town, "dora", at=NOON + HOUR + MINUTE, correlation_id="late")
    assert removed(scanner, town) == []
    remove(town, "dora", at=NOON + 3 * MINUTE, correlation_id="late")
    assert len(removed(scanner, town)) == 3


def test_each_leader_counts_alone(scanner: Scanner, town: Town) -> None:
    reject(town)
    remove(town, "ben", "cleo", at=NOON + MINUTE)
    remove(town, "dora", at=NOON + 2 * MINUTE, by="emil")
    assert removed(scanner, town) == []


def test_silent_when_the_household_was_cleared(scanner: Scanner, town: Town) -> None:
    reject(town)
    remove(town, "ben", "cleo", "dora", "emil", "finn", at=NOON + MINUTE)
    assert len(removed(scanner, town)) == 5
    town.event("household_left", "oak", "anna", at=NOON + HOUR)
    assert removed(scanner, town) == []


def test_leaving_others_behind_is_no_clearing(scanner: Scanner, town: Town) -> None:
    reject(town)
    remove(town, "ben", "cleo", "dora", "emil", at=NOON + MINUTE)
    town.event("household_left", "oak", "anna", at=NOON + HOUR)
    assert len(removed(scanner, town)) == 4


@pytest.mark.parametrize(("at", "fires"), [(YESTERDAY.end - TICK, True), (YESTERDAY.end, False)])
def test_the_last_removal_lies_in_the_window(scanner: Scanner, town: Town, at: datetime, fires: bool) -> None:
    town.report("r", "harassment", "ben", at=at - HOUR)
    remove(town, "ben", at=at)
    assert bool(removed(scanner, town)) == fires


def test_waits_for_what_is_younger_than_the_grace_period(scanner: Scanner, town: Town) -> None:
    town.report("r", "harassment", "ben", at=AS_OF - HOUR)
    remove(town, "ben", at=AS_OF - MINUTE)
    assert scanner.findings(town, DETECTOR, window=Window(AS_OF - DAY, AS_OF)) == []


@pytest.mark.parametrize(("after", "fires"), [(DAY, False), (DAY + TICK, True)])
def test_clearing_is_followed_by_leaving_within_a_day(
    scanner: Scanner, town: Town, after: timedelta, fires: bool
) -> None:
    reject(town)
    remove(town, "ben", "cleo", "dora", "emil", "finn", at=NOON + MINUTE)
    town.event("household_left", "oak", "anna", at=NOON + MINUTE + after)
    town.row("oak", "anna")["status"] = "removed"
    assert bool(removed(scanner, town)) == fires


def test_silent_when_the_leave_after_clearing_was_not_written(scanner: Scanner, town: Town) -> None:
    town.report("r", "harassment", "ben", at=NOON - HOUR, household_id="oak")
    reject(town)
    remove(town, "ben", "cleo", "dora", "emil", "finn", at=NOON + MINUTE)
    assert len(removed(scanner, town)) == 5
    town.row("oak", "anna")["status"] = "removed"
    assert removed(scanner, town) == []


def test_silent_when_the_leave_after_clearing_stopped(scanner: Scanner, town: Town) -> None:
    reject(town)
    remove(town, "ben", "cleo", "dora", "emil", "finn", at=NOON + MINUTE)
    town.event("household_leave_started", "oak", "anna", at=NOON + 2 * MINUTE)
    assert removed(scanner, town) == []


def test_silent_when_the_app_itself_removes(scanner: Scanner, town: Town) -> None:
    town.report("r", "dispute", "ben", at=NOON - HOUR, household_id="oak")
    remove(town, "ben")
    town.household_events[-1]["user_id"] = "00000000-0000-0000-0000-000000000000"
    assert removed(scanner, town) == []


def test_silent_on_three_sitters_whose_time_was_over(scanner: Scanner, town: Town) -> None:
    reject(town)
    for name in ("ben", "cleo", "dora"):
        town.row("oak", name).update(is_temporary=True, temporary_expires_at=NOON - DAY)
    remove(town, "ben", "cleo", "dora", at=NOON + MINUTE)
    assert removed(scanner, town) == []
    town.row("oak", "ben")["temporary_expires_at"] = None
    remove(town, "emil", "finn", at=NOON + MINUTE)
    assert removed(scanner, town) == ["ben", "emil", "finn"]


def test_a_sitter_who_became_a_member_is_one(scanner: Scanner, town: Town) -> None:
    town.report("r", "dispute", "ben", at=NOON - HOUR, household_id="oak")
    town.row("oak", "ben").update(is_temporary=True, temporary_expires_at=NOON - 9 * DAY, status="removed")
    town.member("oak", "ben", status="removed", at=NOON - 5 * DAY)
    town.event("household_member_removed", "oak", "anna", member_id="ben")
    assert removed(scanner, town) == ["ben"]


@pytest.mark.parametrize(("last", "fires"), [(-TICK, False), (timedelta(), True)])
def test_looks_back_from_the_windows_first_moment(scanner: Scanner, town: Town, last: timedelta, fires: bool) -> None:
    reject(town, YESTERDAY.start - 59 * MINUTE)
    remove(town, "ben", "cleo", at=YESTERDAY.start - 50 * MINUTE)
    remove(town, "dora", at=YESTERDAY.start + last)
    assert bool(removed(scanner, town)) == fires
