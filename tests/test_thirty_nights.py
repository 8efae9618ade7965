"""Thirty nights of the benchmark town: what breaks and what people do, and the tickets that come of it.

The table of what each night did is kept in thirty_nights.txt; HEARTHWATCH_WRITE_NIGHTS=1 writes it anew.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from benchmarks.town import generate, preset
from cli import main
from escalation.ledger.ledger import open_ledger
from escalation.ledger.records import Ticket
from escalation.policy.policy import load_policy
from escalation.views.digest import in_progress
from tests.support.postgres import PostgresServer
from tests.support.town_life import HOUR, MINUTE, Home, Life, uid

KEPT = Path(__file__).with_name("thirty_nights.txt")
BEGINS = datetime(2026, 2, 3, 2, tzinfo=UTC)
NIGHTS, DEPLOYED = 30, 10_000
LEDGER = "sqlite:///hearthwatch.db"
TEAMS = ("engineering", "trust-safety", "csm", "product", "legal")


@dataclass
class Town:
    """The database, its life, and the program's own folder (the current one)."""

    url: str
    connection: psycopg.Connection
    homes: list[Home]
    life: Life = field(init=False)
    lines: list[str] = field(default_factory=list)
    night: int = 0

    @property
    def as_of(self) -> datetime:
        return BEGINS + timedelta(days=self.night)

    def new_day(self) -> None:
        self.night += 1
        noon = self.as_of.replace(hour=12) - timedelta(days=1)
        events = self.life._events if self.night > 1 else None
        self.life = Life(self.connection, noon, *([events] if events else []))
        self.life.ordinary(self.night)

    def call(self, *arguments: str) -> str:
        result = CliRunner().invoke(main, [*arguments, "--as-of", self.as_of.isoformat()])
        assert result.exit_code == 0, result.output
        return result.stdout

    def tickets(self) -> dict[str, Ticket]:
        with open_ledger(LEDGER, exclusive=False) as ledger, ledger.begin() as tx:
            return {ticket.external_id: ticket for ticket in tx.tickets()}

    def of(self, detector: str, title: str = "") -> Ticket:
        (one,) = [one for one in self.tickets().values() if one.detector == detector and title in one.title]
        return one

    def about(self, home: Home) -> Ticket:
        """The one ticket that tells of a household."""
        with open_ledger(LEDGER, exclusive=False) as ledger, ledger.begin() as tx:
            (one,) = tx.tickets_about([str(home.id)])
        return one

    def run(self, *, code: int = 0, source: str = "") -> None:
        """One night, and its line of the table."""
        before = self.tickets() if Path("hearthwatch.db").exists() else {}
        self.connection.commit()
        result = CliRunner().invoke(
            main, ["run", "--source", source or self.url, "--as-of", self.as_of.isoformat(), "--format", "json"]
        )
        assert result.exit_code == code, result.output
        after = self.tickets()
        made = Counter(one.team for key, one in after.items() if key not in before)
        counts: Counter[str] = Counter()
        for key, one in after.items():
            old = before.get(key)
            counts["reopened"] += old is not None and one.reopened > old.reopened
            counts["verified"] += one.status == "verified" and (old is None or old.status != "verified")
            counts["open"] += not one.ended
        with open_ledger(LEDGER, exclusive=False) as ledger:
            counts["overdue"] = sum(bool(one.overdue) for one in in_progress(ledger, load_policy(), self.as_of))
        cells = [self.night, code, *(made[team] for team in TEAMS)]  # type: ignore[index]  # a Team by its name
        cells += [counts[what] for what in ("reopened", "verified", "open", "overdue")]
        self.lines.append("".join(f"{cell or '-':>9}" for cell in cells))

    def answer(self, ticket: Ticket, **changes: Any) -> None:
        """What people set in the ticket's JSON file."""
        path = Path(ticket.ref_url or "").with_suffix(".json")
        path = path if path.exists() else next(Path("out/queue").glob(f"*{ticket.external_id}*.json"))
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def said(self, ticket: Ticket, *, follow_ups: bool = False) -> list[str]:
        """The reasons of what was said on a ticket, in order, `follow_ups` only where they are asked for."""
        path = next(Path("out/queue").glob(f"*{ticket.external_id}*.json"))
        headings = [one["message"]["blocks"][0]["heading"] for one in json.loads(path.read_text())["comments"]]
        return [heading.split(" (")[0] for heading in headings if follow_ups or not heading.startswith("Follow up")]


@pytest.fixture
def town(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.chdir(tmp_path)
    spec = replace(preset("tiny"), households=11_000, members=33_000, requests=24_000, events=120_000, as_of=BEGINS)
    with postgres.new_database(()) as database:
        generate(spec).load_postgres(database.url)
        with database.connect() as connection:
            homes = Life(connection, BEGINS).homes(4, 40)
            yield Town(database.url, connection, homes)


class Story:
    """What happens before each night, and what must hold after it. Nights that are not here are ordinary."""

    def __init__(self, town: Town) -> None:
        self.town = town
        (
            self.half_left,
            self.back_again,
            self.not_resolved,
            self.put_off,
            self.while_blocked,
            self.flapping,
            self.acknowledged,
            self.no_fault,
        ) = town.homes[:8]

    def breaks(self, home: Home) -> None:
        """Nobody leads the household."""
        self.town.life.role(home, home.leader, "member")

    def mends(self, home: Home) -> None:
        self.town.life.role(home, home.leader, "leader")

    def locks_out(self, home: Home, name: str) -> None:
        """Somebody is let in, and the row is not written."""
        user = self.town.life.join(home, name, self.town.life.noon)
        self.town.life.do("DELETE FROM household_members WHERE household_id = %s AND user_id = %s", home.id, user)

    def asks(self, category: str) -> None:
        home = self.town.homes[20]
        values = (uid(category), self.town.life.noon, home.leader, home.id, home.others[0], category)
        self.town.life.do("INSERT INTO support_requests VALUES (%s, %s, %s, %s, %s, %s, NULL, 'help', 'open')", *values)

    def night_2(self) -> None:
        # Two leave at once: leader_id names somebody who has gone, and two lead.
        life, home = self.town.life, self.half_left
        life.leave(home, life.noon, done=False)
        life.role(home, home.others[0], "leader")
        life.do("UPDATE households SET leader_id = %s WHERE id = %s", uid("somebody who has gone"), home.id)
        self.town.run()
        ticket = self.town.about(self.half_left)
        shown = self.town.call("tickets", "show", ticket.external_id)
        findings = shown.split("findings:\n")[1].split("nights:\n")[0].splitlines()
        assert len(findings) >= 3, shown
        assert ticket.detector == "transfer-failed"

    def night_3(self) -> None:
        self.town.life.finish_leaving(self.half_left, self.town.life.noon)
        self.town.run()
        assert self.town.about(self.half_left).status == "verified"

    def night_4(self) -> None:
        self.breaks(self.back_again)
        self.town.run()

    def night_5(self) -> None:
        self.town.life.remove(self.not_resolved, self.not_resolved.others[0], self.town.life.noon, applied=False)
        self.town.run()

    def night_6(self) -> None:
        self.mends(self.back_again)
        self.locks_out(self.put_off, "locked out")
        self.town.run()
        assert self.town.about(self.back_again).status == "verified"

    def night_7(self) -> None:
        ticket = self.town.about(self.not_resolved)
        self.town.answer(ticket, status="resolved")
        put_off = self.town.about(self.put_off)
        self.town.call("tickets", "snooze", put_off.external_id, "--days", "5", "--reason", "repair is under way")
        self.town.run()
        assert self.town.about(self.not_resolved).reopened == 1
        assert self.town.said(ticket)[-1] == "Still seen"

    def night_8(self) -> None:
        self.breaks(self.back_again)
        self.removals("first")
        self.town.run()
        again = self.town.about(self.back_again)
        assert (again.status, again.reopened) == ("open", 1)
        assert self.town.said(again)[-1] == "Back"

    def removals(self, name: str) -> None:
        """One leader removes 24 people on one day; nobody joins beyond the limit of members."""
        life, home = self.town.life, Home(uid("busy home"), uid("busy leader"), ())
        if name == "first":
            home = life.found("busy home", life.noon - timedelta(days=2), leader="busy leader")
        for number in range(24):
            at = life.noon + number * MINUTE * 10
            life.remove(home, life.join(home, f"{name} {number}", at), at + 5 * MINUTE)

    def night_9(self) -> None:
        self.mends(self.back_again)
        self.town.run()

    def night_10(self) -> None:
        self.town.life.status(self.not_resolved, self.not_resolved.others[0], "removed")
        self.removals("second")
        self.town.run()
        # On two days of three: the one ticket of whoever shares the code and removes those who use it.
        (abuse,) = [one for one in self.town.tickets().values() if one.team == "trust-safety"]
        assert self.town.said(abuse) == ["Happened again, more urgent"]

    def night_11(self) -> None:
        """The server is down: nothing runs. Somebody founds twelve households."""
        for number in range(12):
            self.town.life.found(f"many {number}", self.town.life.noon + number * HOUR / 4, leader="mia")

    def night_12(self) -> None:
        assert self.town.said(self.town.about(self.put_off)) == []
        self.town.run()
        assert self.town.of("mass-creation").opened_at == self.town.as_of

    def night_13(self) -> None:
        before = self.town.tickets()
        self.town.run(code=3, source="postgresql://nobody@127.0.0.1:1/nothing")
        assert self.town.tickets() == before

    def night_14(self) -> None:
        self.deployed("UPDATE household_members SET role = 'member'", DEPLOYED)
        self.town.run()
        incident = self.town.of("no-leader", "Incident")
        assert incident.opened_at == self.town.as_of
        made = [one for one in self.town.tickets().values() if one.opened_at == self.town.as_of]
        assert [one.detector for one in made if one.team == "engineering"] == ["no-leader"]

    def deployed(self, change: str, number: int) -> None:
        """Something is done to the leaders' rows of the last so many households by id, of those that nobody has left."""
        changed = self.town.life.do(
            f"""{change} FROM households h WHERE h.id = household_members.household_id AND status = 'active'
                AND household_members.user_id = h.leader_id AND h.id IN (
                    SELECT id FROM households
                    EXCEPT SELECT household_id FROM household_events
                            WHERE event_type = 'household_leadership_transferred'
                     ORDER BY id DESC LIMIT %s)""",  # our own words
            number,
        )
        assert changed > 0.95 * number

    def night_15(self) -> None:
        self.deployed("UPDATE household_members SET role = 'leader'", DEPLOYED // 2)
        self.town.run()
        assert self.town.said(self.town.of("no-leader", "Incident"))[-1] == "Better"

    def night_16(self) -> None:
        self.locks_out(self.while_blocked, "shut out")
        Path("out/queue").rename("out/elsewhere")
        Path("out/queue").write_text("in the way")
        self.town.run(code=5)

    def night_17(self) -> None:
        Path("out/queue").unlink()
        Path("out/elsewhere").rename("out/queue")
        self.deployed("UPDATE household_members SET role = 'leader'", DEPLOYED + 500)
        self.town.run()
        assert self.town.of("no-leader", "Incident").status == "verified"
        ticket = self.town.about(self.while_blocked)
        assert len(list(Path("out/queue").glob(f"*{ticket.external_id}*.json"))) == 1

    def night_18(self) -> None:
        self.breaks(self.flapping)
        self.town.run()

    def night_19(self) -> None:
        self.mends(self.flapping)
        self.town.run()

    def night_20(self) -> None:
        self.breaks(self.flapping)
        self.town.life.remove(self.acknowledged, self.acknowledged.others[0], self.town.life.noon, applied=False)
        self.town.run()

    def night_21(self) -> None:
        self.mends(self.flapping)
        self.town.answer(self.town.about(self.acknowledged), status="acknowledged", owner="kim")
        self.town.run()
        assert self.town.about(self.acknowledged).status == "acknowledged"

    def night_22(self) -> None:
        self.breaks(self.flapping)
        self.locks_out(self.no_fault, "known")
        self.town.run()

    def night_23(self) -> None:
        self.mends(self.flapping)
        ticket = self.town.about(self.no_fault)
        words = ("--as", "accepted-risk", "--reason", "the person has moved away")
        self.town.call("tickets", "close", ticket.external_id, *words)
        self.town.run()
        assert self.town.about(self.no_fault).status == "closed"

    def night_24(self) -> None:
        self.breaks(self.flapping)
        self.town.run()
        assert self.town.said(self.town.about(self.flapping))[-1] == "Flapping"

    def night_25(self) -> None:
        self.mends(self.flapping)
        said = self.town.said(self.town.about(self.flapping))
        self.town.run()
        assert self.town.said(self.town.about(self.flapping)) == said

    def night_26(self) -> None:
        self.asks("custody")
        self.asks("dispute")
        self.town.run()
        assert self.town.of("legal-matter").team == "legal"

    def night_27(self) -> None:
        ticket = self.town.of("leader-member-dispute")
        words = ("--days", "30", "--reason", "they have made it up")
        self.town.call("tickets", "dismiss", ticket.external_id, *words)
        self.town.run()

    def night_28(self) -> None:
        self.town.life.do("UPDATE support_requests SET status = 'closed' WHERE id = %s", uid("custody"))
        self.town.life.status(self.acknowledged, self.acknowledged.others[0], "removed")
        self.town.run()
        assert self.town.of("legal-matter").status == "verified"
        assert self.town.about(self.acknowledged).status == "verified"

    def night_30(self) -> None:
        self.town.run()
        # One that was dismissed, and one that nobody looks at.
        assert self.town.said(self.town.of("leader-member-dispute"), follow_ups=True) == []
        assert self.town.said(self.town.about(self.put_off), follow_ups=True) != []
        digest = self.town.call("tickets", "digest", "--since", BEGINS.isoformat())
        assert "Engineering: overdue" in digest
        assert self.town.about(self.put_off).external_id in digest


def test_thirty_nights(town: Town) -> None:
    story = Story(town)
    for night in range(1, NIGHTS + 1):
        town.new_day()
        getattr(story, f"night_{night}", town.run)()
    names = ("night", "exit", "eng", "t&s", "csm", "product", "legal", "reopened", "verified", "open", "overdue")
    table = "\n".join(["".join(f"{name:>9}" for name in names), *town.lines]) + "\n"
    if os.environ.get("HEARTHWATCH_WRITE_NIGHTS"):
        KEPT.write_text(table)
    assert table == KEPT.read_text()
