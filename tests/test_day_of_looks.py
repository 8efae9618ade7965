"""A day of quick looks and its night, with what breaks, what is repaired and what people do with the tickets in between."""

from __future__ import annotations

from pathlib import Path

import psycopg
from click.testing import CliRunner

from cli import main
from escalation.ledger.ledger import open_ledger
from escalation.ledger.records import Ticket
from tests.support.day_life import Day, people
from tests.support.postgres import RESTORED_PETFORCE, PostgresServer, load
from tests.support.town_life import MINUTE
from tests.support.towns import DAY
from tests.test_quick_nights import FIRST, ONCE, Played, check_end, town

EVERY = 5
"""Minutes between two looks: 288 in a day."""
DEEDS = {
    50: ("unled", "oak"),
    170: ("mended", "oak"),
    230: ("second leader", "elm"),
    350: ("broken in", "ash"),
    410: ("many removed", "fir"),
    530: ("many removed", "fir"),
    650: ("sitter", "yew"),
    770: ("left", "ash"),
    890: ("erased", "yew"),
    1010: ("threat", "oak"),
    1130: ("threat answered", "oak"),
    1250: ("mended", "elm"),
}
"""By the minute after the night before."""
PEOPLE = {
    310: ("multiple-leaders", "acknowledge"),
    490: ("mass-removal", "acknowledge"),
    590: ("mass-removal", "snooze", "--days", "1", "--reason", "being looked into"),
    1090: ("abuse-report", "acknowledge"),
    1190: ("mass-removal", "resolve"),
}


def ticket_of(played: Played, detector: str) -> Ticket:
    with open_ledger(f"sqlite:///{played.folder / 'quick'}.db", exclusive=False) as ledger, ledger.begin() as tx:
        return next(one for one in tx.tickets() if one.detector == detector)


def asked(played: Played, detector: str, minute: int, *command: str) -> str:
    """What `tickets` answers about the ticket of a detector."""
    at = FIRST + minute * MINUTE
    place = played.folder / "quick"
    named = ("--ledger", f"sqlite:///{place}.db", "--queue", f"folder:{place}", "--as-of", at.isoformat())
    name, *options = command
    result = CliRunner().invoke(main, ["tickets", name, ticket_of(played, detector).external_id, *options, *named])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_day_of_looks_and_its_night_say_each_thing_once(postgres: PostgresServer, tmp_path: Path) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database:
        lived_in = town()
        # Audited until the night, so that a look before the next midnight has one day to look at.
        lived_in.event("household_dashboard_viewed", "oak", people("oak")[0], at=FIRST - 10 * MINUTE, duration_ms=300)
        load(database, lived_in.tables())
        played = Played(database.url, tmp_path)
        for ledger in ("nights", "quick"):
            played.night(ledger, FIRST)
        with psycopg.connect(database.url, autocommit=True) as connection:
            day = Day(connection)
            for minute in range(EVERY, 24 * 60, EVERY):
                for when in range(minute - EVERY, minute, 10):
                    day.written_until(FIRST + when * MINUTE)
                    if when in DEEDS:
                        day.do(*DEEDS[when], FIRST + when * MINUTE, 0 * MINUTE)
                    if when in PEOPLE:
                        asked(played, PEOPLE[when][0], when, *PEOPLE[when][1:])
                played.quick(FIRST + minute * MINUTE)
        for ledger in ("nights", "quick"):
            played.night(ledger, FIRST + DAY)
        # The first look, and the one after log-ins such as the source had not told of before.
        assert sum(played.everything) <= 2
        check_end(played)
        said = played.said("quick")
        assert {reason for (_, reason), times in said.items() if reason in ONCE and times > 1} == set()
        shown = asked(played, "multiple-leaders", 24 * 60, "show")
        # Made, acknowledged, verified, and the nights: not a line for each look.
        assert len(shown.splitlines()) < 80, shown
        # A leader who was missing for two hours was told of, and was verified, before any night could see it.
        missed = ticket_of(played, "no-leader")
        assert missed.status == "verified"
        assert missed.ended_at is not None
        assert missed.ended_at < FIRST + 240 * MINUTE
