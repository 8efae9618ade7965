"""Closing the loop: outcomes are kept and shown, and the night says whom to tell what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.towns import Town, uid, write_csv

FIRST, SECOND, THIRD, MUCH_LATER = (
    "2026-02-03T03:00:00Z",
    "2026-02-04T03:00:00Z",
    "2026-02-05T03:00:00Z",
    "2026-03-20T03:00:00Z",
)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.home("oak")["leader_id"] = None
    town.report("threat-1", "threat", "ben", subject_user_id="cleo", household_id="oak", body="I am afraid")
    return town


def call(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=typed)


def night(tmp_path: Path, town: Town, as_of: str) -> str:
    (tmp_path / "town").mkdir(exist_ok=True)
    result = call("run", "--source", str(write_csv(tmp_path / "town", town.tables())), "--as-of", as_of)
    assert result.exit_code == 0, result.output
    return result.stdout


def ticket_of(elsewhere: Path, title: str) -> Path:
    (path,) = [
        path
        for path in (elsewhere / "out" / "queue").glob("*.json")
        if title in json.loads(path.read_text())["ticket"]["title"]
    ]
    return path


def resolve(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "resolved"}))


@pytest.fixture
def leader(tmp_path: Path, elsewhere: Path, town: Town) -> str:
    """A P0 ticket that the second night sees fixed."""
    night(tmp_path, town, FIRST)
    town.home("oak")["leader_id"] = uid("anna")
    return ticket_of(elsewhere, "Leader").stem


def test_the_night_says_whom_to_tell_what_once(tmp_path: Path, elsewhere: Path, town: Town, leader: str) -> None:
    second = night(tmp_path, town, SECOND)
    assert "Settled since the last night, so tell the customer (1 ticket):" in second
    assert f"{leader} Household Has No Leader: tell user" in second
    assert f"household {uid('oak')}" in second
    assert "Please tell us if you still see it." in second
    assert f"tickets outcome TICKET:\n  {leader}" in second
    text = (elsewhere / "out" / "queue" / f"{leader}.md").read_text(encoding="utf-8")
    assert f"hearthwatch tickets outcome {leader}" in text
    third = night(tmp_path, town, THIRD)
    assert "Settled" not in third
    assert f"tickets outcome TICKET:\n  {leader}" in third
    assert leader not in night(tmp_path, town, MUCH_LATER)


def test_of_an_incident_the_ticket_has_all_to_tell(tmp_path: Path, town: Town) -> None:
    town.family("sound", "sound leader", "sound member")
    for number in range(60):
        town.family(f"home {number}", f"leader {number}", f"member {number}")
        town.home(f"home {number}")["leader_id"] = None
    night(tmp_path, town, FIRST)
    for home in town.households:
        home["leader_id"] = next(row["user_id"] for row in town.household_members if row["household_id"] == home["id"])
    told = next(line for line in night(tmp_path, town, SECOND).splitlines() if "Incident" in line and ": tell " in line)
    assert told.endswith("and 47 more · perhaps more (the ticket has them all)")


def test_of_abuse_only_the_reporter_is_told(tmp_path: Path, elsewhere: Path, town: Town) -> None:
    night(tmp_path, town, FIRST)
    resolve(ticket_of(elsewhere, "Report"))
    town.support_requests[0]["status"] = "closed"
    second = night(tmp_path, town, SECOND)
    told = next(line for line in second.splitlines() if ": tell " in line)
    assert told.endswith(f"tell support request {uid('threat-1')} and nobody else")
    assert uid("cleo") not in told
    assert "I cannot share details about account actions" in second


def test_an_outcome_is_kept_shown_and_not_asked_for_again(tmp_path: Path, town: Town, leader: str) -> None:
    night(tmp_path, town, SECOND)
    arguments = ("tickets", "outcome", leader, "--as-of", SECOND, "--author", "kim")
    assert call(*arguments, "--outcome", "Assigned anna", "--learning", "Write to jo@example.org first").exit_code == 0
    shown = call("tickets", "show", leader).stdout
    assert "outcome of 2026-02-04 03:00 UTC: Assigned anna (kim)" in shown
    assert "learned: Write to [not kept] first" in shown
    assert b"jo@example" not in Path("hearthwatch.db").read_bytes()
    assert "No outcome written down" not in night(tmp_path, town, THIRD)


def test_a_reopened_ticket_wants_another_outcome(tmp_path: Path, town: Town, leader: str) -> None:
    night(tmp_path, town, SECOND)
    call("tickets", "outcome", leader, "--as-of", SECOND, "--outcome", "Assigned anna")
    town.home("oak")["leader_id"] = None
    night(tmp_path, town, THIRD)
    town.home("oak")["leader_id"] = uid("anna")
    assert f"TICKET:\n  {leader}" in night(tmp_path, town, "2026-02-06T03:00:00Z")


def test_trust_and_safetys_action(tmp_path: Path, elsewhere: Path, town: Town, leader: str) -> None:
    abuse = ticket_of(elsewhere, "Report").stem
    asked = call("tickets", "outcome", abuse, "--as-of", SECOND, typed="Spoke to both\nwarning\nAsk earlier\n")
    assert asked.exit_code == 0, asked.output
    assert "[Account warning]: Spoke to both" in call("tickets", "show", abuse).stdout
    none = call("tickets", "outcome", abuse, "--as-of", SECOND, "--outcome", "Nothing", "--action", "NONE")
    assert none.exit_code == 0
    assert "[No action]: Nothing" in call("tickets", "show", abuse).stdout
    for ticket, action, says in ((abuse, "hang", "choose from: Account warning"), (leader, "warning", "no --action")):
        refused = call("tickets", "outcome", ticket, "--as-of", SECOND, "--outcome", "x", "--action", action)
        assert (refused.exit_code, says in refused.stderr) == (2, True), refused.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["hw-none", "--outcome", "x"], "there is no ticket"),
        (["TICKET", "--outcome", " "], "--outcome is empty"),
        (["TICKET", "--outcome", "x" * 2001], "longer than 2,000"),
        (["TICKET", "--outcome", "x", "--learning", "\x00"], "--learning is empty"),
    ],
)
def test_what_cannot_be_kept(leader: str, arguments: list[str], says: str) -> None:
    result = call("tickets", "outcome", *(leader if one == "TICKET" else one for one in arguments), "--as-of", SECOND)
    assert (result.exit_code, says in result.stderr) == (2, True), result.output
    assert result.stderr.count("\n") == 1


def test_closing_takes_the_outcome_along(elsewhere: Path, leader: str) -> None:
    abuse = ticket_of(elsewhere, "Report").stem
    close = ("tickets", "close", abuse, "--as", "expected", "--reason", "a joke", "--as-of", SECOND)
    assert call(*close, "--action", "none").exit_code == 2
    assert call(*close, "--outcome", "A joke", "--action", "jail").exit_code == 2
    assert "closed" not in call("tickets", "show", abuse).stdout
    assert call(*close, "--outcome", "A joke", "--action", "none", "--learning", "They write so").exit_code == 0
    shown = call("tickets", "show", abuse).stdout
    assert "closed as expected" in shown
    assert "[No action]: A joke" in shown


def test_what_was_closed_or_deleted_is_told_nobody(tmp_path: Path, elsewhere: Path, town: Town, leader: str) -> None:
    closed = ("tickets", "close", ticket_of(elsewhere, "Report").stem, "--as", "false-positive", "--reason", "x")
    assert call(*closed, "--as-of", FIRST).exit_code == 0
    ticket_of(elsewhere, "Leader").unlink()
    second = night(tmp_path, town, SECOND)
    assert "Settled" not in second
    assert "No outcome" not in second
