"""What a PostgreSQL server says of itself and of the roles that read: version, privileges, row-level security, TLS, lag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from sqlalchemy import text

from detectors.source.base import Check
from detectors.source.quoting import quoted

SERVER = text(
    """
    SELECT current_setting('server_version') AS version, CAST(current_setting('server_version_num') AS int) AS number,
           CAST(current_user AS text) AS role, r.rolsuper AS superuser,
           pg_is_in_recovery() AS standby, current_setting('server_encoding') AS encoding,
           CAST(extract(epoch FROM now() - pg_last_xact_replay_timestamp()) AS float8) AS lag
      FROM pg_roles r WHERE r.rolname = current_user
    """
)
WRITABLE = text(
    """
    SELECT n.nspname AS schema_name, c.relname AS table_name
      FROM unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS w(schema, name)
      JOIN pg_namespace n ON CAST(n.nspname AS text) = w.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND CAST(c.relname AS text) = w.name
     WHERE has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE')
        OR has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE')
     ORDER BY 1, 2
    """
)
# A view reads what is behind it as its owner, unless it says security_invoker; a materialised view did so when it was made.
NEVER_FILLED = text(
    """
    SELECT concat(quote_ident(CAST(n.nspname AS text)), '.', quote_ident(CAST(c.relname AS text))) AS name
      FROM unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS w(schema, name)
      JOIN pg_namespace n ON CAST(n.nspname AS text) = w.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND CAST(c.relname AS text) = w.name
     WHERE c.relkind = 'm' AND NOT c.relispopulated
     ORDER BY name
    """
)
READ = text(
    """
    WITH RECURSIVE behind AS (
        SELECT c.oid, c.relkind, c.relowner, c.reloptions, r.oid AS reader, CAST(0 AS oid) AS through
          FROM unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS w(schema, name)
          JOIN pg_namespace n ON CAST(n.nspname AS text) = w.schema
          JOIN pg_class c ON c.relnamespace = n.oid AND CAST(c.relname AS text) = w.name
          JOIN pg_roles r ON r.rolname = current_user
        UNION
        SELECT c.oid, c.relkind, c.relowner, c.reloptions,
               CASE WHEN b.relkind = 'v' AND (SELECT bool_or(CAST(o.option_value AS boolean))
                                                FROM pg_options_to_table(b.reloptions) o
                                               WHERE o.option_name = 'security_invoker')
                    THEN b.reader ELSE b.relowner END, b.oid
          FROM behind b
          JOIN pg_rewrite w ON w.ev_class = b.oid
          JOIN pg_depend d ON d.classid = CAST('pg_catalog.pg_rewrite' AS regclass) AND d.objid = w.oid
                          AND d.refclassid = CAST('pg_catalog.pg_class' AS regclass) AND d.refobjid <> b.oid
          JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
         WHERE b.relkind IN ('v', 'm'))
    SELECT DISTINCT n.nspname AS schema_name, c.relname AS table_name, CAST(b.relkind AS text) AS kind,
           CAST(r.rolname AS text) AS reader, r.rolname = current_user AS ours,
           v.relname AS view_name, vn.nspname AS view_schema,
           c.relrowsecurity AS guarded,
           r.rolsuper OR r.rolbypassrls OR (pg_has_role(r.oid, c.relowner, 'USAGE') AND NOT c.relforcerowsecurity) AS exempt,
           has_any_column_privilege(r.oid, c.oid, 'SELECT') AS readable,
           has_schema_privilege(r.oid, n.oid, 'USAGE') AS reachable
      FROM behind b
      JOIN pg_class c ON c.oid = b.oid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_roles r ON r.oid = b.reader
      LEFT JOIN pg_class v ON v.oid = b.through
      LEFT JOIN pg_namespace vn ON vn.oid = v.relnamespace
     ORDER BY 1, 2, 4
    """
)


def hidden(read: Sequence[Any]) -> list[tuple[str, str]]:
    """What row-level security hides from whom among the rows of `READ`, each with the remedy."""
    return [
        (
            f"on for {_table(row)}; it would hide rows from {_reader(row)}",
            f"ALTER ROLE {quoted(row['reader'])} BYPASSRLS",
        )
        for row in read
        if row["guarded"] and not row["exempt"]
    ]


def refused(read: Sequence[Any]) -> str | None:
    """Which right is missing among the rows of `READ`, with the statement that gives it; None if none of these is."""
    for row in read:
        if not row["readable"]:
            return (
                f"{_reader(row)} may not read {_table(row)}: GRANT SELECT ON {_table(row)} TO {quoted(row['reader'])}"
            )
        # Whoever reads through a view needs no right on the schema of what is behind it.
        if row["ours"] and row["view_name"] is None and not row["reachable"]:
            schema = quoted(row["schema_name"])
            return (
                f"{_reader(row)} may not look into {schema}: GRANT USAGE ON SCHEMA {schema} TO {quoted(row['reader'])}"
            )
    return None


def server_checks(
    server: Any, read: Sequence[Any], writable: Sequence[Any], raw: psycopg.Connection
) -> Iterator[Check]:
    """Everything that the doctor says of a server, each with its remedy."""
    supported = server["number"] >= 140000
    yield Check(
        "ok" if supported else "problem",
        "server",
        f"PostgreSQL {server['version']}{', a standby' if server['standby'] else ''}",
        "" if supported else "version 14 or newer is needed",
    )
    yield _connection(raw)
    yield _role(server, writable)
    yield from _row_security(read)
    yield from _encoding(server["encoding"])
    if server["standby"]:
        lag = server["lag"] or 0.0
        remedy = "check replication: the scan sees the past" if lag > 300 else ""
        yield Check(
            "note" if lag > 300 else "ok", "replica lag", f"{lag:.0f} s since the last replayed transaction", remedy
        )


def _connection(raw: psycopg.Connection) -> Check:
    mode = raw.info.get_parameters().get("sslmode", "prefer")
    if raw.info.host.startswith(("/", "@")):
        return Check("ok", "connection", "by a socket on this machine")
    if not raw.pgconn.ssl_in_use:
        return Check(
            "note",
            "connection",
            "not encrypted",
            "unless the server is on this machine, put sslmode=verify-full and sslrootcert into the address",
        )
    if mode not in ("verify-ca", "verify-full"):
        return Check(
            "note",
            "connection",
            f"encrypted, but it is not checked who answers (sslmode={mode})",
            "put sslmode=verify-full and sslrootcert into the address",
        )
    return Check("ok", "connection", f"encrypted, and the server is checked (sslmode={mode})")


def _role(server: Any, writable: Sequence[Any]) -> Check:
    topic = f"role {quoted(server['role'])}"
    if not (server["superuser"] or writable):
        return Check("ok", topic, "may read and not write")
    rights = "is a superuser" if server["superuser"] else f"may write {', '.join(map(_table, writable))}"
    return Check("note", topic, rights, "use a role that has SELECT on the mapped tables and nothing else")


def _row_security(read: Sequence[Any]) -> Iterator[Check]:
    topic = "row-level security"
    problems = hidden(read)
    for found, remedy in problems:
        yield Check("problem", topic, found, remedy)
    guarded = sorted({_table(row) for row in read if row["guarded"]})
    if not problems:
        where = f"on for {', '.join(guarded)}; who reads is exempt" if guarded else "off for the mapped tables"
        yield Check("ok", topic, where)
    foreign = sorted({_table(row) for row in read if row["kind"] == "f"})
    if foreign:
        yield Check(
            "note",
            topic,
            f"cannot be seen for the foreign {', '.join(foreign)}",
            "make sure that the role of its user mapping has BYPASSRLS on the other server",
        )


def _encoding(name: str) -> Iterator[Check]:
    if name == "SQL_ASCII":
        yield Check(
            "note",
            "encoding",
            "SQL_ASCII: the server knows no letters; bytes that are no UTF-8 are spelled out",
        )
    elif name != "UTF8":
        yield Check("ok", "encoding", name)


def _table(row: Any) -> str:
    return quoted(row["schema_name"], row["table_name"])


def _reader(row: Any) -> str:
    if row["ours"] or row["view_name"] is None:
        return f"the role {quoted(row['reader'])}"
    return f"the role {quoted(row['reader'])}, the owner of the view {quoted(row['view_schema'], row['view_name'])}"
