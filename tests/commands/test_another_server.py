"""The ledger of one server and the rows of another: nothing is fixed there, and it is said."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.folders import exported
from tests.support.postgres import Database, PostgresServer, load
from tests.support.towns import Town, uid

FIRST, SECOND, LOOK, THIRD = (
    "2026-02-03T03:00:00Z",
    "2026-02-04T03:00:00Z",
    "2026-02-04T10:00:00Z",
    "2026-02-05T03:00:00Z",
)
ANOTHER = "the source is on another server than on the run of 2026-02-03 03:00:00 UTC"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def run(source: str, as_of: str, *more: str, code: int = 0) -> Result:
    result = call("run", "--source", source, "--as-of", as_of, *more)
    assert result.exit_code == code, result.output
    return result


def tickets() -> dict[str, str]:
    """The status of each ticket."""
    with sqlite3.connect("hearthwatch.db") as ledger:
        return dict(ledger.execute("SELECT external_id, status FROM tickets ORDER BY id"))


def town(*, broken: bool) -> Town:
    town = Town()
    town.family("rex", "one", "two")
    town.family("mia", "three")
    if broken:
        town.home("rex")["leader_id"] = uid("nobody")
    return town


def put(database: Database, town: Town) -> str:
    with database.connect() as connection:
        connection.execute("TRUNCATE households, household_members, household_join_requests CASCADE")
    load(database, town.tables())
    return database.url


@pytest.fixture
def first_night(petforce_db: Database, elsewhere: Path) -> None:
    """A night that filed a ticket, on a server of another number than the present one."""
    run(put(petforce_db, town(broken=True)), FIRST)
    assert list(tickets().values()) == ["open"]
    with sqlite3.connect("hearthwatch.db") as ledger:
        assert ledger.execute("SELECT length(server) > 10 FROM nights").fetchall() == [(1,)]
        ledger.execute("UPDATE nights SET server = '1'")


@pytest.mark.usefixtures("first_night")
def test_nothing_is_fixed_on_another_server_until_somebody_says_so(petforce_db: Database) -> None:
    source = put(petforce_db, town(broken=False))
    for as_of, more in ((SECOND, ()), (LOOK, ("--quick",))):
        said = run(source, as_of, *more, code=4)
        assert ANOTHER in said.stderr
        assert "--accept-volume" in said.stderr
    (ticket,) = tickets()
    verified = call("tickets", "verify", ticket, "--source", source, "--as-of", LOOK)
    assert (verified.exit_code, ANOTHER in verified.stderr) == (4, True)
    assert tickets() == {ticket: "open"}
    run(source, THIRD, "--accept-volume")
    assert tickets() == {ticket: "verified"}


@pytest.mark.usefixtures("first_night")
def test_what_is_found_there_is_filed(petforce_db: Database) -> None:
    other = town(broken=False)
    other.home("mia")["leader_id"] = uid("nobody")
    run(put(petforce_db, other), SECOND, code=4)
    assert list(tickets().values()) == ["open", "open"]


def test_what_a_look_found_elsewhere_is_not_fixed_where_it_never_was(petforce_db: Database, elsewhere: Path) -> None:
    run(put(petforce_db, town(broken=False)), FIRST)
    source = put(petforce_db, town(broken=True))
    run(source, "2026-02-03T10:00:00Z", "--quick")
    with sqlite3.connect("hearthwatch.db") as ledger:
        ledger.execute("UPDATE nights SET server = '1' WHERE kind = 'quick'")
    said = run(put(petforce_db, town(broken=False)), SECOND, code=4)
    assert ANOTHER.replace("03:00", "10:00") in said.stderr
    assert list(tickets().values()) == ["open"]
    run(source, THIRD, "--accept-volume")
    assert list(tickets().values()) == ["verified"]


def test_a_role_that_may_not_ask_which_server_it_is_reads_on(
    postgres: PostgresServer, petforce_db: Database, elsewhere: Path
) -> None:
    source = put(petforce_db, town(broken=True))
    with petforce_db.connect() as connection:
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    with postgres.new_reader(petforce_db, bypass_rls=True) as reader:
        run(reader.url, FIRST)
        said = run(reader.url, "2026-02-03T10:00:00Z", "--quick")
    assert "this look reads everything: this role may not ask the server who it is" in said.stderr
    run(source, SECOND)


@pytest.mark.usefixtures("first_night")
def test_where_all_is_found_again_there_is_no_question(petforce_db: Database) -> None:
    run(put(petforce_db, town(broken=True)), SECOND)
    run(put(petforce_db, town(broken=False)), THIRD)
    assert list(tickets().values()) == ["verified"]


@pytest.mark.usefixtures("first_night")
def test_a_folder_has_no_number(tmp_path: Path) -> None:
    run(str(exported(tmp_path / "export", town(broken=False))), SECOND)
    assert list(tickets().values()) == ["verified"]
