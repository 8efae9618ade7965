"""Support's screen: found by whatever the customer names, 80 columns, and nothing of an address anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len
from sqlalchemy import Engine, event

from cli import main
from detectors.contract import Context
from detectors.engine.household_view import HouseholdView, Looked, look
from detectors.source import SourceMapping, open_source
from reports.household import Screen, to_table
from tests.reports.hostile import hidden, strings
from tests.support.towns import AS_OF, DAY, NOON, YESTERDAY, Scanner, Town, uid, write_csv

NIGHT = "2026-02-03T03:00:00Z"
ADDRESS = "Cleo.Private@example.org"


def town() -> Town:
    """oak has lost its leader and has a sitter and somebody who waits; elm is in order."""
    made = Town()
    made.family("oak", "anna", "ben", "cleo")
    made.family("elm", "dora", "emil", "cleo")
    made.home("oak").update(
        leader_id=None, name="Smith\u202e\x1b[31m & sons https://evil.example", invite_code="OAK-ALPHA-BRAVO"
    )
    made.row("oak", "anna")["role"] = "member"
    made.member(
        "oak", "sid", is_temporary=True, temporary_expires_at=NOON + 9 * DAY, invited_by=uid("anna"), at=NOON - DAY
    )
    made.request("asked", "oak", "zoe", at=NOON)
    for name in ("anna", "ben", "cleo"):
        made.account(name, email=ADDRESS.lower() if name == "cleo" else f"{name}@example.org")
    return made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options of a folder with the town, and of a ledger in which one night has filed its tickets."""
    tmp_path = tmp_path_factory.mktemp("support")
    folder = tmp_path / "town"
    folder.mkdir()
    write_csv(folder, town().tables())
    options = ["--source", str(folder), "--as-of", NIGHT, "--ledger", f"sqlite:///{tmp_path}/ledger.db"]
    queue = ["--queue", f"folder:{tmp_path}/queue"]
    assert CliRunner().invoke(main, ["run", *options, *queue]).exit_code == 0
    return options


def call(*arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(main, ["household", *arguments], **more)


def test_the_screen(place: list[str]) -> None:
    shown = call(uid("oak"), *place)
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert all(cell_len(line) <= 80 for line in lines)
    assert len(lines) <= 24
    assert [part for line in lines for part in hidden(line)] == []
    assert lines[0].startswith(f"household {uid('oak')}  “Smith")
    assert "evil.example" not in shown.stdout
    assert lines[1] == "NOBODY LEADS IT: leader_id is null"
    assert "members, and since when: 4" in lines
    assert any(line.startswith(f"  {uid('sid')}") and line.endswith("sitter to 2026-02-11") for line in lines)
    assert f"  {uid('zoe')}  asked 2026-02-02 12:00 UTC, 15 hours ago" in lines
    assert any("P0 engineering, open: Household Has No Leader" in line for line in lines)
    assert any(line.startswith("    acknowledge by 2026-02-03 ") for line in lines)
    assert "- Household Has No Leader: “This is a critical issue. Our engineering team is" in lines


def test_a_promise_that_is_late_is_not_made_again(place: list[str]) -> None:
    late = call(uid("oak"), *place[:2], "--as-of", "2026-02-04T03:00:00Z", *place[4:])
    assert "OVERDUE: acknowledge since 2026-02-03" in late.stdout
    assert "what was promised is late: say so" in late.stdout


@pytest.mark.parametrize("named", [uid("oak"), uid("oak").upper(), "OAK-ALPHA-BRAVO", "oak-alpha-bravo", uid("anna")])
def test_it_is_found_by_whatever_the_customer_names(place: list[str], named: str) -> None:
    found = json.loads(call(named, *place, "--format", "json").stdout)["household"]
    assert [home["household_id"] for home in found["households"]] == [uid("oak")]
    assert found["tickets"][0]["severity"] == "P0"
    assert found["tell"]


@pytest.mark.parametrize("by_input", [True, False])
def test_nothing_shows_an_address(place: list[str], by_input: bool, caplog: pytest.LogCaptureFixture) -> None:
    named = ["-"] if by_input else [ADDRESS]
    shown = call(*named, *place, "--verbose", input=f"{ADDRESS}\n" if by_input else None)
    assert shown.stdout.startswith(f"user {uid('cleo')}: in 2 households")
    unknown = call("somebody.private@example.org", *place, "--verbose")
    assert unknown.exit_code == 6
    assert unknown.stdout == "no such household: nothing in the source has this id, code or address\n"
    said = shown.output + shown.stderr + unknown.output + unknown.stderr + caplog.text
    assert "private@" not in said.casefold()


def test_the_engines_are_asked_by_key_and_by_hash(scanner: Scanner) -> None:
    with open_source(scanner.open_town(town().tables()), SourceMapping()) as source:
        asked: list[str] = []

        def listen(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            asked.append(f"{statement} {parameters}")

        event.listen(Engine, "before_cursor_execute", listen)
        context = Context(as_of=AS_OF, window=YESTERDAY)
        for named, kind, homes in (
            (uid("oak"), "household", ["oak"]),
            (uid("cleo"), "user", ["oak", "elm"]),
            ("oak-ALPHA-bravo", "invite code", ["oak"]),
            (ADDRESS, "e-mail address", ["oak", "elm"]),
            ("nobody", None, []),
            ("somebody@example.org", None, []),
            ("nobody\0", None, []),
        ):
            found = look(source, named, context)
            assert (found.kind, {home.household_id for home in found.households}) == (kind, {uid(one) for one in homes})
        event.remove(Engine, "before_cursor_execute", listen)
        read = [one for one in asked if " FROM " in one.replace("\n", " ")]
        assert len(read) > 10
        assert all("WHERE" in one for one in read), "no table is read without a key"
        assert not any("private" in one.casefold() for one in asked)


def test_a_customer_does_not_wait_for_what_it_does_not_need(place: list[str]) -> None:
    program = (
        "import sys; from cli import main\n"
        f"try: main({['household', uid('elm'), *place]})\n"
        "except SystemExit as end: print(end.code, {'pandas', 'alembic', 'detectors.registry'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "0 set()"


def test_ids_may_look_like_addresses(tmp_path: Path) -> None:
    made = Town()
    made.family("oak", "anna", "ben")
    tables = made.tables()
    named = {uid("anna"): "Anna@Tenant.example", uid("oak"): "oak@tenant"}
    tables = {
        table: [{column: named.get(str(value), value) for column, value in row.items()} for row in rows]
        for table, rows in tables.items()
    }
    write_csv(tmp_path, tables)
    with open_source(str(tmp_path), SourceMapping()) as source:
        for id_, kind in (("Anna@Tenant.example", "user"), ("oak@tenant", "household"), ("no@tenant", None)):
            found = look(source, id_, Context(as_of=AS_OF, window=YESTERDAY))
            assert (found.kind, len(found.households)) == (kind, 1 if kind else 0)


def test_without_a_ledger_nobody_says_that_all_is_well(place: list[str], tmp_path: Path) -> None:
    shown = call(uid("elm"), *place[:4], "--ledger", f"sqlite:///{tmp_path}/none.db")
    assert shown.exit_code == 0
    assert "tickets: not known (there is no ledger at" in shown.stdout
    assert "Whether a ticket is open is not known." in shown.stdout
    assert not (tmp_path / "none.db").exists()
    leaderless = call(uid("oak"), *place[:4], "--ledger", f"sqlite:///{tmp_path}/none.db")
    assert "whether a ticket says" in leaderless.stdout
    assert "no open ticket" not in leaderless.stdout
    assert leaderless.stdout.splitlines()[-1] == f"  hearthwatch escalate eng --household {uid('oak')}"


def test_a_name_cannot_act_in_a_terminal() -> None:
    for name, _ in zip(strings(7, 2_000), range(2_000), strict=False):
        home = HouseholdView(uid("h"), name, NOON, None, None, f"leader_id names {name}", "", (), 0, (), None, True)
        written = to_table(Screen(Looked("household", "", (home,)), None, name, AS_OF))
        lines = written.splitlines()
        assert len(lines) == written.count("\n"), "no name ends a line"
        assert [part for line in lines for part in hidden(line)] == []
        assert all(cell_len(line) <= 80 for line in lines)


@pytest.mark.parametrize(
    "typed",
    [
        ["household", "jo", "private@example.org"],
        ["household", "jo", "private"],
        ["household", "--private@example.org"],
        ["private@example.org"],
        ["tickets", "list", "--as-of", "private@example.org"],
    ],
)
def test_a_mistyped_address_is_not_repeated(typed: list[str]) -> None:
    result = CliRunner().invoke(main, typed)
    assert (result.exit_code, "private" in result.output + result.stderr) == (2, False)


def test_what_is_too_long_is_refused_however_it_comes(place: list[str]) -> None:
    for named, text in (("-", "a" * 5_000), ("a" * 5_000, None)):
        result = call(named, *place, input=text)
        assert (result.exit_code, "name a household's id" in result.stderr) == (2, True)
