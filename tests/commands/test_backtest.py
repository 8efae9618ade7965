"""`backtest`: the past played again, with one policy or two, without a trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.postgres import Database, load
from tests.support.towns import DAY, NOON, Town, uid, write_csv

AS_OF = "2026-02-05T03:00:00Z"
PERIOD = ("--since", "2026-02-01", "--until", "2026-02-05", "--as-of", AS_OF)


@pytest.fixture
def town() -> Town:
    """mia makes 11 households on 2 February, kim 7 on the 3rd and 7 on the 4th."""
    town = Town()
    town.family("oak", "anna", "ben")
    for who, day, number in (("mia", 0, 11), ("kim", 1, 7), ("kim", 2, 7)):
        for place in range(number):
            town.event("household_created", f"{who} {day} {place}", who, at=NOON + day * DAY)
    return town


@pytest.fixture
def source(tmp_path: Path, town: Town) -> str:
    (tmp_path / "town").mkdir()
    return str(write_csv(tmp_path / "town", town.tables()))


@pytest.fixture
def strict(tmp_path: Path) -> str:
    path = tmp_path / "strict.toml"
    path.write_text("[limits]\ncreations_per_day = 6\n")
    return str(path)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def played(*arguments: str) -> dict[str, list[dict[str, object]]]:
    result = call("backtest", *PERIOD, "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    document: dict[str, list[dict[str, object]]] = json.loads(result.stdout)
    return document


def test_each_night_says_what_it_would_have_found_and_filed(source: str, elsewhere: Path) -> None:
    told = played("--source", source, "--detector", "mass-creation")
    assert [(row["day"], row["findings"], row["new"], row["tickets"]) for row in told["nights"]] == [
        ("2026-02-01", 0, 0, 0),
        ("2026-02-02", 1, 1, 1),
        ("2026-02-03", 0, 0, 0),
        ("2026-02-04", 0, 0, 0),
    ]
    assert told["summary"][0]["tickets"] == 1
    assert told["tickets"][0]["about"] == f"user {uid('mia')}"
    assert list(elsewhere.iterdir()) == []


def test_two_policies_side_by_side(source: str, strict: str) -> None:
    told = played("--source", source, "--detector", "mass-creation", "--policy", strict, "--against", "default")
    assert [(row["tried_findings"], row["against_findings"]) for row in told["nights"]] == [
        (0, 0),
        (1, 1),
        (1, 0),
        (1, 0),
    ]
    # What kim did on the 4th is said on the ticket of the 3rd.
    assert [(row["tried_new"], row["tried_tickets"]) for row in told["nights"]] == [(0, 0), (1, 1), (1, 1), (0, 0)]
    assert [row["about"] for row in told["tickets_only_with_tried"]] == [f"user {uid('kim')}"]
    assert told["tickets_only_with_against"] == []
    assert {row["policy"]: row["tickets"] for row in told["summary"]} == {"tried": 2, "against": 1}


def test_a_server_and_a_folder_tell_the_same(source: str, strict: str, petforce_db: Database, town: Town) -> None:
    load(petforce_db, town.tables())
    arguments = ("--detector", "mass-creation", "--policy", strict)
    assert played("--source", petforce_db.url, *arguments) == played("--source", source, *arguments)


def test_what_could_not_look_has_no_numbers(tmp_path: Path, town: Town) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    write_csv(folder, town.tables(), leave_out=["household_events"])
    result = call("backtest", *PERIOD, "--source", str(folder), "--detector", "mass-creation", "--format", "json")
    assert result.exit_code == 0
    assert "mass-creation could not look: needs household_events" in result.stderr
    told = json.loads(result.stdout)
    assert told["report"]["incomplete_nights"] == 4
    assert {(row["findings"], row["blind"]) for row in told["nights"]} == {(None, "mass-creation")}


def test_a_detector_that_fails_makes_it_incomplete(petforce_db: Database, town: Town) -> None:
    load(petforce_db, town.tables())
    with petforce_db.connect() as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE household_events IN ACCESS EXCLUSIVE MODE")
        result = call(
            *("backtest", "--since", "2026-02-02", "--until", "2026-02-03", "--as-of", AS_OF),
            *("--source", petforce_db.url, "--detector", "mass-creation"),
        )
        other.execute("ROLLBACK")
    assert result.exit_code == 4, result.output
    assert "incomplete: mass-creation" in result.stderr


def test_rules_about_states_are_said_to_see_today(source: str) -> None:
    result = call("backtest", *PERIOD, "--source", source, "--detector", "no-leader")
    assert "see the tables as they are now" in result.stderr
    assert "see the tables" not in call("backtest", *PERIOD, "--source", source, "--detector", "mass-creation").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--detector", "mass-creatio", *PERIOD], 2, "mass-creation"),
        (
            ["--detector", "mass-creation", "--since", "2026-02-05", "--until", "2026-02-01", "--as-of", AS_OF],
            2,
            "empty",
        ),
        (
            ["--detector", "mass-creation", "--since", "2026-02-01", "--until", "2026-03-01", "--as-of", AS_OF],
            2,
            "future",
        ),
        (
            ["--detector", "mass-creation", "--since", "2025-11-04", "--until", "2026-02-05", "--as-of", AS_OF],
            2,
            "92 days",
        ),
        (["--detector", "mass-creation", *PERIOD, "--against", "nowhere.toml"], 2, "nowhere.toml"),
        (["--detector", "mass-creation", *PERIOD, "--source", "nowhere"], 3, "nowhere"),
        ([*PERIOD], 2, "--detector"),
    ],
)
def test_what_cannot_be_played(arguments: list[str], code: int, says: str, source: str, elsewhere: Path) -> None:
    result = call("backtest", *(arguments if "--source" in arguments else [*arguments, "--source", source]))
    assert (result.exit_code, says in result.stderr) == (code, True), result.output
    assert result.stderr.count("\n") == 1
    assert list(elsewhere.iterdir()) == []


def test_the_longest_period_is_played(source: str) -> None:
    result = call(
        *("backtest", "--since", "2025-11-05", "--until", "2026-02-05", "--as-of", AS_OF),
        *("--source", source, "--detector", "mass-creation", "--format", "csv"),
    )
    assert result.exit_code == 0
    nights = [line.split(",")[1] for line in result.stdout.splitlines() if line.startswith("nights,")]
    assert (len(nights), nights[0], nights[-1]) == (92, "2025-11-05", "2026-02-04")


def test_a_limit_that_moves_has_a_curve(source: str, elsewhere: Path) -> None:
    moved = ("--source", source, "--detector", "mass-creation", "--sweep", "creations_per_day=10..11")
    told = played(*moved)
    # mia made 11 of them, and more than the limit are too many.
    assert [(row["creations_per_day"], row["tickets"]) for row in told["sweep"]] == [(10, 1), (11, 0)]
    drawn = call("backtest", *PERIOD, *moved, "--format", "html", "--output", "curve.html", "--report", "pages")
    assert (drawn.exit_code, drawn.stdout) == (0, ""), drawn.output
    page = (elsewhere / "curve.html").read_text()
    assert "Findings and tickets as creations_per_day moves" in page
    assert "now 10" in page
    (elsewhere / "pages" / "curve-odd.json").write_text('{"limit": "<b>"}')
    run = call("run", "--source", source, "--as-of", "2026-02-03T03:00:00Z", "--report", "pages")
    assert "curve-odd.json: is no curve" in run.stderr
    tonight = (elsewhere / "pages" / "tonight.html").read_text()
    assert tonight.count("Findings and tickets as creations_per_day moves") > 1
    assert 'href="#backtests"' in tonight
    assert "played again for each value with mass-creation." in tonight


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--sweep", "creations=5..9"), "no limit 'creations'"),
        (("--sweep", "one_household_per_user=0..1"), "no limit"),
        (("--sweep", "creations_per_day=9"), "such as"),
        (("--sweep", "creations_per_day=9..9"), "2 to 25 values"),
        (("--sweep", "creations_per_day=0..9"), "cannot be 0"),
        (("--sweep", "creations_per_day=5..9", "--against", "default"), "leave --against out"),
        (("--format", "html"), "name one"),
        (("--report", "pages"), "--report keeps the curve of a --sweep"),
    ],
)
def test_a_sweep_that_cannot_be_is_said(given: tuple[str, ...], says: str, source: str, elsewhere: Path) -> None:
    refused = call("backtest", *PERIOD, "--source", source, "--detector", "mass-creation", *given)
    assert (refused.exit_code, says in refused.stderr) == (2, True), refused.stderr
