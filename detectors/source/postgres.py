"""PostgreSQL as a source: one read-only snapshot, with time limits, that fails loudly where rows would be hidden."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

import psycopg
import sqlalchemy
from sqlalchemy import Connection, Executable, event, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError, SQLAlchemyError

from detectors.source import rights
from detectors.source.base import Check, Counters, Engine, LostError, Notice, Reach, SlowError, SourceError
from detectors.source.catalog import read_catalog
from detectors.source.faults import failed, is_lost, lost
from detectors.source.mapping import SourceMapping
from detectors.source.oddities import WHOLE, Glance, oddly_written
from detectors.source.server_values import read_values, told_at_login
from detectors.source.tables import Tables
from detectors.source.urls import Server, is_passing, refusal, sqlstate

logger = logging.getLogger("hearthwatch.source")

# By an index on their times the rows of some days are read a third faster page by page, as a bitmap tells them.
# Walking a big table in the order of an index over random ids costs several times a sequential read, and the planner,
# which does not see that the index is uncorrelated with the heap, prefers it for grouping. Bitmap scans stay. Where the
# planner guesses too many rows, it would sort for a merge what a hash table holds easily. To group millions of rows by an id
# without the hash table that outgrows its memory, an index-only scan is the way, or else a sort.
_AVOIDED = {
    "days": ("indexscan",),
    "whole": ("indexscan", "nestloop", "mergejoin"),
    "grouped": ("hashagg", "mergejoin"),
}
_READ = {
    reach: text("SELECT " + ", ".join(f"set_config('enable_{way}', 'off', true)" for way in avoided))
    for reach, avoided in _AVOIDED.items()
}

# Two statements at a time are what a scan may ask of somebody's server; workers beside them would get in each other's way.
_ALONE = text("SELECT set_config('max_parallel_workers_per_gather', '0', true)")
_LIMIT = text("SELECT set_config('statement_timeout', :limit, true)")
_HARDLY_WAIT = text("SELECT set_config('lock_timeout', '100ms', true)")
_FAULTS = (DBAPIError, InvalidRequestError, psycopg.Error)
"""What the driver raises, and what SQLAlchemy does with a connection that it knows to be gone."""


class PostgresSource:
    """An open PostgreSQL source.

    Raises SourceError from its constructor if the server cannot be reached, lacks a required table or column, types one
    in a way that cannot be read, or would hide rows from the role.
    """

    engine: Engine = "postgresql"

    def __init__(
        self,
        server: Server,
        mapping: SourceMapping,
        *,
        glance: Glance = WHOLE,
        lock_seconds: int = 5,
        work_mem_mb: int = 64,
    ) -> None:
        self.label = server.label
        self.counters = Counters()
        self.notices: list[Notice] = []
        self._statement_seconds, self._scan_seconds = mapping.statement_seconds, mapping.scan_seconds
        self._deadline = time.monotonic() + mapping.scan_seconds
        # Local to each transaction, so that nothing stays behind in a pooled server connection.
        settings = {
            "statement_timeout": f"{mapping.statement_seconds}s",
            "lock_timeout": f"{lock_seconds}s",
            # One connection waits while the other one works, or while what was read is judged.
            "idle_in_transaction_session_timeout": f"{2 * mapping.scan_seconds}s",
            "row_security": "off",
            "jit": "off",
            "work_mem": f"{work_mem_mb}MB",
            "TimeZone": "UTC",
            "DateStyle": "ISO",
        }
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        self._settings = text(f"SELECT {calls}")
        self._engine = _engine_of(frozenset(server.parameters.items()))
        self._connections: dict[Connection, psycopg.Connection] = {}
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        # Those with an open savepoint; a snapshot cannot be shared from inside one, and settings would not last.
        self._guarded: set[Connection] = set()
        self._cancelled = False
        # Whoever holds a table through one limit holds it through the next: that is waited for once, not by each statement.
        self._met_lock = False
        self._lost: LostError | None = None
        self._standby = False
        try:
            first = self._connect()
            self._add(first)
            raw = self._connections[first]
            self._standby = told_at_login(raw, "in_hot_standby") == "on"
            self.schema = read_catalog(self._ask, mapping, self.label, told_at_login(raw, "server_encoding"))
            # What allows several notations, and only that, is asked for once whether it is written oddly.
            self.tables = Tables(
                self.schema,
                mapping,
                oddly_written(self.schema, mapping, lambda question: self._ask(question, {}), glance),
            )
            self.notices += [
                Notice(name.partition(".")[0], f"{reason}; it is not read", frozenset({name}))
                for name, reason in self.schema.unusable.items()
            ]
        except BaseException:
            self.close()
            raise

    def _connect(self) -> Connection:
        try:
            connection = self._engine.connect().execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            connection.begin()
        except (SQLAlchemyError, psycopg.Error, OSError) as error:
            kind = LostError if is_passing(error) or is_lost(sqlstate(error)) else SourceError
            raise kind(f"cannot connect to {self.label}: {refusal(error)}") from None
        return connection

    def _add(self, connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        self._connections[connection] = raw
        self._run(connection, self._settings)
        self._idle.put(connection)

    def _run(self, connection: Connection, statement: Executable, parameters: dict[str, Any] | None = None) -> Any:
        """A statement outside any savepoint: if it fails, the transaction has."""
        try:
            if connection in self._guarded:
                self._guarded.remove(connection)
                connection.exec_driver_sql("RELEASE SAVEPOINT statement")
            return connection.execute(statement, parameters or {})
        except _FAULTS as error:
            raise self._fault(error, connection) from error

    def widen(self) -> int:
        """Take a second connection to the same snapshot, if the server gives one; how many statements may run at once."""
        first = next(iter(self._connections))
        second = None
        try:
            snapshot = self._run(first, text("SELECT pg_export_snapshot()")).scalar_one()
            second = self._connect()
            self._run(second, text(f"SET TRANSACTION SNAPSHOT '{snapshot}'"))
            self._add(second)
        except SourceError as error:
            logger.debug("one connection only", exc_info=True)
            if second is not None:
                self._connections.pop(second, None)
                _drop(second)
            self._begin_again(first, error)
            return 1
        for connection in self._connections:
            self._run(connection, _ALONE)
        return len(self._connections)

    def _begin_again(self, first: Connection, reason: SourceError) -> None:
        """A new snapshot in the first connection: nothing was read yet but the schema, so it is as good."""
        try:
            first.rollback()
            self._guarded.discard(first)
            first.begin()
        except _FAULTS as error:
            raise (reason if isinstance(reason, LostError) else lost("", self.label)) from error
        self._run(first, self._settings)

    def rows(self, statement: Executable, purpose: str, *, reach: Reach = "picked") -> Sequence[Any]:
        """All rows of `statement`, as mappings. Raises QueryError; the snapshot survives it."""
        self.counters.count(purpose)
        connection = self._idle.get()
        try:
            return self._read(connection, statement, {}, reach)
        finally:
            self._idle.put(connection)

    def _ask(self, statement: Executable, parameters: dict[str, Any]) -> Sequence[Any]:
        """The rows of one of our own questions to the catalog."""
        self.counters.count("schema")
        connection = self._idle.get()
        try:
            return self._read(connection, statement, parameters, "picked")
        finally:
            self._idle.put(connection)

    def _read(
        self, connection: Connection, statement: Executable, parameters: dict[str, Any], reach: Reach
    ) -> Sequence[Any]:
        left = self._deadline - time.monotonic()
        if self._cancelled:
            raise SourceError("the scan was stopped")
        if left <= 0:
            raise self._too_long()
        try:
            # By hand: a savepoint that is only rolled back stays open, and serves the next statement, too.
            if connection not in self._guarded:
                connection.exec_driver_sql("SAVEPOINT statement")
                self._guarded.add(connection)
            try:
                if reach != "picked":
                    connection.execute(_READ[reach])
                if self._met_lock:
                    connection.execute(_HARDLY_WAIT)
                if left < self._statement_seconds:
                    connection.execute(_LIMIT, {"limit": f"{max(1, int(left * 1000))}ms"})
                rows = connection.execute(statement, parameters).mappings().all()
            except BaseException:
                # The first failure is the one that tells.
                with suppress(*_FAULTS):
                    _undo(connection)
                raise
            # Nothing is ever written: rolling back undoes the settings of a whole read.
            _undo(connection)
        except _FAULTS as error:
            raise self._fault(error, connection) from error
        return rows

    def _too_long(self) -> SlowError:
        return SlowError(
            f"the whole scan ran into its limit of {self._scan_seconds} s: "
            "raise [source] scan_seconds in the policy, or add the indexes that doctor names"
        )

    def _fault(self, error: BaseException, connection: Connection) -> SourceError:
        state, raw = sqlstate(error), self._connections.get(connection)
        if self._cancelled:
            return SourceError("the scan was stopped")
        if is_lost(state) or (raw is not None and raw.closed):
            # Whoever is struck first knows why; the others find a closed connection.
            if self._lost is None or state:
                self._lost = lost(state, self.label, standby=self._standby)
            return self._lost
        self._met_lock = self._met_lock or state == "55P03"
        if state == "57014" and time.monotonic() >= self._deadline:
            return self._too_long()
        if state == "42501":
            return SourceError(f"{self.label}: {self._right_that_lacks(connection)}")
        if state == "55000":
            return SourceError(f"{self.label}: {self._never_filled(connection)}")
        return failed(state, self._statement_seconds)

    def _never_filled(self, connection: Connection) -> str:
        rows = self._read(connection, rights.NEVER_FILLED, self._places(), "picked") if hasattr(self, "schema") else []
        what = ", ".join(row["name"] for row in rows) or "behind a mapped view"
        return f"the materialized view {what} was never filled, so that nothing can be read of it: REFRESH MATERIALIZED VIEW, then scan again"

    def _right_that_lacks(self, connection: Connection) -> str:
        unknown = "this role lacks a right that reading needs: `hearthwatch doctor` tells which"
        if not hasattr(self, "schema"):
            return unknown
        read = self._read(connection, rights.READ, self._places(), "picked")
        for found, remedy in rights.hidden(read):
            return f"row-level security is {found}, and the scan would look clean: {remedy}, or use a role that has it"
        return rights.refused(read) or unknown

    def _places(self) -> dict[str, Any]:
        places = [table.place for table in self.schema.tables.values() if table.place]
        return {"schemas": [schema for schema, _ in places], "names": [name for _, name in places]}

    def server_checks(self) -> Sequence[Check]:
        """Version, connection, role and its privileges, row-level security, and the lag of a standby, with remedies."""
        (server,) = self._ask(rights.SERVER, {})
        read, writable = (self._ask(question, self._places()) for question in (rights.READ, rights.WRITABLE))
        return list(rights.server_checks(server, read, writable, next(iter(self._connections.values()))))

    def cancel(self) -> None:
        """End the statements that run now, and refuse those that would follow; from whatever thread."""
        self._cancelled = True
        for raw in list(self._connections.values()):
            with suppress(psycopg.Error, OSError):
                raw.cancel_safe(timeout=5)

    def close(self) -> None:
        for connection in self._connections:
            _drop(connection)
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@lru_cache(maxsize=8)
def _engine_of(parameters: frozenset[tuple[str, str]]) -> sqlalchemy.Engine:
    """One engine for each server, so that a statement that was compiled for it before is found again. It holds no connections."""
    engine = Server("", dict(parameters)).engine()
    event.listen(engine, "connect", read_values)
    return engine


def _undo(connection: Connection) -> None:
    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT statement")


def _drop(connection: Connection) -> None:
    """End a connection without waiting for a server that may not answer; it forgets the transaction by itself."""
    with suppress(*_FAULTS):
        connection.invalidate()
    with suppress(*_FAULTS):
        connection.close()
