"""The integrity rules on a town written as the app writes it: years of ordinary life, and operations that stop half-way.

Event ids are not in order of time, some operations are logged twice, some not at all, and browsers' clocks are wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest

from detectors.rules.integrity import (
    duplicate_member,
    member_of_many_households,
    multiple_leaders,
    no_leader,
    orphaned_household,
    transfer_failed,
)
from tests.support.postgres import PostgresServer, load
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, Scanner, Town, uid

RULES = (
    duplicate_member.DETECTOR,
    member_of_many_households.DETECTOR,
    multiple_leaders.DETECTOR,
    no_leader.DETECTOR,
    orphaned_household.DETECTOR,
    transfer_failed.DETECTOR,
)
SECOND = timedelta(seconds=1)
HOMES = 40


class App:
    """Writes one household's operations, step by step (docs/petforce.md, How the app writes)."""

    def __init__(self, town: Town, home: str, chance: random.Random) -> None:
        self.town, self.home, self.chance = town, home, chance
        self.now: datetime = LONG_AGO + chance.randrange(1000) * HOUR
        self.logged = True
        self.rows: dict[str, dict[str, Any]] = {}

    def event(self, kind: str, user: str, **metadata: Any) -> None:
        self.now += SECOND
        if not self.logged:
            return
        metadata["correlation_id"] = f"{self.home} {len(self.town.household_events)}"
        for late in (timedelta(0), self.chance.choice([HOUR / 60, HOUR]))[: self.chance.choice([1, 1, 2])]:
            self.town.event(kind, self.home, user, at=self.now + late, **metadata)

    def create(self, user: str, *, steps: int = 2) -> None:
        self.town.household(self.home, user, at=self.now)
        self.household = self.town.households[-1]
        if steps == 2:
            self.insert(user, role="leader", at=self.now + SECOND)
            self.event("household_created", user)

    def join(self, user: str) -> None:
        self.now += self.chance.randrange(1, 100) * HOUR
        leader = self.leader()
        request = f"{self.home} {len(self.town.household_join_requests)}"
        self.town.request(request, self.home, user, status="approved", at=self.now, by=leader)
        self.now += HOUR
        # Whoever was a member before has a row, and another one is refused: they are locked out for good.
        if user not in self.rows:
            self.insert(user, at=self.now, invited_by=uid(leader))
        self.event("household_join_request_approved", leader, request_id=request, new_member_id=user)

    def remove(self, user: str) -> None:
        self.now += DAY
        self.rows[user]["status"] = "removed"
        self.event("household_member_removed", self.leader(), member_id=user)

    def regenerate(self) -> None:
        self.now += DAY
        self.household["updated_at"] = self.now + self.chance.randrange(-500, 500_000) * HOUR

    def leave(self, user: str, *, steps: int = 4, successor: str | None = None) -> None:
        """`user` leaves; a `successor` is designated, or has left since the list of members was read."""
        self.now += DAY
        row, others = self.rows[user], [name for name in self.active() if name != user]
        leads = row["role"] == "leader"
        if leads and (others or successor):
            heir = successor or others[0]
            self.event("household_leave_started", user, has_successor=successor is not None)
            if steps >= 1:
                self.household["leader_id"] = uid(heir)
            if steps >= 2:
                self.rows[heir]["role"] = "leader"
            if steps >= 3:
                people = {"from_user_id": user, "to_user_id": heir}
                self.event("household_leadership_transferred", user, reason="leave", **people)
        if steps == 4:
            row["status"] = "removed"
            self.event("household_left", user, was_leader=leads)

    def insert(self, user: str, **columns: Any) -> None:
        self.town.member(self.home, user, **columns)
        self.rows[user] = self.town.household_members[-1]

    def active(self) -> list[str]:
        """Who belongs to the household, the longest-standing first."""
        names = [name for name, row in self.rows.items() if row["status"] == "active"]
        return sorted(names, key=lambda name: self.rows[name]["joined_at"])

    def leader(self) -> str:
        return next(name for name in self.rows if uid(name) == self.household["leader_id"])

    def live(self, operations: int) -> None:
        """Create the household; people come and go; at least three stay and all is in order."""
        everybody = [f"{self.home} {number}" for number in range(12)]
        self.create(everybody[0])
        for name in everybody[1:4]:
            self.join(name)
        for _ in range(operations):
            active, leader = self.active(), self.leader()
            self.logged = self.chance.random() < 0.8
            match self.chance.choice(["join", "join", "remove", "leave", "hand over", "regenerate"]):
                case "join":
                    self.join(self.chance.choice(everybody))
                case "remove" if len(active) > 3:
                    self.remove(self.chance.choice([name for name in active if name != leader]))
                case "leave" if len(active) > 3:
                    self.leave(self.chance.choice([name for name in active if name != leader]))
                case "hand over" if len(active) > 3:
                    designated = self.chance.choice([name for name in active if name != leader])
                    self.leave(leader, successor=self.chance.choice([None, designated]))
                case "regenerate":
                    self.regenerate()
        self.logged = True


def lived(seed: int) -> tuple[Town, list[App]]:
    town, chance = Town(), random.Random(seed)
    apps = [App(town, f"home {number}", chance) for number in range(HOMES)]
    for app in apps:
        app.live(chance.randrange(12))
    return town, apps


def shuffled(town: Town) -> Town:
    """Rows arrive out of order, so ids say nothing of time."""
    order = list(range(1, len(town.household_events) + 1))
    random.Random(1).shuffle(order)
    for row, number in zip(town.household_events, order, strict=True):
        row["id"] = number
    return town


def found(scanner: Scanner, town: Town) -> set[tuple[str, str]]:
    return {
        (finding.detector, value)
        for finding in scanner.findings(shuffled(town), *RULES)
        for value in finding.subject.values()
    }


@pytest.fixture(params=["duckdb", "postgresql", "postgresql with the app's keys"])
def any_scanner(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[Scanner]:
    if request.param in ("duckdb", "postgresql"):
        yield request.getfixturevalue("on_duckdb" if request.param == "duckdb" else "on_postgres")
        return
    with ExitStack() as databases:

        def open_town(tables: dict[str, list[dict[str, Any]]]) -> str:
            database = databases.enter_context(postgres.new_database())
            load(database, tables)
            return str(database.url)

        yield Scanner("postgresql", open_town)


@pytest.mark.parametrize("seed", [1, 2])
def test_ordinary_life_is_silent(any_scanner: Scanner, seed: int) -> None:
    town, _ = lived(seed)
    assert found(any_scanner, town) == set()


STOPS: dict[int, set[str]] = {
    0: set(),
    1: {"transfer-failed"},
    2: {"transfer-failed", "multiple-leaders"},
    3: {"transfer-failed", "multiple-leaders"},
    4: set(),
}
GONE = {"transfer-failed", "no-leader"}


@pytest.mark.parametrize("seed", [1, 2])
def test_each_stop_is_found(any_scanner: Scanner, seed: int) -> None:
    town, apps = lived(seed)
    expected = set()
    for number, app in enumerate(apps):
        steps, leader = number % 5, app.leader()
        others = [name for name in app.active() if name != leader]
        if number % 3 == 0:
            heir = others[0]
            app.leave(heir)
            app.leave(leader, steps=steps, successor=heir)
            faults: set[str] = GONE if steps else set()
        else:
            app.leave(leader, steps=steps, successor=app.chance.choice([None, *others]))
            faults = STOPS[steps]
        expected |= {(fault, uid(app.home)) for fault in faults}
        half = App(town, f"half {number}", app.chance)
        half.create(f"half {number}", steps=1)
        expected.add(("orphaned-household", uid(half.home)))
    assert found(any_scanner, town) == expected


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_finishing_what_had_stopped_is_silent(any_scanner: Scanner, steps: int) -> None:
    town, apps = lived(steps)
    for app in apps:
        leader = app.leader()
        app.leave(leader, steps=steps)
        # By hand, without an event.
        heir = app.leader()
        app.rows[heir]["role"] = "leader"
        app.rows[leader]["status"] = "removed"
    assert found(any_scanner, town) == set()


@pytest.mark.parametrize("began", [timedelta(0), 30 * DAY, (AS_OF - LONG_AGO) * 2])
def test_an_audit_table_that_begins_late_changes_nothing(any_scanner: Scanner, began: timedelta) -> None:
    town, _ = lived(4)
    town.household_events = [row for row in town.household_events if row["event_timestamp"] > LONG_AGO + began]
    assert found(any_scanner, town) == set()
