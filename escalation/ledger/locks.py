"""One run at a time: the lock of a ledger, who waits for whom, and who gives way.

A quick look holds a second lock beside the ledger's own, so that whoever is kept out knows that it will not take long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from escalation.errors import LedgerError, LedgerUsageError
from escalation.ledger.address import Address
from escalation.ledger.records import Look

# Any number will do, as long as no other program on the database uses it.
_ADVISORY_LOCK = 7_243_150_922
_QUICK_LOCK = _ADVISORY_LOCK + 1
PATIENCE_SECONDS = 600.0
"""So long a quick look is waited for."""
_POLL_SECONDS = 0.2

Taken = Callable[[], bool]
"""Tries once to take a lock."""


class BusyError(LedgerError):
    """Another run holds the ledger."""


@contextmanager
def locked(address: Address, engine: Engine, look: Look) -> Iterator[Callable[[], None] | None]:
    """The lock of exclusive openings; a server's can be lost, so there is a function that raises if it was."""
    holder = _in_file(address.file, address.where) if address.file is not None else _on_server(engine, address.where)
    with holder as (take, take_quick, give_quick, check):
        busy = BusyError(f"{address.where} is used by another run; wait until that has ended")
        if look == "quick":
            if not take_quick() or not take():
                raise busy
        elif not _taken_in_time(take, take_quick, give_quick):
            raise busy
        yield check


def _taken_in_time(take: Taken, take_quick: Taken, give_quick: Callable[[], object]) -> bool:
    """Take the ledger, at once or after the quick look that holds it; False where another run does."""
    for _ in range(int(PATIENCE_SECONDS / _POLL_SECONDS)):
        if take():
            return True
        if take_quick():
            # No quick look is at work. One that ended between the two questions has left the ledger free.
            give_quick()
            return take()
        time.sleep(_POLL_SECONDS)
    return False


_Holder = tuple[Taken, Taken, Callable[[], object], Callable[[], None] | None]


@contextmanager
def _in_file(file: Path, where: str) -> Iterator[_Holder]:
    folder = file.absolute().parent
    if not folder.is_dir():
        raise LedgerError(f"{where} cannot be opened; create its folder {folder}")
    if not os.access(folder, os.W_OK):
        raise LedgerError(f"{where} cannot be written; give this user the right to write in {folder}")
    main, quick = (FileLock(f"{file}.{name}", mode=0o600) for name in ("lock", "quick.lock"))
    with ExitStack() as stack:
        stack.callback(quick.release)
        stack.callback(main.release)
        yield (lambda: _acquired(main, where)), (lambda: _acquired(quick, where)), quick.release, None


def _acquired(lock: FileLock, where: str) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except NotImplementedError as error:
        raise LedgerError(f"{where} cannot be locked on this file system; name a place on a local disk") from error
    except OSError as error:
        raise LedgerError(f"{where} cannot be written ({error.strerror}); name a place that can be") from error
    return True


@contextmanager
def _on_server(engine: Engine, where: str) -> Iterator[_Holder]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _check_unshared(connection, engine, where)

        def ask(what: str, key: int) -> bool:
            return bool(connection.scalar(text(f"SELECT {what}(:key)"), {"key": key}))

        connection.execute(text("SET idle_session_timeout = 0"))
        try:
            yield (
                lambda: ask("pg_try_advisory_lock", _ADVISORY_LOCK),
                lambda: ask("pg_try_advisory_lock", _QUICK_LOCK),
                lambda: ask("pg_advisory_unlock", _QUICK_LOCK),
                lambda: _check_held(connection, where),
            )
        finally:
            # The server ends a session a moment after we have left it, and the next run may be at the door. A lost one holds nothing.
            with suppress(SQLAlchemyError):
                connection.execute(text("SELECT pg_advisory_unlock_all()"))


def _check_unshared(connection: Connection, engine: Engine, where: str) -> None:
    """Raise LedgerUsageError behind a pooler that gives a session's server connection away: no lock would be our own.

    A pooler answers in a server's name, so the server's own number of the connection is another than the one announced.
    """
    raw: Any = connection.connection.dbapi_connection
    number = text("SELECT pg_backend_pid()")
    mine = connection.scalar(number)
    if mine == raw.info.backend_pid:
        return
    with engine.connect() as other:
        if other.scalar(number) == mine or connection.scalar(number) != mine:
            raise LedgerUsageError(
                f"{where} is behind a pooler that shares connections between transactions, so no run could keep others "
                "out; name the server itself, or a pool of whole sessions"
            )


def _check_held(connection: Connection, where: str) -> None:
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    if not connection.scalar(text(held)):
        raise LedgerError(f"{where} no longer keeps other runs out; connect to the server itself, then run again")
