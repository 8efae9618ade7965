"""What the rules about harm say where optional tables and columns are missing: not applicable is no clean bill."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from detectors.contract import Context, Detector
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.rules.trust_safety import (
    abuse_report,
    coordinated_harassment,
    failed_logins_then_changes,
    fake_households,
    invite_code_sharing,
    punitive_removals,
    suspicious_access,
    unauthorised_transfer,
)
from detectors.source import SourceMapping, open_source
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Town, uid, write_csv

DETECTORS: tuple[Detector, ...] = (
    punitive_removals.DETECTOR,
    coordinated_harassment.DETECTOR,
    abuse_report.DETECTOR,
    unauthorised_transfer.DETECTOR,
    suspicious_access.DETECTOR,
    failed_logins_then_changes.DETECTOR,
    fake_households.DETECTOR,
    invite_code_sharing.DETECTOR,
)
READ_EVENTS = {one.id for one in DETECTORS} - {"abuse-report", "invite-code-sharing"}


@pytest.fixture
def town() -> Town:
    """A town in which each of the rules finds something."""
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.event("pet_activity_logged", "oak", "anna", at=NOON - 100 * DAY)
    town.report("r", "harassment", "ben", at=NOON - HOUR, household_id="oak", subject_user_id="anna")
    town.report("s", "spam", "cleo", at=NOON - HOUR, household_id="oak", subject_user_id="anna")
    town.event("household_member_removed", "oak", "anna", member_id="ben")
    town.family("elm", "dora", "emil")
    # Somebody has once left as the app lets them, so that it is known to write of it.
    town.family("ash", "gus", "hal")
    town.event("household_leave_started", "ash", "gus", at=NOON - 100 * DAY, has_successor=True)
    town.event("household_leadership_transferred", "elm", "emil", from_user_id="dora", to_user_id="emil")
    for number in range(5):
        town.event("login_failed", None, None, at=NOON + number * MINUTE, user_id="anna")
        town.event("household_updated", "oak", "cleo", at=NOON + number * MINUTE, ip_address=f"10.{number}.0.1")
    town.event("login_succeeded", None, "anna", at=NOON + 6 * MINUTE)
    town.event("household_updated", "oak", "anna", at=NOON + 7 * MINUTE)
    for number in range(3):
        town.household(f"fake {number}", "fred", at=NOON - 9 * DAY)
        town.member(f"fake {number}", "fred", role="leader", at=NOON - 9 * DAY)
    for number in range(10):
        town.request(f"q{number}", "elm", f"p{number}", at=NOON)
    return town


def scanned(folder: Path) -> ScanResult:
    with open_source(str(folder), SourceMapping()) as source:
        return scan(source, DETECTORS, Context(as_of=AS_OF, window=YESTERDAY))


def without_columns(folder: Path, table: str, *columns: str) -> None:
    """Write a table's file anew, as an export that lacks `columns`."""
    path = folder / f"{table}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name not in columns], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def test_all_find_something(tmp_path: Path, town: Town) -> None:
    result = scanned(write_csv(tmp_path, town.tables()))
    assert {entry.status for entry in result.coverage} == {"ran"}
    assert {finding.detector for finding in result.findings} == {one.id for one in DETECTORS}


@pytest.mark.parametrize(
    ("table", "idle"),
    [
        ("household_events", READ_EVENTS),
        ("support_requests", {"punitive-removals", "coordinated-harassment", "abuse-report"}),
        ("sessions", set()),
        ("users", set()),
    ],
)
def test_without_a_table_its_rules_are_not_applicable_and_the_others_find_the_same(
    tmp_path: Path, town: Town, table: str, idle: set[str]
) -> None:
    result = scanned(write_csv(tmp_path, town.tables(), leave_out=[table]))
    status = {entry.detector: (entry.status, entry.reason) for entry in result.coverage}
    assert {one for one, (ended, _) in status.items() if ended == "not_applicable"} == idle
    assert all(table in str(status[one][1]) for one in idle)
    assert {finding.detector for finding in result.findings} == {one.id for one in DETECTORS} - idle


@pytest.mark.parametrize(
    ("table", "columns", "idle"),
    [
        ("sessions", ("ip_address", "user_agent", "revoked_at"), set()),
        ("support_requests", ("feature", "body"), set()),
        ("household_events", ("metadata",), READ_EVENTS - {"fake-households"}),
        ("support_requests", ("subject_user_id",), {"punitive-removals", "coordinated-harassment", "abuse-report"}),
    ],
)
def test_without_a_column(tmp_path: Path, town: Town, table: str, columns: tuple[str, ...], idle: set[str]) -> None:
    town.session("s", "cleo", at=NOON)
    folder = write_csv(tmp_path, town.tables())
    without_columns(folder, table, *columns)
    result = scanned(folder)
    status = {entry.detector: (entry.status, entry.reason) for entry in result.coverage}
    assert {one for one, (ended, _) in status.items() if ended == "not_applicable"} == idle
    assert all(f"{table}.{columns[0]}" in str(status[one][1]) for one in idle)
    assert {finding.detector for finding in result.findings} == {one.id for one in DETECTORS} - idle


def test_ghosts_and_malformed_ids_are_no_obstacle(tmp_path: Path, town: Town) -> None:
    expected = {finding.fingerprint for finding in scanned(write_csv(tmp_path, town.tables())).findings}
    for kind in ("household_member_removed", "household_leadership_transferred", "household_join_request_rejected"):
        for value in ("", "nobody", "Ä", uid("ghost").upper()):
            named = dict.fromkeys(("member_id", "from_user_id", "to_user_id", "requester_id", "session_id"), value)
            town.event(kind, "oak", "ghost", at=NOON)
            town.household_events[-1]["metadata"] = named
            town.event(kind, None, None, at=NOON)
            town.household_events[-1]["metadata"] = named
    town.report("g", "spam", "ghost", household_id="nowhere", subject_user_id="nobody")
    folder = tmp_path / "ghosts"
    folder.mkdir()
    result = scanned(write_csv(folder, town.tables()))
    assert {entry.status for entry in result.coverage} == {"ran"}
    assert expected <= {finding.fingerprint for finding in result.findings}
