"""`run --quick`: what it finds between two nights, what it says of it, and whom it lets go first."""

from __future__ import annotations

import contextlib
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from cli import main
from detectors.registry import BY_ID
from escalation.ledger.ledger import open_ledger
from escalation.ledger.records import Ticket
from escalation.ledger.schema import NIGHTS
from tests.support.towns import DAY, HOUR, MINUTE, Town, uid, write_csv

NIGHT = datetime(2026, 2, 3, 3, tzinfo=UTC)
TEN = datetime(2026, 2, 3, 10, tzinfo=UTC)
LEDGER = "sqlite:///hearthwatch.db"


class Played:
    """A town whose rows can be changed between looks, with its ledger and queue in the current folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.town = Town()
        self.town.family("oak", "anna", "ben", "cleo")
        self.town.family("elm", "dora", "emil")
        folder.mkdir()

    def run(self, at: datetime, *options: str, code: int = 0) -> Result:
        source = str(write_csv(self.folder, self.town.tables()))
        result = CliRunner().invoke(main, ["run", "--source", source, "--as-of", at.isoformat(), *options])
        assert result.exit_code == code, result.output
        return result

    def quick(self, at: datetime, *options: str, code: int = 0) -> str:
        return self.run(at, "--quick", *options, code=code).output

    def removals(self, number: int, at: datetime) -> None:
        for _ in range(number):
            self.town.event(
                "household_member_removed", "oak", "anna", at=at, member_id=f"gone {len(self.town.household_events)}"
            )

    def removals_ticket(self) -> Ticket:
        with open_ledger(LEDGER, exclusive=False) as ledger, ledger.begin() as tx:
            (one,) = [ticket for ticket in tx.tickets() if ticket.detector == "mass-removal"]
            return one

    def said_of_removals(self) -> list[str]:
        """What was said of them, without the nights on which nothing was."""
        ticket = self.removals_ticket()
        with open_ledger(LEDGER, exclusive=False) as ledger, ledger.begin() as tx:
            return [one.reason for one in tx.decisions_of(ticket) if one.action != "none"]


@pytest.fixture(scope="module")
def after_a_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ledger of one night on which nothing was found."""
    folder = tmp_path_factory.mktemp("night")
    with contextlib.chdir(folder):
        Played(tmp_path_factory.mktemp("before") / "town").run(NIGHT)
    return folder


@pytest.fixture
def played(tmp_path: Path, elsewhere: Path, after_a_night: Path) -> Played:
    shutil.copytree(after_a_night, elsewhere, dirs_exist_ok=True)
    return Played(tmp_path / "town")


def test_a_fault_and_a_pattern_of_the_day_are_found_in_minutes_and_a_repair_too(played: Played) -> None:
    for minute in range(6):
        played.town.event("login_failed", None, "ben", at=TEN + minute * MINUTE, ip_address="192.0.2.7")
    played.town.event("login_succeeded", None, "ben", at=TEN + 7 * MINUTE)
    played.town.event("household_invite_code_regenerated", "oak", "ben", at=TEN + 8 * MINUTE)
    played.town.home("elm")["leader_id"] = None
    found = played.quick(TEN + 12 * MINUTE)
    assert "This look: 2 tickets made." in found
    assert "no-leader (new)" in found
    assert "failed-logins-then-changes (new)" in found
    played.town.home("elm")["leader_id"] = uid("dora")
    assert "This look: 1 ticket verified as fixed." in played.quick(TEN + 22 * MINUTE)
    assert "nothing found, nothing to do" in played.quick(TEN + 27 * MINUTE)
    # The night meets the occurrence of its day once more, and has nothing to add.
    assert "Tonight: 1 finding unchanged." in played.run(NIGHT + DAY).output


def test_what_is_back_was_not_found_at_the_look_that_called_it_fixed(played: Played) -> None:
    for at, options, leader in (
        (NIGHT + DAY, (), None),
        (TEN + DAY, ("--quick",), uid("dora")),
        (TEN + DAY + HOUR, ("--quick",), None),
    ):
        played.town.home("elm")["leader_id"] = leader
        played.run(at, *options)
    (ticket,) = Path("out/queue").glob("*.md")
    said = "Not found at the look of 2026-02-04 10:00:00 UTC, found at 2026-02-04 11:00:00 UTC"
    assert said in ticket.read_text()


def test_a_pattern_that_grows_is_one_ticket_and_is_said_when_it_has_doubled(played: Played) -> None:
    for look, number in enumerate((24, 20, 8)):
        played.removals(number, TEN + look * HOUR)
        played.quick(TEN + look * HOUR + 5 * MINUTE)
    assert played.said_of_removals() == ["new", "worse"]
    played.run(NIGHT + DAY)
    # The night, which knows the whole day, sees the pace of it, too.
    assert played.said_of_removals() == ["new", "worse", "joined"]
    # A second such day makes it more urgent, however early the look.
    played.removals(24, TEN + DAY)
    played.quick(TEN + DAY + 5 * MINUTE)
    assert played.said_of_removals() == ["new", "worse", "joined", "more-urgent"]
    shown = CliRunner().invoke(main, ["tickets", "show", played.removals_ticket().external_id]).output
    # One line for each thing that a look did, and one for each finding on each night.
    assert shown.count("\n  2026-02-0") == 6, shown


def test_what_a_quick_look_leaves_to_the_night_is_said_and_not_called_gone(played: Played) -> None:
    explained = CliRunner().invoke(main, ["run", "--quick", "--explain"]).output
    assert all(name in explained for name in BY_ID)
    assert "  creation-failure-rate: it judges the share of a whole day's creations\n" in explained
    # Two households with one code are a P2, which no quick look asks for.
    played.town.home("elm")["invite_code"] = played.town.home("oak")["invite_code"]
    assert "invite-code-collision (new)" in played.run(NIGHT + DAY).output
    played.town.home("elm")["invite_code"] = "NEW-ALPHA-BRAVO"
    assert "nothing found, nothing to do" in played.quick(NIGHT + DAY + HOUR)
    assert "1 ticket verified as fixed" in played.run(NIGHT + 2 * DAY).output


def test_a_missed_acknowledgement_is_chased_when_it_is_missed_and_idle_looks_leave_one_row(played: Played) -> None:
    played.town.home("elm")["leader_id"] = None
    played.quick(TEN)
    played.quick(TEN + 14 * MINUTE)
    queue = next(Path("out/queue").glob("*.md"))
    assert "Follow up" not in queue.read_text(encoding="utf-8")
    played.quick(TEN + 31 * MINUTE)
    played.quick(TEN + 36 * MINUTE)
    assert queue.read_text(encoding="utf-8").count("Follow up") == 1
    with open_ledger(LEDGER, exclusive=False) as ledger, ledger.begin() as tx:
        assert [night.as_of for night in tx.all_nights()] == [NIGHT]
        assert tx.latest_look() == TEN + 36 * MINUTE
        # The look that made the ticket, and the latest.
        assert tx.connection.scalar(select(func.count()).where(NIGHTS.c.kind == "quick")) == 2
    assert "has seen 2026-02-03 10:36 UTC already" in played.quick(TEN, code=2)
    report = CliRunner().invoke(main, ["report", "--since", "2026-02-01", "--until", "2026-02-05"]).output
    assert "1 night" in report


def test_it_wants_a_night_before_it_and_no_options_of_the_night(tmp_path: Path) -> None:
    played = Played(tmp_path / "town")
    assert "there is no ledger" in played.quick(TEN, code=2)
    assert "are the night's" in played.quick(TEN, "--accept-volume", code=2)
    assert "--explain tells of --quick" in played.run(TEN, "--explain", code=2).output


def test_it_gives_way_to_a_night_and_a_night_waits_for_it(
    played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = tmp_path / "quick.prom"
    with open_ledger(LEDGER):
        gave_way = played.quick(TEN, "--metrics", str(metrics))
    assert "is used by another run; wait until that has ended; this quick look gives way to it" in gave_way
    assert "hearthwatch_quick_last_success" not in metrics.read_text(encoding="utf-8")
    held = open_ledger(LEDGER, look="quick")
    held.__enter__()
    threading.Timer(1, lambda: held.__exit__(None, None, None)).start()
    assert "Tonight:" in played.run(NIGHT + DAY).output
    played.quick(NIGHT + DAY + HOUR, "--metrics", str(metrics))
    assert "hearthwatch_quick_last_success" in metrics.read_text(encoding="utf-8")
