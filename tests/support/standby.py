"""A hot standby of the test server, for as long as a test needs one."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import PostgresServer, candidate_installations
from tests.support.postgres_process import (
    SERVER_ENVIRONMENT,
    SERVER_SETTINGS,
    _free_port,
    _parent_of_server_dirs,
    _server_credentials,
)

SECONDS = 60


@contextlib.contextmanager
def hot_standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A standby that follows `primary`; it gives no query up except in `giving_up_at_once`."""
    programs = _programs(primary)
    if primary.socket_directory is None or programs is None:
        pytest.skip("no pg_basebackup of the test server's version")
    credentials = _server_credentials()
    folder = Path(tempfile.mkdtemp(prefix="hearthwatch-standby-", dir=_parent_of_server_dirs()))
    if credentials:
        shutil.chown(folder, credentials["user"], credentials["group"])
    standby = replace(primary, socket_directory=str(folder), port=_free_port())
    place = ("-h", primary.socket_directory, "-p", str(primary.port), "-U", primary.user)
    copy: list[str | Path] = [
        programs / "pg_basebackup",
        *place,
        "-D",
        folder / "data",
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
        "--no-sync",
    ]
    settings = {
        **SERVER_SETTINGS,
        "port": str(standby.port),
        "unix_socket_directories": str(folder),
        "wal_receiver_status_interval": "1s",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    try:
        subprocess.run(copy, cwd="/", env=SERVER_ENVIRONMENT, check=True, capture_output=True, **credentials)
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", *options],
                cwd="/",
                env=SERVER_ENVIRONMENT,
                stdout=log,
                stderr=log,
                **credentials,
            )
        try:
            _wait(standby)
            _wait_for_queries(standby, "-1")
            yield standby
        finally:
            server.terminate()
            server.kill()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def giving_up_at_once(standby: PostgresServer) -> Iterator[None]:
    """A query is given up where replaying would have to wait for it: whatever else the primary writes would do it, too."""
    _wait_for_queries(standby, "0")
    try:
        yield
    finally:
        _wait_for_queries(standby, "-1")


def _wait_for_queries(standby: PostgresServer, milliseconds: str) -> None:
    with psycopg.connect(standby.admin_url, autocommit=True) as admin:
        admin.execute(f"ALTER SYSTEM SET max_standby_streaming_delay = {milliseconds}".encode())
        admin.execute("SELECT pg_reload_conf()")
        # No view tells what the replaying process has read.
        admin.execute("SELECT pg_sleep(0.2)")


def catch_up(primary: PostgresServer, standby: PostgresServer) -> None:
    """Wait until the standby has replayed all that the primary has written."""
    with (
        psycopg.connect(primary.admin_url, autocommit=True) as one,
        psycopg.connect(standby.admin_url, autocommit=True) as two,
    ):
        # A commit that waits for the disk takes along what others have not yet written.
        one.execute("SET synchronous_commit = 'local'")
        one.execute("SELECT pg_logical_emit_message(true, 'flush', '')")
        (written,) = one.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if two.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [written]).fetchone() == (True,):
                return
            time.sleep(0.02)
    pytest.fail("the standby does not follow")


def _programs(primary: PostgresServer) -> Path | None:
    with psycopg.connect(primary.admin_url) as connection:
        major = connection.info.server_version // 10_000
    for installation in candidate_installations():
        program = installation.bin_dir / "pg_basebackup"
        if program.exists():
            version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
            if f" {major}." in version:
                return installation.bin_dir
    return None


def _wait(standby: PostgresServer) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            psycopg.connect(standby.admin_url).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
