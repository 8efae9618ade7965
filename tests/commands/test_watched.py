"""What a run leaves for those who watch the cron job: metrics, and a heartbeat to a real server."""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from channels.heartbeat import QUICK_URL, URL
from cli import main
from escalation.ledger.ledger import open_ledger
from tests.support.towns import Town, write_csv

FIRST, SECOND = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z"
Values = dict[tuple[str, ...], float]


@pytest.fixture
def source(tmp_path: Path) -> str:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.home("oak")["leader_id"] = None
    (tmp_path / "town").mkdir()
    return str(write_csv(tmp_path / "town", town.tables()))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hearthwatch.prom"


def run(source: str, *more: str, as_of: str = FIRST) -> Result:
    return CliRunner().invoke(main, ["run", "--source", source, "--as-of", as_of, *more])


def metrics(file: Path) -> Values:
    families = text_string_to_metric_families(file.read_text(encoding="utf-8"))
    return {
        (sample.name.removeprefix("hearthwatch_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_night_in_numbers(source: str, file: Path) -> None:
    assert run(source, "--metrics", str(file)).exit_code == 0
    seen = metrics(file)
    assert seen["run_exit_code",] == 0
    assert seen["complete",] == 1
    assert seen["findings", "no-leader", "P0", "engineering"] == 1
    assert seen["tickets_open", "engineering"] == 1
    assert seen["rows", "households"] == 1
    assert seen["detectors", "ran"] > 20
    assert (seen["undelivered",], seen["tickets_overdue",]) == (0, 0)
    assert seen["last_success_timestamp_seconds",] == seen["run_timestamp_seconds",] > 1.7e9
    assert 0 < seen["run_seconds",] < 60
    assert [path.name for path in file.parent.glob("*.prom*")] == [file.name]


def test_a_night_that_fails_keeps_the_time_of_the_last_good_one(source: str, file: Path) -> None:
    run(source, "--metrics", str(file))
    good = metrics(file)
    failed = run("/no/such/folder", "--metrics", str(file), as_of=SECOND)
    assert failed.exit_code == 3
    seen = metrics(file)
    assert seen["run_exit_code",] == 3
    assert seen["last_success_timestamp_seconds",] == good["last_success_timestamp_seconds",]
    assert not any(key[0] in ("findings", "tickets_open", "complete") for key in seen)


def test_what_was_not_delivered_counts(source: str, file: Path, elsewhere: Path) -> None:
    (elsewhere / "out").write_text("in the way")
    assert run(source, "--metrics", str(file)).exit_code == 5
    seen = metrics(file)
    assert (seen["run_exit_code",], seen["undelivered",]) == (5, 1)
    assert ("last_success_timestamp_seconds",) not in seen


@pytest.mark.parametrize("before", ["", "no metrics at all {", "hearthwatch_last_success_timestamp_seconds nonsense\n"])
def test_whatever_stood_in_the_file_before(source: str, file: Path, before: str) -> None:
    file.write_text(before)
    assert run("/no/such/folder", "--metrics", str(file)).exit_code == 3
    assert metrics(file)["run_exit_code",] == 3


def test_a_file_that_cannot_be_written_changes_nothing(source: str, tmp_path: Path) -> None:
    ended = run(source, "--metrics", str(tmp_path / "nowhere" / "x.prom"))
    assert ended.exit_code == 0
    assert "no metrics written: No such file or directory" in ended.stderr


@pytest.mark.parametrize("kind", ["folder", "link", "pipe", "device"])
def test_nothing_but_a_file_is_replaced(source: str, tmp_path: Path, kind: str) -> None:
    path, victim = tmp_path / "x.prom", tmp_path / "victim"
    victim.write_text("precious")
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(victim)
        case "pipe":
            os.mkfifo(path)
        case _:
            try:
                os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
            except PermissionError:
                pytest.skip("only root makes devices")
    before = path.lstat()
    ended = run(source, "--metrics", str(path))
    if kind == "folder":
        assert ended.exit_code == 2
    else:
        assert ended.exit_code == 0
        assert f"no metrics written: {path}: is a {kind}" in ended.stderr
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert victim.read_text() == "precious"


def test_a_new_file_is_private_and_one_that_is_there_keeps_its_rights(source: str, file: Path) -> None:
    before = os.umask(0)
    try:
        run(source, "--metrics", str(file))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        file.chmod(0o640)
        run(source, "--metrics", str(file), as_of=SECOND)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


class Listener(HTTPServer):
    """Somebody who waits for heartbeats; `answer` is the status that they get."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[str, str]] = []
        self.answer = 200
        self.url = f"http://127.0.0.1:{self.server_address[1]}/ping/a-secret"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append((self.path, said.strip()))
        self.send_response(self.server.answer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Tests show what they need themselves."""


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv(URL, server.url)
        yield server
        server.shutdown()
        thread.join()


def test_a_heartbeat_says_how_the_run_ended(source: str, listener: Listener) -> None:
    run(source)
    run(source, "--fail-on", "P0", as_of=SECOND)
    run("/no/such/folder", as_of=SECOND)
    run(source, as_of=FIRST)
    assert listener.heard == [
        ("/ping/a-secret", "exit code 0"),
        ("/ping/a-secret", "exit code 10"),
        ("/ping/a-secret/fail", "exit code 3"),
        ("/ping/a-secret/fail", "exit code 2"),
    ]


@pytest.mark.parametrize("trouble", ["refused", "gone"])
def test_a_heartbeat_that_fails_is_a_warning_without_the_address(
    source: str,
    listener: Listener,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener.answer = 500
    if trouble == "gone":
        monkeypatch.setenv(URL, "http://127.0.0.1:9/ping/a-secret")
    with caplog.at_level(logging.DEBUG):
        ended = run(source, "--verbose")
    assert ended.exit_code == 0
    assert "warning: no heartbeat sent" in ended.stderr
    assert not re.search(r"\w+(Error|Timeout|URL)\b", ended.stderr.replace(URL, ""))
    assert "a-secret" not in ended.output + caplog.text


def test_a_heartbeat_from_a_file_and_one_that_is_none(
    source: str, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URL)
    (tmp_path / "url").write_text(listener.url + "\n")
    monkeypatch.setenv(f"{URL}_FILE", str(tmp_path / "url"))
    assert run(source).exit_code == 0
    assert len(listener.heard) == 1
    monkeypatch.setenv(URL, "a-secret")
    refused = run(source)
    assert refused.exit_code == 2
    assert "a-secret" not in refused.output


def test_a_quick_look_has_a_heartbeat_and_metrics_of_its_own(
    source: str, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night, quick = tmp_path / "night.prom", tmp_path / "quick.prom"
    monkeypatch.setenv("HEARTHWATCH_METRICS", str(night))
    monkeypatch.setenv("HEARTHWATCH_QUICK_METRICS", str(quick))
    monkeypatch.setenv(QUICK_URL, f"{listener.url}/quick")
    run(source)
    before = night.read_bytes()
    run(source, "--quick", as_of="2026-02-03T09:00:00Z")
    # Who gives way has not looked, and says nothing.
    with open_ledger("sqlite:///hearthwatch.db"):
        run(source, "--quick", as_of="2026-02-03T09:05:00Z")
    assert [path for path, _ in listener.heard] == ["/ping/a-secret", "/ping/a-secret/quick"]
    assert night.read_bytes() == before
    names = {family.name for family in text_string_to_metric_families(quick.read_text())}
    assert "hearthwatch_quick_last_success_timestamp_seconds" in names
    assert all(name.startswith("hearthwatch_quick_") for name in names)
