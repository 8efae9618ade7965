"""invite-code-collision: a code names one household, now and ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.contract import Context
from detectors.engine.runner import scan
from detectors.engine.subscribed import forgetful
from detectors.limits import Limits
from detectors.rules.edge_cases.invite_code_collision import DETECTOR
from detectors.source import SourceMapping, open_source
from tests.support.postgres import PostgresServer, load
from tests.support.towns import AS_OF, LONG_AGO, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

pytestmark = pytest.mark.each_engine

CODE = "REX-ALPHA-BRAVO"
FOUND = [{"invite_code": CODE}]


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "emil")
    town.home("oak")["invite_code"] = CODE
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    town.request("asked", "oak", "zoe", invite_code=CODE)
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


@pytest.mark.parametrize("code", [CODE, CODE.lower(), f" {CODE.title()} "])
def test_fires_on_one_code_in_two_households(scanner: Scanner, town: Town, code: str) -> None:
    town.home("elm")["invite_code"] = code
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == FOUND[0]
    assert finding.households == tuple(sorted((uid("oak"), uid("elm"))))


@pytest.mark.parametrize("code", [CODE, CODE.lower()])
def test_fires_on_a_code_that_was_another_households(scanner: Scanner, town: Town, code: str) -> None:
    town.request("asked", "elm", "zoe", invite_code=code, at=LONG_AGO)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == FOUND[0]
    assert finding.evidence["households_now"] == [uid("oak")]
    assert [entry["household_id"] for entry in finding.evidence["households_earlier"]] == [uid("elm")]


@pytest.mark.parametrize("key", ["old_invite_code", "new_invite_code"])
@pytest.mark.parametrize("code", [CODE, CODE.lower()])
def test_fires_on_a_code_that_an_event_says_was_another_households(
    scanner: Scanner, town: Town, key: str, code: str
) -> None:
    town.event("household_invite_code_regenerated", "elm", "dora", at=NOON, **{key: code})
    town.event("household_invite_code_regenerated", "elm", "dora", at=LONG_AGO, **{key: code})
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == FOUND[0]
    assert finding.evidence["households_now"] == [uid("oak")]
    assert finding.evidence["households_earlier"] == [{"household_id": uid("elm"), "last_seen": NOON}]
    assert scanner.subjects(town, DETECTOR, households=[uid("elm")]) == FOUND


def test_silent_on_what_the_events_say_of_ordinary_codes(scanner: Scanner, town: Town) -> None:
    for home in ("oak", "elm"):
        for old, new in (
            (None, None),
            ("[REDACTED]", "[REDACTED]"),
            ("OLD-ALPHA-BRAVO", town.home(home)["invite_code"]),
        ):
            town.event("household_invite_code_regenerated", home, "x", old_invite_code=old, new_invite_code=new)
    town.event("household_invite_code_validated", "elm", "zoe", invite_code=CODE, valid=True)
    town.event("household_invite_code_regenerated", None, "x", old_invite_code=CODE)
    town.event("household_invite_code_regenerated", "oak", "anna", old_invite_code=CODE.lower())
    assert scanner.findings(town, DETECTOR) == []


def test_what_old_events_told_is_not_forgotten_between_the_nights_that_read_them(scanner: Scanner, town: Town) -> None:
    town.event("household_invite_code_regenerated", "elm", "dora", at=LONG_AGO, old_invite_code=CODE)
    assert scanner.subjects(town, DETECTOR) == FOUND
    limits = Limits(state_lookback_days=35)
    assert scanner.findings(town, DETECTOR, limits=limits) == []
    assert "invite-code-collision" in forgetful([DETECTOR])
    context = Context(as_of=AS_OF, window=YESTERDAY, limits=limits)
    with open_source(scanner.open_town(town.tables()), SourceMapping()) as source:
        known = {"invite-code-collision": [uid("elm"), uid("oak")]}
        again = scan(source, [DETECTOR], context, recheck=known)
    assert [finding.subject for finding in again.findings] == FOUND


@pytest.mark.parametrize("code", [None, "  "])
def test_missing_codes_do_not_collide(scanner: Scanner, town: Town, code: str | None) -> None:
    for name in ("oak", "elm"):
        town.home(name)["invite_code"] = code
    town.request("asked", "elm", "zoe", invite_code=" ")
    assert scanner.findings(town, DETECTOR) == []


def test_silent_on_a_code_that_nobody_has_any_more(scanner: Scanner, town: Town) -> None:
    for name in ("oak", "elm"):
        town.request(f"asked {name}", name, "zoe", invite_code="OLD-ALPHA-BRAVO")
    assert scanner.findings(town, DETECTOR) == []


def test_three_households_are_one_finding(scanner: Scanner, town: Town) -> None:
    town.home("elm")["invite_code"] = CODE.lower()
    town.household("fir", "zoe", invite_code=CODE)
    town.request("asked", "oak", "zoe", invite_code=CODE)
    (finding,) = scanner.findings(town, DETECTOR)
    assert len(finding.households) == 3


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - MINUTE / 60, 0), (2 * MINUTE, 1)])
def test_waits_for_a_creation_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.household("new", "zoe", at=AS_OF - age, invite_code=CODE)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_once_repaired(scanner: Scanner, town: Town) -> None:
    town.home("elm")["invite_code"] = CODE
    assert scanner.subjects(town, DETECTOR) == FOUND
    town.home("elm")["invite_code"] = "REX-ALPHA-ZULU"
    assert scanner.findings(town, DETECTOR) == []


def test_a_unique_key_does_not_prove_it(postgres: PostgresServer, town: Town) -> None:
    town.home("elm")["invite_code"] = CODE.lower()
    with postgres.new_database() as database:
        load(database, town.tables())
        found = Scanner("postgresql", lambda _: database.url).subjects(town, DETECTOR)
    assert found == FOUND


def test_a_scan_of_one_household_sees_its_collision(scanner: Scanner, town: Town) -> None:
    town.request("asked", "elm", "zoe", invite_code=CODE, at=NOON)
    for name in ("oak", "elm"):
        assert scanner.subjects(town, DETECTOR, households=[uid(name)]) == FOUND
    town.family("fir", "yan")
    assert scanner.subjects(town, DETECTOR, households=[uid("fir")]) == []
