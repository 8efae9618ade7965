"""Where a ledger is: a file of SQLite or a PostgreSQL server, and whether the file is what it should be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from detectors.source.urls import AddressError, Server, is_server, server_at
from escalation.errors import LedgerError, LedgerUsageError


@dataclass(frozen=True, slots=True)
class Address:
    """Where a ledger is: in a file, or on a server. `where` is for people and holds no secret."""

    where: str
    file: Path | None = None
    server: Server | None = None

    def engine(self) -> Engine:
        """Connections to it, each made when it is needed."""
        if self.server is not None:
            # The lock's connection is silent while a scan runs; nobody on the way to the server is to take it for dead.
            return self.server.engine()
        return file_engine(self.file or Path())


def address_of(url: str) -> Address:
    forms = "write sqlite:///FILE or postgresql://USER@HOST/NAME"
    if is_server(url):
        try:
            server = server_at(url)
        except AddressError as error:
            raise LedgerUsageError(f"the ledger's address {error}") from None
        return Address(server.label, server=server)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise LedgerUsageError(f"the ledger's address is no URL; {forms}") from None
    backend = parsed.get_backend_name()
    if backend != "sqlite":
        raise LedgerUsageError(f"a ledger cannot be kept in {backend}; {forms}" if backend.isalpha() else forms)
    if not parsed.database or parsed.database == ":memory:" or parsed.query or parsed.host:
        raise LedgerUsageError("the ledger needs a file; write sqlite:///FILE, and nothing after it")
    return Address(f"sqlite:///{parsed.database}", file=Path(parsed.database))


_MAGIC = b"SQLite format 3\0"


def check_file(file: Path, where: str) -> None:
    """Raise LedgerError for a file that is less than was written: made anew, it would forget every ticket."""
    try:
        if not file.exists():
            return
        if file.is_dir():
            raise LedgerUsageError(f"{where} is a folder; name a file in it")
        if not file.is_file():
            raise LedgerUsageError(f"{where} is no file; name another place")
        with file.open("rb") as opened:
            head = opened.read(100)
        size = file.stat().st_size
    except OSError as error:
        raise LedgerError(f"{where} cannot be read ({error.strerror}); give this user the right to") from error
    damage = (
        "restore it from a backup; a new ledger, which begins where this is moved away, knows none of the tickets that are "
        "open: it files them again and verifies none of them"
    )
    if not size:
        raise LedgerError(f"{where} is empty, which no ledger ever is: {damage}")
    if not head.startswith(_MAGIC[: len(head)]):
        return
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    # Where a journal is left of a run that was killed, SQLite first takes the file back to what it was.
    unfinished = Path(f"{file}-journal").exists()
    if len(head) < 100 or (size < pages * (65_536 if page == 1 else page) and not unfinished):
        raise LedgerError(f"{where} is cut short: {damage}")


def file_engine(file: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        poolclass=NullPool,
        connect_args={"timeout": 10},
        hide_parameters=True,
    )

    # Without these two, Python's sqlite3 would commit before each statement that changes the schema.
    @event.listens_for(engine, "connect")
    def _no_implicit_transactions(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
