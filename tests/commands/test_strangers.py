"""The audit table's metadata names people by ids that no other table has: what rests on them sees nothing, and repairs nothing."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from detectors.rules.malfunctions import removal_not_applied
from detectors.rules.trust_safety import unauthorised_transfer
from tests.support.folders import exported
from tests.support.towns import DAY, HOUR, LONG_AGO, MINUTE, NOON, Scanner, Town, uid

HOMES = [f"h{number}" for number in range(6)]
NOBODY = "household_member_removed names nobody whom another table knows as"
LET_GO, HANDED_OVER = ("member_id", "new_member_id"), ("from_user_id", "to_user_id")


@pytest.fixture
def town() -> Town:
    """Families that handed leadership over and removed somebody, all told; of one home the removal was not applied."""
    town = Town()
    town.event("pet_activity_logged", None, None, at=LONG_AGO - DAY)
    for home in HOMES:
        anna, ben, cleo = (f"{home} {name}" for name in ("anna", "ben", "cleo"))
        town.family(home, anna, ben, cleo)
        town.event("household_created", home, anna, at=LONG_AGO)
        for name in (ben, cleo):
            town.event("household_join_request_approved", home, anna, at=LONG_AGO + 2 * DAY, new_member_id=name)
        town.event("household_leave_started", home, anna, at=LONG_AGO + 3 * DAY)
        moved = {"from_user_id": anna, "to_user_id": ben}
        town.event("household_leadership_transferred", home, anna, at=LONG_AGO + 3 * DAY + MINUTE, **moved)
        town.home(home)["leader_id"] = uid(ben)
        town.row(home, ben)["role"] = "leader"
        town.row(home, anna)["status"] = "removed"
        town.event("household_member_removed", home, ben, at=NOON - HOUR, member_id=cleo)
        town.row(home, cleo)["status"] = "removed" if home != "h0" else "active"
    town.event("household_left", None, None, at=LONG_AGO)
    # That their leaders were handed these homes the transfers alone tell.
    lost = {uid(home) for home in HOMES[1:]}
    town.household_events = [
        row
        for row in town.household_events
        if row["event_type"] != "household_leave_started" or row["household_id"] not in lost
    ]
    return town


def renamed(town: Town, keys: Sequence[str], homes: Sequence[str] = HOMES) -> Town:
    """With the ids under these keys as a framework writes them that names each thing with its kind."""
    mine = {uid(home) for home in homes}
    for row in town.household_events:
        if row["household_id"] in mine:
            row["metadata"] |= {key: f"User:{row['metadata'][key]}" for key in keys if key in row["metadata"]}
    return town


RULES = (removal_not_applied.DETECTOR, unauthorised_transfer.DETECTOR)


def found(scanner: Scanner, town: Town) -> list[str]:
    return [finding.detector for finding in scanner(town, *RULES).findings]


def test_what_rests_on_strangers_is_not_looked_at(scanner: Scanner, town: Town) -> None:
    assert found(scanner, town) == ["removal-not-applied"]
    result = scanner(renamed(town, [*LET_GO, *HANDED_OVER]), *RULES)
    assert not result.findings
    removals, transfers = sorted((entry.status, entry.reason or "") for entry in result.coverage)[::-1]
    assert removals[0] == "ran"
    assert f"without removals ({NOBODY} member_id)" in removals[1]
    nobody = "household_leadership_transferred names nobody whom another table knows as to_user_id"
    assert transfers == ("not_applicable", nobody)
    assert sum("are in no other table" in notice.said for notice in result.notices) == 1


def test_each_key_is_judged_by_itself(scanner: Scanner, town: Town) -> None:
    result = scanner(renamed(town, HANDED_OVER), *RULES)
    assert [finding.detector for finding in result.findings] == ["removal-not-applied"]
    assert any("names (from_user_id, to_user_id) are in no other table" in notice.said for notice in result.notices)


def test_a_scan_of_one_household_knows_it_too(on_postgres: Scanner, town: Town) -> None:
    result = on_postgres(renamed(town, HANDED_OVER), unauthorised_transfer.DETECTOR, households=[uid("h1")])
    assert not result.findings
    assert result.coverage[0].status == "not_applicable"


def test_a_few_strangers_among_others_change_nothing(on_duckdb: Scanner, town: Town) -> None:
    renamed(town, [*LET_GO, *HANDED_OVER], HOMES[2:])
    assert found(on_duckdb, town) == ["removal-not-applied"]


def test_what_one_actor_makes_up_is_no_other_notation(on_duckdb: Scanner, town: Town) -> None:
    made_up = [row for row in town.household_events if row["event_type"] == "household_member_removed"]
    for number, row in enumerate(made_up):
        row.update(user_id=uid("h1 ben"), metadata={"member_id": uid(f"never {number}")})
    assert not any(NOBODY in (entry.reason or "") for entry in on_duckdb(town, *RULES).coverage)
    made_up[0]["user_id"] = uid("h2 ben")
    assert any(NOBODY in (entry.reason or "") for entry in on_duckdb(town, *RULES).coverage)


def test_the_rows_of_the_last_days_answer_for_all(on_duckdb: Scanner, town: Town) -> None:
    """Since yesterday the app writes another notation; the transfers of before are long known."""
    result = on_duckdb(renamed(town, ["member_id"]), *RULES)
    assert not result.findings
    assert any("names (member_id) are in no other table" in notice.said for notice in result.notices)
    assert {entry.detector: entry.status for entry in result.coverage}["unauthorised-transfer"] == "ran"


def test_where_rows_are_deleted_the_removed_are_nobody(on_duckdb: Scanner, town: Town) -> None:
    """They are in no other table, as their ids would not be in any notation."""
    town.household_members = [row for row in town.household_members if row["status"] == "active"]
    for number in range(4):
        town.family(f"more {number}", f"more {number} anna", f"more {number} ben")
    for row in town.household_events:
        if "member_id" in row["metadata"]:
            row["metadata"]["member_id"] = uid(f"guest {row['id']}")
    scanner = on_duckdb.without("users")
    town.users.clear()
    assert not any("are in no other table" in notice.said for notice in on_duckdb(town, *RULES).notices)
    assert not any("are in no other table" in notice.said for notice in scanner(town, *RULES).notices)
    town.member("h1", "zoe", status="removed")
    assert any("are in no other table" in notice.said for notice in scanner(town, *RULES).notices)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_another_notation_repairs_nothing(tmp_path: Path, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(exported(tmp_path / "source", town))
    monkeypatch.chdir(tmp_path)
    assert call("run", "--source", source, "--as-of", "2026-02-03T03:00:00Z").exit_code == 0
    exported(tmp_path / "source", renamed(town, [*LET_GO, *HANDED_OVER]))
    second = call("run", "--source", source, "--as-of", "2026-02-04T03:00:00Z")
    with sqlite3.connect("hearthwatch.db") as ledger:
        tickets = ledger.execute("SELECT detector, status FROM tickets").fetchall()
    assert tickets == [("removal-not-applied", "open")], second.output
    assert NOBODY in " ".join(second.output.split())
    (ticket,) = set(re.findall(r"hw-[0-9a-f]{16}", second.output))
    verified = call("tickets", "verify", ticket, "--source", source, "--as-of", "2026-02-04T04:00:00Z")
    assert "not looked at" in verified.output, verified.output
    assert verified.exit_code == 4
