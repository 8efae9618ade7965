"""Real runs of the program that are really killed: forked, everything imported, from one process that does nothing else.

A fork saves the second that a Python program takes to import its libraries, and another one in which the first scan of a process
writes its statements: the process has scanned once when it is asked for the first run. What runs in a fork is `cli.main`, as for the
installed command, and what ends it is SIGKILL. It can be killed after some seconds, or before its n-th step: whatever
may change something outside the process (files, the ledger's statements and commits, bytes to and from a server). A scan changes nothing; its
result is kept, so that the next run of the same scan need not look again.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

import channels.http
import cli
import commands.nightly
import commands.quick
from detectors.contract import Context, Window
from detectors.engine.runner import scan
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source

REPOSITORY = Path(__file__).parents[2]
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_FILE_STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "fcntl.flock", "sqlite3.connect"}


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, negative for the signal that killed it, its output, and its steps (if it lived)."""

    code: int
    output: str
    steps: tuple[str, ...]

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass(frozen=True)
class Nursery:
    """The process that runs are forked from; they work in `folder`."""

    process: subprocess.Popen[str]
    folder: Path

    def run(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        die_at: int | None = None,
        die_after: float | None = None,
        by: signal.Signals = signal.SIGKILL,
        whole: bool = False,
    ) -> Ended:
        """`hearthwatch` with the arguments, killed before step `die_at` (from 1), or sent a signal after `die_after` seconds.

        `whole` says that a scan is to be made even if its result is known.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        wanted = {"arguments": arguments, "environment": dict(environment or {}), "die_at": die_at}
        self.process.stdin.write(json.dumps({**wanted, "die_after": die_after, "by": by, "whole": whole}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Ended(answer["code"], answer["output"], tuple(answer["steps"]))


@contextmanager
def nursery(folder: Path, scans: Path) -> Iterator[Nursery]:
    """A nursery whose runs work in `folder` and keep the results of scans in `scans`."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.nursery", str(folder), str(scans)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        try:
            yield Nursery(process, folder)
        finally:
            assert process.stdin is not None
            process.stdin.close()


# --- in the nursery's process


def main() -> None:
    """Fork a run for each line of standard input, and say how it ended."""
    home, scans = map(Path, sys.argv[1:])
    warm = False
    for line in sys.stdin:
        wanted = json.loads(line)
        if not warm:
            _scan_once(wanted["arguments"])
            warm = True
        told, output = home / ".steps", home / ".output"
        for left in (told, output):
            left.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            _live(wanted, home, scans, told, output)
        if wanted["die_after"] is not None:
            time.sleep(wanted["die_after"])
            os.kill(child, wanted["by"])
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        # Whoever was killed may not have begun to say anything, or was in the middle of it.
        steps = json.loads(told.read_text()) if code >= 0 and told.exists() else []
        said = output.read_text(errors="replace") if output.exists() else ""
        answer = {"code": code, "output": said, "steps": steps}
        print(json.dumps(answer), flush=True)


def _scan_once(arguments: Sequence[str]) -> None:
    """Scan what a run will, so that its fork finds the statements written. Nothing of it stays but these."""
    named = dict(pairwise(arguments))
    if not os.path.isdir(named.get("--source", "")):  # noqa: PTH112  # it may be an address
        return
    as_of = datetime.fromisoformat(named["--as-of"])
    context = Context(as_of, Window(as_of - timedelta(days=1), as_of))
    with open_source(named["--source"], SourceMapping()) as source:
        scan(source, DETECTORS, context)
    while threading.active_count() > 1:
        time.sleep(0.01)


def _live(wanted: Mapping[str, Any], home: Path, scans: Path, told: Path, output: Path) -> None:
    """Be the program. Never returns."""
    code = 70
    try:
        os.chdir(home)
        os.environ.update(wanted["environment"])
        channels.http.PAUSES = (0.01, 0.01)
        for number in (1, 2):
            os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), number)
        steps = Steps(wanted["die_at"])
        _keep_scans(scans, steps, fresh=wanted["whole"])
        steps.watch()
        try:
            cli.main(wanted["arguments"])
        except SystemExit as end:
            code = int(end.code or 0)
        steps.watching = False
        sys.stdout.flush()
        told.write_text(json.dumps(steps.seen))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@dataclass
class Steps:
    """Counts what the main thread does to the world, and dies before step `die_at`."""

    die_at: int | None
    seen: list[str] = field(default_factory=list)
    watching: bool = False

    def __call__(self, name: str) -> None:
        if not self.watching or threading.current_thread() is not threading.main_thread():
            return
        self.seen.append(name)
        if len(self.seen) == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Begin to count."""
        sys.addaudithook(self._audited)
        os.fsync = self._before(os.fsync, "fsync")
        for name in ("send", "sendall", "recv", "recv_into"):
            setattr(socket.socket, name, self._before(getattr(socket.socket, name), f"socket {name}"))
        event.listen(Engine, "before_cursor_execute", self._executed)
        for name in ("commit", "rollback"):
            event.listen(Engine, name, self._ended(name))
        self.watching = True

    def _audited(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in _FILE_STEPS or (name == "open" and arguments[2] is not None and arguments[2] & _WRITING):
            self(f"{name} {arguments[0]}")

    def _before(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self(name)
            return function(*arguments, **named)

        return counted

    def _executed(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if isinstance(cursor, sqlite3.Cursor) and not statement.startswith(("SELECT", "PRAGMA", "BEGIN")):
            self(statement.split("(", maxsplit=1)[0])

    def _ended(self, name: str) -> Callable[[Any], None]:
        def counted(connection: Any) -> None:
            if connection.dialect.name == "sqlite":
                self(name)

        return counted


def _keep_scans(folder: Path, steps: Steps, *, fresh: bool) -> None:
    """Let a night, or a quick look, read the result of a scan that was made before."""
    runs: tuple[Any, ...] = (commands.nightly, commands.quick)
    really = runs[0].scanned

    def scanned(settings: Any, policy: Any, context: Any, detectors: Any, **more: Any) -> Any:
        key = repr((settings.source, context, sorted(more["recheck"].items())))
        path = folder / hashlib.sha256(key.encode()).hexdigest()
        if path.exists() and not fresh:
            return pickle.loads(path.read_bytes())  # noqa: S301  # what an earlier run wrote below
        found = really(settings, policy, context, detectors, **more)
        if not fresh:
            steps.watching = False
            path.write_bytes(pickle.dumps(found))
            steps.watching = True
        return found

    for run in runs:
        run.scanned = scanned


if __name__ == "__main__":
    main()
