"""legal-matter: what the law has a say in, and deletions that took too long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.rules.legal.legal_matter import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, Scanner, Town, uid

TICK = timedelta(microseconds=1)
MONTH = 30 * DAY


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.account("ben")
    return town


@pytest.mark.parametrize("category", ["legal_request", "subpoena", "court_order", "custody", "tos_dispute"])
def test_fires_on_open_legal_requests(scanner: Scanner, town: Town, category: str) -> None:
    town.report("r", category, "ben", household_id="oak", subject_user_id="anna", body="secret")
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"support_id": uid("r")}
    assert finding.team == "legal"
    assert list(finding.story.fields) == [
        "Type of legal issue",
        "Parties involved",
        "Relevant documents",
        "Immediate action needed",
    ]
    assert "secret" not in finding.model_dump_json() + str(finding.story)


def test_silent_on_closed_requests_and_other_categories(scanner: Scanner, town: Town) -> None:
    town.report("r", "custody", "ben", status="closed")
    town.report("s", "dispute", "ben")
    town.report("t", "data_deletion", "ben", status="closed", at=AS_OF - 3 * MONTH)
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize(("age", "fires"), [(MONTH, 0), (MONTH + TICK, 1), (HOUR, 0)])
def test_a_deletion_has_thirty_days(scanner: Scanner, town: Town, age: timedelta, fires: int) -> None:
    town.report("r", "data_deletion", "ben", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == fires


def test_says_what_is_left_and_ends_when_nothing_is(scanner: Scanner, town: Town) -> None:
    town.report("r", "data_deletion", "ben", at=AS_OF - 2 * MONTH)
    town.session("s", "ben")
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["left_of_the_account"] == {"account": True, "active_memberships": 1, "live_sessions": 1}
    town.users[0]["deleted_at"] = AS_OF - DAY
    town.row("oak", "ben")["status"] = "removed"
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.evidence["left_of_the_account"] == {"account": False, "active_memberships": 0, "live_sessions": 1}
    town.sessions[0]["revoked_at"] = AS_OF - DAY
    assert scanner.findings(town, DETECTOR) == []


def test_an_account_that_is_gone_altogether_is_deleted(scanner: Scanner, town: Town) -> None:
    town.report("r", "data_deletion", "ghost", at=AS_OF - 2 * MONTH)
    assert scanner.findings(town, DETECTOR) == []


def test_without_accounts_an_overdue_deletion_is_told_all_the_same(scanner: Scanner, town: Town) -> None:
    town.report("r", "data_deletion", "ghost", at=AS_OF - 2 * MONTH)
    town.report("s", "data_deletion", "ghost", at=AS_OF - 2 * MONTH, status="closed")
    town.report("t", "data_deletion", "ghost", at=AS_OF - MONTH)
    town.report("u", "custody", "ben")
    found = scanner.without("users", "sessions", "household_events").findings(town, DETECTOR)
    assert {finding.subject["support_id"] for finding in found} == {uid("r"), uid("u")}
    overdue = next(finding for finding in found if finding.subject["support_id"] == uid("r"))
    assert overdue.evidence["left_of_the_account"]["account"] is None
    assert "not in the data" in overdue.story.fields["Immediate action needed"]


@pytest.mark.parametrize(("age", "fires"), [(2 * MINUTE - TICK, 0), (2 * MINUTE, 1)])
def test_waits_for_the_grace_period(scanner: Scanner, town: Town, age: timedelta, fires: int) -> None:
    town.report("r", "custody", "ben", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == fires


@pytest.mark.parametrize(("after", "fires"), [(-TICK, 0), (0 * TICK, 0), (TICK, 1)])
def test_a_deletion_that_is_to_come_has_not_happened(
    scanner: Scanner, town: Town, after: timedelta, fires: int
) -> None:
    town.report("r", "data_deletion", "ben", at=AS_OF - 2 * MONTH)
    town.row("oak", "ben")["status"] = "removed"
    town.users[0]["deleted_at"] = AS_OF - DAY
    town.session("s", "ben", revoked_at=AS_OF + after)
    assert len(scanner.findings(town, DETECTOR)) == fires
    town.sessions.clear()
    town.users[0]["deleted_at"] = AS_OF + after
    assert len(scanner.findings(town, DETECTOR)) == fires
