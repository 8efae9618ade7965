"""duplicate-member: two active rows for one person in one household."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.rules.integrity.duplicate_member import DETECTOR
from detectors.rules.integrity.member_of_many_households import DETECTOR as MANY
from detectors.rules.integrity.multiple_leaders import DETECTOR as LEADERS
from tests.support.postgres import RESTORED_PETFORCE, PostgresServer, load
from tests.support.towns import AS_OF, HOUR, LONG_AGO, MINUTE, Scanner, Town, uid

SECOND = timedelta(seconds=1)
UNDER_WAY = [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)]


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_two_active_rows_of_one_person(scanner: Scanner, town: Town) -> None:
    town.member("oak", "ben", at=LONG_AGO + HOUR)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"household_id": uid("oak"), "user_id": uid("ben")}
    assert scanner.findings(town, MANY) == []
    town.household_members[-1]["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []


def test_a_removed_row_beside_an_active_one_is_fine(scanner: Scanner, town: Town) -> None:
    town.member("oak", "ben", status="removed")
    town.member("elm", "ben", status="removed")
    assert scanner.findings(town, DETECTOR, MANY) == []


@pytest.mark.parametrize(("age", "expected"), UNDER_WAY)
def test_a_second_row_may_be_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.member("oak", "ben", at=AS_OF - age)
    town.member("elm", "cleo", at=AS_OF - age)
    assert [f.detector for f in scanner.findings(town, DETECTOR, MANY)] == [DETECTOR.id, MANY.id][: 2 * expected]


def test_unique_keys_prove_what_they_make_impossible(postgres: PostgresServer, town: Town) -> None:
    with postgres.new_database() as database:
        load(database, town.tables())
        result = Scanner("postgresql", lambda _: database.url)(town, DETECTOR, LEADERS)
    assert {entry.detector: entry.status for entry in result.coverage} == {
        LEADERS.id: "ran",
        DETECTOR.id: "proved",
    }


@pytest.mark.parametrize(
    "key",
    [
        "(household_id, user_id) WHERE status <> 'active'",
        "(household_id, user_id, status, joined_at)",
        "(household_id, user_id, lower(role), joined_at)",
    ],
)
def test_a_key_that_allows_duplicates_proves_nothing(postgres: PostgresServer, town: Town, key: str) -> None:
    town.member("oak", "ben", at=LONG_AGO + HOUR)
    with postgres.new_database(RESTORED_PETFORCE) as database:
        load(database, town.tables())
        with database.connect() as admin:
            admin.execute(f"CREATE UNIQUE INDEX ON household_members {key}".encode())
        result = Scanner("postgresql", lambda _: database.url)(town, DETECTOR)
    assert [(entry.status, entry.findings) for entry in result.coverage] == [("ran", 1)]


def test_three_rows_of_one_person_in_each_of_two_households(scanner: Scanner, town: Town) -> None:
    for home in ("oak", "elm"):
        for _ in range(3):
            town.member(home, "ghost", is_temporary=True)
    bare = scanner.without("household_events", "users", "sessions", "support_requests")
    found = bare.findings(town, DETECTOR)
    assert sorted(finding.subject["household_id"] for finding in found) == sorted((uid("oak"), uid("elm")))
    assert {finding.subject["user_id"] for finding in found} == {uid("ghost")}
    assert [len(finding.evidence["rows"]) for finding in found] == [3, 3]
