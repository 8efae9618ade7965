"""Opening the ledger's database: schema, lock, and errors that say in one line what is wrong and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from escalation.schema import METADATA

# Any number will do, as long as no other program on the database uses it.
_ADVISORY_LOCK = 7_243_150_922


_NONE = "there is no ledger at {where}; `hearthwatch run` makes it, or name another one with --ledger"


class LedgerError(Exception):
    """The ledger cannot be used: one line with the reason and the remedy, without passwords."""


class LedgerUsageError(LedgerError):
    """The ledger is fine, but not what it was asked for: another address or time is needed."""


class Store:
    """A ledger's database, open. `begin` gives transactions; `close` lets other runs in."""

    def __init__(
        self, engine: Engine, where: str, cleanup: Callable[[], None], check_lock: Callable[[], None] | None
    ) -> None:
        self._engine = engine
        self.where = where
        self._cleanup = cleanup
        self._check_lock = check_lock

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back on any error.

        Raises LedgerError for the database's own, and where an exclusive opening is no longer exclusive.
        """
        with _one_line(self.where):
            if self._check_lock is not None:
                self._check_lock()
            with self._engine.begin() as connection:
                yield connection

    def close(self) -> None:
        self._cleanup()


def open_store(url: str, *, exclusive: bool, create: bool = True) -> Store:
    """The database at `url` (sqlite:///FILE or postgresql://…), created or brought to this program's schema.

    With `exclusive` no other exclusive opening succeeds until this one is closed or its process ends, however it ends.
    Without `create` there must be a ledger already.

    Raises:
        LedgerError: unreachable, unwritable, full, locked by another run, or of a newer program.
        LedgerUsageError: no ledger can be there, none is there, or what is there is another program's.
    """
    parsed = _parse(url)
    where = parsed.render_as_string(hide_password=True)
    with ExitStack() as stack, _one_line(where):
        if not create and parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
            raise LedgerUsageError(_NONE.format(where=where))
        engine = _engine(parsed)
        stack.callback(engine.dispose)
        _check_owner(engine, where, create=create)
        check_lock = None
        if exclusive:
            check_lock = stack.enter_context(_lock(parsed, engine, where))
            _upgrade(engine, where)
        elif not _is_current(engine, where):
            with _lock(parsed, engine, where):
                _upgrade(engine, where)
        cleanup = stack.pop_all().close
    return Store(engine, where, cleanup, check_lock)


def _check_owner(engine: Engine, where: str, *, create: bool) -> None:
    """Raise LedgerUsageError for a database that is not ours to change, or that holds no ledger where there must be one."""
    if engine.url.get_backend_name() == "sqlite" and not Path(engine.url.database or "").exists():
        return
    with engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
    if "alembic_version" in names and "nights" in names:
        return
    # A schema of PostgreSQL may be shared, a file is one program's.
    foreign = names if engine.url.get_backend_name() == "sqlite" else names & {"alembic_version", *METADATA.tables}
    if foreign:
        raise LedgerUsageError(f"{where} holds tables of another program; name a database of Hearthwatch's own")
    if not create:
        raise LedgerUsageError(_NONE.format(where=where))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise LedgerUsageError(
            "the ledger's address is no URL; write sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise LedgerUsageError(
            f"a ledger cannot be kept in {backend}; write sqlite:///FILE or postgresql://USER@HOST/NAME"
        )
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        # The lock's connection is silent while a scan runs; nobody on the way to the server is to take it for dead.
        return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10, "keepalives_idle": 60})
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": 10})

    # Without these two, Python's sqlite3 would commit before each statement that changes the schema.
    @event.listens_for(engine, "connect")
    def _no_implicit_transactions(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@contextmanager
def _lock(url: URL, engine: Engine, where: str) -> Iterator[Callable[[], None] | None]:
    """The lock of exclusive openings; a server's can be lost, so there is a function that raises if it was."""
    taken = f"{where} is used by another run; wait until that has ended"
    if url.get_backend_name() == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}):
                raise LedgerError(taken)
            connection.execute(text("SET idle_session_timeout = 0"))
            yield lambda: _check_held(connection, where)
        return
    if not url.database:
        raise LedgerUsageError("the ledger needs a file; write sqlite:///FILE")
    folder = Path(url.database).absolute().parent
    if not folder.is_dir():
        raise LedgerError(f"{where} cannot be opened; create its folder {folder}")
    if not os.access(folder, os.W_OK):
        raise LedgerError(f"{where} cannot be written; give this user the right to write in {folder}")
    lock = FileLock(f"{url.database}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise LedgerError(taken) from error
    except OSError as error:
        raise LedgerError(f"{where} cannot be written ({error.strerror}); name a place that can be") from error
    try:
        yield None
    finally:
        lock.release()


def _check_held(connection: Connection, where: str) -> None:
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    if not connection.scalar(text(held)):
        raise LedgerError(f"{where} no longer keeps other runs out; connect to the server itself, then run again")


def _scripts() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", "escalation:migrations")
    config.set_main_option("path_separator", "os")
    return config, ScriptDirectory.from_config(config)


def _is_current(engine: Engine, where: str) -> bool:
    _, scripts = _scripts()
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise LedgerError(f"{where} was written by a newer version of Hearthwatch; install that version")
    return current == scripts.get_current_head()


def _upgrade(engine: Engine, where: str) -> None:
    if _is_current(engine, where):
        return
    config, _ = _scripts()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


_REMEDIES = (
    ("readonly database", "cannot be written; give this user the right to write the file and its folder"),
    ("unable to open database file", "cannot be opened; create its folder, or give this user the right to write there"),
    ("disk is full", "has no space left; free some, then run again: nothing was lost"),
    ("no space left", "has no space left; free some, then run again: nothing was lost"),
    ("file is not a database", "is no SQLite file; name another file"),
    ("database is locked", "is used by another program; wait until that has ended"),
    ("disk i/o error", "cannot be read or written (input/output error); check the disk"),
    ("permission denied", "refuses this role; grant it CREATE on the schema, and all rights on the ledger's tables"),
    ("terminating connection", "has closed the connection; run again: nothing was lost"),
    ("server closed the connection", "has closed the connection; run again: nothing was lost"),
    ("password authentication failed", "refuses the password; correct it in the ledger's URL"),
)


@contextmanager
def _one_line(where: str) -> Iterator[None]:
    try:
        yield
    except (NoSuchModuleError, SQLAlchemyError) as error:
        cause = " ".join(str(getattr(error, "orig", None) or error).split())
        said = next((remedy for sign, remedy in _REMEDIES if sign in cause.lower()), None)
        raise LedgerError(f"{where} {said or f'cannot be used: {cause}'}") from error
