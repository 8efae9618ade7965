"""What the first rows of short tables answer is what the engine itself would have answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from detectors.engine.applicability import health_of
from detectors.limits import Limits
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source
from detectors.source.first_rows import Sample, acts_among, in_each, known_among
from detectors.source.health import Health
from tests.support.towns import AS_OF, DAY, HOUR, NOON, Scanner, Town, with_later_life

MEMBERS, EVENTS = "household_members", "household_events"


def sound() -> Town:
    town = Town()
    for number in range(12):
        home, leader, member = f"h{number}", f"a{number}", f"b{number}"
        town.family(home, leader, member, at=NOON - 9 * DAY)
        town.event("household_created", home, leader, at=NOON - 9 * DAY)
        town.request(f"r{number}", home, member, status="approved", at=NOON - 8 * DAY, by=leader)
        town.event("household_join_request_submitted", home, member, at=NOON - 8 * DAY, request_id=f"r{number}")
    return town


def few() -> Town:
    """Of so few rows hardly anything is concluded, and ids are looked up nonetheless."""
    town = Town()
    town.family("h0", "a0", "b0", "c0")
    town.request("r0", "h0", "b0", status="approved", by="a0")
    town.event("household_member_removed", "h0", "a0", member_id="b0")
    return town


def _set(table: str, column: str, value: Any, rows: slice) -> Callable[[Town], None]:
    def spoil(town: Town) -> None:
        for row in getattr(town, table)[rows]:
            row[column] = value

    return spoil


def _backwards(town: Town) -> None:
    for row in town.household_join_requests[:11]:
        row["responded_at"] = row["requested_at"] - HOUR


def _other_zone(town: Town) -> None:
    for number, row in enumerate(town.household_events):
        row["event_timestamp"] += 2 * HOUR + number * (HOUR / 3600)


def _not_yet_copied(town: Town) -> None:
    town.event("household_created", "to come", "somebody", at=NOON)


def _old_states(town: Town) -> None:
    for number in range(12):
        town.event("household_member_removed", f"h{number}", f"a{number}", member_id=f"b{number}")
        town.event("household_created", f"new {number}", f"new {number}")
        town.event("household_left", f"h{number}", f"b{number}", at=NOON - 7 * DAY)


def _swapped(town: Town) -> None:
    for row in town.household_join_requests:
        row["household_id"], row["user_id"] = row["user_id"], row["household_id"]


ALL, SOME = slice(None), slice(1, 3)
SPOILT: dict[str, Callable[[Town], None]] = {
    "sound": lambda town: None,
    "empty times": _set(MEMBERS, "joined_at", None, SOME),
    "mostly empty": _set(MEMBERS, "household_id", None, slice(3, 20)),
    "all empty": _set("household_join_requests", "requested_at", None, ALL),
    "after all times": _set(MEMBERS, "joined_at", datetime(9999, 1, 1, tzinfo=UTC), SOME),
    "before all times": _set("households", "created_at", datetime(1970, 1, 1, tzinfo=UTC), SOME),
    "zeros": _set(MEMBERS, "temporary_expires_at", datetime(1970, 1, 1, tzinfo=UTC), SOME),
    "a few later": _set(MEMBERS, "joined_at", AS_OF + DAY, slice(1, 2)),
    "many later": _set(MEMBERS, "joined_at", AS_OF + DAY, slice(1, 20)),
    "capitals": _set(MEMBERS, "role", "Leader", slice(0, None, 2)),
    "unknown words": _set(MEMBERS, "status", "asleep", SOME),
    "blank words": _set("household_join_requests", "status", " ", SOME),
    "nobody leads": _set(MEMBERS, "role", "member", ALL),
    "an unknown type": _set(EVENTS, "event_type", "house_made", SOME),
    "a type in capitals": _set(EVENTS, "event_type", "HOUSEHOLD_CREATED", SOME),
    "strangers": _set("household_join_requests", "user_id", "ffffffff-0000-4000-8000-000000000001", ALL),
    "no responder": _set("household_join_requests", "responded_by", None, ALL),
    "backwards": _backwards,
    "another zone": _other_zone,
    "not yet copied": _not_yet_copied,
    "old states": _old_states,
    "swapped": _swapped,
}


def _healths(scanner: Scanner, town: Town, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Health, int]]:
    """What is seen by the first rows, and with none of them relied on; and in how many statements."""
    where = scanner.open_town(town.tables())
    for relied_on in (True, False):
        if not relied_on:
            monkeypatch.setattr(Sample, "whole", False)
        with open_source(where, SourceMapping()) as source:
            before = source.counters.statements
            yield health_of(source, DETECTORS, Limits(), as_of=AS_OF), source.counters.statements - before


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=list(SPOILT))
def test_a_short_table_is_seen_as_a_long_one_is(
    on_duckdb: Scanner, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Town], None]
) -> None:
    town = sound()
    spoil(town)
    (by_rows, _), (asked, _) = _healths(on_duckdb, town, monkeypatch)
    assert by_rows == asked


@pytest.mark.parametrize("spoil", ["sound", "a few later", "strangers", "swapped"])
def test_so_is_one_of_a_few_rows(on_duckdb: Scanner, monkeypatch: pytest.MonkeyPatch, spoil: str) -> None:
    town = few()
    SPOILT[spoil](town)
    (by_rows, _), (asked, _) = _healths(on_duckdb, with_later_life(town), monkeypatch)
    assert by_rows == asked


def test_so_it_is_on_a_server(on_postgres: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    town = sound()
    for name in ("zeros", "a few later", "unknown words", "an unknown type"):
        SPOILT[name](town)
    (by_rows, _), (asked, _) = _healths(on_postgres, town, monkeypatch)
    assert by_rows == asked


def test_a_small_town_is_looked_at_in_few_statements(scanner: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, by_rows), (_, asked) = _healths(scanner, with_later_life(few()), monkeypatch)
    assert by_rows <= 16
    assert asked > 2 * by_rows


def test_acts_are_told_however_their_type_is_written() -> None:
    rows = [{"event_type": kind} for kind in ("household_left", "HOUSEHOLD_LEFT ", "household_created", None)]
    acts = acts_among({EVENTS: Sample(4, frozenset(), rows)}, ["household_left"])
    assert acts == rows[:2]
    assert acts_among({EVENTS: Sample(100, frozenset(), rows)}, ["household_left"]) is None
    assert acts_among({}, ["household_left"]) is None


@pytest.mark.parametrize(("values", "expected"), [("ab", True), ("abc", True), ("aabcd", False), ("", True)])
def test_half_of_the_values_answer_for_all(values: str, expected: bool) -> None:
    samples = {
        MEMBERS: Sample(9, frozenset(), [{"user_id": one} for one in values]),
        "users": Sample(9, frozenset(), [{"id": "a"}, {"id": "b" if len(values) == 3 else "z"}, {"id": None}]),
    }
    side, other = (MEMBERS, "user_id"), ("users", "id")
    assert in_each(samples, side, other) is expected
    assert not in_each({**samples, "users": Sample(100, frozenset())}, side, other)
    assert known_among(samples, (MEMBERS, "id"), other) is None or not values
    assert known_among(samples, side, ("users", "email")) is None
