"""capacity-request, leader-member-dispute and policy-question: open support requests with the household's state."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.contract import Detector
from detectors.rules.customer_success import capacity_request, leader_member_dispute, policy_question
from tests.support.towns import AS_OF, DAY, MINUTE, NOON, Scanner, Town, uid

RULES = [
    (capacity_request.DETECTOR, "capacity", "Next-day"),
    (leader_member_dispute.DETECTOR, "dispute", "Immediate"),
    (policy_question.DETECTOR, "policy_question", "Next-day"),
]
TICK = timedelta(microseconds=1)
ALL = [detector for detector, _, _ in RULES]
FIELDS = [
    "Customer value",
    "Issue summary",
    "Customer impact",
    "Requested outcome",
    "Your recommendation",
    "Urgency justification",
]


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.member("oak", "sam", is_temporary=True)
    town.account("ben", account_tier="premium", monthly_revenue=12.5, created_at=AS_OF - 40 * DAY)
    return town


@pytest.mark.parametrize(("detector", "category", "severity"), RULES)
def test_fires_on_an_open_request(
    scanner: Scanner, town: Town, detector: Detector, category: str, severity: str
) -> None:
    town.report("r", category, "ben", household_id="oak", subject_user_id="anna", body="Please help us.")
    (finding,) = scanner.findings(town, *ALL)
    assert (finding.detector, finding.severity, finding.team) == (detector.id, severity, "csm")
    assert finding.subject == {"support_id": uid("r")}
    assert finding.evidence["household"]["active_members"] == 4
    assert finding.evidence["household"]["temporary_members"] == 1
    assert list(finding.story.fields) == FIELDS
    assert finding.story.fields["Customer value"] == "premium account, $12.50 a month, customer for 40 days"
    assert finding.story.fields["Requested outcome"] == "Please help us."


def test_silent_on_closed_requests_and_other_categories(scanner: Scanner, town: Town) -> None:
    for _, category, _ in RULES:
        for status in ("closed", "resolved", " Solved ", "canceled", "declined"):
            town.report(f"{category} {status}", category, "ben", status=status)
    for category in ("harassment", "tos_dispute", "custom_rate_limit", "feature_request"):
        town.report(category, category, "ben")
    assert scanner.findings(town, *ALL) == []
    assert scanner.findings(Town(), *ALL) == []


@pytest.mark.parametrize(
    ("at", "fires"), [(AS_OF - 2 * MINUTE, 3), (AS_OF - 2 * MINUTE + TICK, 0), (NOON - 400 * DAY, 3)]
)
def test_any_age_beyond_the_grace_period(scanner: Scanner, town: Town, at: datetime, fires: int) -> None:
    for _, category, _ in RULES:
        town.report(category, category, "ben", at=at)
    assert len(scanner.findings(town, *ALL)) == fires


def test_a_requester_without_an_account_or_a_household_is_no_obstacle(scanner: Scanner, town: Town) -> None:
    town.report("r", "capacity", "ghost")
    (finding,) = scanner.findings(town, *ALL)
    assert finding.story.fields["Customer value"] == ""
    assert finding.story.fields["Customer impact"] == ""


def test_needs_no_accounts_and_no_events(scanner: Scanner, town: Town) -> None:
    for _, category, _ in RULES:
        town.report(category, category, "ben", household_id="oak", status="in progress")
    bare = scanner.without("users", "sessions", "household_events")
    found = bare.findings(town, *ALL)
    assert [finding.subject["support_id"] for finding in found] == [
        uid(category) for category in ("dispute", "capacity", "policy_question")
    ]
    assert {finding.evidence["household"]["active_members"] for finding in found} == {4}
    result = scanner.without("support_requests")(town, *ALL)
    assert {(entry.status, entry.reason) for entry in result.coverage} == {("not_applicable", "needs support_requests")}


def test_silent_once_closed(scanner: Scanner, town: Town) -> None:
    for _, category, _ in RULES:
        town.report(category, category, "ben")
    assert len(scanner.findings(town, *ALL)) == 3
    for row in town.support_requests:
        row["status"] = "closed"
    assert scanner.findings(town, *ALL) == []
