"""Requests and audit rows were purged after a while: of who joined before that nobody can say that they were not let in."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from detectors.findings import whole
from detectors.rules.security.member_without_approval import DETECTOR
from tests.support.folders import exported
from tests.support.towns import DAY, HOUR, LONG_AGO, MINUTE, Scanner, Town, uid

HOMES = 12
PURGED = timedelta(days=10)


def grown(homes: int = HOMES) -> Town:
    """Two families a day, of which the trail tells how they began and who was let in; somebody slipped in on the last day."""
    town = Town()
    for number in range(homes):
        home, at = f"h{number}", LONG_AGO + number * DAY + number * MINUTE
        anna, ben = f"{home} anna", f"{home} ben"
        town.family(home, anna, ben, at=at)
        town.event("household_created", home, anna, at=at)
        town.event("household_join_request_approved", home, anna, at=at + DAY + HOUR, new_member_id=ben)
    town.member("h0", "mallory", at=LONG_AGO + (homes + 1) * DAY)
    for _ in range(5):
        town.event("pet_activity_logged", "h1", "h1 anna", at=LONG_AGO + homes * DAY)
        town.request(
            f"late {len(town.household_events)}",
            "h1",
            f"zoe {len(town.household_events)}",
            status="rejected",
            by="h1 anna",
        )
    return town


def purged(town: Town, before: timedelta = PURGED) -> Town:
    since = LONG_AGO + before
    town.household_events = [row for row in town.household_events if row["event_timestamp"] >= since]
    town.household_join_requests = [row for row in town.household_join_requests if row["requested_at"] >= since]
    return town


def suspects(scanner: Scanner, town: Town) -> list[str]:
    return [whole(found).subject["user_id"] for found in scanner(town, DETECTOR).findings]


def test_nobody_is_accused_by_what_was_purged(scanner: Scanner) -> None:
    assert suspects(scanner, grown()) == [uid("mallory")]
    result = scanner(purged(grown(), timedelta(days=HOMES)), DETECTOR)
    assert [whole(found).subject["user_id"] for found in result.findings] == [uid("mallory")]
    (said,) = [notice.line for notice in result.notices if "rows were purged" in notice.said]
    assert "at least 11 members of 11 households joined before that" in said
    assert "11 findings of member-without-approval held back" in said


def test_one_household_is_judged_alike(on_duckdb: Scanner) -> None:
    town = purged(grown(), timedelta(days=HOMES))
    found = on_duckdb(town, DETECTOR, households=[uid("h0")]).findings
    assert [whole(one).subject["user_id"] for one in found] == [uid("mallory")]


def test_a_few_early_members_slipped_in(on_duckdb: Scanner) -> None:
    town = purged(grown(8), timedelta(days=8))
    assert len(suspects(on_duckdb, town)) == 8


def test_requests_alone_may_be_purged_where_the_trail_tells(on_duckdb: Scanner) -> None:
    town = grown()
    del town.household_join_requests[:HOMES]
    assert suspects(on_duckdb, town) == [uid("mallory")]


def test_requests_that_were_dated_anew_were_not_purged(on_duckdb: Scanner) -> None:
    town = grown()
    town.household_events.clear()
    for row in town.household_join_requests:
        row["requested_at"] = row["responded_at"] = LONG_AGO + HOMES * DAY
    town.row("h0", "mallory")["joined_at"] = LONG_AGO + DAY
    assert suspects(on_duckdb, town) == [uid("mallory")]


def test_what_was_found_before_is_not_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    town = grown(30)
    town.row("h0", "mallory")["joined_at"] = LONG_AGO + 3 * DAY
    for night, gone in ((3, 0), (4, 29)):
        where = str(exported(tmp_path / "source", purged(town, timedelta(days=gone))))
        told = CliRunner().invoke(
            main, ["run", "--source", where, "--as-of", f"2026-02-0{night}T03:00:00Z", "--accept-volume"]
        )
        assert told.exit_code == (4 if gone else 0), told.output
    with sqlite3.connect("hearthwatch.db") as ledger:
        tickets = ledger.execute("SELECT detector, status FROM tickets").fetchall()
    assert tickets == [("member-without-approval", "open")], told.output
    assert "rows were purged" in told.output
