"""`escalate`: asked by prompts or told by options, pre-filled, filed once, through the same ledger and clocks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from escalation.ledger.ledger import open_ledger
from tests.support.postgres import Database, load
from tests.support.towns import Town, uid, write_csv

NIGHT, NEXT, LATER = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z"
WORDS = {
    "eng": {
        "--title": "Nobody leads the household",
        "--severity": "P0",
        "--when": "2026-02-02T14:00:00Z",
        "--issue": "The household has no leader.",
        "--steps": "The leader left",
        "--expected": "Somebody leads",
        "--actual": "Nobody leads",
        "--requesting": "Assign a leader",
    },
    "ts": {
        "--title": "Threats in a household",
        "--severity": "Immediate",
        "--pattern": "Repeated threats",
        "--evidence": "Chat of 2 February",
        "--suspected-violation": "Threats of violence",
        "--requesting": "Account review",
    },
    "csm": {
        "--title": "Kennel wants more members",
        "--severity": "Next-day",
        "--issue-summary": "A kennel",
        "--customer-impact": "Cannot add staff",
        "--requested-outcome": "30 members",
        "--recommendation": "Grant it",
        "--urgency": "Opens on Monday",
    },
    "pm": {
        "--title": "Shared calendar",
        "--feature-request": "A calendar",
        "--use-case": "Vet visits",
        "--frequency": "12 users",
    },
    "legal": {
        "--title": "Custody of a dog",
        "--legal-issue": "Custody",
        "--parties": "Two former partners",
        "--documents": "Court order of 2026-01-30",
    },
}


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.family("elm", "dora", "emil")
    town.event("household_left", "oak", "zoe", was_leader=True)
    town.account("anna", account_tier="premium", monthly_revenue=120)
    return town


@pytest.fixture
def source(tmp_path: Path, town: Town) -> str:
    (tmp_path / "town").mkdir()
    return str(write_csv(tmp_path / "town", town.tables()))


def call(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=typed)


def options(team: str, **changes: str) -> list[str]:
    given = WORDS[team] | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [part for pair in given.items() for part in pair]


def escalate(team: str, source: str, *more: str, as_of: str = NIGHT, **changes: str) -> Result:
    about = ["--household", uid("oak")] if "--household" not in more and "--user" not in more else []
    return call(
        *("escalate", team, "--source", source, "--as-of", as_of, "--non-interactive", "--yes"),
        *about,
        *options(team, **changes),
        *more,
    )


def tickets(elsewhere: Path) -> list[str]:
    return sorted(path.stem for path in (elsewhere / "out" / "queue").glob("*.md"))


def text_of(elsewhere: Path) -> str:
    (ticket,) = tickets(elsewhere)
    return (elsewhere / "out" / "queue" / f"{ticket}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("team", WORDS)
def test_each_teams_escalation_is_filed_and_holds_what_was_said(team: str, source: str, elsewhere: Path) -> None:
    result = escalate(team, source)
    assert result.exit_code == 0, result.output
    said = text_of(elsewhere)
    for name, value in WORDS[team].items():
        if name not in ("--when", "--severity"):
            assert value in said, name
    assert WORDS[team]["--title"] in call("tickets", "list", "--as-of", NIGHT).stdout


def test_what_the_data_knows_is_filled_in(source: str, elsewhere: Path) -> None:
    assert escalate("eng", source).exit_code == 0
    said = text_of(elsewhere)
    assert f"Household ID: {uid('oak')}" in said
    assert "Impact: 3 users in 1 household affected" in said
    assert all(uid(name) in said for name in ("anna", "ben", "cleo"))
    assert "left the household as its leader" in said
    assert "premium account" in said
    assert "120.00 a month" in said
    assert "vip-affected" in said


def test_the_data_comes_from_postgresql_too(petforce_db: Database, town: Town, elsewhere: Path) -> None:
    load(petforce_db, town.tables())
    assert escalate("csm", petforce_db.url, "--user", uid("anna").upper()).exit_code == 0
    said = text_of(elsewhere)
    assert f"Customer value: {uid('anna')}: premium account, $120.00 a month" in said
    assert f"| Household ID | {uid('oak')} |" in said
    assert uid("oak") in said


def test_everything_can_be_asked_for(source: str, elsewhere: Path) -> None:
    typed = [
        "",
        "the oak\x1b",
        uid("oak"),
        "P0",
        " ",
        "Nobody leads",
        "yesterday",
        "2027-01-01",
        "2026-02-02 14:00",
        "No leader",
        "left",
        "came back",
        "",
        "somebody leads",
        "nobody leads",
        "",
        "",
        "Assign one",
    ]
    declined = call("escalate", "eng", "--source", source, "--as-of", NIGHT, typed="\n".join([*typed, "y", "n"]) + "\n")
    assert (declined.exit_code, tickets(elsewhere)) == (0, []), declined.output
    assert not (elsewhere / "hearthwatch.db").exists()
    assert "Nothing was filed" in declined.stderr
    filed = call("escalate", "eng", "--source", source, "--as-of", NIGHT, typed="\n".join([*typed, "y", "y"]) + "\n")
    assert filed.exit_code == 0, filed.output
    assert "troubleshooting first" not in filed.stderr
    # The last thing that happened is proposed.
    assert "[2026-02-02T12:00:00Z]" in filed.stderr
    assert "1. left\n2. came back" in text_of(elsewhere)


def test_who_stops_answering_has_filed_nothing(source: str, elsewhere: Path) -> None:
    result = call("escalate", "eng", "--source", source, "--as-of", NIGHT, typed="\n\nP0\nNobody leads\n")
    assert result.exit_code == 1
    assert tickets(elsewhere) == []
    assert not (elsewhere / "hearthwatch.db").exists()


def test_the_same_escalation_is_filed_once(source: str, elsewhere: Path) -> None:
    assert escalate("eng", source).exit_code == 0
    (ticket,) = tickets(elsewhere)
    again = escalate("eng", source, title="nobody LEADS the household!")
    assert again.exit_code == 0
    assert f"It is there already: {ticket}, open" in again.stdout
    assert tickets(elsewhere) == [ticket]
    for _ in range(2):
        assert f"{ticket}: commented" in escalate("eng", source, "--add-comment", actual="Still nobody").stdout
    assert text_of(elsewhere).count("Actual: Still nobody") == 1
    assert "filed ->" in escalate("eng", source, "--anyway").stdout
    assert len(tickets(elsewhere)) == 2
    assert "filed ->" in escalate("eng", source, "--household", uid("elm")).stdout
    assert len(tickets(elsewhere)) == 3


def test_ids_are_the_same_however_they_are_written(petforce_db: Database, town: Town, elsewhere: Path) -> None:
    load(petforce_db, town.tables())
    assert escalate("eng", petforce_db.url, "--household", uid("oak").upper()).exit_code == 0
    assert f"Household ID: {uid('oak')}\n" in text_of(elsewhere)
    assert "It is there already" in escalate("eng", petforce_db.url).stdout
    # Where nobody can look, nobody knows how the source writes it.
    assert "It is there already" in escalate("eng", "nowhere", "--household", uid("oak").upper()).stdout


def test_a_comment_on_a_snoozed_ticket_waits(source: str, elsewhere: Path) -> None:
    assert escalate("csm", source).exit_code == 0
    (ticket,) = tickets(elsewhere)
    assert call("tickets", "snooze", ticket, "--days", "2", "--reason", "x", "--as-of", NIGHT).exit_code == 0
    assert "is sent afterwards" in escalate("csm", source, "--add-comment", urgency="Now on Sunday").stdout
    assert "Now on Sunday" not in text_of(elsewhere)
    assert call("run", "--source", source, "--as-of", "2026-02-06T03:00:00Z").exit_code == 0
    assert "Now on Sunday" in text_of(elsewhere)


def test_whoever_repeats_it_at_a_prompt_is_offered_a_comment(source: str, elsewhere: Path) -> None:
    assert escalate("eng", source).exit_code == 0
    arguments = ("escalate", "eng", "--source", source, "--as-of", NIGHT, "--household", uid("oak"), *options("eng"))
    # Enter twice: there are no error messages and no screenshots.
    assert "Nothing was added" in call(*arguments, typed="\n\nn\n").stderr
    assert "commented" in call(*arguments, typed="\n\ny\n").stdout


def test_no_night_takes_it_for_gone_and_its_clock_runs(source: str, elsewhere: Path) -> None:
    assert escalate("eng", source).exit_code == 0
    (ticket,) = tickets(elsewhere)
    night = call("run", "--source", source, "--as-of", NEXT)
    assert night.exit_code == 0
    assert ticket in call("tickets", "list", "--overdue", "--as-of", NEXT).stdout
    assert "Still no acknowledgment after four times the SLA time" in text_of(elsewhere)
    assert "for a person to judge" in call("tickets", "verify", ticket, "--source", source, "--as-of", NEXT).stdout
    record = elsewhere / "out" / "queue" / f"{ticket}.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "resolved"}))
    assert call("run", "--source", source, "--as-of", LATER).exit_code == 0
    assert "closed" in call("tickets", "show", ticket).stdout
    again = escalate("eng", source, as_of=LATER)
    assert "filed ->" in again.stdout
    assert len(tickets(elsewhere)) == 2


def test_what_could_not_be_looked_up_is_said_and_filed(tmp_path: Path, elsewhere: Path) -> None:
    for name, source in (
        ("missing", str(tmp_path / "nowhere")),
        ("unreachable", "postgresql://x:hunter2@127.0.0.1:1/x"),
    ):
        result = escalate("csm", source, title=f"Kennel {name}")
        assert result.exit_code == 0, result.output
        assert "nobody could look" in result.stderr
        assert "hunter2" not in result.output
        assert "Could not look (the source could not be read); add account tier" in result.stdout
    no_ids = call("escalate", "eng", "--non-interactive", "--yes", "--as-of", NIGHT, *options("eng"))
    assert "Impact: Could not look (no id was named); add how many users are affected" in no_ids.stdout
    assert "nothing could be filled in from the data" in no_ids.stderr
    bare = call("escalate", "pm", "--non-interactive", "--yes", "--as-of", NIGHT, *options("pm"))
    assert bare.exit_code == 0
    assert len(tickets(elsewhere)) == 4


def test_accounts_that_are_not_mapped_are_no_accounts_without_value(
    tmp_path: Path, town: Town, elsewhere: Path
) -> None:
    (tmp_path / "bare").mkdir()
    bare = str(write_csv(tmp_path / "bare", town.tables(), leave_out=["users"]))
    assert "could not look: no account tiers" in escalate("ts", bare).stdout
    assert "Customer value: Could not look (the source has no account tiers)" in escalate("csm", bare).stdout


def test_it_warns_of_the_donts(source: str) -> None:
    first = escalate("eng", source, severity="p0")
    assert (first.exit_code, "there is no ledger at" in first.stderr) == (0, True)
    legal = escalate("legal", source, parties="jo@example.org and her neighbour")
    assert "troubleshooting first" in legal.stderr
    assert "there is no ledger at" not in legal.stderr
    assert "(Engineering, P0: Nobody leads the household) is open on the same ids" in legal.stderr
    assert "Linked tickets" in legal.stdout
    assert "Legal is told by e-mail only (legal(at)petforce[.]com" in legal.stderr
    assert "Do not discuss legal matters on Slack" in legal.stderr
    assert "holds an address or a number" in legal.stderr
    assert "jo@example.org" not in legal.output
    ticked = escalate("csm", source, "--troubleshooting-done")
    assert "troubleshooting first" not in ticked.stderr
    assert "within 24 hours" in ticked.stdout
    assert "Acknowledgment: 24 hours, by 2026-02-04 03:00:00 UTC" in ticked.stdout


@pytest.mark.parametrize(
    ("team", "more", "says"),
    [
        ("eng", ["--severity", "P9"], "P9"),
        ("eng", ["--when", "2027-01-01"], "future"),
        ("eng", ["--when", "soon"], "soon"),
        ("eng", ["--title", " "], "title is empty"),
        ("eng", ["--title", "x" * 121], "title is too long"),
        ("eng", ["--actual", "x" * 4001], "actual is too long"),
        ("eng", ["--household", "a b"], "no household id"),
        ("eng", ["--household", "oak"], "a UUID is expected"),
        ("ts", ["--user", "\x1b[31m"], "no user id"),
        ("pm", ["--severity", "P0"], "--severity"),
    ],
)
def test_bad_input_is_one_line_and_files_nothing(
    team: str, more: list[str], says: str, petforce_db: Database, elsewhere: Path
) -> None:
    result = escalate(team, petforce_db.url, *more)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert tickets(elsewhere) == []


def test_what_is_missing_is_named_at_once(source: str, elsewhere: Path) -> None:
    result = call("escalate", "eng", "--non-interactive", "--yes", "--source", source, "--title", "x")
    assert result.exit_code == 2
    for name in ("--severity", "--when", "--steps", "--expected", "--actual", "--requesting"):
        assert name in result.stderr
    assert "--screenshots" not in result.stderr
    unnamed = call("escalate", "ts", "--non-interactive", "--yes", "--source", source, *options("ts"))
    assert (unnamed.exit_code, "--user ID or --household ID" in unnamed.stderr) == (2, True)
    unconfirmed = call("escalate", "pm", "--non-interactive", "--source", source, "--as-of", NIGHT, *options("pm"))
    assert (unconfirmed.exit_code, "--yes" in unconfirmed.stderr) == (2, True)
    assert tickets(elsewhere) == []


def test_hostile_words_act_nowhere(source: str, elsewhere: Path) -> None:
    evil = "<!channel> @here https://evil.com \x1b[31m =1+1 \u202e \x00 \udcff ```"
    result = escalate("eng", source, title=evil, issue=evil, actual=evil)
    assert result.exit_code == 0, result.output
    for shown in (result.output, text_of(elsewhere), call("tickets", "list", "--as-of", NIGHT).output):
        for live in ("<!channel>", "@here", "https://", "\x1b", "\u202e", "\x00"):
            assert live not in shown


def test_a_queue_that_fails_keeps_it_for_the_next_run(source: str, elsewhere: Path) -> None:
    (elsewhere / "out").mkdir()
    (elsewhere / "out" / "queue").write_text("in the way")
    failed = escalate("eng", source)
    assert failed.exit_code == 5
    assert "is recorded, but was not delivered" in failed.stderr
    (elsewhere / "out" / "queue").unlink()
    assert "sent now, decided earlier: create" in call("run", "--source", source, "--as-of", NEXT).stdout
    assert len(tickets(elsewhere)) == 1


def test_nobody_types_it_twice_because_a_run_is_at_work(source: str, elsewhere: Path) -> None:
    arguments = ("escalate", "pm", "--source", source, "--as-of", NIGHT, "--troubleshooting-done", *options("pm"))
    with open_ledger("sqlite:///hearthwatch.db"):
        # No ids, no workaround, no competitors, no revenue impact; file it; do not try again for ever.
        result = call(*arguments, typed="\n\n\n\n\ny\ny\nn\n")
        assert result.stderr.count("is used by another run; wait until that has ended. Try again?") == 2, result.output
        assert result.exit_code == 1
    assert tickets(elsewhere) == []
    assert "filed ->" in call(*arguments, typed="\n\n\n\n\ny\n").stdout


def test_an_issue_in_words_is_shown_its_row() -> None:
    result = call("escalate", "--issue", "two leaders in one household after transfer")
    assert result.exit_code == 0
    assert "Multiple leaders in one household" in result.stdout.splitlines()[0]
    assert "Acknowledgment: 30 min" in result.stdout
    assert "hearthwatch escalate eng --severity P0" in result.stdout
    assert "No row" in call("escalate", "--issue", "the weather is nice").stdout
    assert call("escalate").exit_code == 2
    assert call("escalate", "--issue", "x", "eng").exit_code == 2
