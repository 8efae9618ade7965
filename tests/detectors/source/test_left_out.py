"""An optional table that cannot be read costs its own detectors alone, and a line says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from detectors.registry import BY_ID
from detectors.source import SourceError
from tests.support.field import NIGHT_1, base, call, folder_of, scanned, with_removal
from tests.support.folders import mapped, rewritten
from tests.support.towns import Scanner, Tables, Town


def drop(path: Path, column: str) -> None:
    def without(rows: list[list[str]]) -> list[list[str]]:
        place = rows[0].index(column)
        return [row[:place] + row[place + 1 :] for row in rows]

    rewritten(path, without)


@pytest.mark.parametrize(
    ("table", "column"), [("support_requests", "category"), ("sessions", "user_id"), ("users", "id")]
)
def test_a_table_without_a_column_of_its_own(tmp_path: Path, table: str, column: str) -> None:
    source = folder_of(tmp_path / "source", with_removal(base()))
    drop(Path(source) / f"{table}.csv", column)
    told = scanned(source)
    assert (told.code, told.detectors) == (0, ["removal-not-applied"])
    assert f"{table}.csv has no column {column}" in told.talk
    idle = [one for one in told.coverage.values() if f"{table}.csv has no column {column}" in (one["reason"] or "")]
    assert idle
    assert {one["status"] for one in idle} <= {"not_applicable", "ran"}
    checked = call("doctor", "--source", source, "--as-of", NIGHT_1).output
    assert f"table {table}: left out: " in checked


def test_a_broken_time_of_an_optional_table(tmp_path: Path) -> None:
    tables = with_removal(base())
    at = tables["users"][0]["created_at"]
    tables["sessions"] = [
        {"id": f"s{n}", "user_id": tables["users"][0]["id"], "created_at": at, "last_activity_at": at} for n in range(3)
    ]
    source = folder_of(tmp_path / "source", tables)
    mapped(Path(source) / "sessions.csv", "created_at", lambda _: "the other day")
    told = scanned(source)
    assert (told.code, told.detectors) == (0, ["removal-not-applied"])
    assert 'record 1, column "created_at"' in told.talk
    assert "nor are 2 others of its 3" in told.talk


def test_a_broken_audit_table_is_not_believed(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source", with_removal(base()))
    mapped(Path(source) / "household_events.csv", "event_timestamp", lambda _: "the other day")
    assert scanned(source).code == 3


def test_on_a_server_too(on_postgres: Scanner) -> None:
    def open_town(rows: Tables) -> str:
        where = on_postgres.open_town(rows)
        with psycopg.connect(where) as connection:
            connection.execute("ALTER TABLE support_requests DROP COLUMN category CASCADE")
            connection.execute("ALTER TABLE sessions ALTER COLUMN created_at TYPE text")
        return where

    town = Town()
    town.family("oak", "anna", "ben")
    scanner = replace(on_postgres, open_town=open_town)
    result = scanner(town, *(BY_ID[one] for one in ("abuse-report", "session-survives-removal", "no-leader")))
    reasons = {entry.detector: entry.reason or "" for entry in result.coverage}
    assert "support_requests has no column category" in reasons["abuse-report"]
    assert "created_at is of type text" in reasons["session-survives-removal"]
    with pytest.raises(SourceError, match="has no column"):
        drop_required(on_postgres)(town, BY_ID["no-leader"])


def drop_required(scanner: Scanner) -> Scanner:
    def open_town(rows: Tables) -> str:
        where = scanner.open_town(rows)
        with psycopg.connect(where) as connection:
            connection.execute("ALTER TABLE household_members DROP COLUMN role CASCADE")
        return where

    return replace(scanner, open_town=open_town)
