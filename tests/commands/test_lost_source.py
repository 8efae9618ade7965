"""A server that ends a scan in the middle: it is begun once more, then ends with 3 and the remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from threading import Lock
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import main
from commands import failures
from detectors.source.postgres import PostgresSource
from tests.support.postgres import Database, PostgresServer, load
from tests.support.standby import catch_up, giving_up_at_once, hot_standby
from tests.support.towns import Town, uid

AS_OF = "2026-02-03T03:00:00Z"
CLASS_NAME = re.compile(r"\b[A-Z][a-z]+[A-Z]\w+")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "RESTART_SECONDS", 0)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.home("oak")["leader_id"] = uid("nobody")
    return town


def scan(url: str, *more: str) -> Result:
    return CliRunner().invoke(main, ["scan", "--source", url, "--as-of", AS_OF, "--format", "json", *more])


def strike(monkeypatch: pytest.MonkeyPatch, name: str, at: int, blow: Callable[[int], object], times: int) -> None:
    """Before the call number `at` of a source's method, `blow` is dealt to its server process; `times` sources long."""
    true = getattr(PostgresSource, name)
    struck: list[int] = []
    calls: dict[PostgresSource, int] = {}
    one_at_a_time = Lock()

    def watched(self: PostgresSource, connection: Any, *arguments: Any, **more: Any) -> Any:
        with one_at_a_time:
            calls[self] = number = calls.get(self, 0) + 1
        if number == at and len(struck) < times:
            struck.append(at)
            blow(connection.connection.dbapi_connection.info.backend_pid)
        return true(self, connection, *arguments, **more)

    monkeypatch.setattr(PostgresSource, name, watched)


def ender(database: Database) -> Callable[[int], object]:
    def end(pid: int) -> None:
        with database.connect() as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    return end


PLACES = [("_run", 1), ("_run", 2), ("_run", 3), ("_read", 1), ("_read", 3), ("_read", 4), ("_read", 15), ("_read", 25)]


@pytest.mark.parametrize(("method", "at"), PLACES)
def test_a_scan_that_lost_its_server_is_done_once_more(
    petforce_db: Database, town: Town, monkeypatch: pytest.MonkeyPatch, method: str, at: int
) -> None:
    load(petforce_db, town.tables())
    strike(monkeypatch, method, at, ender(petforce_db), times=1)
    result = scan(petforce_db.url)
    assert result.exit_code == 0, result.stderr
    assert [one["subject"] for one in json.loads(result.stdout)["findings"]] == [{"household_id": uid("oak")}]
    assert "beginning again" in result.stderr or method == "_run"


@pytest.mark.parametrize(("method", "at"), PLACES)
def test_lost_twice_it_ends_with_the_remedy(
    petforce_db: Database, town: Town, monkeypatch: pytest.MonkeyPatch, method: str, at: int
) -> None:
    load(petforce_db, town.tables())
    strike(monkeypatch, method, at, ender(petforce_db), times=9)
    result = scan(petforce_db.url, "--verbose")
    said = result.stderr.splitlines()[-1]
    if result.exit_code == 0:
        # The second connection is not needed.
        assert method == "_run"
        return
    assert result.exit_code == 3, result.output
    assert "scan again once it is up (57P01)" in said
    assert not CLASS_NAME.search(said)


def test_a_standby_that_gives_a_scan_up(postgres: PostgresServer, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with hot_standby(postgres) as standby, postgres.new_database() as database:
        load(database, town.tables())
        catch_up(postgres, standby)
        url = standby.url(database.name)

        def rows_move(_: int) -> None:
            with giving_up_at_once(standby):
                with database.connect() as primary:
                    primary.execute("UPDATE household_members SET joined_at = joined_at + interval '1 second'")
                    primary.execute("VACUUM household_members")
                catch_up(postgres, standby)

        assert scan(url).exit_code == 0
        for times, code in ((1, 0), (9, 3)):
            with monkeypatch.context() as patch:
                strike(patch, "_read", 15, rows_move, times=times)
                result = scan(url)
            assert result.exit_code == code, result.stderr
            assert "max_standby_streaming_delay" in result.stderr.splitlines()[-1]
            assert not CLASS_NAME.search(result.stderr)
