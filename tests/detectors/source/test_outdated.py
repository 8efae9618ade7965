"""Tables that are an older copy than the audit table end the scan; a part of the app that is broken does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from detectors.engine.applicability import health_of
from detectors.limits import Limits
from detectors.registry import BY_ID
from detectors.source import SourceMapping, open_source
from tests.support.towns import AS_OF, DAY, HOUR, Scanner, Town, uid

STATE = {"households": "created_at", "household_members": "joined_at", "household_join_requests": "requested_at"}
END = AS_OF - 4 * DAY
RULES = [BY_ID[name] for name in ("removal-not-applied", "transfer-failed", "no-leader", "members-without-household")]


def lived(end: datetime | None = None, *tables: str, every: timedelta = 12 * HOUR) -> Town:
    """Twenty households of ten days, as the `tables` (all of state) were at the `end`: each was joined, left and handed over."""
    town, old = Town(), tables or tuple(STATE)
    for number in range(20):
        home, at = f"h{number}", AS_OF - (21 - number) * every
        anna, ben, carl = (f"{home} {name}" for name in ("anna", "ben", "carl"))

        def past(table: str, at: datetime) -> bool:
            return end is None or table not in old or at <= end

        for name, after in ((ben, HOUR), (carl, 2 * HOUR)):
            asked = at + after
            town.event("household_join_request_submitted", home, name, at=asked, request_id=f"{name} request")
            town.event("household_join_request_approved", home, anna, at=asked + HOUR, new_member_id=name)
            if past("household_join_requests", asked):
                town.request(f"{name} request", home, name, status="approved", at=asked, by=anna)
            if past("household_members", asked + HOUR):
                town.member(home, name, at=asked + HOUR, invited_by=uid(anna))
        town.event("household_created", home, anna, at=at)
        if past("households", at):
            town.household(home, anna, at=at)
        if past("household_members", at):
            town.member(home, anna, role="leader", at=at)
        left = at + 5 * HOUR
        town.event("household_member_removed", home, anna, at=left, member_id=carl)
        if past("household_members", left) and past("household_members", at + 3 * HOUR):
            town.row(home, carl)["status"] = "removed"
        over = at + 6 * HOUR
        town.event("household_leave_started", home, anna, at=over, has_successor=True)
        town.event("household_leadership_transferred", home, anna, at=over, from_user_id=anna, to_user_id=ben)
        town.event("household_left", home, anna, at=over, was_leader=True)
        if past("households", over) and past("households", at):
            town.home(home)["leader_id"] = uid(ben)
        if past("household_members", over) and past("household_members", at + 2 * HOUR):
            town.row(home, ben)["role"] = "leader"
            town.row(home, anna)["status"] = "removed"
    return town


def faults(scanner: Scanner, town: Town) -> str:
    with open_source(scanner.open_town(town.tables()), SourceMapping()) as source:
        return "".join(health_of(source, (), Limits(), as_of=AS_OF).faults)


def test_a_restored_backup_beside_today_s_events_ends_the_scan(scanner: Scanner) -> None:
    assert not faults(scanner, lived())
    said = faults(scanner, lived(END))
    assert said.startswith("households, household_members and household_join_requests end at 2026-01-30 03:00:00 UTC")
    assert "left no trace there: an older copy, a restored backup, or an app" in said


@pytest.mark.parametrize("table", STATE)
def test_one_table_of_another_time_ends_the_scan(scanner: Scanner, table: str) -> None:
    town = lived(END, table)
    for home in ("h1", "h2"):  # an old copy of households lacks new leaders, too
        change = {"from_user_id": f"{home} ben", "to_user_id": f"{home} carl"}
        town.event("household_leadership_transferred", home, f"{home} ben", at=AS_OF - HOUR, **change)
    assert faults(scanner, town).startswith(f"{table} ends at 2026-01-")


def test_a_copy_of_a_few_hours_ago_is_awaited(on_duckdb: Scanner) -> None:
    """Whoever was removed since, or handed over, is judged by the next copy."""
    town = lived(AS_OF - 8 * HOUR, every=HOUR)
    result = on_duckdb(town, *RULES)
    assert not faults(on_duckdb, town)
    assert [finding.detector for finding in result.findings] == []


Break = Callable[[Town], None]


def no_removals(town: Town) -> None:
    for row in town.household_members:
        if row["joined_at"] > END:
            row["status"] = "active"


def no_members(town: Town) -> None:
    town.household_members = [
        row for row in town.household_members if row["joined_at"] <= END or row["role"] == "leader"
    ]


def no_creations(town: Town) -> None:
    town.households = [row for row in town.households if row["created_at"] <= END]


def no_requests(town: Town) -> None:
    kept = [row for row in town.household_join_requests if row["requested_at"] <= END]
    town.household_join_requests = [*kept, {**kept[-1], "id": uid("news"), "requested_at": AS_OF - HOUR}]


@pytest.mark.parametrize("broken", [no_removals, no_members, no_creations, no_requests])
def test_what_is_broken_since_then_is_found(on_duckdb: Scanner, broken: Break) -> None:
    town = lived()
    broken(town)
    assert not faults(on_duckdb, town)


def test_removals_that_were_never_applied_are_found(on_duckdb: Scanner) -> None:
    """What never left a trace tells no time."""
    town = lived(END)
    for row in town.household_members:
        row["status"] = "active"
    for name, time in STATE.items():
        rows = getattr(town, name)
        setattr(town, name, [row | {time: row[time]} for row in rows])
    town.household_events = [
        row
        for row in town.household_events
        if row["event_timestamp"] <= END or row["event_type"] == "household_member_removed"
    ]
    assert not faults(on_duckdb, town)


def test_a_quiet_town_is_scanned(on_duckdb: Scanner) -> None:
    """Four acts that left no trace are faults of their own."""
    town = lived(END)
    late = [row for row in town.household_events if row["event_timestamp"] > END]
    kept = [row for row in late if row["event_type"] in {"household_created", "household_join_request_submitted"}][-4:]
    town.household_events = [row for row in town.household_events if row not in late] + kept
    assert not faults(on_duckdb, town)


@pytest.mark.parametrize("erased", [1, 2, 4])
def test_newest_families_that_were_erased_make_no_older_copy(on_duckdb: Scanner, erased: int) -> None:
    """Their audit rows stay, and tell of later acts than all rows that are left."""
    town = lived()
    gone = {uid(f"h{number}") for number in range(20 - erased, 20)}
    town.households = [row for row in town.households if row["id"] not in gone]
    town.household_members = [row for row in town.household_members if row["household_id"] not in gone]
    town.household_join_requests = [row for row in town.household_join_requests if row["household_id"] not in gone]
    assert not faults(on_duckdb, town)


def test_newest_accounts_that_were_erased_make_no_older_copy(on_duckdb: Scanner) -> None:
    """Three that joined last, of whom the audit rows alone are left."""
    town = lived()
    for number in (17, 18, 19):
        home, name = f"h{number}", f"erased {number}"
        town.event("household_join_request_submitted", home, name, at=AS_OF - 2 * HOUR)
        town.event("household_join_request_approved", home, f"{home} ben", at=AS_OF - HOUR, new_member_id=name)
    assert not faults(on_duckdb, town)


def test_some_faults_of_two_kinds_are_found(on_duckdb: Scanner) -> None:
    """Three removals and three approvals that were not applied, in a town where nothing else has happened since."""
    town = lived()
    newest = max(row["joined_at"] for row in town.household_members)
    town.household_events = [row for row in town.household_events if row["event_timestamp"] <= newest]
    for number in (17, 18, 19):
        home, name = f"h{number}", f"late {number}"
        town.request(f"{name} request", home, name, status="approved", at=AS_OF - 3 * HOUR, by=f"{home} ben")
        town.event("household_join_request_approved", home, f"{home} ben", at=AS_OF - HOUR, new_member_id=name)
        town.row(home, f"{home} carl")["status"] = "active"
        town.event("household_member_removed", home, f"{home} ben", at=AS_OF - HOUR, member_id=f"{home} carl")
    assert not faults(on_duckdb, town)
