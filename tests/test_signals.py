"""Real processes that get real signals: they end in order, with the code of the table, whatever they were waiting for."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from channels.heartbeat import URL
from commands.logs import start_logging
from tests.support.postgres import Database, load
from tests.support.towns import Town, write_csv

AS_OF = "2026-02-03T03:00:00Z"
SIGNALS = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130}


class Listener(HTTPServer):
    """Somebody who waits for heartbeats."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/ping"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append(f"{self.path} {said.strip()}")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Tests show what they need themselves."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@dataclass
class Runs:
    """Starts `hearthwatch` in a folder of its own."""

    home: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **environment},
        )
        self.started.append(process)
        return process


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    home = tmp_path / "home"
    home.mkdir()
    runs = Runs(home)
    yield runs
    for process in runs.started:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """Whoever starts the tests with nohup, or in the background, has signals ignored, by all that is started here too."""
    ignored = [number for number in SIGNALS if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def slow(restored_petforce_db: Database) -> Database:
    """A database in which looking at the members takes a minute."""
    town = Town()
    town.family("oak", "anna", "ben")
    load(restored_petforce_db, town.tables())
    with restored_petforce_db.connect() as connection:
        connection.execute("ALTER TABLE household_members RENAME TO kept")
        connection.execute(
            "CREATE VIEW household_members AS SELECT kept.* FROM kept, (SELECT pg_sleep(60) OFFSET 0) AS slept"
        )
    return restored_petforce_db


def sleeping(database: Database) -> int:
    with database.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'"
            " AND datname = current_database()"
        ).fetchone()
    return int(row[0]) if row else 0


def until(seconds: float, holds: object) -> None:
    """Wait until `holds()` is true."""
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_in_a_slow_statement_ends_in_order(
    runs: Runs, slow: Database, listener: Listener, number: signal.Signals
) -> None:
    process = runs.start(
        "run", "--source", slow.url, "--as-of", AS_OF, "--metrics", "night.prom", **{URL: listener.url}
    )
    until(30, lambda: sleeping(slow) > 0)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == SIGNALS[number], (out, err)
    assert err == f"hearthwatch: stopped by {number.name}; what was recorded stays, and the next run carries on\n"
    assert listener.heard == [f"/ping/fail exit code {SIGNALS[number]}"]
    assert f"hearthwatch_run_exit_code {SIGNALS[number]}.0" in (runs.home / "night.prom").read_text()
    until(5, lambda: sleeping(slow) == 0)
    again = runs.start("tickets", "list", "--as-of", AS_OF)
    assert again.wait(timeout=20) == 0, "the ledger is free"


def test_ctrl_c_once_is_enough(runs: Runs, slow: Database) -> None:
    process = runs.start("scan", "--source", slow.url, "--as-of", AS_OF)
    until(30, lambda: sleeping(slow) > 0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err.count("\n") == 1
    until(5, lambda: sleeping(slow) == 0)


def test_a_run_that_waits_for_a_helpdesk_ends_in_order(runs: Runs, tmp_path: Path, listener: Listener) -> None:
    """The night is recorded; what was not sent is sent by the next run, once."""
    town = Town()
    town.family("oak", "anna", "ben")
    town.home("oak")["leader_id"] = None
    (tmp_path / "town").mkdir()
    source = str(write_csv(tmp_path / "town", town.tables()))
    silent = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    where = f"rt:http://127.0.0.1:{silent.server_address[1]}"
    given = {"HEARTHWATCH_RT_TOKEN": "token", URL: listener.url}
    process = runs.start("run", "--source", source, "--as-of", AS_OF, "--queue", where, **given)
    silent.socket.settimeout(30)
    caller, _ = silent.socket.accept()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    caller.close()
    silent.server_close()
    assert process.returncode == 143, err
    assert listener.heard == ["/ping/fail exit code 143"]
    assert runs.start("run", "--source", source, "--as-of", AS_OF).wait(timeout=30) == 0
    assert len(list((runs.home / "out" / "queue").glob("*.json"))) == 1


def test_what_nohup_ignores_stays_ignored(runs: Runs, slow: Database) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = runs.start("scan", "--source", slow.url, "--as-of", AS_OF)
    finally:
        signal.signal(signal.SIGHUP, before)
    until(30, lambda: sleeping(slow) > 0)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=10) == 143


@pytest.mark.parametrize("verbose", [False, True])
def test_a_connection_that_a_signal_closes_is_told_under_verbose_alone(
    verbose: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    start_logging(verbose=verbose)
    try:
        logging.getLogger("sqlalchemy.pool.impl.QueuePool").error("Exception closing", exc_info=KeyboardInterrupt())
        assert ("Exception closing" in capsys.readouterr().err) == verbose
    finally:
        start_logging(verbose=False)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_comes_while_python_tidies_up_is_not_lost(number: signal.Signals, times: int) -> None:
    """What is raised in a weak reference's callback is dropped: the program would go on to its end."""
    script = f"""
import os, time, weakref
from commands.stopping import StoppedError, stopped_by_signals
left = {times}
class Thing: pass
def tidied(_):
    global left
    left -= 1
    os.kill(os.getpid(), {int(number)})
    time.sleep(1)
try:
    with stopped_by_signals():
        for _ in range(100):
            if left:
                thing = Thing()
                seen = weakref.ref(thing, tidied)
                del thing
            time.sleep(0.05)
    print("went on to its end")
except StoppedError as error:
    raise SystemExit(error.exit_code)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (SIGNALS[number], "", "")
