"""`run`, `demo` and `tickets`, as cron and people call them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.towns import DAY, HOUR, NOON, Town, uid, write_csv

FIRST, SECOND, THIRD = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z"


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.family("elm", "dora", "emil")
    town.home("oak")["leader_id"] = None
    town.event("household_left", "oak", "zoe", was_leader=False)
    return town


def write(town: Town, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    return str(write_csv(folder, town.tables()))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def queue(elsewhere: Path) -> list[str]:
    return sorted(path.name for path in (elsewhere / "out" / "queue").glob("*.md"))


def test_each_thing_gets_one_ticket_and_a_repair_is_noted(tmp_path: Path, elsewhere: Path, town: Town) -> None:
    source = write(town, tmp_path / "town")
    first = call("run", "--source", source, "--as-of", FIRST)
    assert first.exit_code == 0, first.output
    assert "1 ticket made" in first.output
    (ticket,) = queue(elsewhere)
    assert call("run", "--source", source, "--as-of", SECOND).exit_code == 0
    assert queue(elsewhere) == [ticket]
    town.home("oak")["leader_id"] = uid("anna")
    town.home("elm")["leader_id"] = None
    third = call("run", "--source", write(town, tmp_path / "town"), "--as-of", THIRD)
    assert "1 ticket made, 1 ticket verified as fixed" in third.output
    assert len(queue(elsewhere)) == 2
    assert "Fixed" in (elsewhere / "out" / "queue" / ticket).read_text(encoding="utf-8")


def test_json_on_standard_output_and_talk_on_standard_error(tmp_path: Path, town: Town) -> None:
    result = call("run", "--source", write(town, tmp_path / "town"), "--as-of", FIRST, "--format", "json")
    assert [finding["detector"] for finding in json.loads(result.stdout)["findings"]] == ["no-leader"]
    assert "Tonight: 1 ticket made" in result.stderr


def test_a_queue_that_fails_loses_nothing(tmp_path: Path, elsewhere: Path, town: Town) -> None:
    source = write(town, tmp_path / "town")
    (elsewhere / "out").mkdir()
    (elsewhere / "out" / "queue").write_text("in the way")
    failed = call("run", "--source", source, "--as-of", FIRST)
    assert failed.exit_code == 5
    assert "1 message not delivered (cannot read tickets in out/queue: " in failed.stderr
    (elsewhere / "out" / "queue").unlink()
    assert call("run", "--source", source, "--as-of", FIRST).exit_code == 0
    assert len(queue(elsewhere)) == 1


def test_a_ticket_that_a_person_deletes_is_noticed_and_stays_deleted(
    tmp_path: Path, elsewhere: Path, town: Town
) -> None:
    source = write(town, tmp_path / "town")
    call("run", "--source", source, "--as-of", FIRST)
    (name,) = queue(elsewhere)
    ticket = name.removesuffix(".md")
    for file in (elsewhere / "out" / "queue").iterdir():
        file.unlink()
    second = call("run", "--source", source, "--as-of", SECOND)
    assert second.exit_code == 0
    assert f"deleted in the queue: {ticket} P0 no-leader; a new ticket is made if" in second.output
    assert "Open tickets: none." in second.output
    assert queue(elsewhere) == []
    shown = call("tickets", "show", ticket).output
    assert "it was deleted in the queue" in shown
    assert "none (ticket-deleted)" in shown
    assert "deleted" not in call("run", "--source", source, "--as-of", THIRD).output


def test_a_missed_night_is_made_up_for(tmp_path: Path, town: Town) -> None:
    town.home("oak")["leader_id"] = uid("anna")
    town.event("household_dashboard_viewed", "oak", "anna", at=NOON + DAY / 2)
    town.event("household_dashboard_viewed", "oak", "anna", at=NOON + DAY / 2 + HOUR)
    assert call("run", "--source", write(town, tmp_path / "town"), "--as-of", FIRST).exit_code == 0
    for number in range(11):
        town.event("household_created", f"many {number}", "mia", at=NOON + DAY)
    result = call("run", "--source", write(town, tmp_path / "town"), "--as-of", THIRD, "--format", "json")
    document = json.loads(result.stdout)
    assert document["scan"]["window"] == {"from": "2026-02-03T00:00:00Z", "to": "2026-02-05T00:00:00Z"}
    assert "mass-creation" in [finding["detector"] for finding in document["findings"]]


def test_wrong_queues_and_ledgers(tmp_path: Path, town: Town) -> None:
    source = write(town, tmp_path / "town")
    assert call("run", "--source", source, "--queue", "pigeon:coop").exit_code == 2
    assert call("run", "--source", source, "--queue", "rt:https://rt.example/").exit_code == 2
    broken = call("run", "--source", source, "--ledger", f"sqlite:///{tmp_path}")
    assert broken.exit_code == 2
    assert broken.stderr.count("\n") == 1


def test_tickets(tmp_path: Path, town: Town) -> None:
    source = write(town, tmp_path / "town")
    none = call("tickets", "list", "--as-of", FIRST)
    assert (none.exit_code, "there is no ledger at sqlite:///hearthwatch.db" in none.stderr) == (2, True)
    call("run", "--source", source, "--as-of", FIRST)
    listed = call("tickets", "list", "--as-of", FIRST).output
    assert "Household Has No Leader" in listed
    ticket = listed.split()[0]
    assert call("tickets", "list", "--overdue", "--as-of", FIRST).output == "No tickets.\n"
    assert ticket in call("tickets", "list", "--overdue", "--as-of", SECOND).output
    assert "open (new)" in call("tickets", "show", ticket).output
    assert "still true: no-leader" in call("tickets", "verify", ticket, "--source", source, "--as-of", SECOND).output
    town.home("oak")["leader_id"] = uid("anna")
    repaired = write(town, tmp_path / "town")
    assert "fixed: no-leader" in call("tickets", "verify", ticket, "--source", repaired, "--as-of", SECOND).output
    assert call("tickets", "dismiss", ticket, "--days", "9", "--reason", "x", "--as-of", SECOND).exit_code == 2
    assert call("tickets", "snooze", ticket, "--days", "1", "--reason", "x", "--as-of", SECOND).exit_code == 0
    assert call("tickets", "snooze", ticket, "--reason", "x", "--as-of", SECOND).exit_code == 2
    assert call("tickets", "show", "hw-none").exit_code == 2


def test_what_happened_is_verified_in_its_own_window_and_of_all_households(tmp_path: Path, town: Town) -> None:
    """Days later, too: a month of the person's acts, or the views of one household, are other numbers than the ticket's."""
    for number in range(36):
        town.event("household_updated", "elm", "dora", at=NOON + timedelta(milliseconds=400 * number))
    for number in range(9):
        town.event("household_updated", "elm", "dora", at=NOON - 3 * DAY + number * HOUR)
    for number in range(110):
        home = ("elm", "emil") if number < 105 else ("oak", "anna")
        at = NOON + HOUR + timedelta(seconds=97 * number)
        town.event("household_dashboard_viewed", *home, at=at, duration_ms=12_000 if number < 40 else 300)
    source = write(town, tmp_path / "town")
    assert call("run", "--source", source, "--as-of", FIRST).exit_code == 0
    listed = json.loads(call("tickets", "list", "--format", "json", "--as-of", FIRST).stdout)["tickets"]
    by_detector = {one["detector"]: one["id"] for one in listed}
    for detector in ("bot-cadence", "slow-dashboard"):
        for later in (FIRST, SECOND, THIRD):
            said = call("tickets", "verify", by_detector[detector], "--source", source, "--as-of", later).output
            assert said.startswith(f"still true: {detector}"), said


def test_the_demo_files_only_what_is_new_on_its_second_night(elsewhere: Path) -> None:
    result = call("demo")
    assert result.exit_code == 0, result.output
    first, second = result.output.split("=== night-2")
    made = len(list((elsewhere / "out" / "demo" / "queue").glob("*.md")))
    before = int(first.partition(" tickets.")[0].split()[-1])
    assert before + first.count("  open  ") + second.count("  open  ") == made
    assert 0 < second.count("  open  ") < first.count("  open  ")
    assert "verify" in second
    assert result.output.splitlines()[-1] == "The page: out/demo/page/tonight.html"
    page = (elsewhere / "out" / "demo" / "page" / "tonight.html").read_text()
    assert page.count("<article") > 30
    assert "no run" in page


def test_an_export_that_is_suddenly_empty_repairs_nothing(tmp_path: Path, elsewhere: Path, town: Town) -> None:
    assert call("run", "--source", write(town, tmp_path / "town"), "--as-of", FIRST).exit_code == 0
    emptied = call("run", "--source", write(Town(), tmp_path / "town"), "--as-of", SECOND)
    assert emptied.exit_code == 3
    assert "no rows at all" in emptied.stderr
    assert "open" in call("tickets", "list", "--as-of", SECOND).output


def test_the_demo_spares_what_is_not_its_own(elsewhere: Path) -> None:
    (elsewhere / "mine").mkdir()
    (elsewhere / "mine" / "letter.txt").write_text("precious")
    assert call("demo", "--folder", "mine").exit_code == 2
    assert (elsewhere / "mine" / "letter.txt").read_text() == "precious"


def test_what_an_earlier_run_could_not_send_is_said_when_it_is_sent(
    tmp_path: Path, elsewhere: Path, town: Town
) -> None:
    source = write(town, tmp_path / "town")
    (elsewhere / "out").mkdir()
    (elsewhere / "out" / "queue").write_text("in the way")
    assert call("run", "--source", source, "--as-of", FIRST).exit_code == 5
    (elsewhere / "out" / "queue").unlink()
    assert "sent now, decided earlier: create" in call("run", "--source", source, "--as-of", FIRST).output


def test_an_old_fault_stays_known_on_a_night_that_looks_back_less(tmp_path: Path, elsewhere: Path) -> None:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.event("household_member_removed", "oak", "anna", at=NOON - 60 * DAY, member_id="ben")
    source = write(town, tmp_path / "town")
    first = call("run", "--source", source, "--as-of", FIRST)
    assert "1 ticket made" in first.output, first.output
    town.family("elm", "dora", "emil")
    town.event("household_member_removed", "elm", "dora", at=NOON - 60 * DAY, member_id="emil")
    second = call("run", "--source", write(town, tmp_path / "town"), "--as-of", SECOND)
    assert second.exit_code == 0
    # What is new and that old is for the next night that reads everything; what was known is neither forgotten nor fixed.
    assert " made" not in second.output
    assert "fixed" not in second.output
    assert len(queue(elsewhere)) == 1
