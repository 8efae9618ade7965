"""The ledger's database: made, upgraded, locked, and refused in one line, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from filelock import FileLock
from sqlalchemy import Connection, create_engine, event, inspect, text

from escalation.errors import LedgerError, LedgerUsageError
from escalation.ledger import locks
from escalation.ledger.ledger import open_ledger
from escalation.ledger.locks import BusyError
from escalation.ledger.schema import METADATA, REVISION
from escalation.ledger.store import open_store
from escalation.nights.night import run_night
from escalation.nights.windows_of_runs import next_window
from escalation.policy.policy import load_policy
from tests.escalation.findings import NOON, finding
from tests.escalation.queues import MemoryQueue, helpdesk
from tests.support.pooler import pooled
from tests.support.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a ledger that does not exist yet, in each kind of database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.new_database(()) as database:
        yield database.url


def test_the_migrations_make_the_tables_that_the_program_uses(url: str) -> None:
    store = open_store(url, exclusive=True)
    with store.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == REVISION
    store.close()


def test_a_second_run_is_refused_until_the_first_has_ended(url: str) -> None:
    first = open_store(url, exclusive=True)
    with pytest.raises(LedgerError, match="is used by another run"):
        open_store(url, exclusive=True)
    open_store(url, exclusive=False).close()
    first.close()
    open_store(url, exclusive=True).close()


def test_a_quick_look_gives_way_and_is_waited_for(url: str) -> None:
    night = open_store(url, exclusive=True)
    with pytest.raises(BusyError):
        open_store(url, exclusive=True, look="quick")
    night.close()
    quick = open_store(url, exclusive=True, look="quick")
    with pytest.raises(BusyError):
        open_store(url, exclusive=True, look="quick")
    threading.Timer(0.3, quick.close).start()
    open_store(url, exclusive=True).close()


def test_a_run_that_was_killed_locks_nobody_out(url: str) -> None:
    program = (
        "import sys; from escalation.ledger.store import open_store; store = open_store(sys.argv[1], exclusive=True); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(LedgerError, match="is used by another run"):
            open_store(url, exclusive=True)
        process.kill()
        process.wait()
        for _ in range(100):
            # A database server notices a little later that its client is gone.
            try:
                open_store(url, exclusive=True).close()
                break
            except LedgerError:
                pass
        else:
            pytest.fail("still locked")


def test_who_no_longer_keeps_others_out_writes_nothing_more(postgres: PostgresServer) -> None:
    with postgres.new_database(()) as database:
        first = open_store(database.url, exclusive=True)
        with first.begin() as connection:
            connection.execute(text("CREATE TABLE mine (id int)"))
        with database.connect() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE locktype = 'advisory' AND datname = current_database()"
            )
        second = open_store(database.url, exclusive=True)
        for _ in range(2):
            with (
                pytest.raises(LedgerError, match="has closed the connection; run again: nothing was lost"),
                first.begin(),
            ):
                pytest.fail("two runs at once")
        first.close()
        with second.begin() as connection:
            connection.execute(text("SELECT * FROM mine"))
        second.close()


def test_a_lock_that_was_left_behind_in_another_connection_is_noticed(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that shares a server's connections among its clients."""
    with postgres.new_database(()) as database:
        locking: list[Connection] = []
        check = locks._check_held

        def watched(connection: Connection, where: str) -> None:
            locking.append(connection)
            check(connection, where)

        monkeypatch.setattr(locks, "_check_held", watched)
        store = open_store(database.url, exclusive=True)
        with store.begin():
            locking[0].execute(text("SELECT pg_advisory_unlock_all()"))
        with pytest.raises(LedgerError, match="no longer keeps other runs out"), store.begin():
            pytest.fail("two runs at once")
        store.close()


def test_a_newer_ledger_is_refused(url: str) -> None:
    store = open_store(url, exclusive=True)
    with store.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    for exclusive in (True, False):
        with pytest.raises(LedgerError, match="was written by a newer version of Hearthwatch"):
            open_store(url, exclusive=exclusive)


def test_an_upgrade_that_is_cut_short_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_index", stop)
        with pytest.raises(KeyboardInterrupt):
            open_store(url, exclusive=True)
    store = open_store(url, exclusive=True)
    with store.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM outbox")) == 0
    store.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("rubbish", "the ledger's address is no URL"),
        ("mysql://somebody@localhost/x", "a ledger cannot be kept in mysql"),
        ("sqlite://", "the ledger needs a file"),
        ("sqlite:////no/such/folder/x.db", "create its folder /no/such/folder"),
        ("postgresql://somebody:secret@127.0.0.1:1/x", "cannot be used: nothing listens there: check host and port"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(url: str, says: str) -> None:
    with pytest.raises(LedgerError) as caught:
        open_store(url, exclusive=True)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are long enough to be looked at as a database" * 20)
    with pytest.raises(LedgerError, match="is no SQLite file"):
        open_store(f"sqlite:///{path}", exclusive=True)


def test_a_ledger_that_must_be_there_is_not_made(url: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerUsageError, match=r"there is no ledger at .*name another one with --ledger"):
        open_store(url, exclusive=False, create=False)
    assert list(tmp_path.iterdir()) == []
    open_store(url, exclusive=True).close()
    open_store(url, exclusive=False, create=False).close()


def test_another_programs_database_is_left_alone(url: str) -> None:
    address = url.replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE tickets (id integer)"))
    with pytest.raises(LedgerUsageError, match="holds tables of another program"):
        open_store(url, exclusive=True)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["tickets"]
    engine.dispose()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LedgerError, match="give this user the right to write"):
        open_store(f"sqlite:///{tmp_path / 'ledger.db'}", exclusive=True)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    policy = load_policy()
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    queue = MemoryQueue()
    with open_ledger(url) as ledger:
        window = next_window(ledger, NOON, policy)
        engine = ledger._store._engine
        with engine.connect() as connection:
            pages = connection.scalar(text("PRAGMA page_count"))

        # SQLite gets no more room than it has now: what a full disk does to it.
        def fill(connection: Any, _: Any) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")

        event.listen(engine, "connect", fill)
        many = [finding("no-leader", household=f"h{number}") for number in range(20)]
        with pytest.raises(LedgerError, match=r"has no space left; free some, then run again: nothing was lost"):
            run_night(ledger, many, [], policy, NOON, window=window, helpdesk=helpdesk(queue))
        event.remove(engine, "connect", fill)
        assert queue.tickets == {}
        run_night(ledger, many, [], policy, NOON, window=window, helpdesk=helpdesk(queue))
    assert len(queue.creations) == 20


def test_nothing_personal_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    secrets = {
        "ip_address": "203.0.113.77",
        "email": "jo.bloggs@example.org",
        "user_agent": "Mozilla/5.0 (X11; Linux)",
        "body": "she said she would hurt him",
        "note": "written by jo.bloggs@example.org from 2001:db8::17:1 and 203.0.113.77",
        "leader_id": "user-1",
    }
    queue = MemoryQueue(down=True)
    policy = load_policy()
    with open_ledger(f"sqlite:///{path}") as ledger:
        one = finding(
            "mass-creation",
            {"ip_address": "203.0.113.77"},
            user="user-1",
            evidence=secrets,
            title="By jo.bloggs@example.org",
        )
        run_night(ledger, [one], [], policy, NOON, window=next_window(ledger, NOON, policy), helpdesk=helpdesk(queue))
    kept = path.read_bytes()
    for secret in ("203.0.113", "bloggs", "Mozilla", "hurt", "2001:db8"):
        assert secret.encode() not in kept, secret
    assert b"user-1" in kept


def test_nights_are_the_same_on_both_databases(url: str) -> None:
    policy, queue = load_policy(), MemoryQueue()
    with open_ledger(url) as ledger:
        for findings in ([finding("no-leader", household="h1")], [], [finding("no-leader", household="h1")]):
            window = next_window(ledger, NOON, policy)
            report = run_night(ledger, findings, [], policy, NOON, window=window, helpdesk=helpdesk(queue))
    assert [one.reason for one in report.told] == ["still-there"]
    assert len(queue.creations) == 1


@pytest.mark.parametrize("kept", [0, 1, 16, 60, 99, 5000, -4096, -1])
def test_a_file_that_is_less_than_was_written_is_damage_and_no_new_ledger(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "ledger.db"
    open_store(f"sqlite:///{path}", exclusive=True).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    for exclusive in (True, False):
        with pytest.raises(LedgerError, match=r"is (empty|cut short).*restore it from a backup") as caught:
            open_store(f"sqlite:///{path}", exclusive=exclusive)
        assert not isinstance(caught.value, LedgerUsageError)
    assert path.read_bytes() == whole[:kept]


def test_pages_that_are_not_what_was_written_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_store(f"sqlite:///{path}", exclusive=True).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    with pytest.raises(LedgerError, match="is damaged; restore it from a backup"):
        open_store(f"sqlite:///{path}", exclusive=True)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:///:memory:", "the ledger needs a file"),
        (":memory:", "is no URL"),
        ("sqlite:///{folder}", "is a folder; name a file in it"),
        ("sqlite:////dev/null", "is no file; name another place"),
        ("sqlite:///{folder}/x.db?mode=memory&uri=true", "the ledger needs a file"),
        ("postgresql://u:s3cret@127.0.0.1:port/x", "names a port that is no number"),
        ("sqlite:///{folder}/" + "x" * 300 + ".db", "cannot be read"),
    ],
)
def test_what_can_be_no_ledger_is_said_in_one_line(tmp_path: Path, url: str, says: str) -> None:
    with pytest.raises(LedgerError, match=says) as caught:
        open_store(url.format(folder=tmp_path), exclusive=True)
    assert "s3cret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_has_no_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(FileLock, "acquire", no_locks)
    with pytest.raises(LedgerError, match="cannot be locked on this file system"):
        open_store(f"sqlite:///{tmp_path / 'ledger.db'}", exclusive=True)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_ledger_is_for_its_user_alone(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger, ledger._store.begin() as connection:
            connection.execute(text("CREATE TABLE big (x)"))
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes) == {"ledger.db", "ledger.db.lock", "ledger.db-journal"}
    assert set(modes.values()) == {0o600}


def test_a_ledger_that_was_killed_in_the_making_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "ledger.db.new").write_bytes(b"half")
    (tmp_path / "ledger.db.new-journal").write_bytes(b"of it")
    open_store(f"sqlite:///{tmp_path / 'ledger.db'}", exclusive=True).close()
    assert {path.name for path in tmp_path.iterdir()} <= {"ledger.db", "ledger.db.lock"}


def test_a_pooler_that_shares_sessions_is_refused(postgres: PostgresServer) -> None:
    with (
        postgres.new_database(()) as database,
        pooled(postgres, database.name) as url,
        pytest.raises(LedgerUsageError, match="is behind a pooler that shares connections between transactions"),
    ):
        open_store(url, exclusive=True)
