"""Two healthy households, with ids and columns of any type: the town that a single odd value is put into."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from detectors.source import CANONICAL
from tests.support.postgres import Database

Rows = dict[str, list[dict[str, Any]]]
AS_OF = "2026-02-03T03:00:00Z"
_TYPES = {
    "user": "uuid",
    "household": "uuid",
    "id": "uuid",
    "text": "text",
    "flag": "boolean",
    "time": "timestamptz",
    "json": "jsonb",
    "number": "numeric",
}


def uuid_of_user(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012d}"


def uuid_of_household(letter: str) -> str:
    return f"11111111-0000-4000-8000-{letter:0>12}"


def uuid_of_request(number: int) -> str:
    return f"22222222-0000-4000-8000-{number:012d}"


def base(
    user: Callable[[int], Any] = uuid_of_user,
    household: Callable[[str], Any] = uuid_of_household,
    request: Callable[[int], Any] = uuid_of_request,
) -> Rows:
    """Households a (users 1, who leads, and 3, who asked and was approved) and b (user 2)."""
    a, b = household("a"), household("b")
    made = {"a": datetime(2026, 1, 10, 10, tzinfo=UTC), "b": datetime(2026, 1, 11, 10, tzinfo=UTC)}
    asked = datetime(2026, 1, 12, 10, tzinfo=UTC)
    answered, second = asked + timedelta(minutes=5), timedelta(seconds=1)

    def member(home: Any, who: int, role: str, at: datetime, by: int | None = None) -> dict[str, Any]:
        return {
            "household_id": home,
            "user_id": user(who),
            "role": role,
            "status": "active",
            "is_temporary": False,
            "invited_by": by and user(by),
            "joined_at": at,
        }

    def home(identity: Any, name: str, code: str, leader: int, at: datetime) -> dict[str, Any]:
        return {
            "id": identity,
            "name": name,
            "invite_code": code,
            "leader_id": user(leader),
            "created_at": at,
            "updated_at": at,
            "invite_code_expires_at": datetime(2026, 3, 10, tzinfo=UTC),
        }

    rows: Rows = {
        "households": [
            home(a, "Rex House", "REXH-ALPHA-BRAVO", 1, made["a"]),
            home(b, "Mia House", "MIAH-ALPHA-DELTA", 2, made["b"]),
        ],
        "household_members": [
            member(a, 1, "leader", made["a"] + second),
            member(a, 3, "member", answered + second, 1),
            member(b, 2, "leader", made["b"] + second),
        ],
        "household_join_requests": [
            {
                "id": request(1),
                "household_id": a,
                "user_id": user(3),
                "invite_code": "REXH-ALPHA-BRAVO",
                "status": "approved",
                "requested_at": asked,
                "responded_at": answered,
                "responded_by": user(1),
            }
        ],
        "users": [{"id": user(who), "created_at": datetime(2026, 1, 1, tzinfo=UTC)} for who in (1, 2, 3)],
        "household_events": [],
    }
    for kind, home_id, who, at, more in (
        ("household_created", a, 1, made["a"], {}),
        ("household_created", b, 2, made["b"], {}),
        ("household_join_request_submitted", a, 3, asked, {"request_id": str(request(1))}),
        (
            "household_join_request_approved",
            a,
            1,
            answered,
            {"request_id": str(request(1)), "new_member_id": str(user(3))},
        ),
    ):
        add_event(rows, kind, home_id, user(who), at, more)
    return rows


def add_event(rows: Rows, kind: str, household: Any, user: Any, at: datetime, metadata: Any) -> dict[str, Any]:
    """One more audit row; an object gets a correlation id of its own."""
    number = len(rows["household_events"]) + 1
    if isinstance(metadata, dict):
        metadata = {"correlation_id": f"c{number}", **metadata}
    row = {
        "id": number,
        "event_type": kind,
        "household_id": household,
        "user_id": user,
        "event_timestamp": at,
        "metadata": metadata,
    }
    rows["household_events"].append(row)
    return row


REMOVED_AT = datetime(2026, 2, 2, 11, tzinfo=UTC)


def add_removal(rows: Rows, household: Any, by: Any, member: Any, **more: Any) -> dict[str, Any]:
    """R: an event says that a member was removed, though the row stays active. One removal-not-applied."""
    return add_event(rows, "household_member_removed", household, by, REMOVED_AT, {"member_id": member, **more})


def add_leaderless(rows: Rows, household: Any, user: Any) -> None:
    """A household whose only member does not lead it. One no-leader."""
    at = datetime(2026, 1, 5, 10, tzinfo=UTC)
    rows["households"].append(
        {
            "id": household,
            "name": "No House",
            "invite_code": "NOHO-ALPHA-KILO",
            "leader_id": user,
            "created_at": at,
            "updated_at": at,
        }
    )
    rows["household_members"].append(
        {
            "household_id": household,
            "user_id": user,
            "role": "member",
            "status": "active",
            "is_temporary": False,
            "joined_at": at + timedelta(seconds=1),
        }
    )


def into_postgres(database: Database, rows: Rows, types: Mapping[str, str] | None = None) -> str:
    """The rows in tables of their own, whose columns have the app's types or those of `types` by table.column; the URL."""
    with psycopg.connect(database.url) as connection:
        for name, table in rows.items():
            columns = {column: _type(name, column, types or {}) for column in CANONICAL[name].columns}
            connection.execute(
                sql.SQL("CREATE TABLE {} ({})").format(
                    sql.Identifier(name),
                    sql.SQL(", ").join(
                        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
                        for column, kind in columns.items()
                    ),
                )
            )
            for row in table:
                named = {column: row[column] for column in columns if row.get(column) is not None}
                connection.execute(
                    sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                        sql.Identifier(name),
                        sql.SQL(", ").join(map(sql.Identifier, named)),
                        sql.SQL(", ").join(sql.SQL("%s::") + sql.SQL(columns[column]) for column in named),
                    ),
                    [_value(column, value) for column, value in named.items()],
                )
    return database.url


def _type(table: str, column: str, types: Mapping[str, str]) -> str:
    named = "bigint" if (table, column) == ("household_events", "id") else _TYPES[CANONICAL[table].columns[column].kind]
    return types.get(f"{table}.{column}", types.get(CANONICAL[table].columns[column].kind, named))


def _value(column: str, value: Any) -> Any:
    return json.dumps(value) if column == "metadata" and isinstance(value, dict | list) else value


def into_folder(folder: Path, rows: Rows) -> str:
    """The rows as CSV files; the folder."""
    for name, table in rows.items():
        columns = list(CANONICAL[name].columns)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([_cell(column, row.get(column)) for column in columns] for row in table)
    return str(folder)


def _cell(column: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return _value(column, value)
