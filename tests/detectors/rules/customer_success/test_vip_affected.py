"""vip-affected: the mark on what concerns customers of high value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.contract import Context
from detectors.engine.runner import scan
from detectors.limits import Limits
from detectors.rules.customer_success import over_capacity, policy_question, vip_affected
from detectors.rules.integrity import multiple_leaders, no_leader, transfer_failed
from detectors.rules.trust_safety import abuse_report
from detectors.source import SourceMapping, open_source
from tests.support.effort import tries
from tests.support.towns import AS_OF, YESTERDAY, Scanner, Town, uid, write_csv

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
        ("ran", "without deleted accounts, which lead nobody (needs users)"),
        ("not_applicable", "needs users"),
    ]


@pytest.mark.parametrize("fault", ["several leaders", "half a transfer", "a crowd"])
def test_whoever_belongs_to_a_broken_household_counts(scanner: Scanner, fault: str) -> None:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.account("cleo", account_tier="premium")
    if fault == "several leaders":
        town.row("oak", "ben")["role"] = "leader"
    if fault == "half a transfer":
        town.home("oak")["leader_id"] = town.row("oak", "ben")["user_id"]
    rules = (multiple_leaders.DETECTOR, transfer_failed.DETECTOR, over_capacity.DETECTOR, VIP)
    limits = Limits(household_capacity=2 if fault == "a crowd" else 15)
    (finding,) = scanner.findings(town, *rules, limits=limits)
    assert finding.marks == ("vip-affected",)
    value = finding.story.fields.get("Customer value")
    assert value == (finding.evidence["customer_value"][0] if fault == "a crowd" else None)


people = st.sampled_from(["anna", "ben", "cleo", "dora"])


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    accounts=st.dictionaries(
        people,
        st.tuples(
            st.sampled_from([None, "free", "Premium", "premium plus"]), st.sampled_from([None, 0, 99.99, 100, 100.01])
        ),
    ),
    asked=st.lists(st.tuples(people, people), min_size=1, max_size=4),
)
def test_agrees_with_the_catalogue_read_plainly(
    on_duckdb: Scanner,
    on_postgres: Scanner,
    accounts: dict[str, tuple[str | None, float | None]],
    asked: list[tuple[str, str]],
) -> None:
    town = Town()
    for name, (tier, revenue) in accounts.items():
        town.account(name, account_tier=tier, monthly_revenue=revenue)
    for number, (by, about) in enumerate(asked):
        town.report(f"r{number}", "policy_question", by, subject_user_id=about)
    vips = {name for name, (tier, revenue) in accounts.items() if tier == "Premium" or (revenue or 0) > 100}
    expected = {uid(f"r{number}") for number, parties in enumerate(asked) if vips & set(parties)}
    results = [scanner.findings(town, policy_question.DETECTOR, VIP) for scanner in (on_duckdb, on_postgres)]
    assert {finding.subject["support_id"] for finding in results[0] if finding.marks} == expected
    assert results[0] == results[1]


def test_not_applicable_without_tier_and_revenue(tmp_path: Path, town: Town) -> None:
    folder = write_csv(tmp_path, town.tables())
    (folder / "users.csv").write_text(f"id,email,created_at\n{uid('anna')},a@example.org,2026-01-01T00:00:00Z\n")
    with open_source(str(folder), SourceMapping()) as source:
        result = scan(source, (no_leader.DETECTOR, VIP), Context(as_of=AS_OF, window=YESTERDAY))
    assert [(entry.status, entry.reason) for entry in result.coverage] == [
        ("ran", "without deleted accounts, which lead nobody (needs users.deleted_at)"),
        ("not_applicable", "needs users.account_tier, users.monthly_revenue"),
    ]
