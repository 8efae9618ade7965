"""The app's tables in PostgreSQL, loaded by COPY."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.town.rendering import TABLES

Progress = Callable[[str], None]
CsvWriter = Callable[[Callable[[str, Path], None]], None]
"""Calls back with a table's name and a CSV file of some of its rows, as often as it takes."""

CREATE = {
    "households": """
        id uuid NOT NULL, name text NOT NULL, description text, invite_code text,
        invite_code_expires_at timestamptz, leader_id uuid NOT NULL,
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL""",
    "household_members": """
        id uuid NOT NULL, household_id uuid NOT NULL, user_id uuid NOT NULL, role text NOT NULL, status text NOT NULL,
        is_temporary boolean NOT NULL, temporary_expires_at timestamptz, invited_by uuid,
        joined_at timestamptz NOT NULL""",
    "household_join_requests": """
        id uuid NOT NULL, household_id uuid NOT NULL, user_id uuid NOT NULL, invite_code text NOT NULL,
        status text NOT NULL, requested_at timestamptz NOT NULL, responded_at timestamptz, responded_by uuid""",
    "users": """
        id uuid NOT NULL, email text NOT NULL, created_at timestamptz NOT NULL, deleted_at timestamptz,
        account_tier text, monthly_revenue numeric""",
    "support_requests": """
        id uuid NOT NULL, created_at timestamptz NOT NULL, requester_id uuid NOT NULL, household_id uuid,
        subject_user_id uuid, category text NOT NULL, feature text, body text NOT NULL, status text NOT NULL""",
    "sessions": """
        id uuid NOT NULL, user_id uuid NOT NULL, created_at timestamptz NOT NULL, last_activity_at timestamptz NOT NULL,
        revoked_at timestamptz, ip_address text, user_agent text""",
    "household_events": """
        id bigint NOT NULL, event_type text NOT NULL, household_id uuid, user_id uuid,
        event_timestamp timestamptz NOT NULL, metadata jsonb NOT NULL""",
}

UNIQUE = (
    "ALTER TABLE households ADD CONSTRAINT households_invite_code_key UNIQUE (invite_code)",
    "ALTER TABLE household_members ADD CONSTRAINT household_members_household_id_user_id_key"
    " UNIQUE (household_id, user_id)",
)
WITHOUT_UNIQUE = (
    "CREATE INDEX households_invite_code_idx ON households (invite_code)",
    "CREATE INDEX household_members_household_id_idx ON household_members (household_id)",
)
INDEXED = (
    ("household_members", "user_id"),
    ("household_join_requests", "household_id"),
    ("household_join_requests", "user_id"),
    ("household_events", "event_type"),
    ("household_events", "household_id"),
    ("household_events", "user_id"),
    ("household_events", "event_timestamp"),
)


def load(url: str, write_csv: CsvWriter, *, unique: bool, progress: Progress) -> None:
    """Create the tables in an empty database, fill them, index them, VACUUM and ANALYZE them.

    Raises psycopg.Error; tables of these names that exist already are an error and stay as they are.
    """
    with psycopg.connect(url) as connection:
        for table in TABLES:
            connection.execute(f"CREATE TABLE {table} ({CREATE[table]})".encode())

        def copy(table: str, path: Path) -> None:
            # FREEZE is allowed as the table is new in this transaction; it saves VACUUM a second pass of writing.
            statement = sql.SQL("COPY {} FROM STDIN WITH (FORMAT csv, HEADER, FREEZE)").format(sql.Identifier(table))
            with path.open("rb") as file, connection.cursor().copy(statement) as target:
                while block := file.read(1 << 18):
                    target.write(block)

        write_csv(copy)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        keys = tuple(f"ALTER TABLE {table} ADD PRIMARY KEY (id)" for table in TABLES)
        indexes = tuple(f"CREATE INDEX {table}_{column}_idx ON {table} ({column})" for table, column in INDEXED)
        for statement in keys + (UNIQUE if unique else WITHOUT_UNIQUE) + indexes:
            progress(statement)
            connection.execute(statement.encode())
        for table in TABLES:
            progress(f"VACUUM (ANALYZE) {table}")
            connection.execute(f"VACUUM (ANALYZE) {table}".encode())
