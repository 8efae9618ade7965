"""Disks that are full or read-only, and two runs at once, with the real program: one line, nothing lost, nothing twice."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from cli import main
from commands.failures import stop_of
from tests.support.postgres import PostgresServer
from tests.support.towns import Town, write_csv

AS_OF = "2026-02-03T03:00:00Z"
PROGRAM = Path(sys.executable).parent / "hearthwatch"
HOMES = ("oak", "elm", "birch", "cherry")


@pytest.fixture
def source(tmp_path: Path) -> str:
    town = Town()
    for name in HOMES:
        town.family(name, *(f"{name} {person}" for person in ("ann", "bob", "cy")))
        town.home(name)["leader_id"] = None
    (tmp_path / "town").mkdir()
    return str(write_csv(tmp_path / "town", town.tables()))


def start(source: str, *more: str, most_bytes: int | None = None) -> subprocess.Popen[str]:
    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.Popen(
        [PROGRAM, "run", "--source", source, "--as-of", AS_OF, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,  # noqa: PLW1509  # nothing of ours runs in threads here
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it said on standard error, which is never a traceback."""
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert all(line.startswith("hearthwatch: ") for line in said.splitlines()), said
    return process.returncode, said


def filed(queue: Path) -> list[str]:
    """The subjects of the tickets, each of which is whole."""
    records = [json.loads(path.read_text()) for path in queue.glob("*.json")]
    assert all(path.with_suffix(".md").exists() for path in queue.glob("*.json"))
    return sorted(record["external_id"] for record in records)


def run_well(source: str, *more: str) -> None:
    """A run that nothing disturbs, in this process: what must be a process of its own is the disturbed one."""
    result = CliRunner().invoke(main, ["run", "--source", source, "--as-of", AS_OF, *more])
    assert (result.exit_code, result.stderr) == (0, ""), result.output


def assert_carries_on(source: str, *more: str, queue: Path) -> None:
    """One more run ends well, and each ticket is there once."""
    run_well(source, *more)
    assert len(filed(queue)) == len(HOMES)
    assert not list(queue.glob("*tmp*"))


def quiet_night(folder: Path, *more: str) -> None:
    """A run that makes the ledger and finds nothing."""
    town = Town()
    town.family("oak", "ann", "bob")
    (folder / "quiet").mkdir()
    run_well(str(write_csv(folder / "quiet", town.tables())), *more)


@pytest.mark.parametrize("most_bytes", [0, 3_000, 60_000, 1_000_000])
def test_a_full_disk_loses_nothing(elsewhere: Path, source: str, most_bytes: int) -> None:
    code, said = ended(start(source, most_bytes=most_bytes))
    assert (code, bool(said)) in ((0, False), (1, True), (5, True)), said
    assert (code == 0) == (most_bytes == 1_000_000)
    assert_carries_on(source, queue=elsewhere / "out" / "queue")


@pytest.mark.parametrize("most_bytes", [0, 1_500])
def test_a_full_queue_is_a_ticket_that_is_not_delivered(elsewhere: Path, source: str, most_bytes: int) -> None:
    """The ledger is there and full of room; the tickets' files are what is too long."""
    quiet_night(elsewhere)
    # SQLite's file is there in its whole size already; only its journal grows.
    ledger = elsewhere / "hearthwatch.db"
    before = ledger.stat().st_size
    code, said = ended(start(source, most_bytes=most_bytes))
    assert code in (1, 3, 5), said
    assert ledger.stat().st_size >= before
    assert_carries_on(source, queue=elsewhere / "out" / "queue")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("room", [0, 40, 250])
def test_a_file_system_without_room(small_disk: Path, source: str, room: int) -> None:
    """`room` kB are left for ledger and queue."""
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            file.truncate(max(0, file.tell() - room * 1024))
    place = ("--ledger", f"sqlite:///{small_disk}/hearthwatch.db", "--queue", f"folder:{small_disk}/queue")
    code, said = ended(start(source, *place))
    assert code in (0, 1, 5), said
    assert room > 100 or code != 0
    filler.unlink()
    assert_carries_on(source, *place, queue=small_disk / "queue")


def test_a_read_only_file_system_is_said(small_disk: Path, source: str) -> None:
    place = ("--ledger", f"sqlite:///{small_disk}/hearthwatch.db", "--queue", f"folder:{small_disk}/queue")
    run_well(source, *place)
    before = filed(small_disk / "queue")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, said = ended(start(source, *place))
    assert (code, len(said.splitlines())) == (1, 1), said
    assert "hearthwatch.db" in said
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert filed(small_disk / "queue") == before
    assert_carries_on(source, *place, queue=small_disk / "queue")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_ledger_that_may_not_be_written_is_said(elsewhere: Path, source: str) -> None:
    run_well(source)
    (elsewhere / "hearthwatch.db").chmod(0o400)
    code, said = ended(start(source))
    assert (code, len(said.splitlines())) == (1, 1), said
    (elsewhere / "hearthwatch.db").chmod(0o600)
    assert_carries_on(source, queue=elsewhere / "out" / "queue")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may go everywhere")
@pytest.mark.parametrize("closed", [".", "households.csv"])
@pytest.mark.usefixtures("elsewhere")
def test_a_source_that_may_not_be_read_is_said(tmp_path: Path, source: str, closed: str) -> None:
    folder = Path(shutil.copytree(source, tmp_path / "closed"))
    (folder / closed).chmod(0)
    code, said = ended(start(str(folder)))
    (folder / closed).chmod(0o700)
    assert (code, len(said.splitlines())) == (3, 1), said
    assert "cannot be read by this user" in said


def test_a_place_that_may_not_be_used_is_named() -> None:
    stop = stop_of(PermissionError(errno.EACCES, "denied", "/closed/ledger.db"))
    assert stop.exit_code == 1
    assert "/closed/ledger.db" in stop.message


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_runs_at_once_exclude_each_other(elsewhere: Path, source: str, kind: str, postgres: PostgresServer) -> None:
    with postgres.new_database(()) as database:
        place = ("--ledger", database.url) if kind == "postgresql" else ()
        several = [start(source, *place) for _ in range(3)]
        outcomes = [ended(one) for one in several]
        codes = sorted(code for code, _ in outcomes)
        assert codes[0] == 0
        assert set(codes) <= {0, 1}
        assert all("another run" in said for code, said in outcomes if code == 1), outcomes
        assert_carries_on(source, *place, queue=elsewhere / "out" / "queue")


def test_a_ledger_server_that_takes_no_writes_is_said(elsewhere: Path, source: str, postgres: PostgresServer) -> None:
    with postgres.new_database(()) as database, psycopg.connect(postgres.admin_url, autocommit=True) as admin:
        place = ("--ledger", database.url)
        quiet_night(elsewhere, *place)
        setting = sql.SQL("ALTER DATABASE {} {} default_transaction_read_only")
        name = sql.Identifier(database.name)
        admin.execute(setting.format(name, sql.SQL("SET")) + sql.SQL(" = on"))
        code, said = ended(start(source, *place))
        assert (code, len(said.splitlines())) == (1, 1), said
        assert "is a standby or read-only; name the primary" in said
        assert filed(elsewhere / "out" / "queue") == []
        admin.execute(setting.format(name, sql.SQL("RESET")))
        assert_carries_on(source, *place, queue=elsewhere / "out" / "queue")


def test_a_ledger_server_that_closes_its_connections_ends_the_run(
    elsewhere: Path, source: str, postgres: PostgresServer
) -> None:
    """While a run writes its night down, it loses the connection that keeps other runs out."""
    with postgres.new_database(()) as database, database.connect() as admin:
        place = ("--ledger", database.url)
        quiet_night(elsewhere, *place)
        with admin.transaction():
            admin.execute("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
            run = start(source, *place)
            here = b"FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()"
            while admin.execute(b"SELECT count(*) " + here + b" WHERE NOT granted").fetchone() != (1,):
                assert run.poll() is None
            admin.execute(b"SELECT pg_terminate_backend(pid) " + here + b" WHERE locktype = 'advisory'")
        code, said = ended(run)
        assert (code, len(said.splitlines())) == (1, 1), said
        assert "has closed the connection; run again: nothing was lost" in said
        assert_carries_on(source, *place, queue=elsewhere / "out" / "queue")
