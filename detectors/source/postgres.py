"""PostgreSQL as a source: one read-only snapshot, with time limits, that fails loudly where rows would be hidden."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Literal, Self

import psycopg
from psycopg.types.string import TextLoader
from sqlalchemy import URL, Connection, Engine, Executable, NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from detectors.source.base import (
    Check,
    Counters,
    FoundTable,
    Index,
    NativeType,
    Notice,
    QueryError,
    Reach,
    Schema,
    SourceError,
    UniqueKey,
)
from detectors.source.mapping import CANONICAL, SourceMapping
from detectors.source.moments import NearestTime
from detectors.source.tables import Tables

logger = logging.getLogger("hearthwatch.source")

_NATIVE: dict[str, NativeType] = {
    "uuid": "uuid",
    "text": "text",
    "varchar": "text",
    "bpchar": "text",
    "citext": "text",
    "name": "text",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "numeric": "number",
    "float4": "number",
    "float8": "number",
    "bool": "flag",
    "timestamptz": "time",
    "json": "json",
    "jsonb": "json",
    "inet": "other",
}
_ACCEPTED: dict[str, set[NativeType]] = {
    "user": {"uuid", "text", "integer"},
    "household": {"uuid", "text", "integer"},
    "id": {"uuid", "text", "integer"},
    "text": {"text", "other", "uuid", "integer"},
    "flag": {"flag"},
    "time": {"time"},
    "json": {"json", "text"},
    "number": {"number", "integer"},
}
_WANTED = {
    "user": "uuid, text or an integer",
    "household": "uuid, text or an integer",
    "id": "uuid, text or an integer",
    "text": "text",
    "flag": "boolean",
    "time": "timestamp with time zone",
    "json": "jsonb",
    "number": "numeric",
}

# One row per column: PostgreSQL's own catalog, because information_schema hides what the role may not read.
_COLUMNS = text(
    """
    SELECT w.canonical, n.nspname AS schema_name, c.relname AS table_name, c.reltuples AS estimate, c.relkind AS kind,
           a.attname AS column_name, CASE WHEN t.typtype = 'e' THEN 'text_enum' ELSE t.typname END AS type_name,
           has_table_privilege(c.oid, 'SELECT') OR has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable
      FROM unnest(CAST(:canonical AS text[]), CAST(:name AS text[])) AS w(canonical, name)
      JOIN pg_class c ON c.oid = to_regclass(w.name)
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
     ORDER BY w.canonical, a.attnum
    """
)
_INDEXES = text(
    """
    SELECT w.canonical, i.relname AS index_name, x.indisunique AS is_unique, x.indisvalid AS is_valid,
           x.indpred IS NOT NULL AS is_partial, x.indexprs IS NOT NULL AS has_expressions,
           ARRAY(SELECT COALESCE(CAST(a.attname AS text), '')
                   FROM unnest(CAST(x.indkey AS int2[])) WITH ORDINALITY AS k(attnum, place)
                   LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
                  WHERE k.place <= x.indnkeyatts ORDER BY k.place) AS columns
      FROM unnest(CAST(:canonical AS text[]), CAST(:name AS text[])) AS w(canonical, name)
      JOIN pg_index x ON x.indrelid = to_regclass(w.name)
      JOIN pg_class i ON i.oid = x.indexrelid
     ORDER BY w.canonical, i.relname
    """
)
# Walking a big table in the order of an index over random ids costs several times a sequential read, and the planner,
# which does not see that the index is uncorrelated with the heap, prefers it for grouping. Bitmap scans stay. Where the
# planner guesses too many rows, it would sort for a merge what a hash table holds easily. To group millions of rows by an id
# without the hash table that outgrows its memory, an index-only scan is the way, or else a sort.
_AVOIDED = {"whole": ("indexscan", "nestloop", "mergejoin"), "grouped": ("hashagg", "mergejoin")}
_READ = {
    reach: text("SELECT " + ", ".join(f"set_config('enable_{way}', 'off', true)" for way in avoided))
    for reach, avoided in _AVOIDED.items()
}

# Two statements at a time are what a scan may ask of somebody's server; workers beside them would get in each other's way.
_ALONE = text("SELECT set_config('max_parallel_workers_per_gather', '0', true)")

_SERVER = text(
    """
    SELECT current_setting('server_version') AS version, CAST(current_setting('server_version_num') AS int) AS number,
           CAST(current_user AS text) AS role, r.rolsuper AS superuser, r.rolbypassrls AS bypasses,
           pg_is_in_recovery() AS standby,
           CAST(extract(epoch FROM now() - pg_last_xact_replay_timestamp()) AS float8) AS lag
      FROM pg_roles r WHERE r.rolname = current_user
    """
)
_GUARDED = text(
    """
    SELECT CAST(CAST(c.oid AS regclass) AS text) AS name, c.relrowsecurity AS guarded,
           has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE')
             OR has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE') AS writable
      FROM unnest(CAST(:names AS text[])) AS w(name) JOIN pg_class c ON c.oid = to_regclass(w.name)
     ORDER BY 1
    """
)


class PostgresSource:
    """An open PostgreSQL source.

    Raises SourceError from its constructor if the server cannot be reached, lacks a required table or column, types one
    in a way that cannot be read, or would hide rows from the role.
    """

    engine: Literal["postgresql", "duckdb"] = "postgresql"

    def __init__(
        self,
        url: str,
        mapping: SourceMapping,
        *,
        statement_seconds: int = 300,
        lock_seconds: int = 5,
        work_mem_mb: int = 64,
    ) -> None:
        parsed = _parse(url)
        self.label = (
            f"postgresql://{parsed.host or 'local'}{f':{parsed.port}' if parsed.port else ''}/{parsed.database or ''}"
        )
        self.counters = Counters()
        self.notices: list[Notice] = []
        # Local to each transaction, so that nothing stays behind in a pooled server connection.
        settings = {
            "statement_timeout": f"{statement_seconds}s",
            "lock_timeout": f"{lock_seconds}s",
            # One connection waits while the other one works.
            "idle_in_transaction_session_timeout": f"{2 * statement_seconds}s",
            "row_security": "off",
            "jit": "off",
            "work_mem": f"{work_mem_mb}MB",
            "TimeZone": "UTC",
            "DateStyle": "ISO",
        }
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        self._settings = text(f"SELECT {calls}")
        self._engine = _engine(parsed)
        event.listen(self._engine, "connect", _read_values)
        self._connections: list[Connection] = []
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        try:
            self._add(self._connect())
            self.schema = self._introspect(mapping)
            self.tables = Tables(self.schema, mapping)
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
            raise SourceError(f"cannot connect to {self.label}: {_connect_reason(error)}") from error
        return connection

    def _add(self, connection: Connection) -> None:
        self._connections.append(connection)
        connection.execute(self._settings)
        self._idle.put(connection)

    def widen(self) -> int:
        """Take a second connection to the same snapshot, if the server gives one; how many statements may run at once."""
        first = self._connections[0]
        try:
            snapshot = first.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            second = self._connect()
        except (DBAPIError, SourceError):
            logger.debug("one connection only", exc_info=True)
            # Nothing was read yet but the schema, so a new snapshot is as good.
            first.rollback()
            first.begin()
            first.execute(self._settings)
            return 1
        try:
            second.execute(text(f"SET TRANSACTION SNAPSHOT '{snapshot}'"))
            self._add(second)
        except DBAPIError:
            logger.debug("the snapshot cannot be shared", exc_info=True)
            second.close()
        if len(self._connections) > 1:
            for connection in self._connections:
                connection.execute(_ALONE)
        return len(self._connections)

    def rows(self, statement: Executable, purpose: str, *, reach: Reach = "picked") -> Sequence[Any]:
        """All rows of `statement`, as mappings. Raises QueryError; the snapshot survives it."""
        return self._execute(statement, purpose, reach=reach)

    def _execute(
        self, statement: Executable, purpose: str, parameters: dict[str, Any] | None = None, *, reach: Reach = "picked"
    ) -> Sequence[Any]:
        self.counters.count(purpose)
        connection = self._idle.get()
        try:
            # Nothing is ever written: rolling back survives a failed statement and undoes the settings of a whole read.
            with _undone(connection):
                if reach != "picked":
                    connection.execute(_READ[reach])
                return connection.execute(statement, parameters or {}).mappings().all()
        except (DBAPIError, psycopg.Error) as error:
            raise _query_error(error, self.label) from error
        finally:
            self._idle.put(connection)

    def _introspect(self, mapping: SourceMapping) -> Schema:
        prefix = f'"{mapping.schema_name}".' if mapping.schema_name else ""
        wanted = {name: _quoted(prefix, mapping.table_name(name)) for name in CANONICAL}
        parameters = {"canonical": list(wanted), "name": list(wanted.values())}
        by_table: dict[str, list[Any]] = {}
        for row in self._execute(_COLUMNS, "schema", parameters):
            by_table.setdefault(row["canonical"], []).append(row)
        indexes: dict[str, list[Index]] = {}
        for row in self._execute(_INDEXES, "schema", parameters):
            indexes.setdefault(row["canonical"], []).append(
                Index(
                    name=row["index_name"],
                    columns=tuple(row["columns"]),
                    unique=row["is_unique"],
                    partial=row["is_partial"],
                    valid=row["is_valid"],
                    expressions=row["has_expressions"],
                )
            )
        tables: dict[str, FoundTable] = {}
        unreadable: set[str] = set()
        for name, canonical in CANONICAL.items():
            if name in by_table:
                found = _found(name, by_table[name], tuple(indexes.get(name, ())), mapping, unreadable)
                if found:
                    tables[name] = found
            elif not canonical.optional:
                raise SourceError(
                    f"{self.label}: the required table {mapping.table_name(name)} is missing or not visible to this role: "
                    f"name it in the policy under [source.tables.{name}], or grant USAGE on its schema"
                )
        return Schema(tables, _unique_keys(tables, mapping), frozenset(unreadable), has_catalog=True)

    def server_checks(self) -> Sequence[Check]:
        """Version, role and its privileges, row-level security, and the lag of a standby, each with its remedy."""
        names = [table.name for table in self.schema.tables.values()]
        quoted = [_quoted("", name) for name in names]
        server = self._execute(_SERVER, "doctor")[0]
        guarded = self._execute(_GUARDED, "doctor", {"names": quoted})
        return list(
            _server_checks(
                server,
                [row["name"] for row in guarded if row["guarded"]],
                [row["name"] for row in guarded if row["writable"]],
            )
        )

    def cancel(self) -> None:
        """End the statements that run now; from whatever thread."""
        for connection in list(self._connections):
            raw: Any = connection.connection.driver_connection
            raw.cancel_safe(timeout=5)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def _undone(connection: Connection) -> Iterator[None]:
    # By hand: a savepoint that is only rolled back stays open, and a snapshot cannot be shared from inside one.
    connection.exec_driver_sql("SAVEPOINT statement")
    try:
        yield
    finally:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT statement")
        connection.exec_driver_sql("RELEASE SAVEPOINT statement")


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The text itself may hold a password, so it is not repeated.
        raise SourceError("the source is not a PostgreSQL URL: write postgresql://user@host:5432/database") from error
    return parsed.set(drivername="postgresql+psycopg")


def _engine(url: URL) -> Engine:
    # No prepared statements: behind a transaction pooler they would outlive their server connection.
    arguments = {"connect_timeout": 10, "application_name": "hearthwatch", "prepare_threshold": None}
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={k: v for k, v in arguments.items() if k not in url.query},
        hide_parameters=True,
    )


def _read_values(connection: psycopg.Connection, _: Any) -> None:
    connection.adapters.register_loader("timestamptz", NearestTime)
    # Ids are texts to every rule; a scan reads too many to make objects of them first.
    connection.adapters.register_loader("uuid", TextLoader)


def _connect_reason(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(original).splitlines() if line.strip()]
    reason = lines[0] if lines else type(original).__name__
    return reason.rpartition("failed: ")[2] or reason


def _query_error(error: BaseException, label: str) -> SourceError:
    original: Any = getattr(error, "orig", None) or error
    state = getattr(original, "sqlstate", None) or ""
    message = getattr(getattr(original, "diag", None), "message_primary", None) or ""
    if "row-level security" in message or "row security" in message:
        return SourceError(
            f"{label}: row-level security would hide rows from this role, and the scan would look clean: "
            "run `ALTER ROLE … BYPASSRLS` for it, or use a role that has it"
        )
    if state == "42501":
        return SourceError(f"{label}: {message}: grant SELECT on it to this role")
    if state == "57014":
        return QueryError(
            "the statement ran into its time limit (57014); raise --statement-timeout or add the indexes that doctor names"
        )
    if state == "55P03":
        return QueryError(
            "a lock was not given within the limit (55P03); somebody holds the table exclusively, try again later"
        )
    if state[:2] in {"08", "57"} or not state:
        return SourceError(f"{label}: the connection was lost while scanning ({state or 'no answer'}); scan again")
    # The server's text can quote values of rows, so only names and codes are passed on.
    return QueryError(f"the statement failed with SQLSTATE {state}{f': {message}' if state.startswith('42') else ''}")


def _quoted(prefix: str, name: str) -> str:
    return ".".join(f'"{part}"' for part in name.split(".")) if "." in name else f'{prefix}"{name}"'


def _found(
    name: str, rows: list[Any], indexes: tuple[Index, ...], mapping: SourceMapping, unreadable: set[str]
) -> FoundTable | None:
    present = {row["column_name"]: row for row in rows}
    full_name = f"{rows[0]['schema_name']}.{rows[0]['table_name']}"
    columns: dict[str, NativeType] = {}
    for column, canonical in CANONICAL[name].columns.items():
        source_name = mapping.column_name(name, column)
        row = present.get(source_name)
        if row is None:
            if canonical.optional:
                continue
            raise SourceError(
                f"{full_name} has no column {source_name}: name the right one in the policy, "
                f'[source.tables.{name}.columns] {column} = "…"'
            )
        if not row["readable"]:
            if canonical.optional or CANONICAL[name].optional:
                unreadable.add(f"{name}.{column}")
                continue
            raise SourceError(
                f"{full_name}.{source_name} may not be read by this role: GRANT SELECT ON {full_name} TO it"
            )
        native = _NATIVE.get(row["type_name"], "other")
        if native not in _ACCEPTED[canonical.kind]:
            raise SourceError(
                f"{full_name}.{source_name} is of type {row['type_name']}, but {_WANTED[canonical.kind]} is needed: "
                "map another column, or a view with a cast"
            )
        columns[column] = native
    if any(not canonical.optional and column not in columns for column, canonical in CANONICAL[name].columns.items()):
        return None
    estimate = int(rows[0]["estimate"])
    return FoundTable(
        full_name,
        columns,
        indexes,
        estimate if estimate >= 0 else None,
        column_names={column: mapping.column_name(name, column) for column in columns},
        indexable=rows[0]["kind"] in {"r", "p", "m"},
        partitioned=rows[0]["kind"] == "p",
    )


def _unique_keys(tables: dict[str, FoundTable], mapping: SourceMapping) -> tuple[UniqueKey, ...]:
    keys = []
    for name, table in tables.items():
        back = {mapping.column_name(name, column): column for column in table.columns}
        for index in table.indexes:
            whole = index.unique and index.valid and not index.partial and not index.expressions
            if whole and all(column in back for column in index.columns):
                keys.append(UniqueKey(index.name, name, frozenset(back[column] for column in index.columns)))
    return tuple(keys)


def _server_checks(server: Any, guarded: list[str], writable: list[str]) -> Iterator[Check]:
    supported = server["number"] >= 140000
    yield Check(
        "ok" if supported else "problem",
        "server",
        f"PostgreSQL {server['version']}{', a standby' if server['standby'] else ''}",
        "" if supported else "version 14 or newer is needed",
    )
    if server["superuser"] or writable:
        rights = "is a superuser" if server["superuser"] else f"may write {', '.join(writable)}"
        yield Check(
            "note", f"role {server['role']}", rights, "use a role that has SELECT on the mapped tables and nothing else"
        )
    else:
        yield Check("ok", f"role {server['role']}", "may read and not write")
    if guarded and not (server["bypasses"] or server["superuser"]):
        remedy = f'ALTER ROLE "{server["role"]}" BYPASSRLS'
        yield Check(
            "problem", "row-level security", f"on for {', '.join(guarded)}; it would hide rows from this role", remedy
        )
    else:
        where = f"on for {', '.join(guarded)}; this role is exempt" if guarded else "off for the mapped tables"
        yield Check("ok", "row-level security", where)
    if server["standby"]:
        lag = server["lag"] or 0.0
        remedy = "check replication: the scan sees the past" if lag > 300 else ""
        yield Check(
            "note" if lag > 300 else "ok", "replica lag", f"{lag:.0f} s since the last replayed transaction", remedy
        )
