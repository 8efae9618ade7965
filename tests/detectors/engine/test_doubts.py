"""What rests on a row that cannot be relied on is neither found nor repaired, and a line says so."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from detectors.rules.integrity import multiple_leaders, no_leader
from detectors.rules.security import self_approved_request
from detectors.source import SourceError
from tests.support.field import NIGHT_1, NIGHT_2, base, call, folder_of, home, person, scanned
from tests.support.towns import Scanner, Tables, Town, uid

RULES = (no_leader.DETECTOR, multiple_leaders.DETECTOR, self_approved_request.DETECTOR)
FAR, ZERO = datetime(9999, 12, 31, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)


def versions(table: str, first: bool, **changed: Any) -> Callable[[Tables], Tables]:
    """Household a's first row of a table as another version of it, before or after the right one."""

    def change(tables: Tables) -> Tables:
        other = [tables[table][0] | changed]
        return tables | {table: [*other, *tables[table]] if first else [*tables[table], *other]}

    return change


def with_cell(table: str, column: str, value: Any) -> Callable[[Tables], Tables]:
    def change(tables: Tables) -> Tables:
        first, *others = tables[table]
        return tables | {table: [first | {column: value}, *others]}

    return change


@pytest.mark.parametrize(
    "change",
    [
        *(versions("household_members", first, role="member", status="removed") for first in (True, False)),
        *(versions("households", first, leader_id=person(9)) for first in (True, False)),
        *(versions("users", first, deleted_at=NIGHT_1) for first in (True, False)),
        with_cell("household_members", "role", " "),
        with_cell("household_members", "status", ""),
        with_cell("household_members", "joined_at", FAR),
        with_cell("household_members", "is_temporary", "perhaps"),
    ],
)
def test_a_doubtful_row_makes_no_finding_and_repairs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Tables], Tables]
) -> None:
    monkeypatch.chdir(tmp_path)
    healthy = base()
    told = scanned(folder_of(tmp_path / "healthy", change(healthy)))
    assert (told.code, told.detectors) == (0, [])
    assert "note: " in told.talk
    # With a second leader in a, who does not go away by what came the next night.
    row = healthy["household_members"][0]
    second = row | {"id": "33333333-0000-4000-8000-0000000000ee", "user_id": person(3)}
    faulty = healthy | {"household_members": [row, healthy["household_members"][1], second]}
    faulty["household_join_requests"] = healthy["household_join_requests"]
    place = ("--ledger", "sqlite:///ledger.db", "--queue", "folder:queue")
    for night, tables in ((NIGHT_1, faulty), (NIGHT_2, change(faulty))):
        done = call("run", "--source", folder_of(tmp_path / night, tables), "--as-of", night, *place)
        assert "fixed" not in done.stdout.replace("called fixed", ""), done.output


@pytest.mark.parametrize("answered", [True, False])
def test_an_answer_is_later_than_the_question(tmp_path: Path, answered: bool) -> None:
    tables = base()
    waiting = {"status": "pending", "responded_at": None, "responded_by": None}
    told = scanned(folder_of(tmp_path / "export", versions("household_join_requests", answered, **waiting)(tables)))
    assert (told.code, told.detectors) == (0, [])
    assert "only the one with the latest responded_at is read" in told.talk
    assert "held back" not in told.talk


@pytest.mark.parametrize("every", [1, 3])
def test_a_clock_at_zero_is_no_time(scanner: Scanner, every: int) -> None:
    town = Town()
    for number in range(12):
        town.family(f"h{number}", f"a{number}")
        town.account(f"a{number}", deleted_at=ZERO if number % every == 0 else None)
    town.home("h1")["leader_id"] = uid("z")
    for scope in ([], [uid("h0"), uid("h1")]):
        result = scanner(town, *RULES, households=scope)
        assert [found.households for found in result.findings] == [(uid("h1"),)]
        assert any("users.deleted_at lies before 1990" in notice.said for notice in result.notices)


def test_times_that_never_come_end_the_scan_where_they_are_many(on_duckdb: Scanner) -> None:
    town = Town()
    for number in range(12):
        town.family(f"h{number}", f"a{number}", f"b{number}")
    for row in town.household_members[:10]:
        row["joined_at"] = FAR
    with pytest.raises(SourceError, match=r"household_members\.joined_at lies after 2200 in 10 of 24 rows"):
        on_duckdb(town, *RULES)


@pytest.mark.parametrize(("column", "cut"), [("responded_by", 9), ("responded_at", 12), ("status", 3)])
def test_a_file_that_ends_in_the_middle_of_a_value(tmp_path: Path, column: str, cut: int) -> None:
    tables = base()
    first = tables["household_join_requests"][0]
    tables["household_join_requests"] = [
        first | {"id": f"22222222-0000-4000-8000-00000000000{number}"} for number in range(1, 9)
    ]
    path = Path(folder_of(tmp_path / "export", tables)) / "household_join_requests.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [*(name for name in rows[0] if name != column), column]
    lines = [",".join(names), *(",".join(row[name] for name in names) for row in rows)]
    path.write_text("\n".join(lines))
    assert scanned(str(path.parent)).code == 0
    path.write_text("\n".join(lines)[:-cut])
    told = scanned(str(path.parent))
    assert told.code == 3
    assert "household_join_requests.csv ends in the middle of its last record" in told.talk


def test_another_environments_ledger_repairs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tables = base()
    tables["households"][0]["leader_id"] = person(9)
    source = folder_of(tmp_path / "export", tables)
    Path("policy.toml").write_text('environment = "staging"\n')
    assert call("run", "--source", source, "--as-of", NIGHT_1).exit_code == 0
    done = call("run", "--source", source, "--as-of", NIGHT_2, "--policy", "policy.toml")
    assert done.exit_code == 2
    assert "of another environment than the policy's ('staging')" in done.stderr


def test_a_scan_tells_what_a_run_would_not_believe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tables = base()
    more = [
        row | {"id": home(str(place)), "invite_code": f"MORE-ECHO-{place}"}
        for place in range(4, 9)
        for row in tables["households"][:1]
    ]
    whole = folder_of(tmp_path / "whole", tables | {"households": [*tables["households"], *more]})
    short = folder_of(tmp_path / "short", tables)
    assert call("run", "--source", whole, "--as-of", NIGHT_1).exit_code == 0
    assert "not believed" not in scanned(whole, as_of=NIGHT_2).talk
    assert "note: households lost 5 of 7 rows" in scanned(short, as_of=NIGHT_2).talk
    assert "lost" not in scanned(short, "--ledger", "sqlite:///none.db", as_of=NIGHT_2).talk
    assert not Path("none.db").exists()
