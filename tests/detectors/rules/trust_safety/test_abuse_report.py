"""abuse-report: an open report of abuse is somebody's to read, tonight."""

from __future__ import annotations

from datetime import datetime

import pytest

from detectors.rules.trust_safety.abuse_report import DETECTOR
from tests.support.towns import AS_OF, DAY, MINUTE, NOON, Scanner, Town, uid

pytestmark = pytest.mark.each_engine


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    return town


@pytest.mark.parametrize(
    ("category", "severity"), [("threat", "Immediate"), ("child_safety", "Immediate"), ("harassment", "Same-day")]
)
def test_fires_on_open_reports(scanner: Scanner, town: Town, category: str, severity: str) -> None:
    town.report("old", "harassment", "cleo", at=NOON - 90 * DAY, subject_user_id="anna", status="closed")
    town.report("new", category, "ben", household_id="oak", subject_user_id="anna", body="<b>He</b> said\n" + "x" * 99)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"support_id": uid("new")}
    assert finding.severity == severity
    assert finding.evidence["reports_about_the_same_person"] == 1
    assert set(finding.users) == {uid("ben"), uid("anna")}
    assert "<" not in finding.evidence["said"]
    assert len(finding.evidence["said"]) == 80


@pytest.mark.parametrize("category", ["dispute", "spam", "custody", "feature_request", "unknown"])
def test_silent_on_other_categories(scanner: Scanner, town: Town, category: str) -> None:
    town.report("new", category, "ben")
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(
    ("status", "fires"), [("open", 1), ("pending", 1), ("", 1), ("closed", 0), ("Resolved ", 0), ("SOLVED", 0)]
)
def test_silent_once_closed(scanner: Scanner, town: Town, status: str, fires: int) -> None:
    town.report("new", "threat", "ben", status=status)
    assert len(scanner.findings(town, DETECTOR)) == fires


@pytest.mark.parametrize(("at", "fires"), [(AS_OF - 2 * MINUTE, 1), (AS_OF - MINUTE, 0), (NOON - 400 * DAY, 1)])
def test_any_age_beyond_the_grace_period(scanner: Scanner, town: Town, at: datetime, fires: int) -> None:
    town.report("new", "threat", "ben", at=at)
    assert len(scanner.findings(town, DETECTOR)) == fires


def test_a_household_that_does_not_exist_is_no_obstacle(scanner: Scanner, town: Town) -> None:
    town.report("new", "threat", "ghost", household_id="nowhere")
    assert len(scanner.findings(town, DETECTOR)) == 1


def test_a_report_may_name_nobody(scanner: Scanner, town: Town) -> None:
    town.report("new", "child_safety", "ben", household_id="oak")
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.severity == "Immediate"
    assert finding.evidence["subject_user_id"] is None


def test_tells_the_history_of_both_parties(scanner: Scanner, town: Town) -> None:
    town.report("by", "dispute", "ben", at=NOON - 9 * DAY, status="closed")
    town.report("about", "spam", "cleo", at=NOON - 8 * DAY, subject_user_id="anna", status="closed")
    town.report("other", "spam", "cleo", at=NOON - 7 * DAY, subject_user_id="zoe", status="closed")
    town.event("household_member_removed", "oak", "anna", at=NOON - DAY, member_id="cleo")
    town.event("household_left", "oak", "dora", at=NOON - DAY)
    town.report("new", "threat", "ben", household_id="oak", subject_user_id="anna")
    (finding,) = scanner.findings(town, DETECTOR)
    assert [row["support_id"] for row in finding.evidence["history"]] == [uid("by"), uid("about")]
    assert [entry.actor for entry in finding.timeline] == [uid("anna"), uid("ben")]
    assert finding.evidence["household"]["active_members"] == 3
