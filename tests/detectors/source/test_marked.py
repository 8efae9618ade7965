"""Rows that an app marks as out of use, or as another tenant's, in columns of its own, and columns that only look so."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from detectors.contract import Context
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.limits import Limits
from detectors.rules.integrity import no_leader
from detectors.source import CANONICAL, SourceError, SourceMapping, open_source
from tests.support.towns import AS_OF, DAY, LONG_AGO, YESTERDAY, Scanner, Tables, Town, cell

Rows = list[dict[str, Any]]
Marked = Callable[[Rows], None]
LATER = LONG_AGO + 20 * DAY


def some(column: str, gone: Any, live: Any, status: str = "") -> Marked:
    """Every fourth row is `gone` by `column`; only those of a `status`, if given."""

    def mark(rows: Rows) -> None:
        for place, row in enumerate(rows):
            row[column] = gone if place % 4 == 3 and row.get("status", "") in (status, row.get("status")) else live

    return mark


def by_status(rows: Rows) -> None:
    """The app's own column says the same as the status; it was forgotten once."""
    for row in rows:
        row["is_active"] = row["status"] == "active"
    next(row for row in rows if row["is_active"])["is_active"] = False


def most_by_number(rows: Rows) -> None:
    """Of ten rows and more most are inactive, whatever their status says: that is no mark of the few that are gone."""
    for place, row in enumerate(rows):
        row["is_active"] = place % 4 == 0
    assert len(rows) >= 10


def came_again(rows: Rows) -> None:
    for row in rows:
        row["left_at"] = row["joined_at"] - DAY


def crossing(rows: Rows) -> None:
    for place, row in enumerate(rows):
        row["tenant_id"] = 1 + place % 2
    rows.append(rows[0] | {"household_id": rows[-1]["household_id"], "id": rows[-1]["user_id"], "tenant_id": 2})


def moved(rows: Rows) -> None:
    """Somebody left the household of one app, and is in that of another one."""
    for place, row in enumerate(rows):
        row["app_id"] = f"app {place % 2}"
    gone = next(row for row in rows if row["status"] == "removed")
    home = next(row for row in rows if row["app_id"] != gone["app_id"])["household_id"]
    rows.append(gone | {"id": gone["household_id"], "household_id": home, "status": "active", "app_id": "app 2"})


def versions(rows: Rows) -> None:
    for row in rows:
        row["effective_from"], row["effective_to"] = row["joined_at"], None
    rows += [row | {"id": row["user_id"], "effective_to": LATER} for row in rows[:2]]


OUT: dict[str, tuple[str, Marked, str]] = {
    "a flag": ("households", some("is_active", False, True), "rows that are no longer in use, by its column is_active"),
    "a number": ("households", some("active", 0, 1), "rows that are no longer in use, by its column active"),
    "a time": (
        "households",
        some("archivedAt", LATER, None),
        "rows that are no longer in use, by its column archivedAt",
    ),
    "a word": ("households", some("state", "D", "A"), "rows that are no longer in use, by its column state"),
    "who left": (
        "household_members",
        some("left_at", LATER, None),
        "rows that are no longer in use, by its column left_at",
    ),
    "earlier versions": (
        "household_members",
        versions,
        "rows that are deleted or outdated, by its column effective_to",
    ),
    "environments": ("households", some("env", "staging", "prod"), "rows of several environments"),
    "people of two tenants": ("household_members", crossing, "several tenants, and 1 people in more than one of them"),
}
READ: dict[str, tuple[str, Marked]] = {
    "all are active": ("households", some("is_active", True, True)),
    "all are inactive, whatever that says": ("households", some("active", 0, 0)),
    "a state of the country": ("households", some("state", "FL", "DE")),
    "something else was archived": ("households", some("pet_archived_at", LATER, None)),
    "most of many are inactive": ("household_members", most_by_number),
    "the status once more": ("household_members", by_status),
    "who came again": ("household_members", came_again),
    "sessions that ended": ("sessions", some("is_active", False, True)),
    "answered requests": ("household_join_requests", some("is_archived", True, False, status="approved")),
    "who moved from one app's household to another's": ("household_members", moved),
    "one environment": ("households", some("env", "prod", "prod")),
}


def town_with(table: str, mark: Marked) -> Tables:
    town = Town()
    for home in "abcdefgh":
        town.family(home, f"{home} one", f"{home} two")
        town.session(home, f"{home} one")
        town.account(f"{home} one")
        town.account(f"{home} two")
    town.row("a", "a two")["status"] = town.row("b", "b two")["status"] = town.row("c", "c two")["status"] = "removed"
    mark(getattr(town, table))
    return town.tables()


def folder_of(folder: Path, tables: Tables) -> str:
    """The tables as files with whatever columns their rows have."""
    for name, rows in tables.items():
        columns = list(dict.fromkeys([*CANONICAL[name].columns, *(column for row in rows for column in row)]))
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({column: cell(value) for column, value in row.items()} for row in rows)
    return str(folder)


def scanned(where: str, **tables: Any) -> ScanResult:
    with open_source(where, SourceMapping.model_validate({"tables": tables})) as source:
        return scan(source, (no_leader.DETECTOR,), Context(as_of=AS_OF, window=YESTERDAY, limits=Limits()))


@pytest.mark.parametrize("marked", OUT)
def test_rows_that_are_out_of_use_end_the_scan(tmp_path: Path, marked: str) -> None:
    table, mark, says = OUT[marked]
    with pytest.raises(SourceError, match=says):
        scanned(folder_of(tmp_path, town_with(table, mark)))


@pytest.mark.parametrize("marked", READ)
def test_columns_that_only_look_so_are_read_over(tmp_path: Path, marked: str) -> None:
    result = scanned(folder_of(tmp_path, town_with(*READ[marked])))
    assert ([notice.said for notice in result.notices], result.findings) == ([], ())


def test_the_policy_says_that_a_column_marks_nothing(tmp_path: Path) -> None:
    where = folder_of(tmp_path, town_with("households", some("is_active", False, True)))
    assert scanned(where, households={"says_nothing": ["is_active"]}).findings == ()


@pytest.mark.parametrize(
    ("table", "column", "says"),
    [
        ("households", "tenant_id", "households holds rows of several tenants, by its column tenant_id"),
        ("users", "is_active", "users has 4 of 16 accounts that are marked by its column is_active"),
    ],
)
def test_tenants_and_marked_accounts_are_only_told(tmp_path: Path, table: str, column: str, says: str) -> None:
    (notice,) = scanned(folder_of(tmp_path, town_with(table, some(column, 0, 1)))).notices
    assert says in notice.line


@pytest.mark.parametrize(("key", "words"), [("env", "prod staging"), ("tenant_id", "a b")])
def test_folders_may_be_named_so(tmp_path: Path, key: str, words: str) -> None:
    folder_of(tmp_path, town_with("households", lambda rows: None))
    head, *rows = (tmp_path / "households.csv").read_text().splitlines()
    for place, word in enumerate(words.split()):
        part = tmp_path / "households" / f"{key}={word}"
        part.mkdir(parents=True)
        (part / "part.csv").write_text("\n".join([head, *rows[place::2]]) + "\n")
    (tmp_path / "households.csv").unlink()
    if key == "env":
        with pytest.raises(SourceError, match="rows of several environments, by its column env"):
            scanned(str(tmp_path))
    else:
        assert "several tenants" in scanned(str(tmp_path)).notices[0].said


def test_whom_a_mark_and_the_deletion_name_is_deleted_once(tmp_path: Path) -> None:
    def deleted(rows: Rows) -> None:
        some("is_deleted", True, False)(rows)
        for row in rows:
            row["deleted_at"] = LATER if row["is_deleted"] and "two" in row["email"] else None

    assert scanned(folder_of(tmp_path, town_with("users", deleted))).notices == ()


def test_a_server_is_asked_the_same(on_postgres: Scanner) -> None:
    where = on_postgres.open_town(town_with("households", lambda rows: None))
    with psycopg.connect(where, autocommit=True) as server:
        server.execute("ALTER TABLE households ADD archived_at timestamptz, ADD tenant_id int")
        server.execute("ALTER TABLE household_members ADD is_active boolean, ADD left_at timestamptz")
        server.execute("UPDATE households SET tenant_id = ascii(id::text) % 2")
        server.execute("UPDATE household_members SET is_active = status = 'active'")
        (notice,) = scanned(where).notices
        assert "several tenants" in notice.line
        server.execute(
            "UPDATE household_members SET left_at = now() WHERE id IN (SELECT id FROM household_members WHERE is_active LIMIT 4)"
        )
        with pytest.raises(
            SourceError, match=r"no longer in use, by its column left_at: 4 of 16\..*says_nothing = \[\"left_at\"\]"
        ):
            scanned(where)
        server.execute("CREATE VIEW here AS SELECT * FROM household_members WHERE left_at IS NULL")
        server.execute("UPDATE household_members SET left_at = NULL WHERE role = 'leader'")
    result = scanned(where, household_members={"name": "here"}, households={"says_nothing": ["tenant_id"]})
    assert (result.notices, result.findings) == ((), ())


def test_a_flag_may_be_the_status(on_postgres: Scanner) -> None:
    where = on_postgres.open_town(town_with("households", lambda rows: None))
    with psycopg.connect(where, autocommit=True) as server:
        server.execute(
            "ALTER TABLE household_members ALTER status DROP DEFAULT, ALTER status TYPE boolean USING status = 'active'"
        )
    words = {"household_members": {"status": {"true": "active", "false": "removed"}}}
    with open_source(where, SourceMapping.model_validate({"words": words})) as source:
        context = Context(as_of=AS_OF, window=YESTERDAY, limits=Limits())
        assert scan(source, (no_leader.DETECTOR,), context).findings == ()
