"""Towns of other apps, written as those apps write them: the rewrite of PetForce, KitchenOwl and Donetick."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.support.postgres import PETFORCE
from tests.support.towns import cell

Rows = dict[str, list[dict[str, Any]]]
"""By the app's own name of a table."""
NIGHT = datetime(2026, 2, 3, 3, tzinfo=UTC)
_BEGAN = datetime(2026, 1, 5, 8, 9, 10, 123_456, tzinfo=UTC)
_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def key(name: str) -> str:
    """The UUID of whatever has this name."""
    return str(uuid5(NAMESPACE_URL, name))


def schema_of(preset: str) -> tuple[Path, ...]:
    """The SQL that makes the tables of an app."""
    return PETFORCE if preset == "petforce" else (Path(__file__).with_name(f"{preset}.sql"),)


def _born(number: int) -> datetime:
    return _BEGAN + timedelta(hours=7 * number, minutes=13 * number % 60, seconds=37 * number % 60)


def rewrite_town(households: int = 12) -> Rows:
    """Households with an owner (every sixth with two), an admin, a sitter; people who came, went and were turned away."""
    town: Rows = {"households": [], "members": [], "access_requests": [], "activity_log": []}
    for number in range(households):
        _rewrite_household(town, number)
    return town


def _rewrite_household(town: Rows, number: int) -> None:
    home, owner, at = key(f"home {number}"), key(f"row {number} owner"), _born(number)
    code = None if number % 7 == 5 else f"AB{chr(74 + number % 8)}-{1000 + number}"
    town["households"].append(
        {"id": home, "name": f"The {number} House", "join_code": code, "created_at": at, "updated_at": at}
    )
    roles = {"owner": "owner", "asked": "owner" if number % 6 == 0 else "member", "admin": "admin", "sitter": "sitter"}
    for place, (who, role) in enumerate(roles.items()):
        joined = at + place * _DAY + timedelta(milliseconds=200)
        member(town, number, who, role, joined)
        if who == "asked":
            ask(town, number, who, joined - 20 * _MINUTE, "approved", owner)
        if who in {"admin", "sitter"}:
            log(town, number, "member.invited", joined, {"role": role, "targetUserId": f"user_{number}{who}"})
    if number % 3 == 0:
        # Of whoever is removed no row is left.
        town["members"].pop()
        log(town, number, "member.removed", at + 6 * _DAY)
    ask(town, number, "stranger", at + 7 * _DAY, "denied" if number % 2 else "pending", None)
    log(town, number, "household.join_code_regenerated", at + 8 * _DAY)
    log(town, number, "feeding_schedule.updated", NIGHT - 20 * _HOUR + number * _MINUTE, {"changedFields": ["time"]})


def member(town: Rows, number: int, who: str, role: str, at: datetime) -> None:
    """The row of a member of the rewrite's household `number`."""
    row = {"id": key(f"row {number} {who}"), "household_id": key(f"home {number}"), "user_id": f"user_{number}{who}"}
    town["members"].append({**row, "role": role, "display_name": who, "joined_at": at, "email": None})


def ask(town: Rows, number: int, who: str, at: datetime, status: str, by: str | None) -> None:
    """A request to join the rewrite's household `number`."""
    row = {"id": key(f"ask {number} {who}"), "household_id": key(f"home {number}"), "user_id": f"user_{number}{who}"}
    answered = {"status": status, "reviewed_by": by, "created_at": at}
    town["access_requests"].append({**row, "display_name": who, "message": "hello", **answered})


def log(town: Rows, number: int, action: str, at: datetime, metadata: Mapping[str, Any] | None = None) -> None:
    """An audit row of the rewrite, by the owner of household `number`."""
    place = f"{number} {action} {at}"
    row = {"id": key(f"act {place}"), "household_id": key(f"home {number}"), "action": action}
    about = {"subject_type": action.split(".", maxsplit=1)[0], "subject_id": key(f"thing {place}"), "subject_name": "x"}
    done = {"performed_by": key(f"row {number} owner"), "metadata": metadata, "created_at": at}
    town["activity_log"].append({**row, **about, **done})


def kitchenowl_town(households: int = 12) -> Rows:
    """Households with one owner, an admin, and members who belong to several."""
    people = 3 * households
    town: Rows = {"user": [], "household": [], "household_member": []}
    for number in range(people):
        born = (_born(number) - 40 * _DAY).replace(tzinfo=None)
        town["user"].append({"id": number + 1, "username": f"u{number}", "email": None, "created_at": born})
    for number in range(households):
        at = _born(number).replace(tzinfo=None)
        home = number + 1
        town["household"].append({"id": home, "name": f"House {number}", "description": None, "created_at": at})
        ids = [3 * number + 1, 3 * number + 2, 3 * number + 3, (3 * number + 5) % people + 1]
        for place, who in enumerate(ids):
            row = {"household_id": home, "user_id": who, "owner": place == 0, "admin": place < 2}
            town["household_member"].append({**row, "created_at": at + place * _HOUR})
    return town


def donetick_town(households: int = 12) -> Rows:
    """Circles with an admin or two, a manager, and people who have asked to join and are not active yet."""
    town: Rows = {"users": [], "circles": [], "user_circles": []}
    for number in range(households):
        at, home = _born(number), number + 1
        times = {"created_at": at, "updated_at": at}
        town["circles"].append(
            {
                "id": home,
                "name": f"Circle {number}",
                "created_by": 3 * number + 1,
                "invite_code": f"ab{number}x",
                **times,
            }
        )
        roles = ("admin", "manager", "admin" if number % 4 == 0 else "member")
        for place, role in enumerate(roles):
            who = 3 * number + place + 1
            account = {"id": who, "circle_id": home, "username": f"u{who}", "email": None}
            town["users"].append({**account, "created_at": at - 2 * _DAY})
            row = {
                "id": who,
                "user_id": who,
                "circle_id": home,
                "role": role,
                "is_active": place < 2 or number % 5 != 2,
            }
            town["user_circles"].append({**row, "created_at": at + place * _HOUR})
    return town


TOWNS: dict[str, Callable[[], Rows]] = {
    "petforce-2": rewrite_town,
    "kitchenowl": kitchenowl_town,
    "donetick": donetick_town,
}


def write_own_csv(folder: Path, town: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """The tables as CSV files in `folder`, with the app's own names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in town.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(column for row in rows for column in row)))
            writer.writeheader()
            writer.writerows({column: cell(value) for column, value in row.items()} for row in rows)
    return folder
