"""What the rules about security say where tables and columns are missing: not applicable, by name, is no clean bill."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest
from psycopg import sql

from detectors.engine.result import ScanResult
from detectors.registry import BY_ID
from tests.support.towns import DAY, HOUR, MINUTE, NOON, Scanner, Tables, Town, uid

IDS = {
    "stored-markup",
    "session-survives-removal",
    "unauthorised-access",
    "member-without-approval",
    "self-approved-request",
    "temporary-access-expired",
    "rate-limit-bypass",
    "removal-not-applied",
    "approval-not-applied",
    "old-invite-code-accepted",
}
READ_METADATA = {"session-survives-removal", "unauthorised-access", "removal-not-applied"}
EXCUSED_BY_METADATA = {
    "member-without-approval",
    "self-approved-request",
    "approval-not-applied",
    "rate-limit-bypass",
    "old-invite-code-accepted",
}
"""What the trail excuses, or counts once: a trail that names nobody would do neither."""
READ_EVENTS = READ_METADATA | {"rate-limit-bypass", "old-invite-code-accepted"}


@pytest.fixture
def town() -> Town:
    """A town in which each of the rules finds something."""
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.home("oak").update(name="<b>Oak</b>", invite_code="NEW-ALPHA-ALPHA")
    town.event("household_invite_code_regenerated", "oak", "anna", at=NOON)
    town.request("late", "oak", "zoe", at=NOON + HOUR)
    town.request("lost", "oak", "gina", status="approved", at=NOON - DAY, by="stranger")
    town.member("oak", "mallory", at=NOON - DAY)
    town.member("oak", "sid", at=NOON - DAY, is_temporary=True, temporary_expires_at=NOON)
    town.event("household_member_removed", "oak", "anna", at=NOON, member_id="ben")
    town.session("s", "ben", at=NOON - DAY, last_activity_at=NOON + HOUR)
    town.event("household_updated", "oak", "stranger", at=NOON)
    for place in range(6):
        town.event("household_created", f"home-{place}", "anna", at=NOON + place * MINUTE)
    return town


def without_columns(scanner: Scanner, table: str, *columns: str) -> Scanner:
    """The same for towns whose source lacks `columns` of a table."""

    def open_town(rows: Tables) -> str:
        where = scanner.open_town(rows)
        if scanner.engine == "duckdb":
            path = Path(where) / f"{table}.csv"
            with path.open(newline="", encoding="utf-8") as file:
                found = list(csv.DictReader(file))
            with path.open("w", newline="", encoding="utf-8") as file:
                kept = [name for name in found[0] if name not in columns]
                writer = csv.DictWriter(file, kept, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(found)
        elif scanner.engine == "spark":
            path = Path(where.partition(";folder=")[2]) / f"{table}.parquet"
            fewer = duckdb.read_parquet(str(path)).project(f"* EXCLUDE ({', '.join(columns)})")
            fewer.write_parquet(f"{path}.fewer")
            Path(f"{path}.fewer").replace(path)
        else:
            with psycopg.connect(where) as connection:
                for column in columns:
                    drop = sql.SQL("ALTER TABLE {} DROP COLUMN {} CASCADE")
                    connection.execute(drop.format(sql.Identifier(table), sql.Identifier(column)))
        return where

    return replace(scanner, open_town=open_town)


def scanned(scanner: Scanner, town: Town) -> ScanResult:
    return scanner(town, *(BY_ID[one] for one in sorted(IDS)))


def check(result: ScanResult, idle: set[str], reason: str) -> None:
    status = {entry.detector: (entry.status, entry.reason) for entry in result.coverage}
    assert {one for one, (ended, _) in status.items() if ended == "not_applicable"} == idle
    assert all(reason in str(status[one][1]) for one in idle)
    assert {ended for ended, _ in status.values()} <= {"ran", "not_applicable"}
    assert {finding.detector for finding in result.findings} == IDS - idle


@pytest.mark.parametrize(
    ("tables", "idle"),
    [
        ((), set[str]()),
        (("household_events",), READ_EVENTS),
        (("sessions",), {"session-survives-removal"}),
        (("users", "support_requests"), set[str]()),
        (("household_events", "sessions", "users", "support_requests"), READ_EVENTS),
    ],
)
def test_without_tables(scanner: Scanner, town: Town, tables: tuple[str, ...], idle: set[str]) -> None:
    without = scanner.without(*tables)
    check(scanned(without, town), idle, "household_events" if "household_events" in tables else "sessions")


@pytest.mark.parametrize(
    ("table", "column", "idle"),
    [
        ("household_events", "metadata", READ_METADATA | EXCUSED_BY_METADATA),
        ("households", "description", set[str]()),
        ("households", "updated_at", set[str]()),
        ("households", "invite_code", {"old-invite-code-accepted"}),
        ("household_members", "invited_by", set[str]()),
        ("household_members", "temporary_expires_at", {"temporary-access-expired"}),
        ("household_join_requests", "responded_at", set[str]()),
        ("household_join_requests", "responded_by", {"self-approved-request", "member-without-approval"}),
        ("household_join_requests", "invite_code", {"old-invite-code-accepted"}),
        ("sessions", "revoked_at", set[str]()),
    ],
)
def test_without_a_column(scanner: Scanner, town: Town, table: str, column: str, idle: set[str]) -> None:
    check(scanned(without_columns(scanner, table, column), town), idle, f"{table}.{column}")


def test_ghosts_and_an_unused_accounts_table_are_no_obstacle(scanner: Scanner, town: Town) -> None:
    town.account("somebody-else")
    assert {finding.detector for finding in scanned(scanner, town).findings} == IDS
    assert uid("stranger") not in {row["id"] for row in town.users}
