"""abuse-report: an open report of abuse is somebody's to read, tonight."""

from __future__ import annotations

from datetime import datetime

import pytest

from detectors.trust_safety.abuse_report import DETECTOR
from tests.support.towns import AS_OF, DAY, MINUTE, NOON, Scanner, Town, uid


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
