"""Copies of several times, or of several databases, that are read as one table end the scan; single rows twice do not."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from detectors.engine.applicability import health_of
from detectors.limits import Limits
from detectors.source import SourceError, SourceMapping, open_source
from tests.support.field import call
from tests.support.folders import as_parquet
from tests.support.postgres import RESTORED_PETFORCE, PostgresServer, load
from tests.support.towns import AS_OF, DAY, LONG_AGO, Town, cell, uid, write_csv

MEMBERS = "household_members"
Rows = list[dict[str, Any]]


@pytest.fixture
def town() -> Town:
    """Ten households of two people each."""
    town = Town()
    for number in range(10):
        town.family(f"h{number}", f"anna{number}", f"ben{number}", at=LONG_AGO + number * DAY)
        town.account(f"anna{number}")
    return town


def parts_of(folder: Path, town: Town, table: str, *parts: Rows, hive: bool = False, parquet: bool = False) -> Path:
    """The town as a folder in which a table is in several files."""
    write_csv(folder, town.tables(), leave_out=[table])
    columns = list(getattr(town, table)[0])
    for number, rows in enumerate(parts, start=1):
        below = folder / table / f"date=2026-01-0{number}" if hive else folder
        below.mkdir(parents=True, exist_ok=True)
        name = "data" if hive else f"{table}-{number}"
        with (below / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({column: cell(row[column]) for column in columns} for row in rows)
        if parquet:
            as_parquet(below, name)
    return folder


def told(folder: Path) -> str:
    """Why the folder is refused; nothing where it is read."""
    try:
        with open_source(str(folder), SourceMapping()):
            return ""
    except SourceError as error:
        return str(error)


@pytest.mark.parametrize("hive", [False, True])
@pytest.mark.parametrize("parquet", [False, True])
@pytest.mark.parametrize("table", ["households", MEMBERS, "household_join_requests", "users"])
def test_copies_of_several_days_end_the_scan(
    tmp_path: Path, town: Town, table: str, *, hive: bool, parquet: bool
) -> None:
    rows = getattr(town, table)
    said = told(parts_of(tmp_path, town, table, rows, rows[2:], hive=hive, parquet=parquet))
    assert f"{len(rows) - 2} of {len(rows)} ids of {table} stand in more than one of its 2 files" in said
    assert "data" in said if hive else f"{table}-1" in said


def test_parts_that_overlap_end_the_scan_and_a_row_or_two_at_a_page_do_not(tmp_path: Path, town: Town) -> None:
    rows = town.household_members
    for name, first, second, refused in (
        ("half", rows[:15], rows[5:], True),
        ("page", rows[:11], rows[9:], False),
        ("none", rows[:10], rows[10:], False),
        ("equal", rows, rows, False),
    ):
        folder = tmp_path / name
        folder.mkdir()
        assert bool(told(parts_of(folder, town, MEMBERS, first, second))) is refused, name


def test_audit_rows_and_sessions_that_overlap_do_no_harm(tmp_path: Path, town: Town) -> None:
    for number in range(10):
        town.event("pet_activity_logged", "h1", "anna1", correlation_id=f"c{number}")
        town.session(f"s{number}", "anna1")
    for table in ("household_events", "sessions"):
        rows = getattr(town, table)
        (tmp_path / table).mkdir()
        assert told(parts_of(tmp_path / table, town, table, rows, rows[2:])) == ""


def test_bytes_that_are_no_utf8_hide_no_copies(tmp_path: Path, town: Town) -> None:
    rows = town.households
    folder = parts_of(tmp_path, town, "households", rows, rows[2:])
    path = folder / "households-1.csv"
    path.write_bytes(
        path.read_bytes().replace(b"The Home", b"The H\xc3\xb6me", 1).replace(b"The Home", b"Th\xe9 Home", 1)
    )
    assert "8 of 10 ids of households" in told(folder)


def appended(rows: Rows, changed: int, later: Sequence[dict[str, Any]]) -> Rows:
    """The rows and behind them a later copy, in which some were removed."""
    return rows + [row | {"status": "removed"} if place < changed else row for place, row in enumerate(later)]


@pytest.fixture(params=["folder", "postgresql"])
def faults(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Town], str]:
    """Why a town is refused whose tables have no keys."""

    def of_source(where: str) -> str:
        try:
            with open_source(where, SourceMapping()) as source:
                return "".join(health_of(source, (), Limits(), as_of=AS_OF).faults)
        except SourceError as error:
            return str(error)

    def in_folder(town: Town) -> str:
        return of_source(str(write_csv(tmp_path, town.tables())))

    def in_database(town: Town) -> str:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        with postgres.new_database(RESTORED_PETFORCE) as database:
            with database.connect() as admin:
                for table in ("households", MEMBERS, "users"):
                    admin.execute(f"ALTER TABLE {table} RENAME TO kept_{table}".encode())
                    admin.execute(f"CREATE TABLE {table} (LIKE kept_{table})".encode())
            load(database, town.tables())
            return of_source(database.url)

    return in_folder if request.param == "folder" else in_database


def test_copies_that_were_appended_to_each_other_end_the_scan(faults: Callable[[Town], str], town: Town) -> None:
    town.household_members = appended(town.household_members, 1, town.household_members[1:])
    said = faults(town)
    assert "19 of 20 ids of household_members stand in several rows, and 1 of them in rows that differ" in said


@pytest.mark.parametrize(("changed", "repeated"), [(0, 20), (4, 4)])
def test_rows_twice_and_a_few_that_differ_are_read_once(
    faults: Callable[[Town], str], town: Town, changed: int, repeated: int
) -> None:
    town.household_members = appended(town.household_members, changed, town.household_members[:repeated])
    assert faults(town) == ""


def test_two_databases_of_the_same_ids_end_the_scan(faults: Callable[[Town], str], town: Town) -> None:
    """Of each two households of one number one would be dropped, and with it whatever is wrong there."""
    others = [row | {"leader_id": None, "created_at": row["created_at"] + 3 * DAY} for row in town.households]
    town.households += others[:5]
    assert "5 ids of households stand in rows whose created_at differs by more than a day" in faults(town)


def test_a_log_of_refreshes_is_left_out(tmp_path: Path, town: Town) -> None:
    """One row for each refresh: when a session began nobody can tell. Everything else is read."""
    for number in range(6):
        town.session(f"s{number}", f"anna{number}")
    town.sessions += [row | {"created_at": row["created_at"] + 2 * DAY} for row in town.sessions]
    with open_source(str(write_csv(tmp_path, town.tables())), SourceMapping()) as source:
        assert "sessions" not in source.schema.tables
        assert "6 ids of sessions stand in rows whose created_at differs" in source.schema.unusable["sessions"]


def test_a_few_rows_of_another_birth_are_faults_of_their_own(faults: Callable[[Town], str], town: Town) -> None:
    town.households += [row | {"created_at": row["created_at"] + 3 * DAY} for row in town.households[:4]]
    assert faults(town) == ""


def test_a_bug_that_writes_everybody_twice_is_scanned(faults: Callable[[Town], str], town: Town) -> None:
    """Rows with ids of their own are rows of the app."""
    twice = [
        row | {"id": f"{place:08}-0000-4000-8000-000000000000"} for place, row in enumerate(town.household_members)
    ]
    town.household_members += twice[:10]
    assert faults(town) == ""


@pytest.mark.parametrize("command", [("scan",), ("scan", "--household", "h1"), ("run",), ("doctor",)])
def test_every_command_says_so(
    tmp_path: Path, town: Town, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "export"
    folder.mkdir()
    parts_of(folder, town, MEMBERS, town.household_members, town.household_members[2:])
    words = [uid(word) if word == "h1" else word for word in command]
    result = call(*words, "--source", str(folder))
    assert result.exit_code == 3
    assert "18 of 20 ids of household_members stand in more than one of its 2 files" in result.output
