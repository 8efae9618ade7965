"""Starts one PostgreSQL per test run and makes sure that it goes away, however the run ends.

The first process that needs the server starts it, and every process that uses it holds a shared file lock, the lease.
A small supervisor waits for the lease to come free, whichever way its holders ended (SIGKILL included), then stops the
server and removes its directory.

PostgreSQL refuses to run as root. Then the server runs as an unprivileged user that exists already, on a directory that
this user owns. Programs that this user cannot reach are copied there. No mode of an existing directory is changed.

The supervisor is this file run as a program, so nothing of the project is imported here.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO, TypedDict

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

OLDEST_SUPPORTED_MAJOR = 14
SUPERUSER = "postgres"
UNPRIVILEGED_USERS = ("postgres", "nobody")
START_TIMEOUT_SECONDS = 60
LEASE_CHECK_SECONDS = 0.1
PORT_ATTEMPTS = 3
ENOUGH_MEMORY_BYTES = 4 * 1024**3
SERVER_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
STATE_FILE = "postgres.json"
LEASE_FILE = "postgres.lease"
START_FILE = "postgres.start"

# A lost test database costs nothing, so no write waits for a disk. Without autovacuum, only the test itself touches the
# statistics. Everything else that shapes a plan (jit among it) keeps the server's default.
SERVER_SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "synchronous_commit": "off",
    "timezone": "UTC",
}


class PostgresUnavailableError(RuntimeError):
    """No PostgreSQL could be found or started; the message says what was tried."""


@dataclass(frozen=True)
class ServerAddress:
    """How to log in to a server as its superuser: through the socket without a password, on 127.0.0.1 with it."""

    socket_directory: str
    port: int
    user: str
    password: str


_Started = tuple[ServerAddress, subprocess.Popen[bytes]]


@dataclass(frozen=True)
class Installation:
    """Server programs: their folder, and the trees that a copy of them must hold (empty: not to be copied)."""

    bin_dir: Path
    trees: tuple[Path, ...] = ()

    def copied_to(self, target: Path) -> Installation:
        """The same programs below another folder; the trees keep their places relative to each other."""
        common = self.trees[0].parent
        for tree in self.trees:
            shutil.copytree(tree, target / tree.name)
        return Installation(target / self.bin_dir.relative_to(common))


@contextlib.contextmanager
def share_server(run_dir: Path, installations: Sequence[Installation]) -> Iterator[ServerAddress]:
    """The one server that belongs to a directory, started from the first usable installation if it is not running yet.

    Raises:
        PostgresUnavailableError: none of the installations gave a server.
    """
    state_file = run_dir / STATE_FILE
    supervisor = None
    with (run_dir / LEASE_FILE).open("w", encoding="utf-8") as lease:
        with (run_dir / START_FILE).open("w", encoding="utf-8") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            # This waits while a supervisor is taking a server down, so a state file that is there afterwards is true.
            fcntl.flock(lease, fcntl.LOCK_SH)
            if not state_file.exists():
                address, supervisor = _start_first_usable(run_dir, installations)
                state_file.write_text(json.dumps(asdict(address)), encoding="utf-8")
        yield ServerAddress(**json.loads(state_file.read_text(encoding="utf-8")))
    if supervisor:
        # All processes of a run end together, so this is short; afterwards nothing of the server is left.
        supervisor.wait()


class _Credentials(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _server_credentials() -> _Credentials:
    """The subprocess arguments that let a program run as the server's user (none unless we are root)."""
    if os.geteuid() != 0:
        return {}
    for name in UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise PostgresUnavailableError(f"root cannot run PostgreSQL and none of these users exists: {UNPRIVILEGED_USERS}")


def _start_first_usable(run_dir: Path, installations: Sequence[Installation]) -> _Started:
    credentials = _server_credentials()
    refusals = []
    for installation in installations:
        server_dir = Path(tempfile.mkdtemp(prefix="hearthwatch-pg-", dir=_parent_of_server_dirs()))
        try:
            reachable = _made_reachable(installation, server_dir, credentials)
            _give_to_server(server_dir, credentials)
            _make_cluster(reachable, server_dir, credentials)
            return _start(reachable, server_dir, run_dir, credentials)
        except (PostgresUnavailableError, OSError) as error:
            shutil.rmtree(server_dir, ignore_errors=True)
            refusals.append(f"{installation.bin_dir}: {error}")
    tried = "\n".join(refusals) or "no server programs found"
    raise PostgresUnavailableError(f"no PostgreSQL could be started; tried:\n{tried}")


def _parent_of_server_dirs() -> Path:
    """A folder with a short path, as a Unix socket needs; in memory where there is room.

    A database is three hundred small files, so a copy takes 10 ms in memory and up to 100 ms on a disk.
    """
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return Path("/tmp")
    return memory if shutil.disk_usage(memory).free >= ENOUGH_MEMORY_BYTES else Path("/tmp")


def _run(command: Sequence[str | Path], credentials: _Credentials, **more: Any) -> subprocess.CompletedProcess[str]:
    # The server's user may not be able to read the current directory, and PostgreSQL's programs insist on one.
    result = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **credentials, **more)
    if result.returncode != 0:
        raise PostgresUnavailableError((result.stderr or result.stdout).strip())
    return result


def _made_reachable(installation: Installation, server_dir: Path, credentials: _Credentials) -> Installation:
    """The installation, or a copy of it in the server's directory where the server's user cannot run the original."""
    try:
        version = _run([installation.bin_dir / "postgres", "--version"], credentials).stdout
    except PermissionError:
        if not installation.trees:
            raise
        return installation.copied_to(server_dir / "programs")
    found = re.search(r"\d+", version)
    if found is None or int(found.group()) < OLDEST_SUPPORTED_MAJOR:
        raise PostgresUnavailableError(f"{version.strip()} is older than {OLDEST_SUPPORTED_MAJOR}")
    return installation


def _give_to_server(server_dir: Path, credentials: _Credentials) -> None:
    if not credentials:
        return
    for path in (server_dir, *server_dir.rglob("*")):
        os.chown(path, credentials["user"], credentials["group"], follow_symlinks=False)


def _make_cluster(installation: Installation, server_dir: Path, credentials: _Credentials) -> None:
    initdb: list[str | Path] = [
        installation.bin_dir / "initdb",
        "--pgdata",
        server_dir / "data",
        "--username",
        SUPERUSER,
        "--no-sync",
    ]
    _run(
        [*initdb, "--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"],
        credentials,
        env=SERVER_ENVIRONMENT,
    )


def _start(installation: Installation, server_dir: Path, run_dir: Path, credentials: _Credentials) -> _Started:
    failures = []
    for _ in range(PORT_ATTEMPTS):
        address = ServerAddress(str(server_dir), _free_port(), SUPERUSER, secrets.token_urlsafe(12))
        supervisor = _start_supervised(_server_command(installation, address), server_dir, run_dir, credentials)
        try:
            _wait_until_ready(address, supervisor, server_dir)
        except PostgresUnavailableError as error:
            # Perhaps another program has taken the port between our look and the server's: try the next one.
            failures.append(str(error))
        else:
            return address, supervisor
    raise PostgresUnavailableError(failures[-1])


def _server_command(installation: Installation, address: ServerAddress) -> list[str]:
    settings = {**SERVER_SETTINGS, "port": str(address.port), "unix_socket_directories": address.socket_directory}
    command = [str(installation.bin_dir / "postgres"), "-D", str(Path(address.socket_directory, "data"))]
    return command + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _start_supervised(
    command: list[str], server_dir: Path, run_dir: Path, credentials: _Credentials
) -> subprocess.Popen[bytes]:
    order = {"command": command, "credentials": credentials, "server_dir": str(server_dir), "run_dir": str(run_dir)}
    with (server_dir / "log").open("ab") as log:
        return subprocess.Popen(
            # -P: the neighbours of this file must not shadow modules of the standard library.
            [sys.executable, "-P", __file__, json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(address: ServerAddress, supervisor: subprocess.Popen[bytes], server_dir: Path) -> None:
    login = make_conninfo(host=address.socket_directory, port=address.port, user=address.user, dbname="postgres")
    set_password = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
        sql.Identifier(address.user), sql.Literal(address.password)
    )
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            with psycopg.connect(login) as admin:
                admin.execute(set_password)
                return
        except psycopg.OperationalError as error:
            if supervisor.poll() is not None or time.monotonic() > deadline:
                supervisor.terminate()
                supervisor.wait()
                log = (server_dir / "log").read_text(encoding="utf-8", errors="replace")
                raise PostgresUnavailableError(f"the server did not start: {log.strip()[-2000:]}") from error
            time.sleep(0.02)


def _supervise(command: list[str], credentials: _Credentials, server_dir: Path, run_dir: Path) -> None:
    """Run the server until nobody holds the lease, then remove what it leaves. Ends when the server ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (run_dir / LEASE_FILE).open("w", encoding="utf-8") as lease:
        server = subprocess.Popen(command, cwd="/", env=SERVER_ENVIRONMENT, **credentials)
        try:
            while not _nobody_holds(lease):
                if server.poll() is not None:
                    return
                time.sleep(LEASE_CHECK_SECONDS)
            (run_dir / STATE_FILE).unlink(missing_ok=True)
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()
        shutil.rmtree(server_dir, ignore_errors=True)


def _nobody_holds(lease: TextIO) -> bool:
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    _order = json.loads(sys.argv[1])
    _supervise(_order["command"], _order["credentials"], Path(_order["server_dir"]), Path(_order["run_dir"]))
