"""vip-affected: the mark on what concerns customers of high value."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.contract import Context
from detectors.customer_success import policy_question, vip_affected
from detectors.integrity import no_leader
from detectors.limits import Limits
from detectors.runner import scan
from detectors.source import SourceMapping, open_source
from detectors.trust_safety import abuse_report
from tests.support.towns import AS_OF, YESTERDAY, Scanner, Town, write_csv

VIP = vip_affected.DETECTOR


@pytest.fixture
def town() -> Town:
    town = Town()
    for home, leader, member in (("oak", "anna", "ben"), ("elm", "dora", "emil")):
        town.family(home, leader, member)
        town.account(leader)
        town.home(home)["leader_id"] = None
    return town


@pytest.mark.parametrize(
    ("tier", "revenue", "marked"),
    [
        ("premium", None, True),
        (" Premium", 0, True),
        ("free", 100, False),
        ("free", 100.01, True),
        (None, None, False),
        ("business", 99, False),
    ],
)
def test_premium_or_above_a_hundred(
    scanner: Scanner, town: Town, tier: str | None, revenue: float | None, marked: bool
) -> None:
    town.account("ben", account_tier=tier, monthly_revenue=revenue)
    result = scanner(town, no_leader.DETECTOR, VIP)
    assert sorted(finding.marks for finding in result.findings) == ([(), ("vip-affected",)] if marked else [(), ()])
    assert [(entry.status, entry.findings) for entry in result.coverage] == [("ran", 2), ("ran", int(marked))]


def test_adds_the_customers_value(scanner: Scanner, town: Town) -> None:
    user = town.account("ben", account_tier="premium", monthly_revenue=250)
    town.report("r", "threat", "ben")
    (finding,) = scanner.findings(town, abuse_report.DETECTOR, VIP)
    assert finding.evidence["customer_value"] == [f"{user}: premium account, $250.00 a month, customer for 246 days"]
    assert finding.story.evidence[-1].startswith("Customer value: ")


def test_makes_no_finding_of_its_own(scanner: Scanner, town: Town) -> None:
    town.account("ben", account_tier="premium")
    assert scanner.findings(town, VIP) == []
    assert scanner.findings(Town(), VIP) == []


def test_tiers_and_revenue_come_from_the_policy(scanner: Scanner, town: Town) -> None:
    town.account("ben", account_tier="gold", monthly_revenue=60)
    town.report("r", "policy_question", "ben")
    for limits in (Limits(premium_tiers=("gold",)), Limits(vip_monthly_revenue=50)):
        (finding,) = scanner.findings(town, policy_question.DETECTOR, VIP, limits=limits)
        assert finding.marks == ("vip-affected",)


def test_one_statement_for_all_findings(tmp_path: Path, town: Town) -> None:
    folder = write_csv(tmp_path, town.tables())
    counts = []
    for detectors in ((no_leader.DETECTOR,), (no_leader.DETECTOR, VIP)):
        with open_source(str(folder), SourceMapping()) as source:
            scan(source, detectors, Context(as_of=AS_OF, window=YESTERDAY))
            counts.append(source.counters.statements)
    assert counts[1] == counts[0] + 1


def test_not_applicable_without_users(tmp_path: Path, town: Town) -> None:
    folder = write_csv(tmp_path, town.tables(), leave_out=["users"])
    with open_source(str(folder), SourceMapping()) as source:
        result = scan(source, (no_leader.DETECTOR, VIP), Context(as_of=AS_OF, window=YESTERDAY))
    assert [(entry.status, entry.reason) for entry in result.coverage] == [
        ("ran", None),
        ("not_applicable", "needs users"),
    ]
