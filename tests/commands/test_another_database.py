"""The ledger of one database and the rows of another: nothing is fixed there, and it is said."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from detectors.source.identity import is_another
from tests.support.folders import exported
from tests.support.postgres import Database, PostgresServer, load
from tests.support.towns import Town, uid

FIRST, SECOND, LOOK, THIRD = (
    "2026-02-03T03:00:00Z",
    "2026-02-04T03:00:00Z",
    "2026-02-04T10:00:00Z",
    "2026-02-05T03:00:00Z",
)
ANOTHER = "the source is another database than on the run of 2026-02-03 03:00:00 UTC"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def run(source: str, as_of: str, *more: str, code: int = 0) -> Result:
    result = call("run", "--source", source, "--as-of", as_of, *more)
    assert result.exit_code == code, result.output
    return result


def tickets() -> list[str]:
    with sqlite3.connect("hearthwatch.db") as ledger:
        return [status for (status,) in ledger.execute("SELECT status FROM tickets ORDER BY id")]


def one_ticket() -> str:
    with sqlite3.connect("hearthwatch.db") as ledger:
        ((name,),) = ledger.execute("SELECT external_id FROM tickets")
    return str(name)


@pytest.fixture
def copy(postgres: PostgresServer) -> Iterator[Database]:
    with postgres.new_database() as database:
        yield database


@pytest.fixture
def broken() -> Town:
    town = Town()
    town.family("rex", "one", "two")
    town.family("mia", "three")
    town.home("rex")["leader_id"] = uid("nobody")
    return town


@pytest.fixture
def whole() -> Town:
    town = Town()
    town.family("rex", "one", "two")
    town.family("mia", "three")
    return town


@pytest.fixture
def first_night(petforce_db: Database, broken: Town, elsewhere: Path) -> None:
    load(petforce_db, broken.tables())
    run(petforce_db.url, FIRST)


Place = Callable[[Town], str]


@pytest.fixture(params=["copy", "folder"])
def other(request: pytest.FixtureRequest, copy: Database, tmp_path: Path) -> Place:
    def put(town: Town) -> str:
        if request.param == "copy":
            with copy.connect() as connection:
                connection.execute("TRUNCATE households, household_members, household_join_requests CASCADE")
            load(copy, town.tables())
            return copy.url
        return str(exported(tmp_path / "export", town))

    return put


@pytest.mark.usefixtures("first_night")
def test_nothing_is_fixed_by_another_database(petforce_db: Database, other: Place, whole: Town) -> None:
    healthy = other(whole)
    for as_of, more in ((SECOND, ()), (LOOK, ("--quick",))):
        said = run(healthy, as_of, *more, code=4)
        assert ANOTHER in said.stderr
        assert "--accept-volume" in said.stderr
        assert tickets() == ["open"]
    verified = call("tickets", "verify", one_ticket(), "--source", healthy, "--as-of", LOOK)
    assert (verified.exit_code, ANOTHER in verified.stderr) == (4, True)
    run(petforce_db.url, THIRD)


@pytest.mark.usefixtures("first_night")
def test_a_move_is_taken_once(other: Place, whole: Town) -> None:
    healthy = other(whole)
    run(healthy, SECOND, "--accept-volume")
    assert tickets() == ["verified"]
    run(healthy, THIRD)


@pytest.mark.usefixtures("first_night")
def test_where_all_is_found_again_there_is_no_question(other: Place, broken: Town, whole: Town) -> None:
    run(other(broken), SECOND)
    run(other(whole), THIRD)
    assert tickets() == ["verified"]


@pytest.mark.usefixtures("first_night")
def test_what_is_found_there_is_filed(other: Place, whole: Town) -> None:
    whole.home("mia")["leader_id"] = uid("nobody")
    run(other(whole), SECOND, code=4)
    assert tickets() == ["open", "open"]


def test_what_a_look_found_elsewhere_is_not_fixed_where_it_never_was(
    petforce_db: Database, other: Place, broken: Town, whole: Town
) -> None:
    load(petforce_db, whole.tables())
    run(petforce_db.url, FIRST)
    run(other(broken), "2026-02-03T10:00:00Z", "--quick")
    said = run(petforce_db.url, SECOND, code=4)
    assert ANOTHER.replace("03:00", "10:00") in said.stderr
    assert tickets() == ["open"]
    run(petforce_db.url, THIRD, "--accept-volume")
    assert tickets() == ["verified"]


def test_a_role_that_may_not_ask_which_server_it_is_reads_on(
    postgres: PostgresServer, petforce_db: Database, broken: Town, elsewhere: Path
) -> None:
    load(petforce_db, broken.tables())
    with petforce_db.connect() as connection:
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    with postgres.new_reader(petforce_db, bypass_rls=True) as reader:
        run(reader.url, FIRST)
        said = run(reader.url, "2026-02-03T10:00:00Z", "--quick")
    assert "this look reads everything: this role may not ask the server who it is" in said.stderr
    assert tickets() == ["open"]
    # Whoever may is told nothing of another database.
    run(petforce_db.url, SECOND)


@pytest.mark.parametrize(
    ("before", "now", "another"),
    [
        (None, "duckdb", False),
        ("duckdb", "duckdb", False),
        ("duckdb", "spark", True),
        ("postgresql 1 2", "postgresql 1 2", False),
        ("postgresql 1 2", "postgresql 1 3", True),
        ("postgresql 1 2", "postgresql", False),
        ("postgresql 1 2", "postgresql - 2", False),
        ("postgresql 1 2", "postgresql - 3", True),
        ("postgresql 1 2", "duckdb", True),
    ],
)
def test_only_what_both_tell_is_compared(before: str | None, now: str, another: bool) -> None:
    assert is_another(before, now) is another
