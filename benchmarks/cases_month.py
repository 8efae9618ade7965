"""How many tickets a month of nights makes, by team, and whether each finding is on exactly one of them.

`python -m benchmarks.cases_month FINDINGS` scans thirty nights of a small town in which a few people go wild and a few
households break, and keeps what was found in that file, once; then it plays the nights in a ledger of their own. The same
file played by another version of the program (with PYTHONPATH) tells what that one would have made of the month.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from detectors.contract import TEAMS, Context, Coverage, Finding, Window
from detectors.engine.runner import scan
from detectors.findings import whole
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source
from escalation.deliver.helpdesk import HelpdeskDelivery
from escalation.ledger.ledger import open_ledger
from escalation.ledger.scrub import pack, unpack
from escalation.nights.night import run_night
from escalation.nights.windows_of_runs import next_window
from escalation.policy.policy import load_policy
from tests.support.towns import Town, write_csv

BEGINS, NIGHTS = datetime(2026, 2, 1, tzinfo=UTC), 30
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
FAMILIES, ABUSERS = 40, 5


@dataclass
class Month:
    """The town as it is by now; `repairs` are what somebody will undo, by the day."""

    town: Town = field(default_factory=Town)
    chance: random.Random = field(default_factory=lambda: random.Random(20260201))
    repairs: dict[int, list[Any]] = field(default_factory=dict)
    number: int = 0

    def settle(self) -> None:
        for one in range(FAMILIES):
            self.town.family(f"home {one}", f"lead {one}", f"second {one}", f"third {one}", at=BEGINS - 60 * DAY)

    def new(self, name: str) -> str:
        self.number += 1
        return f"{name} {self.number}"

    def later(self, day: int, repair: Any) -> None:
        self.repairs.setdefault(day + self.chance.randint(1, 4), []).append(repair)

    def day(self, day: int) -> None:
        for repair in self.repairs.pop(day, ()):
            repair()
        noon = BEGINS + day * DAY + timedelta(hours=9)
        if self.chance.random() < 0.5:
            self.strangers(day, noon)
        if self.chance.random() < 0.4:
            self.leaderless(day)
        if self.chance.random() < 0.4:
            self.removals_in_vain(day, noon)
        for abuser in range(ABUSERS):
            if (day - abuser * 5) % 30 in (0, 1, 2):
                self.abuse(f"abuser {abuser}", noon)

    def strangers(self, day: int, noon: datetime) -> None:
        home = f"home {self.chance.randrange(FAMILIES)}"
        for _ in range(self.chance.randint(1, 4)):
            user = self.new("stranger")
            self.town.member(home, user, at=noon)
            row = self.town.row(home, user)
            self.later(day, lambda row=row: row.update(status="removed"))

    def leaderless(self, day: int) -> None:
        one = self.chance.randrange(FAMILIES)
        row = self.town.row(f"home {one}", f"lead {one}")
        row["role"] = "member"
        self.later(day, lambda: row.update(role="leader"))

    def removals_in_vain(self, day: int, noon: datetime) -> None:
        one = self.chance.randrange(FAMILIES)
        for name in ("second", "third")[: self.chance.randint(1, 2)]:
            row = self.town.row(f"home {one}", f"{name} {one}")
            if row["status"] == "active":
                self.town.event(
                    "household_member_removed", f"home {one}", f"lead {one}", at=noon, member_id=f"{name} {one}"
                )
                self.later(day, lambda row=row: row.update(status="removed"))

    def abuse(self, who: str, noon: datetime) -> None:
        made = [self.new("spree") for _ in range(self.chance.randint(11, 14))]
        for place, home in enumerate(made):
            at = noon + place * 11 * MINUTE
            self.town.household(home, who, at=at)
            self.town.member(home, who, role="leader", at=at)
            self.town.event("household_created", home, who, at=at)
        for place in range(self.chance.randint(21, 28)):
            victim, at = self.new("victim"), noon + timedelta(hours=4) + place * 7 * MINUTE
            self.town.request(self.new("asked"), made[0], victim, status="approved", at=at - 5 * MINUTE, by=who)
            self.town.member(made[0], victim, status="removed", at=at - 4 * MINUTE)
            self.town.event("household_member_removed", made[0], who, at=at, member_id=victim)


def found_in_the_month() -> list[list[dict[str, Any]]]:
    month, nights = Month(), []
    month.settle()
    for day in range(NIGHTS):
        month.day(day)
        midnight = BEGINS + (day + 1) * DAY
        with tempfile.TemporaryDirectory() as folder:
            write_csv(Path(folder), month.town.tables())
            with open_source(folder, SourceMapping()) as source:
                context = Context(as_of=midnight + timedelta(hours=3), window=Window(midnight - DAY, midnight))
                result = scan(source, DETECTORS, context)
        nights.append([pack(whole(one)) for one in result.findings])
        print(f"night {day + 1}: {len(nights[-1])} findings", file=sys.stderr)
    return nights


@dataclass(frozen=True)
class Ref:
    """A ticket in the queue."""

    id: str
    url: str = ""


@dataclass(frozen=True)
class State:
    """What people made of a ticket."""

    status: Any
    first_reply_at: datetime | None = None
    owner: str = ""


class Queue:
    """People are done with a Trust & Safety ticket after three nights; of the others they only take note."""

    def __init__(self) -> None:
        self.made: dict[str, int] = {}
        self.abuse: set[str] = set()
        self.night = 0

    def find(self, external_id: str) -> Ref | None:
        return Ref(external_id) if external_id in self.made else None

    def create(self, external_id: str, _: None) -> Ref:
        self.made[external_id] = self.night
        return Ref(external_id)

    def comment(self, ref: Ref, key: str, _: None) -> None:
        """Nobody reads it."""

    def update(self, ref: Ref, _: None) -> None:
        """Nobody reads it."""

    def state(self, ref: Ref) -> State:
        done = ref.id in self.abuse and self.night >= self.made[ref.id] + 3
        return State("closed" if done else "acknowledged")


def play(nights: list[list[dict[str, Any]]]) -> None:
    policy, queue = load_policy(), Queue()
    helpdesk: HelpdeskDelivery[Ref, None] = HelpdeskDelivery(
        queue=queue, ref=Ref, ticket=lambda *_: None, note=lambda _: None
    )
    coverage = [Coverage(detector=one.id, status="ran") for one in DETECTORS]
    made: list[Counter[str]] = []
    lost = findings = 0
    with tempfile.TemporaryDirectory() as folder, open_ledger(f"sqlite:///{folder}/ledger.db") as ledger:
        for number, packed in enumerate(nights):
            queue.night, now = number, BEGINS + (number + 1) * DAY + timedelta(hours=3)
            tonight: list[Finding] = [unpack(one) for one in packed]
            window = next_window(ledger, now, policy)
            run_night(ledger, tonight, coverage, policy, now, window=window, helpdesk=helpdesk)
            with ledger.begin() as tx:
                entries = tx.entries_for(one.fingerprint for one in tonight)
                kept = tx.tickets()
            queue.abuse = {one.external_id for one in kept if one.team == "trust-safety"}
            made.append(Counter(one.team for one in kept if one.opened_at == now))
            findings += len(tonight)
            lost += sum(one.fingerprint not in entries or entries[one.fingerprint].ticket_id is None for one in tonight)
    print("night " + " ".join(f"{team:>14}" for team in TEAMS))
    for number, counts in enumerate(made, start=1):
        print(f"{number:5} " + " ".join(f"{counts[team] or '-':>14}" for team in TEAMS))
    total = sum(made, Counter())
    print("  all " + " ".join(f"{total[team]:>14}" for team in TEAMS))
    print(f"{total.total()} tickets, {total.total() / len(made):.1f} a night; {findings} findings, {lost} on no ticket")


def main() -> None:
    kept = Path(sys.argv[1])
    if not kept.exists():
        kept.write_text(json.dumps(found_in_the_month()))
    play(json.loads(kept.read_text()))


if __name__ == "__main__":
    main()
