"""Columns that must agree and don't end the scan; real faults, however many, don't look like that."""

from __future__ import annotations

import pytest

from detectors.rules.integrity import no_leader, orphaned_household
from detectors.source import SourceError
from tests.support.towns import LONG_AGO, Scanner, Town, uid

HOMES = range(20)
RULES = (no_leader.DETECTOR, orphaned_household.DETECTOR)


@pytest.fixture
def town() -> Town:
    town = Town()
    for number in HOMES:
        town.family(f"h{number}", f"a{number}", f"b{number}")
        town.event("household_created", f"h{number}", f"a{number}", at=LONG_AGO)
        town.account(f"a{number}")
        town.account(f"b{number}")
    return town


@pytest.mark.parametrize(
    ("table", "column", "other"),
    [
        ("households", "leader_id", "household_members.user_id"),
        ("household_members", "household_id", "households.id"),
        ("household_join_requests", "household_id", "households.id"),
        ("household_events", "household_id", "households.id"),
        ("users", "id", "household_members.user_id"),
    ],
)
def test_values_of_another_kind(scanner: Scanner, town: Town, table: str, column: str, other: str) -> None:
    for row in getattr(town, table):
        row[column] = uid(f"profile of {row[column]}")
    with pytest.raises(SourceError) as refused:
        scanner(town, *RULES)
    said = str(refused.value)
    assert f"{table}.{column}" in said
    assert other in said
    assert "both look like a UUID" in said
    assert not any(str(row[column]) in said for row in getattr(town, table))
    one = str(town.households[0]["id"])
    assert scanner(town, *RULES, households=[one]).coverage


@pytest.mark.parametrize("rows", [1, 5])
def test_a_small_table_in_the_place_of_households(scanner: Scanner, town: Town, rows: int) -> None:
    town.households = [home | {"id": uid(f"another {home['id']}")} for home in town.households[:rows]]
    with pytest.raises(SourceError, match=r"household_members\.household_id and households\.id"):
        scanner(town, *RULES)


@pytest.mark.parametrize("table", ["households", "household_join_requests", "household_events"])
def test_the_shape_is_told(on_duckdb: Scanner, town: Town, table: str) -> None:
    column = "leader_id" if table == "households" else "user_id"
    for number, row in enumerate(getattr(town, table)):
        row[column] = str(1000 + number)
    with pytest.raises(SourceError, match=rf"{table}\.{column}.* looks like a number.*like a UUID"):
        on_duckdb(town, *RULES)


def test_responders_of_another_kind(on_duckdb: Scanner, town: Town) -> None:
    for number in HOMES:
        town.request(f"r{number}", f"h{number}", f"b{number}", status="approved", by=f"a{number}")
    assert not on_duckdb.findings(town, *RULES)
    for row in town.household_join_requests:
        row["responded_by"] = f"usr_{row['responded_by']}"
    with pytest.raises(SourceError, match=r"responded_by looks like a text beginning with usr_"):
        on_duckdb(town, *RULES)


def test_real_faults_are_findings(scanner: Scanner, town: Town) -> None:
    for number in HOMES:
        # Nobody leads: leader_id names somebody who went without a row; or a creation stopped half way.
        town.home(f"h{number}")["leader_id"] = uid(f"c{number}")
        town.event("household_left", f"h{number}", f"c{number}", at=LONG_AGO, was_leader=True)
        town.household(f"orphan {number}", f"d{number}")
        town.event("household_created", f"orphan {number}", f"d{number}", at=LONG_AGO)
        town.member(f"deleted {number}", f"e{number}")
        # Strangers ask, and strangers answer.
        town.request(f"r{number}", f"h{number}", f"f{number}", status="rejected", by=f"g{number}")
    found = scanner.findings(town, *RULES)
    assert sum(finding.detector == "no-leader" for finding in found) == len(HOMES)
    assert sum(finding.detector == "orphaned-household" for finding in found) == len(HOMES)


def test_few_rows_prove_nothing(scanner: Scanner) -> None:
    town = Town()
    for number in range(5):
        town.family(f"h{number}", f"a{number}")
        town.home(f"h{number}")["leader_id"] = uid(f"z{number}")
    assert len(scanner.findings(town, no_leader.DETECTOR)) == 5


@pytest.mark.parametrize(
    ("table", "column", "said"),
    [
        ("household_members", "user_id", r"household_members\.user_id holds the values of household_members\.id"),
        (
            "household_members",
            "household_id",
            r"household_members\.household_id holds the values of households\.leader_id",
        ),
        ("households", "leader_id", r"households\.leader_id holds the values of household_members\.id"),
        ("household_events", "user_id", r"household_events\.user_id holds the values of household_members\.id"),
    ],
)
@pytest.mark.parametrize("homes", [3, 20])
def test_values_of_another_column(
    on_duckdb: Scanner, town: Town, table: str, column: str, said: str, homes: int
) -> None:
    kept = {uid(f"h{number}") for number in range(homes)}
    town.households = [row for row in town.households if row["id"] in kept]
    for rows in (town.household_members, town.household_join_requests, town.household_events):
        rows[:] = [row for row in rows if row["household_id"] in kept]
    rows_of = {row["user_id"]: row["id"] for row in town.household_members}
    leads = {row["id"]: row["leader_id"] for row in town.households}
    for row in getattr(town, table):
        row[column] = leads[row[column]] if column == "household_id" else rows_of[row[column]]
    with pytest.raises(SourceError, match=said):
        on_duckdb(town, *RULES)
