"""One row that is lost among many is no repair of what it showed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.field import (
    NIGHT_1,
    NIGHT_2,
    NIGHT_3,
    base,
    call,
    folder_of,
    household,
    member,
    person,
    with_removal,
)
from tests.support.towns import LONG_AGO, Tables

Change = Callable[[Tables], Tables]


def two_leaders() -> Tables:
    town = base()
    town["household_members"].append(member("a", 4, at=LONG_AGO, role="leader"))
    # The fault is the second leader's; who let them in is told.
    town["household_join_requests"].append(
        town["household_join_requests"][0] | {"id": "22222222-0000-4000-8000-000000000009", "user_id": person(4)}
    )
    return town


def twice_a_member() -> Tables:
    town = base()
    town["household_members"].append(
        member("a", 3, at=LONG_AGO, id="33333333-0000-4000-8000-0000000000ff", invited_by=person(1))
    )
    return town


def lost(table: str, place: int = -1) -> Change:
    def change(town: Tables) -> Tables:
        rows = list(town[table])
        del rows[place]
        return town | {table: rows}

    return change


def remover_erased(town: Tables) -> Tables:
    """All that the leader did has lost who did it and what it names."""
    rows = [
        row | {"user_id": None, "metadata": {"anonymized": True}} if row["user_id"] == person(1) else row
        for row in town["household_events"]
    ]
    return town | {"household_events": rows}


def demoted(town: Tables) -> Tables:
    rows = [row | {"role": "member"} if row["user_id"] == person(4) else row for row in town["household_members"]]
    return town | {"household_members": rows}


def led_by_the_deleted() -> Tables:
    town = base()
    rows = [row | {"deleted_at": LONG_AGO} if row["id"] == person(1) else row for row in town["users"]]
    return town | {"users": rows}


def restored(town: Tables) -> Tables:
    return town | {"users": [row | {"deleted_at": None} for row in town["users"]]}


def without_leader() -> Tables:
    town = base()
    rows = [row | {"leader_id": None} if row["leader_id"] == person(1) else row for row in town["households"]]
    return town | {"households": rows}


def accounts_deleted(*numbers: int) -> Change:
    """Their accounts are marked as deleted during the day."""
    gone = {person(number) for number in numbers}

    def change(town: Tables) -> Tables:
        others = [row for row in town["users"] if row["id"] not in gone]
        made, at = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 3, 12, tzinfo=UTC)
        deleted = [
            {"id": one, "email": "gone@example.org", "created_at": made, "deleted_at": at} for one in sorted(gone)
        ]
        return town | {"users": [*others, *deleted]}

    return change


def everybody_left(town: Tables) -> Tables:
    home = household("a", 1, at=LONG_AGO)["id"]
    rows = [row | {"status": "removed"} if row["household_id"] == home else row for row in town["household_members"]]
    return town | {"household_members": rows}


def merged(town: Tables) -> Tables:
    """The account of whom the audit row names is another one now, in all tables but what metadata says."""
    old, new = person(3), person(7)
    return {
        name: [{key: new if value == old else value for key, value in row.items()} for row in rows]
        for name, rows in town.items()
    }


def household_deleted(town: Tables) -> Tables:
    home = household("a", 1, at=LONG_AGO)["id"]
    kept = {"households": "id", "household_members": "household_id"}
    return town | {name: [row for row in town[name] if row[column] != home] for name, column in kept.items()}


def led_again_and_one_gone(town: Tables) -> Tables:
    """The leader has their place again, and an active member deletes their account."""
    return accounts_deleted(3)(town | {"households": base()["households"]})


def deletion_overdue() -> Tables:
    town = base()
    asked = {"id": "44444444-0000-4000-8000-000000000001", "created_at": datetime(2025, 12, 1, tzinfo=UTC)}
    of = {"requester_id": person(3), "household_id": household("a", 1, at=LONG_AGO)["id"], "category": "data_deletion"}
    town["support_requests"] = [*town["support_requests"], asked | of | {"body": "Delete all.", "status": "open"}]
    return town


def erased(town: Tables) -> Tables:
    kept = {
        name: [row for row in town[name] if row.get("user_id", row["id"]) != person(3)]
        for name in ("users", "household_members")
    }
    return town | kept


def removed(town: Tables) -> Tables:
    rows = [row | {"status": "removed"} if row["user_id"] == person(3) else row for row in town["household_members"]]
    return town | {"household_members": rows}


def night(folder: Path, town: Tables, as_of: str, code: int = 0) -> str:
    place = ("--ledger", f"sqlite:///{folder / 'ledger.db'}", "--queue", f"folder:{folder / 'queue'}")
    crowd = dict(town)
    # Enough of a town that one row is no implausible part of it.
    for letter in "cdef":
        others = household(letter, 7, at=LONG_AGO, leader_id=person(9)[:-1] + letter)
        others["name"] = crowd["households"][-1]["name"] and "The Home"
        crowd["households"] = [*crowd["households"], others]
        row = member(letter, 7, at=LONG_AGO, role="leader", user_id=person(9)[:-1] + letter)
        crowd["household_members"] = [*crowd["household_members"], row]
    result = call("run", "--source", folder_of(folder / as_of[:10], crowd), "--as-of", as_of, *place)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    ("town", "change"),
    [
        (with_removal(base()), lost("household_events")),
        (two_leaders(), lost("household_members")),
        (with_removal(base()), remover_erased),
        (led_by_the_deleted(), lost("users", 0)),
    ],
    ids=["audit row", "member row", "audit row anonymised", "deleted account purged"],
)
def test_a_lost_row_repairs_nothing(tmp_path: Path, town: Tables, change: Change) -> None:
    assert "1 ticket made" in night(tmp_path, town, NIGHT_1)
    assert "verified" not in night(tmp_path, change(town), NIGHT_2)
    said = [one.read_text() for one in (tmp_path / "queue").rglob("hw-*.md")]
    assert sum("rows that stood behind it are no longer there either" in one for one in said) == 1
    assert "made" not in night(tmp_path, town, NIGHT_3)


@pytest.mark.parametrize(
    ("town", "change"),
    [
        (with_removal(base()), removed),
        (two_leaders(), demoted),
        (twice_a_member(), lost("household_members")),
        (led_by_the_deleted(), restored),
        (without_leader(), led_again_and_one_gone),
        (deletion_overdue(), erased),
    ],
    ids=[
        "row set to removed",
        "leader demoted",
        "duplicate deleted",
        "account restored",
        "led again, another gone",
        "person erased as they asked",
    ],
)
def test_a_repair_is_seen(tmp_path: Path, town: Tables, change: Change) -> None:
    assert "1 ticket made" in night(tmp_path, town, NIGHT_1)
    assert "verified as fixed" in night(tmp_path, change(town), NIGHT_2)


@pytest.mark.parametrize(
    ("town", "change", "words"),
    [
        (
            without_leader(),
            accounts_deleted(1, 2, 3, 4),
            "nobody who belonged to it is an active member with an account",
        ),
        (without_leader(), everybody_left, "nobody who belonged to it is an active member with an account"),
        (without_leader(), household_deleted, "If it was deleted on purpose, resolve the ticket by hand"),
        (with_removal(base()), merged, "no row any more of what this was about, or of the people in it"),
        (two_leaders(), accounts_deleted(4), "somebody who belongs to it has deleted their account"),
    ],
    ids=[
        "all accounts deleted",
        "everybody left",
        "household deleted",
        "accounts merged",
        "one of two leaders deleted",
    ],
)
def test_who_is_gone_repairs_nothing(tmp_path: Path, town: Tables, change: Change, words: str) -> None:
    assert "1 ticket made" in night(tmp_path, town, NIGHT_1)
    (ticket,) = (one.stem for one in (tmp_path / "queue").glob("hw-*.md"))
    assert "verified" not in night(tmp_path, change(town), NIGHT_2)
    said = [one.read_text() for one in (tmp_path / "queue").rglob("hw-*.md")]
    assert sum(words in one for one in said) == 1
    place = ("--ledger", f"sqlite:///{tmp_path / 'ledger.db'}", "--as-of", NIGHT_2)
    verified = call("tickets", "verify", ticket, "--source", str(tmp_path / NIGHT_2[:10]), *place)
    assert "fixed" not in verified.output
    assert "made" not in night(tmp_path, town, NIGHT_3)


def test_names_that_are_not_delivered_repair_nothing(tmp_path: Path) -> None:
    town = base()
    town["households"][0]["name"] = "<img src=x onerror=alert(1)>"
    assert "1 ticket made" in night(tmp_path, town, NIGHT_1)
    unnamed = town | {"households": [row | {"name": ""} for row in town["households"]]}
    told = night(tmp_path, unnamed, NIGHT_2, 4)
    assert "households.name is empty in every row; 1 finding of stored-markup could not be looked at" in told
    assert "verified as fixed" in night(tmp_path, base(), NIGHT_3)
