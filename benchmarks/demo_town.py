"""How fixtures/demo was made: one small town on two nights, with planted faults. `python -m benchmarks.demo_town` makes it anew.

The first night is a generated town with one case of each planted fault. On the day after it ordinary life goes on, one
broken household is repaired, a leader leaves without a successor, and one person removes members by the dozen.
"""

from __future__ import annotations

import copy
import json
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.town import TownSpec, generate
from detectors.source import CANONICAL

FIRST_NIGHT = datetime(2026, 2, 3, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SPEC = TownSpec(
    households=1_000,
    members=3_000,
    requests=1_800,
    events=12_000,
    days=30,
    as_of=FIRST_NIGHT,
    seed=7,
    plant=1,
    duplicates=True,
)
FOLDER = Path(__file__).parent.parent / "fixtures" / "demo"
Tables = dict[str, list[dict[str, Any]]]


def main() -> None:
    town = generate(SPEC)
    first = town.tables()
    second = the_day_after(first, town.truth)
    for night, tables in (("night-1", first), ("night-2", second)):
        write(FOLDER / night, tables)


def the_day_after(tables: Tables, truth: dict[str, list[dict[str, str]]]) -> Tables:
    """The town one day later."""
    after = copy.deepcopy(tables)
    left, emptied = _sound_household(tables, truth, 4), _sound_household(tables, truth, 6)
    _ordinary_day(after, quiet={left, emptied})
    _sitters_go(after)
    _repair(after, truth["no-leader"][-1]["household_id"])
    _leave_without_successor(after, left)
    _remove_by_the_dozen(after, emptied)
    after["household_events"].sort(key=lambda row: row["id"])
    return after


def _ordinary_day(tables: Tables, quiet: set[str]) -> None:
    kept = {
        "household_dashboard_viewed",
        "household_member_list_viewed",
        "pet_activity_logged",
        "session_used",
        "api_request",
    }
    yesterday = [row for row in tables["household_events"] if FIRST_NIGHT - DAY <= row["event_timestamp"] < FIRST_NIGHT]
    number = max(row["id"] for row in tables["household_events"])
    for row in yesterday:
        if row["event_type"] in kept and row["household_id"] not in quiet:
            number += 1
            again = {**row, "id": number, "event_timestamp": row["event_timestamp"] + DAY}
            again["metadata"] = {**row["metadata"], "correlation_id": f"day-2-{number}"}
            tables["household_events"].append(again)


def _sitters_go(tables: Tables) -> None:
    for row in tables["household_members"]:
        expires = row["temporary_expires_at"]
        if row["is_temporary"] and expires is not None and FIRST_NIGHT < expires <= FIRST_NIGHT + DAY:
            row["status"] = "removed"


def _repair(tables: Tables, household: str) -> None:
    home = _home(tables, household)
    heir = min(_active(tables, household), key=lambda row: row["joined_at"])
    home["leader_id"], heir["role"] = heir["user_id"], "leader"


def _leave_without_successor(tables: Tables, household: str) -> None:
    home = _home(tables, household)
    leaver = next(row for row in _active(tables, household) if row["user_id"] == home["leader_id"])
    at = FIRST_NIGHT + timedelta(hours=13, minutes=12)
    _event(tables, "household_leave_started", home, leaver["user_id"], at, has_successor=False)
    _event(tables, "household_left", home, leaver["user_id"], at + timedelta(seconds=2), was_leader=True)
    leaver["status"] = "removed"


def _remove_by_the_dozen(tables: Tables, household: str) -> None:
    home = _home(tables, household)
    leader = home["leader_id"]
    for number in range(24):
        member = str(uuid.uuid5(uuid.NAMESPACE_URL, f"passer-by {number}"))
        asked = FIRST_NIGHT + timedelta(hours=9, minutes=12 * number)
        request = str(uuid.uuid5(uuid.NAMESPACE_URL, f"request {number}"))
        joined = asked + timedelta(minutes=2)
        tables["household_join_requests"].append(
            {
                "id": request,
                "household_id": household,
                "user_id": member,
                "invite_code": home["invite_code"],
                "status": "approved",
                "requested_at": asked,
                "responded_at": joined,
                "responded_by": leader,
            }
        )
        tables["household_members"].append(
            {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"member {number}")),
                "household_id": household,
                "user_id": member,
                "role": "member",
                "status": "removed",
                "is_temporary": False,
                "temporary_expires_at": None,
                "invited_by": leader,
                "joined_at": joined,
            }
        )
        _event(tables, "household_join_request_submitted", home, member, asked, request_id=request)
        _event(
            tables, "household_join_request_approved", home, leader, joined, request_id=request, new_member_id=member
        )
        _event(tables, "household_member_removed", home, leader, joined + timedelta(minutes=5), member_id=member)


def _event(tables: Tables, event_type: str, home: dict[str, Any], user: str, at: datetime, **metadata: Any) -> None:
    number = max(row["id"] for row in tables["household_events"]) + 1
    tables["household_events"].append(
        {
            "id": number,
            "event_type": event_type,
            "household_id": home["id"],
            "user_id": user,
            "event_timestamp": at,
            "metadata": {**metadata, "correlation_id": f"day-2-{number}", "source": "mobile"},
        }
    )


def _home(tables: Tables, household: str) -> dict[str, Any]:
    return next(row for row in tables["households"] if row["id"] == household)


def _active(tables: Tables, household: str) -> list[dict[str, Any]]:
    return [
        row for row in tables["household_members"] if row["household_id"] == household and row["status"] == "active"
    ]


def _sound_household(tables: Tables, truth: dict[str, list[dict[str, str]]], members: int) -> str:
    """The first household of that many active members which no planted fault concerns."""
    faulty = {value for subjects in truth.values() for subject in subjects for value in subject.values()}
    for home in tables["households"]:
        active = _active(tables, home["id"])
        people = {row["user_id"] for row in active}
        permanent = all(not row["is_temporary"] for row in active)
        if len(active) == members and permanent and home["id"] not in faulty and not people & faulty:
            return str(home["id"])
    raise LookupError(f"no sound household of {members}")


_TYPES = {"flag": "BOOLEAN", "time": "TIMESTAMPTZ", "json": "JSON", "number": "DECIMAL(18, 2)"}


def write(folder: Path, tables: Tables) -> None:
    """Each table as one compressed Parquet file, its rows in order."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        lines = folder / f"{name}.jsonl"
        lines.write_text("".join(json.dumps(row, default=_plain) + "\n" for row in rows), encoding="utf-8")
        columns = {column: _TYPES.get(known.kind, "VARCHAR") for column, known in CANONICAL[name].columns.items()}
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET threads = 1")
            connection.execute(
                f"COPY (SELECT * FROM read_json('{lines}', format = 'newline_delimited', columns = {columns})) "
                f"TO '{folder / f'{name}.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
            )
        lines.unlink()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"no plain form of {type(value).__name__}")


if __name__ == "__main__":
    main()
