"""Damaged deliveries of random towns: what is lost on the way is neither repaired nor a new fault, and it is said.

One night looks at the whole town, the next one at what was delivered of it. The same two nights on the whole town are the
oracle.
"""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.support.effort import tries
from tests.support.field import NIGHT_1, NIGHT_2, call
from tests.support.towns import DAY, HOUR, LONG_AGO, MINUTE, NOON, Tables, Town, uid, write_csv

SHARED = tries(15, suppress_health_check=[HealthCheck.too_slow])
LEAST_HOMES = 8
"""So many that one damaged household is no implausible part of the town."""


def sound(town: Town, home: str, size: int) -> None:
    people = [f"{home} {place}" for place in range(size)]
    town.family(home, *people)
    town.event("household_created", home, people[0], at=LONG_AGO, correlation_id=f"create {home}")
    for place, person in enumerate(people):
        town.account(person)
        town.event("household_dashboard_viewed", home, person, at=NOON + place * MINUTE, duration_ms=200)
    for place, person in enumerate(people[1:], start=1):
        at = LONG_AGO + place * DAY
        named = {"request_id": f"{home}/{person}"}
        town.event("household_join_request_submitted", home, person, at=at, **named)
        town.event("household_join_request_approved", home, people[0], at=at + HOUR, new_member_id=person, **named)
    town.event("pet_activity_logged", home, people[0], at=NOON)


def leaderless(town: Town, home: str) -> None:
    town.row(home, f"{home} 0")["role"] = "member"


def two_leaders(town: Town, home: str) -> None:
    town.row(home, f"{home} 1")["role"] = "leader"


def not_removed(town: Town, home: str) -> None:
    at = NOON - HOUR
    town.event("household_member_removed", home, f"{home} 0", at=at, member_id=f"{home} 1", correlation_id=f"r {home}")


def never_let_in(town: Town, home: str) -> None:
    town.request(f"{home} late", home, f"{home} guest", status="approved", at=NOON - 3 * HOUR, by=f"{home} 0")


def uninvited(town: Town, home: str) -> None:
    town.member(home, f"{home} stranger", at=NOON - 5 * DAY)


def orphaned(town: Town, home: str) -> None:
    town.household_members = [row for row in town.household_members if row["household_id"] != uid(home)]


def threatened(town: Town, home: str) -> None:
    town.report(f"{home} report", "threat", f"{home} 1", household_id=home, subject_user_id=f"{home} 0")


FAULTS = (leaderless, two_leaders, not_removed, never_let_in, uninvited, orphaned, threatened)


@st.composite
def towns(draw: st.DrawFn) -> Town:
    town = Town()
    homes = [f"home{number}" for number in range(draw(st.integers(LEAST_HOMES, LEAST_HOMES + 4)))]
    for home in homes:
        sound(town, home, draw(st.integers(2, 4)))
    for home, fault in zip(homes, draw(st.lists(st.sampled_from(FAULTS), max_size=4)), strict=False):
        fault(town, home)
    # Somebody was removed for good, so that every kind of event has been written.
    at = NOON - 9 * DAY
    town.member(homes[-1], "gone", status="removed", at=LONG_AGO + 5 * DAY)
    town.event("household_member_removed", homes[-1], f"{homes[-1]} 0", at=at, member_id="gone", correlation_id="gone")
    return town


@dataclass(frozen=True)
class Delivery:
    """What arrived of a town: the rows, which households lack some of theirs, and which tables did not come at all."""

    tables: Tables
    damaged: frozenset[str]
    left_out: tuple[str, ...] = ()


def home_of(table: str, row: dict[str, Any]) -> str:
    return str(row["id"] if table == "households" else row.get("household_id") or "")


def without(tables: Tables, table: str, lost: Callable[[int, dict[str, Any]], bool]) -> Delivery:
    """The rows of one table that are not lost; everybody's household is damaged if the rows name none."""
    gone = [row for place, row in enumerate(tables[table]) if lost(place, row)]
    kept = [row for place, row in enumerate(tables[table]) if not lost(place, row)]
    return Delivery(tables | {table: kept}, frozenset(home_of(table, row) for row in gone))


@st.composite
def losses(draw: st.DrawFn, tables: Tables) -> Delivery:
    table = draw(st.sampled_from([name for name, rows in tables.items() if rows]))
    how = draw(st.sampled_from(["some", "most", "all", "missing", "cut short"]))
    number = len(tables[table])
    if how == "missing" and table in {"household_events", "users", "support_requests"}:
        every = frozenset(home_of(table, row) for row in tables[table])
        return Delivery(tables | {table: []}, every, (table,))
    if how == "cut short" and table == "household_events":
        late = NOON - draw(st.integers(0, 10)) * DAY
        return without(tables, table, lambda _, row: row["event_timestamp"] > late)
    least = {"some": 0.0, "most": 0.3}.get(how, 1.0)
    share = draw(st.floats(least, 0.1 if how == "some" else 1.0))
    lost = set(draw(st.permutations(range(number)))[: max(1, round(share * number))])
    return without(tables, table, lambda place, _: place in lost)


def capitals(tables: Tables, table: str) -> Tables:
    def plain(key: str, value: Any) -> Any:
        is_id = key == "id" or key.endswith(("_id", "_by"))
        return value.upper() if is_id and isinstance(value, str) else value

    return tables | {table: [{key: plain(key, value) for key, value in row.items()} for row in tables[table]]}


def in_a_string(tables: Tables, table: str) -> Tables:
    events = [row | {"metadata": json.dumps(json.dumps(row["metadata"]))} for row in tables["household_events"]]
    return tables | {"household_events": events}


def doubled(tables: Tables, table: str) -> Tables:
    return tables | {table: tables[table] * 2}


def shouted(tables: Tables, table: str) -> Tables:
    words = ("role", "status", "category", "event_type")
    rows = [row | {word: f" {row[word].upper()}" for word in words if word in row} for row in tables[table]]
    return tables | {table: rows}


def with_a_broken_row(tables: Tables, table: str) -> Tables:
    first, *others = tables["household_events"]
    harmless = first | {"id": 10**6, "event_type": "household_updated", "event_timestamp": NOON, "metadata": "{broken"}
    return tables | {"household_events": [first, *others, harmless]}


SAME_MEANING = (capitals, in_a_string, doubled, shouted, with_a_broken_row)

Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Night:
    code: int
    found: dict[Key, dict[str, Any]]
    coverage: dict[str, dict[str, Any]]
    talk: str
    tickets: dict[Key, str]


def night(folder: Path, delivery: Delivery, as_of: str) -> Night:
    """A run on what was delivered, with the ledger of `folder`."""
    source = Path(tempfile.mkdtemp(dir=folder))
    write_csv(source, delivery.tables, leave_out=delivery.left_out)
    place = ("--ledger", f"sqlite:///{folder / 'ledger.db'}", "--queue", f"folder:{folder / 'queue'}")
    result = call("run", "--source", str(source), "--as-of", as_of, "--format", "json", *place)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    document = json.loads(result.stdout) if result.stdout.strip() else {"findings": [], "coverage": []}
    found = {(one["detector"], tuple(sorted(one["subject"].values()))): one for one in document["findings"]}
    tickets: dict[Key, str] = {}
    if (folder / "ledger.db").exists():
        with sqlite3.connect(folder / "ledger.db") as ledger:
            rows = ledger.execute(
                "SELECT e.detector, e.subject, t.status FROM tickets t JOIN entries e ON e.fingerprint = t.fingerprint"
            )
            tickets = {(name, tuple(sorted(json.loads(about).values()))): status for name, about, status in rows}
    coverage = {entry["detector"]: entry for entry in document["coverage"]}
    return Night(result.exit_code, found, coverage, result.stderr, tickets)


def nights(first: Tables, *seconds: Delivery) -> tuple[Night, ...]:
    """A night on the whole town, and each of the second ones as if it came next."""
    with tempfile.TemporaryDirectory() as folder:
        place, kept = Path(folder) / "place", Path(folder) / "kept"
        place.mkdir()
        played = [night(place, Delivery(first, frozenset()), NIGHT_1)]
        assert played[0].code == 0, played[0].talk
        shutil.copytree(place, kept)
        for second in seconds:
            shutil.rmtree(place)
            shutil.copytree(kept, place)
            played.append(night(place, second, NIGHT_2))
        return tuple(played)


def explained(key: Key, after: Night) -> bool:
    """Whether the night said that it did not, or not wholly, look for this."""
    if after.code == 3:
        return True
    entry = after.coverage[key[0]]
    return entry["status"] != "ran" or bool(entry["reason"])


@SHARED
@given(st.data())
def test_what_is_lost_is_not_repaired_and_makes_no_faults(data: st.DataObject) -> None:
    town = data.draw(towns()).tables()
    delivery = data.draw(losses(copy.deepcopy(town)))
    _, whole, after = nights(town, Delivery(town, frozenset()), delivery)
    for key, finding in after.found.items():
        homes = set(finding["households"])
        if homes and not homes & delivery.damaged:
            assert key in whole.found, f"{key} is new: {after.talk}"
    for key, status in after.tickets.items():
        assert status == whole.tickets.get(key, status) or status != "verified", f"{key} is no more: {after.talk}"
        if status == "verified":
            assert whole.tickets[key] == "verified"
    if after.code == 0:
        for key, finding in whole.found.items():
            if key not in after.found and not set(finding["households"]) & delivery.damaged:
                assert explained(key, after), f"{key} was lost in silence: {after.talk}"
    assert after.code in {0, 3, 4}


@SHARED
@given(towns(), st.sampled_from(SAME_MEANING), st.data())
def test_what_is_written_otherwise_means_the_same(
    town: Town, written: Callable[[Tables, str], Tables], data: st.DataObject
) -> None:
    tables = town.tables()
    table = data.draw(st.sampled_from([name for name, rows in tables.items() if rows]))
    otherwise = Delivery(written(copy.deepcopy(tables), table), frozenset())
    _, whole, after = nights(tables, Delivery(tables, frozenset()), otherwise)
    assert after.code == 0, after.talk
    assert after.found.keys() == whole.found.keys()
    assert after.tickets == whole.tickets


@tries(8, suppress_health_check=[HealthCheck.too_slow])
@given(towns())
def test_a_repair_is_still_seen(town: Town) -> None:
    tables = town.tables()
    leaders = {row["leader_id"] for row in tables["households"]}
    rows = [row | {"role": "leader" if row["user_id"] in leaders else "member"} for row in tables["household_members"]]
    before, after = nights(tables, Delivery(tables | {"household_members": rows}, frozenset()))
    for key, status in before.tickets.items():
        if key[0] in {"no-leader", "multiple-leaders", "transfer-failed"}:
            assert (status, after.tickets[key]) == ("open", "verified"), after.talk


def test_the_towns_are_sound_without_their_faults() -> None:
    town = Town()
    for number in range(LEAST_HOMES):
        sound(town, f"home{number}", 2 + number % 3)
    one, _ = nights(town.tables(), Delivery(town.tables(), frozenset()))
    assert (one.found, one.code) == ({}, 0)
