"""What a command costs: wall seconds, peak memory of its processes, and CPU seconds of a PostgreSQL on this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

SETTLING_SECONDS = 0.3
"""Backends end a moment after their client."""


class CommandFailedError(Exception):
    """A tool ended with an error."""


@dataclass(frozen=True)
class Cost:
    """Wall and server CPU seconds (None where the server is elsewhere), and the client's peak memory in megabytes."""

    wall: float
    server_cpu: float | None
    peak_mb: float


@dataclass(frozen=True)
class LocalServer:
    """The CPU time of a server on this machine, by its processes: the postmaster and its children, alive and reaped."""

    postmaster: int

    def cpu_seconds(self) -> float:
        reaped = _times(self.postmaster)[2:]
        alive = (_times(child) for child in self._children())
        return sum(reaped) + sum(sum(times) for times in alive)

    def _children(self) -> Iterator[int]:
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and _parent(int(process.name)) == self.postmaster:
                    yield int(process.name)


def local_server(connection: psycopg.Connection) -> LocalServer | None:
    """The server at the other end of `connection`, if its processes can be seen from here."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    backend = int(row[0]) if row else 0
    # A server elsewhere has such a number too, so the process must say that it serves this very database.
    try:
        title = Path(f"/proc/{backend}/cmdline").read_text()
        ours = title.startswith("postgres:") and f" {connection.info.user} {connection.info.dbname} " in title
        return LocalServer(_parent(backend)) if ours else None
    except OSError:
        return None


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    server: LocalServer | None,
    *,
    accepted: Sequence[int] = (0,),
) -> Cost:
    """Run `command` with what it says going to `log`. Raises CommandFailedError if its exit code is not among `accepted`."""
    before = server.cpu_seconds() if server else 0.0
    with log.open("w") as said:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=dict(environment), stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accepted:
        raise CommandFailedError(f"{' '.join(command)}\nended with {process.returncode}:\n{log.read_text()[-3000:]}")
    time.sleep(SETTLING_SECONDS)
    spent = server.cpu_seconds() - before if server else None
    return Cost(wall, spent, usage.ru_maxrss / 1024)


def _fields(process: int) -> list[str]:
    # The second field is the program's name in parentheses, which may hold blanks.
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _parent(process: int) -> int:
    return int(_fields(process)[1])


def _times(process: int) -> tuple[float, ...]:
    """Seconds: its own user and system time, then those of its children that it has waited for."""
    try:
        return tuple(int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in _fields(process)[11:15])
    except OSError:
        return (0.0, 0.0, 0.0, 0.0)
