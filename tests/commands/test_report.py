"""`report` over nights that were really played."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.postgres import PostgresServer
from tests.support.towns import Town, uid, write_csv

FIRST, SECOND, THIRD = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield "sqlite:///hearthwatch.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.new_database(()) as database:
        yield database.url


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_ticket_that_was_fixed_came_back_and_was_learned_from(tmp_path: Path, ledger: str) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    for as_of, leader in ((FIRST, None), (SECOND, uid("anna")), (THIRD, None)):
        town.home("oak")["leader_id"] = leader
        (tmp_path / "town").mkdir(exist_ok=True)
        source = str(write_csv(tmp_path / "town", town.tables()))
        assert call("run", "--source", source, "--ledger", ledger, "--as-of", as_of).exit_code == 0
    ticket = call("tickets", "list", "--ledger", ledger, "--as-of", THIRD).stdout.split()[0]
    written = call("tickets", "outcome", ticket, "--ledger", ledger, "--as-of", THIRD, "--outcome", "Assigned anna")
    assert written.exit_code == 0, written.output
    result = call("report", "--ledger", ledger, "--as-of", "2026-02-05T04:00:00Z", "--format", "json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["report"]["nights"] == 3
    assert (told["teams"][0]["opened"], told["teams"][0]["reopened"], told["teams"][0]["verified"]) == (1, 1, 0)
    assert told["open_tickets"] == [{"team": "engineering", "open": 1, "median_days": 2.0, "oldest_days": 2.0}]
    # The clock began anew when it was reopened, an hour ago; half an hour was promised.
    assert told["acknowledge_promises"][0]["broken"] == 1
    assert told["resolve_promises"][0]["broken"] == 0
    assert told["outcomes"][0]["outcome"] == "Assigned anna"
    assert uid("anna") not in result.stdout
    earlier = call("report", "--ledger", ledger, "--since", "2026-02-03", "--until", "2026-02-04", "--as-of", THIRD)
    assert "1 night\n" in earlier.stdout
    assert "Outcomes: none" in earlier.stdout


def test_bad_periods_and_ledgers(tmp_path: Path) -> None:
    empty = call("report", "--since", "2026-02-03", "--until", "2026-02-03")
    assert (empty.exit_code, "the period is empty" in empty.stderr) == (2, True)
    broken = call("report", "--ledger", f"sqlite:///{tmp_path}")
    assert (broken.exit_code, broken.stderr.count("\n")) == (2, 1)
