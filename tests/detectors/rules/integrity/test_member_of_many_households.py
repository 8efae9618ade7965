"""member-of-many-households: one household per user, sitters apart."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.domain.values import NOBODY
from detectors.limits import Limits
from detectors.rules.integrity.member_of_many_households import DETECTOR
from tests.support.postgres import PostgresServer, load
from tests.support.towns import AS_OF, HOUR, LONG_AGO, MINUTE, Scanner, Town, uid

SECOND = timedelta(seconds=1)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_active_in_two_households(scanner: Scanner, town: Town) -> None:
    town.member("elm", "ben", at=LONG_AGO + HOUR)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"user_id": uid("ben")}
    assert finding.impact.households == 2
    town.row("elm", "ben")["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []


def test_sitters_may_be_in_many_households(scanner: Scanner, town: Town) -> None:
    for name in ("oak", "elm"):
        town.member(name, "sid", is_temporary=True)
    town.member("elm", "ben", is_temporary=True)
    assert scanner.findings(town, DETECTOR) == []


def test_a_policy_without_that_rule(scanner: Scanner, town: Town) -> None:
    town.member("elm", "ben")
    (entry,) = scanner(town, DETECTOR, limits=Limits(one_household_per_user=False)).coverage
    assert entry.status == "not_applicable"
    assert entry.reason == "the policy allows several households per user"


def test_a_sitter_with_a_second_home_of_their_own(scanner: Scanner, town: Town) -> None:
    town.household("fir", "ben")
    town.member("fir", "ben", role="leader")
    town.member("elm", "ben", is_temporary=True)
    bare = scanner.without("household_events", "users", "sessions", "support_requests")
    (finding,) = bare.findings(town, DETECTOR)
    assert finding.households == tuple(sorted((uid("fir"), uid("oak"))))
    town.row("fir", "ben")["status"] = "removed"
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_a_second_membership_may_be_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.member("elm", "ben", at=AS_OF - age)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_a_unique_key_over_users_proves_it(postgres: PostgresServer) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    with postgres.new_database() as database:
        load(database, town.tables())
        for key, status in (("(user_id, household_id)", "ran"), ("(user_id)", "proved")):
            with database.connect() as admin:
                admin.execute(f"CREATE UNIQUE INDEX ON household_members {key}".encode())
            (entry,) = Scanner("postgresql", lambda _: database.url)(town, DETECTOR).coverage
            assert entry.status == status


def test_with_the_unique_key_of_the_app(postgres: PostgresServer) -> None:
    """Then fewer rows are counted: neither sittings of longer ago nor rows that ended may take part."""
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "emil")
    town.member("elm", "anna", is_temporary=True)
    town.member("elm", "ben", status="removed")
    with postgres.new_database() as database:
        load(database, town.tables())
        app = Scanner("postgresql", lambda _: database.url)
        assert app.findings(town, DETECTOR) == []
        with database.connect() as admin:
            admin.execute(b"UPDATE household_members SET status = 'active'")
        assert [finding.subject for finding in app.findings(town, DETECTOR)] == [{"user_id": uid("ben")}]


def test_the_nil_uuid_is_nobody(on_postgres: Scanner, town: Town) -> None:
    for home in ("oak", "elm"):
        town.member(home, "erased")
        town.household_members[-1]["user_id"] = NOBODY
    assert on_postgres.findings(town, DETECTOR) == []


def test_a_row_without_a_household_is_no_membership(on_duckdb: Scanner, town: Town) -> None:
    town.member("elm", "ben")
    town.household_members[-1]["household_id"] = None
    assert on_duckdb.findings(town, DETECTOR) == []
