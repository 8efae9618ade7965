"""A column that is empty in every row was not exported: it makes no faults, and it hides none in silence."""

from __future__ import annotations

import pytest

from detectors.rules.integrity import no_leader
from detectors.rules.malfunctions import removal_not_applied
from detectors.rules.security import self_approved_request
from detectors.rules.trust_safety import abuse_report
from detectors.source import SourceError
from tests.support.towns import HOUR, LONG_AGO, NOON, Scanner, Town, uid

RULES = (no_leader.DETECTOR, removal_not_applied.DETECTOR, self_approved_request.DETECTOR)
HOMES = range(100)


@pytest.fixture
def town() -> Town:
    town = Town()
    for number in HOMES:
        home, leader, member = f"h{number}", f"a{number}", f"b{number}"
        town.family(home, leader, member)
        town.event("household_created", home, leader, at=LONG_AGO)
        town.request(f"r{number}", home, member, status="approved", at=LONG_AGO + HOUR, by=leader)
    town.event("household_member_removed", "h0", "a0", at=NOON - HOUR, member_id="b0")
    return town


INDISPENSABLE = [
    ("households", "leader_id"),
    ("households", "created_at"),
    ("household_members", "household_id"),
    ("household_members", "user_id"),
    ("household_members", "joined_at"),
    ("household_join_requests", "user_id"),
    ("household_join_requests", "requested_at"),
    ("household_events", "event_type"),
    ("household_events", "event_timestamp"),
]


@pytest.mark.parametrize(("table", "column"), INDISPENSABLE)
def test_nothing_is_read_without_it(on_duckdb: Scanner, town: Town, table: str, column: str) -> None:
    for row in getattr(town, table):
        row[column] = None
    with pytest.raises(SourceError, match=rf"{table}\.{column} is empty in every row: map the column"):
        on_duckdb(town, *RULES)


def test_nothing_is_read_without_it_on_a_server(on_postgres: Scanner, town: Town) -> None:
    for row in town.households:
        row["leader_id"] = None
    with pytest.raises(SourceError, match=r"households\.leader_id is empty in every row"):
        on_postgres(town, *RULES)


def test_without_responders_nobody_answered_wrongly(scanner: Scanner, town: Town) -> None:
    for row in town.household_join_requests:
        row["responded_by"] = None
    for households in ([], [uid("h1")]):
        result = scanner(town, self_approved_request.DETECTOR, households=households)
        (entry,) = result.coverage
        assert (entry.status, result.findings) == ("not_applicable", ())
        assert entry.reason == "household_join_requests.responded_by is empty in every row"


def test_few_rows_may_each_be_a_fault(scanner: Scanner) -> None:
    town = Town()
    for number in range(3):
        town.family(f"h{number}", f"a{number}", f"b{number}")
        town.request(f"r{number}", f"h{number}", f"b{number}", status="approved", at=LONG_AGO, by=None)
        town.home(f"h{number}")["leader_id"] = None
    found = [one.detector for one in scanner.findings(town, no_leader.DETECTOR, self_approved_request.DETECTOR)]
    assert sorted(found) == ["no-leader"] * 3 + ["self-approved-request"] * 3


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("household_events", "event_timestamp"),
        ("household_events", "event_type"),
        ("household_members", "household_id"),
        ("household_members", "joined_at"),
        ("household_join_requests", "requested_at"),
    ],
)
def test_rows_that_nothing_can_place_are_said(on_duckdb: Scanner, town: Town, table: str, column: str) -> None:
    getattr(town, table)[-1][column] = None
    said = f"{table}.{column} is empty in 1 row, which no rule can place"
    assert said in [notice.said for notice in on_duckdb(town, *RULES).notices]


@pytest.mark.parametrize("column", ["id", "created_at", "category"])
def test_a_report_that_lacks_something_is_not_lost_in_silence(on_duckdb: Scanner, town: Town, column: str) -> None:
    town.report("report", "child_safety", "a1")
    town.support_requests[0][column] = None
    (entry,) = on_duckdb(town, abuse_report.DETECTOR).coverage
    assert f"support_requests.{column} is empty" in str(entry.reason)


@pytest.mark.parametrize("table", ["household_members", "household_join_requests"])
def test_one_id_of_several_peoples_rows_is_no_copy(on_duckdb: Scanner, town: Town, table: str) -> None:
    found = on_duckdb.subjects(town, *RULES)
    for row in getattr(town, table):
        row["id"] = "1"
    result = on_duckdb(town, *RULES)
    assert [one.subject for one in result.findings] == found
    assert any(f"1 id of {table} stands for several" in notice.said for notice in result.notices)


@pytest.mark.parametrize("time", ["9999-12-31T00:00:00Z", "infinity"])
@pytest.mark.parametrize(
    ("table", "column"),
    [("households", "created_at"), ("household_members", "joined_at"), ("household_events", "event_timestamp")],
)
def test_a_row_in_no_time_is_said(scanner: Scanner, town: Town, table: str, column: str, time: str) -> None:
    getattr(town, table)[-1][column] = time
    said = f"{table}.{column} lies after 2200 in 1 row, which no rule can place"
    assert said in [notice.said for notice in scanner(town, *RULES).notices]


@pytest.mark.parametrize(
    ("table", "column"),
    [("household_members", "user_id"), ("household_members", "household_id"), ("household_join_requests", "user_id")],
)
def test_a_gap_in_every_fifth_row_is_another_column(on_duckdb: Scanner, town: Town, table: str, column: str) -> None:
    rows = getattr(town, table)
    for row in rows[::5]:
        row[column] = None
    empty = sum(row[column] is None for row in rows)
    with pytest.raises(
        SourceError, match=rf"{table}\.{column} is empty in {empty} of {len(rows)} rows.*map the column"
    ):
        on_duckdb(town, *RULES)


def test_a_few_gaps_are_a_note(on_duckdb: Scanner, town: Town) -> None:
    for row in town.household_members[:9]:
        row["user_id"] = None
    told = [notice.line for notice in on_duckdb(town, *RULES).notices]
    assert any("household_members.user_id is empty in 9 rows" in one and "export them again" in one for one in told)


def test_answers_before_their_requests_are_not_believed(scanner: Scanner, town: Town) -> None:
    for row in town.household_join_requests:
        row["requested_at"], row["responded_at"] = row["responded_at"], row["requested_at"]
    rows = len(town.household_join_requests)
    with pytest.raises(SourceError, match=rf"{rows} of {rows} answered rows .* were answered before they were made"):
        scanner(town, *RULES)


def test_a_few_answers_before_their_requests_are_a_note(on_duckdb: Scanner, town: Town) -> None:
    for row in town.household_join_requests[:20]:
        row["responded_at"] = row["requested_at"] - HOUR
    told = [notice.line for notice in on_duckdb(town, *RULES).notices]
    assert any(one.startswith("20 of 200 answered rows of household_join_requests have a responded_at") for one in told)
