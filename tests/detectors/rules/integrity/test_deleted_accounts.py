"""Deleted accounts lead nobody, succeed nobody and count in no impact, whatever the rule of leadership."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from detectors.rules.integrity import multiple_leaders, no_leader, orphaned_household, transfer_failed
from detectors.rules.security import temporary_access_expired
from detectors.rules.trust_safety import unauthorised_transfer
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, MINUTE, NOON, Scanner, Town, uid

SECOND = timedelta(seconds=1)
RULES = (
    multiple_leaders.DETECTOR,
    no_leader.DETECTOR,
    orphaned_household.DETECTOR,
    transfer_failed.DETECTOR,
    temporary_access_expired.DETECTOR,
    unauthorised_transfer.DETECTOR,
)


@pytest.mark.parametrize("deleted", [LONG_AGO + 60 * DAY, AS_OF - 2 * MINUTE])
def test_a_leader_whose_account_is_deleted_leads_nobody(scanner: Scanner, town: Town, deleted: datetime) -> None:
    town.account("anna", deleted_at=deleted)
    (finding,) = scanner.findings(town, *RULES)
    assert finding.detector == "no-leader"
    assert finding.subject == {"household_id": uid("oak")}
    assert (finding.occurred_at, finding.evidence["leader_account_deleted_at"]) == (deleted, deleted)
    assert f"{uid('anna')}, whose account was deleted on {deleted:%Y-%m-%d}" in finding.story.actual
    assert finding.story.expected.startswith(f"{uid('ben')} is the leader")
    assert finding.impact.users == 2
    town.row("oak", "anna")["role"] = "member"
    town.row("oak", "ben")["role"] = "leader"
    town.home("oak")["leader_id"] = uid("ben")
    assert scanner.findings(town, *RULES) == []


@pytest.mark.parametrize("deleted", [None, AS_OF - 2 * MINUTE + SECOND, AS_OF + DAY])
def test_an_account_that_is_not_deleted_yet_lives(scanner: Scanner, town: Town, deleted: datetime | None) -> None:
    town.account("anna", deleted_at=deleted)
    town.account("ben", deleted_at=LONG_AGO + 60 * DAY)
    assert scanner.findings(town, *RULES) == []


@pytest.mark.parametrize("wanted", [{"households": [uid("oak")]}, {"users": [uid("cleo")]}, {"users": [uid("anna")]}])
def test_a_scan_of_some_sees_it_too(scanner: Scanner, town: Town, wanted: dict[str, Any]) -> None:
    town.account("anna", deleted_at=NOON)
    assert [one.detector for one in scanner.findings(town, *RULES, **wanted)] == ["no-leader"]


def test_a_source_without_accounts_knows_no_deletion(scanner: Scanner, town: Town) -> None:
    town.account("anna", deleted_at=NOON)
    assert scanner.without("users").findings(town, *RULES) == []


def test_nobody_misses_the_leader_of_deleted_accounts(scanner: Scanner, town: Town) -> None:
    for name in ("anna", "ben", "cleo"):
        town.account(name, deleted_at=NOON)
    assert scanner.findings(town, *RULES) == []
    town.row("oak", "ben")["role"] = "leader"
    town.home("oak")["leader_id"] = None
    assert scanner.findings(town, *RULES) == []


def test_a_second_leader_whose_account_is_deleted_does_not_count(scanner: Scanner, town: Town) -> None:
    town.row("oak", "ben")["role"] = "leader"
    assert [one.detector for one in scanner.findings(town, *RULES)] == ["multiple-leaders"]
    town.account("ben", deleted_at=NOON)
    assert scanner.findings(town, *RULES) == []
    town.row("oak", "cleo")["role"] = "leader"
    (finding,) = scanner.findings(town, *RULES)
    assert finding.detector == "multiple-leaders"
    assert [one["user_id"] for one in finding.evidence["active_leaders"]] == [uid("anna"), uid("cleo")]
    assert finding.impact.users == 2


def test_the_successor_is_the_longest_standing_of_those_who_live(scanner: Scanner, town: Town) -> None:
    town.row("oak", "anna")["status"] = "removed"
    town.account("ben", deleted_at=LONG_AGO + 60 * DAY)
    found = {one.detector: one for one in scanner.findings(town, *RULES)}
    assert found.keys() == {"no-leader", "transfer-failed"}
    for finding in found.values():
        assert finding.story.expected.startswith(f"{uid('cleo')} is the leader")
        assert finding.impact.users == 1
        assert uid("ben") not in finding.users
        assert uid("ben") not in str(finding.evidence)


@pytest.mark.parametrize(
    ("deleted", "expected"), [(NOON + HOUR, ["no-leader"]), (NOON - HOUR, ["no-leader", "transfer-failed"])]
)
def test_a_transfer_to_an_account_that_was_deleted_already(
    scanner: Scanner, town: Town, deleted: datetime, expected: list[str]
) -> None:
    """Anna left and handed over to Ben; only where he was gone by then had her hand-over failed."""
    town.account("ben", deleted_at=deleted)
    town.event("household_leave_started", "oak", "anna", at=NOON - SECOND, has_successor=False)
    moved = {"from_user_id": "anna", "to_user_id": "ben", "reason": "leave"}
    town.event("household_leadership_transferred", "oak", "anna", at=NOON, **moved)
    town.event("household_left", "oak", "anna", at=NOON + SECOND, was_leader=True)
    town.row("oak", "anna")["status"] = "removed"
    town.row("oak", "ben")["role"] = "leader"
    town.home("oak")["leader_id"] = uid("ben")
    found = scanner.findings(town, *RULES)
    assert [one.detector for one in found] == expected
    assert all(uid("cleo") in one.story.expected for one in found)


def test_a_sitter_whose_account_is_deleted_leads_nobody(scanner: Scanner, town: Town) -> None:
    town.member("oak", "sid", role="leader", is_temporary=True, temporary_expires_at=AS_OF + DAY)
    town.account("sid", deleted_at=NOON)
    assert scanner.findings(town, *RULES) == []
    town.row("oak", "sid")["temporary_expires_at"] = NOON
    assert [one.detector for one in scanner.findings(town, *RULES)] == ["temporary-access-expired"]


def test_who_follows_a_deleted_account_took_nothing(scanner: Scanner, town: Town) -> None:
    town.event("household_created", "elm", "dora", at=LONG_AGO - DAY)
    # Without one event of each of these types the source is not known to write them, and nothing is concluded.
    town.event("household_leave_started", None, None)
    town.event("household_leadership_transferred", None, None, to_user_id="nobody")
    town.row("oak", "anna")["role"] = "member"
    town.row("oak", "ben")["role"] = "leader"
    town.home("oak")["leader_id"] = uid("ben")
    assert [one.detector for one in scanner.findings(town, *RULES)] == ["unauthorised-transfer"]
    town.account("anna", deleted_at=NOON)
    assert scanner.findings(town, *RULES) == []
