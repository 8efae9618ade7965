"""Opening the ledger's database: schema, lock, and errors that say in one line what is wrong and what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import InvalidRequestError, NoSuchModuleError, SQLAlchemyError

from detectors.source.urls import cause_of, refusal, sqlstate
from escalation.errors import LedgerError, LedgerUsageError, NoLedgerError
from escalation.ledger.address import Address, address_of, check_file, file_engine
from escalation.ledger.locks import locked
from escalation.ledger.records import Look
from escalation.ledger.schema import METADATA, REVISION
from escalation.ledger.undamaged import DamageError


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


def open_store(url: str, *, exclusive: bool, create: bool = True, look: Look = "night", upgrade: bool = True) -> Store:
    """The database at `url` (sqlite:///FILE or postgresql://…), created or brought to this program's schema.

    With `exclusive` no other exclusive opening succeeds until this one is closed or its process ends, however it ends.
    Whoever finds it held by a quick `look` waits for that, which gives way itself. Without `create` there must be a ledger
    already, and without `upgrade` one of this program's own schema.

    Raises:
        LedgerError: unreachable, unwritable, full, locked by another run (BusyError), or of a newer program.
        LedgerUsageError: no ledger can be there, none is there, or what is there is another program's.
    """
    address = address_of(url)
    where = address.where
    with ExitStack() as stack, _one_line(where):
        if address.file is not None:
            check_file(address.file, where)
            if not create and not address.file.exists():
                raise NoLedgerError(where)
        engine = address.engine()
        stack.callback(engine.dispose)
        _check_owner(address, engine, create=create)
        check_lock = None
        if exclusive:
            check_lock = stack.enter_context(locked(address, engine, look))
            _upgrade(address, engine)
            if address.file is not None:
                _check_whole(engine)
        elif not _is_current(address, engine):
            if not upgrade:
                raise LedgerUsageError(
                    f"{where} was written by an older version of Hearthwatch; the next run brings it up to date"
                )
            with locked(address, engine, look):
                _upgrade(address, engine)
        cleanup = stack.pop_all().close
    return Store(engine, where, cleanup, check_lock)


def _check_owner(address: Address, engine: Engine, *, create: bool) -> None:
    """Raise LedgerUsageError for a database that is not ours to change, or that holds no ledger where there must be one."""
    if address.file is not None and not address.file.exists():
        return
    with engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
    if "alembic_version" in names and "nights" in names:
        return
    # A schema of PostgreSQL may be shared, a file is one program's.
    foreign = names if address.file is not None else names & {"alembic_version", *METADATA.tables}
    if foreign:
        raise LedgerUsageError(f"{address.where} holds tables of another program; name a database of Hearthwatch's own")
    if not create:
        raise NoLedgerError(address.where)


def _check_whole(engine: Engine) -> None:
    """Raise DamageError for a file whose pages, indexes or references contradict each other: what it lost would be told anew."""
    with engine.connect() as connection:
        if connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar() != "ok":
            raise DamageError
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
            raise DamageError


def _is_current(address: Address, engine: Engine) -> bool:
    if address.file is not None and not address.file.exists():
        return False
    with engine.connect() as connection:
        there = inspect(connection).has_table("alembic_version")
        if there and connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == REVISION:
            return True
    from escalation.ledger.upgrade import is_newer  # noqa: PLC0415  # nearly always it is current, and somebody waits

    if is_newer(engine):
        raise LedgerError(f"{address.where} was written by a newer version of Hearthwatch; install that version")
    return False


def _upgrade(address: Address, engine: Engine) -> None:
    if _is_current(address, engine):
        return
    if address.file is not None and not address.file.exists():
        _make(address.file)
    else:
        _migrate(engine)


def _make(file: Path) -> None:
    """A new ledger, for this user alone, which is there in whole or not at all. The lock is held."""
    beside = Path(f"{file}.new")
    for left in (beside, Path(f"{beside}-journal")):
        left.unlink(missing_ok=True)
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        engine = file_engine(beside)
        try:
            _migrate(engine)
        finally:
            engine.dispose()
        beside.rename(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _migrate(engine: Engine) -> None:
    from escalation.ledger.upgrade import upgrade  # noqa: PLC0415  # as above

    upgrade(engine)


_DAMAGED = "is damaged; restore it from a backup"
_OF_SQLITE = (
    ("readonly database", "cannot be written; give this user the right to write the file and its folder"),
    ("unable to open database file", "cannot be opened; create its folder, or give this user the right to write there"),
    ("disk is full", "has no space left; free some, then run again: nothing was lost"),
    ("file is not a database", "is no SQLite file; name another file"),
    ("malformed", _DAMAGED),
    ("database is locked", "is used by another program; wait until that has ended"),
    ("disk i/o error", "cannot be read or written (input/output error); check the disk"),
)
"""What SQLite's message holds, and what to say of the file."""
_OF_SERVERS = (
    ("42501", "refuses this role; grant it CREATE on the schema, and all rights on the ledger's tables"),
    ("3F", "has no schema to write in for this role; create one, or set its search_path"),
    ("25006", "cannot be written, as it is a standby or read-only; name the primary"),
    ("53100", "has no space left; free some, then run again: nothing was lost"),
    ("53", "has no memory or connection left; try again later"),
    ("57", "has closed the connection; run again: nothing was lost"),
    ("08", "has closed the connection; run again: nothing was lost"),
    ("55P03", "is locked by somebody else; wait until that has ended"),
    ("42P05", "is behind a pooler that mixes sessions up; name the server itself"),
    ("26", "is behind a pooler that mixes sessions up; name the server itself"),
)
"""The beginning of the SQLSTATE, and what to say of the database."""


@contextmanager
def _one_line(where: str) -> Iterator[None]:
    try:
        yield
    except (NoSuchModuleError, SQLAlchemyError) as error:
        raise LedgerError(f"{where} {_said_of(error)}") from error
    except DamageError as error:
        raise LedgerError(f"{where} {_DAMAGED}") from error


def _said_of(error: SQLAlchemyError) -> str:
    cause = cause_of(error)
    state = sqlstate(error)
    if state and "pooling" not in str(cause):
        known = (said for sign, said in _OF_SERVERS if state.startswith(sign))
        return next(known, f"cannot be used (SQLSTATE {state}); see the server's log")
    if isinstance(cause, sqlite3.Error):
        message = str(cause).lower()
        known = (said for sign, said in _OF_SQLITE if sign in message)
        return next(known, f"cannot be used ({getattr(cause, 'sqlite_errorname', 'SQLite')}); is it damaged?")
    if isinstance(error, InvalidRequestError) or "closed the connection" in str(cause):
        return "has closed the connection; run again: nothing was lost"
    return f"cannot be used: {refusal(error)}"
