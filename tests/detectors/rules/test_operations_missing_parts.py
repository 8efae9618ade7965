"""What the operations' detectors say where optional tables and columns are missing, and on another deployment's names."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.contract import Context, Detector
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.rules.edge_cases import rate_limit_inconsistent
from detectors.rules.performance import member_list_failing, repeated_timeouts, slow_dashboard
from detectors.rules.security import rate_limit_bypass, session_survives_removal
from detectors.rules.system import api_timeouts, creation_failure_rate, database_errors
from detectors.source import SourceMapping, open_source
from tests.support.towns import AS_OF, HOUR, MINUTE, NOON, YESTERDAY, Town, uid, with_later_life, write_csv

DETECTORS = (
    session_survives_removal.DETECTOR,
    rate_limit_bypass.DETECTOR,
    database_errors.DETECTOR,
    api_timeouts.DETECTOR,
    creation_failure_rate.DETECTOR,
    slow_dashboard.DETECTOR,
    member_list_failing.DETECTOR,
    repeated_timeouts.DETECTOR,
    rate_limit_inconsistent.DETECTOR,
)


def scan_folder(folder: Path, *detectors: Detector, mapping: SourceMapping | None = None) -> ScanResult:
    with open_source(str(folder), mapping or SourceMapping()) as source:
        return scan(source, detectors, Context(as_of=AS_OF, window=YESTERDAY))


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", *(f"m{place}" for place in range(11)))
    for place in range(6):
        town.event("household_created", f"home-{place}", "anna", at=NOON + place * MINUTE)
        town.event("api_request", "oak", "m1", at=NOON + place * MINUTE, status=504)
        town.event("household_member_list_viewed", "oak", f"m{place}", at=NOON + place * MINUTE, error_code="X")
    return town


def test_without_the_audit_table_nothing_is_applicable(tmp_path: Path, town: Town) -> None:
    result = scan_folder(write_csv(tmp_path, town.tables(), leave_out=["household_events"]), *DETECTORS)
    assert {entry.status for entry in result.coverage} == {"not_applicable"}
    assert all("household_events" in (entry.reason or "") for entry in result.coverage)


def test_without_sessions_only_the_sessions_are_not_applicable(tmp_path: Path, town: Town) -> None:
    tables = with_later_life(town).tables()
    result = scan_folder(write_csv(tmp_path, tables, leave_out=["sessions"]), *DETECTORS)
    status = {entry.detector: (entry.status, entry.reason) for entry in result.coverage}
    assert status.pop("session-survives-removal") == ("not_applicable", "needs sessions")
    assert {one for one, _ in status.values()} == {"ran"}


def test_a_session_table_without_last_activity_still_has_its_events(tmp_path: Path) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.event("household_member_removed", "oak", "anna", member_id="ben")
    town.event("session_used", None, "ben", at=NOON + HOUR, session_id="s")
    folder = write_csv(tmp_path, town.tables())
    (folder / "sessions.csv").write_text(f"id,user_id,created_at\ns,{uid('ben')},2026-01-01T00:00:00Z\n")
    result = scan_folder(folder, session_survives_removal.DETECTOR)
    assert [finding.subject["session_id"] for finding in result.findings] == ["s"]


def test_other_names_of_event_types(tmp_path: Path, town: Town) -> None:
    expected = [f.subject for f in scan_folder(write_csv(tmp_path, town.tables()), *DETECTORS).findings]
    assert len(expected) == 4
    names = {
        "household_created": "group.made",
        "api_request": "http",
        "household_member_list_viewed": "members.shown",
    }
    for row in town.household_events:
        row["event_type"] = names[row["event_type"]]
    other = tmp_path / "other"
    other.mkdir()
    result = scan_folder(write_csv(other, town.tables()), *DETECTORS, mapping=SourceMapping(event_types=names))
    assert [finding.subject for finding in result.findings] == expected
