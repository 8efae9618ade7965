"""What was masked, or lost all over, on the way is told apart from the faults of many households."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from detectors.engine.applicability import health_of
from detectors.limits import Limits
from detectors.rules.integrity import orphaned_household
from detectors.rules.malfunctions import approval_not_applied
from detectors.rules.security import member_without_approval
from detectors.rules.system import invite_code_failure
from detectors.source import SourceMapping, open_source
from detectors.source.capped import is_cap
from detectors.source.first_rows import Sample
from detectors.source.masked import why_masked
from detectors.source.misplaced import states
from detectors.source.sampled_homes import Home, Row
from tests.support.postgres import Database, load
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, Scanner, Town, uid

HOMES = [f"h{number}" for number in range(20)]


@pytest.fixture
def town() -> Town:
    """Families of three, whose joining was audited; somebody was removed from each fifth."""
    town = Town()
    for number, home in enumerate(HOMES):
        leader, *others = (f"{home} {name}" for name in ("anna", "ben", "cleo"))
        town.family(home, leader, *others)
        for place, name in enumerate(others, start=1):
            named = {"request_id": f"{home}/{name}"}
            at = LONG_AGO + place * DAY
            town.event("household_join_request_submitted", home, name, at=at, **named)
            town.event("household_join_request_approved", home, leader, at=at + HOUR, new_member_id=name, **named)
        if number % 5 == 0:
            town.household_members.remove(town.row(home, others[0]))
            town.event("household_member_removed", home, leader, member_id=others[0])
    return town


def masked(value: object) -> object:
    return value and uid(f"masked {value}")


def faults(scanner: Scanner, town: Town) -> str:
    """Why nothing that is read of the town can be believed; empty where it can."""
    with open_source(scanner.open_town(town.tables()), SourceMapping()) as source:
        return "".join(health_of(source, (), Limits(), as_of=AS_OF).faults)


PEOPLE = [
    ("household_join_requests", "responded_by"),
    ("household_join_requests", "user_id"),
    ("household_events", "user_id"),
]


@pytest.mark.parametrize(("table", "column"), PEOPLE)
def test_a_column_of_people_that_was_masked_ends_the_scan(
    on_duckdb: Scanner, town: Town, table: str, column: str
) -> None:
    rows = getattr(town, table)
    for row in rows[::2]:
        row[column] = masked(row[column])
    assert not faults(on_duckdb, town)
    for row in rows[1::2]:
        row[column] = masked(row[column])
    assert faults(on_duckdb, town).startswith(f"{table}.{column} names nobody whom another table knows")


def test_one_sign_for_everybody_on_a_server(on_postgres: Scanner, town: Town) -> None:
    for row in town.household_join_requests:
        row["responded_by"] = "00000000-0000-0000-0000-000000000000"
    assert "names others in 40 of 40 rows" in faults(on_postgres, town)


def test_strangers_who_answer_everything_are_no_fault_of_the_source(on_duckdb: Scanner, town: Town) -> None:
    town.household_join_requests = town.household_join_requests[:20]
    town.household_events.clear()
    for row in town.household_join_requests:
        row["responded_by"] = masked(row["responded_by"])
    assert not faults(on_duckdb, town)


def test_people_whom_nobody_knows_are_told(on_duckdb: Scanner, town: Town) -> None:
    for row in town.household_events:
        row["metadata"] = {key: masked(value) for key, value in row["metadata"].items()}
    for home in HOMES:
        town.session(home, f"{home} masked")
    told = {place for one in on_duckdb(town).notices for place in one.columns}
    assert told == {"household_events.metadata", "sessions.user_id"}
    town.sessions[0]["user_id"] = uid("h0 anna")
    assert "sessions.user_id" not in {place for one in on_duckdb(town).notices for place in one.columns}


@pytest.mark.parametrize("code", ["****", "FAMI-*****", "REDACTED", "5f4dcc3b5aa765d61d8327deb882cf99"])
def test_what_hides_a_code(code: str) -> None:
    hidden = Sample(20, frozenset(), [{"invite_code": code}] * 20)
    assert why_masked(hidden, "invite_code")
    assert not why_masked(hidden, "name")
    seen = [*hidden.first[1:], {"invite_code": "FAM-ALPHA-BRAVO"}]
    assert not why_masked(Sample(20, frozenset(), seen), "invite_code")
    assert not why_masked(Sample(9, frozenset(), hidden.first[:9]), "invite_code")
    # One broken job may have spoilt them all.
    spoilt = [{"invite_code": "oops"}] * 20
    assert not why_masked(Sample(20, frozenset(), spoilt), "invite_code")


def test_masked_codes_are_not_read(scanner: Scanner, town: Town) -> None:
    for row in town.households:
        row["invite_code"] = "****"
    result = scanner(town, invite_code_failure.DETECTOR)
    assert not result.findings
    (entry,) = result.coverage
    assert entry.reason == "needs households.invite_code (holds hidden codes or hashes in every row)"
    assert any("masked on their way" in notice.said for notice in result.notices)


def without(town: Town, homes: Sequence[str], *names: str) -> None:
    lost = {(uid(home), uid(f"{home} {name}")) for home in homes for name in names}
    town.household_members = [
        row for row in town.household_members if (row["household_id"], row["user_id"]) not in lost
    ]


def test_a_table_of_members_that_lost_rows_all_over_ends_the_scan(scanner: Scanner, town: Town) -> None:
    without(town, HOMES[1:5], "anna", "cleo")
    without(town, HOMES[5:8], "cleo")
    assert "household_members lacks rows all over: in 7 of 20 households" in faults(scanner, town)


def test_a_few_of_very_many_households_may_lack_several_rows(on_duckdb: Scanner, town: Town) -> None:
    for number in range(100):
        home = f"more {number}"
        town.family(home, f"{home} anna", f"{home} ben")
    without(town, HOMES[1:5], "anna", "cleo")
    without(town, HOMES[5:6], "cleo")
    assert not faults(on_duckdb, town)


def test_faults_of_most_households_are_none_of_the_table(on_duckdb: Scanner, town: Town) -> None:
    without(town, HOMES[:8], "anna")
    without(town, HOMES[8:16], "ben", "cleo")
    without(town, HOMES[16:], "anna", "ben", "cleo")
    assert not faults(on_duckdb, town)


def moved(rows: list[dict[str, Any]], column: str) -> None:
    """Each value stands beside the row that is seven rows later."""
    values = [row[column] for row in rows]
    for row, value in zip(rows, [*values[-7:], *values[:-7]], strict=True):
        row[column] = value


MOVED = [
    ("households", "leader_id", "households.leader_id names members of other households alone, in 20 of 20"),
    ("household_join_requests", "user_id", "household_join_requests.user_id says otherwise than household_events"),
    ("household_join_requests", "household_id", "household_join_requests.household_id says otherwise than"),
    ("household_events", "user_id", "household_events names members of other households alone as who created"),
]


@pytest.mark.parametrize(("table", "column", "said"), MOVED)
def test_a_column_beside_others_rows_ends_the_scan(
    on_duckdb: Scanner, town: Town, table: str, column: str, said: str
) -> None:
    for home in HOMES:
        town.event("household_created", home, f"{home} anna", at=LONG_AGO)
    moved(getattr(town, table), column)
    assert faults(on_duckdb, town).startswith(said)


def test_one_person_may_create_households_in_masses(on_duckdb: Scanner, town: Town) -> None:
    for home in HOMES:
        town.event("household_created", home, "h0 anna", at=LONG_AGO)
    assert not faults(on_duckdb, town)


SHOWN: dict[str, dict[str, dict[Any, Any]]] = {
    "role makes others leaders": {"role": {"leader": "member", "member": "leader"}},
    "role makes everybody a leader": {"role": {"member": "leader"}},
    "is_temporary is true for 20 of 20 leaders": {"is_temporary": {False: True}},
}


@pytest.mark.parametrize("said", SHOWN)
def test_what_nearly_all_households_show_is_none_of_theirs(town: Town, said: str) -> None:
    ((column, words),) = SHOWN[said].items()
    for homes in (18, 17):
        homes_of = {uid(home) for home in HOMES[:homes]}
        shown: dict[str, Home] = {uid(home): Home(uid(f"{home} anna")) for home in HOMES}
        for row in town.household_members:
            mine = row["household_id"] in homes_of
            seen = row | {column: words.get(row[column], row[column]) if mine else row[column]}
            shown[row["household_id"]].rows.append(
                Row(row["user_id"], seen["role"] == "leader", active=True, temporary=seen["is_temporary"])
            )
        assert any(said.replace("20 of", f"{homes} of") in one for one in states(shown.values())) == (homes == 18)


PLANTED: dict[str, tuple[str, list[Row]]] = {
    "a row twice": ("anna", [Row("anna", True, True, False), Row("anna", True, True, False)]),
    "two leaders": ("anna", [Row("anna", True, True, False), Row("ben", True, True, False)]),
    "a transfer that stopped": ("ben", [Row("anna", True, True, False), Row("ben", False, True, False)]),
    "a sitter who leads": ("sue", [Row("anna", True, False, False), Row("sue", True, True, True)]),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_of_the_app_may_be_that_of_all_households(fault: str) -> None:
    leader, rows = PLANTED[fault]
    assert list(states([Home(leader, list(rows)) for _ in range(30)])) == []


def test_many_households_that_lack_at_once_end_the_scan(on_duckdb: Scanner) -> None:
    town = Town()
    for number in range(200):
        town.family(f"h{number}", f"a{number}")
    kept = town.households
    town.households = kept[:101]
    assert not faults(on_duckdb, town)
    town.households = kept[:100]
    assert faults(on_duckdb, town).startswith("households lacks 100 of 200 households that household_members names")


@pytest.mark.parametrize("earlier", [("household_members",), ("household_join_requests", "household_events")])
def test_what_is_newer_than_the_copy_of_a_table_is_awaited(on_duckdb: Scanner, earlier: tuple[str, ...]) -> None:
    town = Town()
    for number in range(20):
        home, at = f"h{number}", AS_OF - (25 - number) * HOUR
        town.household(home, f"{home} anna", at=at)
        town.member(home, f"{home} anna", role="leader", at=at)
        town.event("household_created", home, f"{home} anna", at=at)
        at += 3 * HOUR
        town.request(f"{home} request", home, f"{home} ben", status="approved", at=at, by=f"{home} anna")
        town.event("household_join_request_approved", home, f"{home} anna", at=at + HOUR, new_member_id=f"{home} ben")
        town.member(home, f"{home} ben", at=at + HOUR)
    rules = (orphaned_household.DETECTOR, approval_not_applied.DETECTOR, member_without_approval.DETECTOR)
    at_least = AS_OF - 9 * HOUR
    town.households[0]["updated_at"] = AS_OF - HOUR
    times = {"household_members": "joined_at", "household_join_requests": "requested_at"}
    for table in earlier:
        time = times.get(table, "event_timestamp")
        setattr(town, table, [row for row in getattr(town, table) if row[time] < at_least])
    result = on_duckdb(town, *rules)
    assert not result.findings
    (awaited,) = [notice for notice in result.notices if "after the newest row" in notice.said]
    # It may have changed hands since, of which the audit table will tell.
    assert (uid("h0") in awaited.households) == ("household_events" in earlier)
    # Where only older households are concerned, each of them may be broken.
    new = {row["id"] for row in town.households if row["created_at"] >= at_least}
    for table, column in (
        ("households", "id"),
        ("household_members", "household_id"),
        ("household_events", "household_id"),
    ):
        setattr(town, table, [row for row in getattr(town, table) if row[column] not in new])
    assert on_duckdb(town, *rules).findings


def test_rows_that_are_there_are_not_awaited(on_duckdb: Scanner) -> None:
    """A restore dated all member rows as of before; a column of days would, too."""
    town = Town()
    for number in range(20):
        home, at = f"h{number}", AS_OF - (25 - number) * HOUR
        town.family(home, f"{home} anna", f"{home} ben", at=at - DAY - HOUR)
        town.home(home)["created_at"] = at
        town.event("household_created", home, f"{home} anna", at=at)
        at += 2 * HOUR
        town.event("household_join_request_approved", home, f"{home} anna", at=at, new_member_id=f"{home} ben")
    for place, row in enumerate(town.household_members):
        row["joined_at"] = AS_OF - 9 * HOUR - place * DAY / 86_400
    assert not any("next copy" in notice.said for notice in on_duckdb(town, orphaned_household.DETECTOR).notices)
    del town.household_members[-10:]
    assert any("next copy" in notice.said for notice in on_duckdb(town, orphaned_household.DETECTOR).notices)


@pytest.mark.parametrize("column", ["_fivetran_synced", "_dlt_load_id", None])
def test_a_servers_table_is_awaited_where_a_tool_copies_it(petforce_db: Database, column: str | None) -> None:
    town = Town()
    town.family("h1", "anna")
    town.member("new", "ben", role="leader", at=AS_OF - HOUR)
    town.event("household_created", "new", "ben", at=AS_OF - HOUR)
    load(petforce_db, town.tables())
    if column:
        with petforce_db.connect() as connection:
            connection.execute(f"ALTER TABLE households ADD {column} text")
    with open_source(petforce_db.url, SourceMapping()) as source:
        found = {one.households for one in health_of(source, (), Limits(), as_of=AS_OF).notices}
    assert (frozenset({uid("new")}) in found) == bool(column)


def test_a_quiet_town_waits_for_no_copy(on_duckdb: Scanner) -> None:
    town = Town()
    town.family("quiet", "quiet anna", at=AS_OF - 20 * HOUR)
    for number in range(6):
        home, at = f"h{number}", AS_OF - (9 - number) * HOUR
        if number % 2:
            town.household(home, f"{home} anna", at=at)
            town.event("household_created", home, f"{home} anna", at=at)
        else:
            town.family(home, f"{home} anna")
            town.request(home, home, f"{home} ben", status="approved", at=at - HOUR, by=f"{home} anna")
            named = {"request_id": home, "new_member_id": f"{home} ben"}
            town.event("household_join_request_approved", home, f"{home} anna", at=at, **named)
    found = {
        one.detector for one in on_duckdb(town, orphaned_household.DETECTOR, approval_not_applied.DETECTOR).findings
    }
    assert found == {"orphaned-household", "approval-not-applied"}


def test_tables_of_one_round_number_may_belong_together(on_duckdb: Scanner) -> None:
    town = Town()
    for number in range(500):
        town.family(f"h{number}", f"a{number}")
    assert not faults(on_duckdb, town)


def test_tables_that_end_at_one_round_number_end_the_scan(on_duckdb: Scanner) -> None:
    town = Town()
    for number in range(600):
        town.household(f"h{number}", f"a{number}")
        if number < 250:
            town.member(f"h{number}", f"a{number}", role="leader")
            town.member(f"h{number}", f"b{number}")
    town.households = town.households[:500]
    assert faults(on_duckdb, town).startswith("households and household_members hold exactly 500 rows each")
    town.households.pop()
    assert not faults(on_duckdb, town)


@pytest.mark.parametrize(("rows", "cut"), [(500, True), (550, False), (1000, True), (400, False), (65_535, True)])
def test_where_exports_end(rows: int, cut: bool) -> None:
    assert is_cap(rows) == cut


@pytest.mark.parametrize("hidden", ["***", "T** H****", "[REDACTED]", "d41d8cd98f00b204e9800998ecf8427e", "XXXX"])
def test_names_that_are_masked_are_not_read(scanner: Scanner, town: Town, hidden: str) -> None:
    """Markup in a name would be found no more, and called repaired."""
    for row in town.households:
        row["name"] = hidden
    assert "households.name" in unread(scanner, town)
    town.households[0]["name"] = "Rex *and* friends"
    assert "households.name" not in unread(scanner, town)


def unread(scanner: Scanner, town: Town) -> set[str]:
    with open_source(scanner.open_town(town.tables()), SourceMapping()) as source:
        return {column for notice in health_of(source, (), Limits(), as_of=AS_OF).notices for column in notice.columns}
