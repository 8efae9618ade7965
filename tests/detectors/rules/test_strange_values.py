"""Ids in other notations and types, and metadata in other shapes: the same faults are found, and none is made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from cli import main
from detectors.contract import Context
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.registry import BY_ID
from detectors.source import SourceMapping, open_source
from tests.support import strange_values
from tests.support.effort import tries
from tests.support.postgres import PostgresServer
from tests.support.strange_values import (
    REMOVED_AT,
    Rows,
    add_event,
    add_leaderless,
    add_removal,
    base,
    into_folder,
    into_postgres,
    uuid_of_household,
    uuid_of_request,
    uuid_of_user,
)
from tests.support.towns import AS_OF, YESTERDAY

ALL = [detector for name, detector in BY_ID.items() if name != "missing-index"]
FAULTS = ["no-leader", "removal-not-applied"]
A, B, C = (uuid_of_household(letter) for letter in "abc")
BASE_EVENTS = len(base()["household_events"])
Identity = Callable[[int], Any]


def faulty(
    user: Identity = uuid_of_user,
    household: Callable[[str], Any] = uuid_of_household,
    request: Identity = uuid_of_request,
    member: Identity | None = None,
) -> Rows:
    """The base, R with its member_id as `member` writes it, and a household that nobody leads."""
    rows = base(user, household, request)
    add_removal(rows, household("a"), user(1), (member or (lambda number: str(user(number))))(3))
    add_leaderless(rows, household("c"), user(9))
    return rows


def scanned(where: str, **only: list[str]) -> ScanResult:
    with open_source(where, SourceMapping()) as source:
        return scan(source, ALL, Context(as_of=AS_OF, window=YESTERDAY), **only)  # type: ignore[arg-type]  # households and users


def found(where: str, **only: list[str]) -> list[str]:
    result = scanned(where, **only)
    assert not [entry for entry in result.coverage if entry.status == "failed"]
    return sorted(finding.detector for finding in result.findings)


NOTATIONS: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "braces": "{{{}}}".format,
    "bare": lambda text: text.replace("-", ""),
    "urn": "urn:uuid:{}".format,
    "blanks": " {}\t".format,
}
AS_TEXT = {"user": "text", "household": "varchar(80)", "id": "text"}


def rewritten(rows: Rows, table: str, write: Callable[[str], Any], first: int | None = None) -> Rows:
    """The rows with the ids of one table (of the first rows alone, if so many are named) in another notation."""
    for row in rows[table][:first]:
        for column, value in row.items():
            if isinstance(value, str) and (column == "id" or column.endswith(("_id", "_by"))):
                row[column] = write(value)
    return rows


@pytest.mark.in_turn
@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize(
    ("table", "first"), [("households", None), ("household_members", 1), ("household_events", None)]
)
def test_a_table_with_ids_in_another_notation(
    postgres: PostgresServer, notation: str, table: str, first: int | None
) -> None:
    with postgres.new_database(()) as database:
        where = into_postgres(database, rewritten(faulty(), table, NOTATIONS[notation], first), AS_TEXT)
        assert found(where) == FAULTS
        assert found(where, households=[NOTATIONS[notation](C)]) == ["no-leader"]


@pytest.mark.parametrize("notation", NOTATIONS)
def test_ids_of_metadata_in_another_notation(postgres: PostgresServer, tmp_path: Path, notation: str) -> None:
    rows = faulty(member=lambda number: NOTATIONS[notation](uuid_of_user(number)))
    approval = rows["household_events"][BASE_EVENTS - 1]["metadata"]
    approval |= {key: NOTATIONS[notation](approval[key]) for key in ("request_id", "new_member_id")}
    with postgres.new_database(()) as database:
        assert found(into_postgres(database, rows)) == FAULTS
    assert found(into_folder(tmp_path, rows)) == FAULTS


def test_some_tables_have_uuids_and_others_texts_or_bytes(postgres: PostgresServer) -> None:
    rows = rewritten(rewritten(faulty(), "household_members", str.upper), "users", _sixteen)
    types = {"household_members.user_id": "text", "household_members.household_id": "char(36)", "users.id": "bytea"}
    types |= {"household_members.invited_by": "text"}
    with postgres.new_database(()) as database:
        assert found(into_postgres(database, rows, types)) == FAULTS


def _sixteen(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def test_texts_that_are_no_uuids_keep_the_case_of_their_letters(postgres: PostgresServer) -> None:
    people = {1: "user_2ab", 2: "user_2aB", 3: "user_2Ab", 9: "user_2AB"}
    with postgres.new_database(()) as database:
        where = into_postgres(database, faulty(user=people.__getitem__), {"user": "text"})
        assert found(where) == FAULTS
        assert found(where, users=["user_2aB"]) == []


NUMBERS: dict[str, Identity] = {
    "nineteen digits": lambda number: 9_000_000_000_000_000_000 + number,
    "negative": lambda number: -number,
    "small": lambda number: 100 + number,
}


WAYS: list[tuple[str, Callable[[int], Any]]] = [
    ("bigint", int), ("bigint", str), ("bigint", "{}.0".format), ("numeric", " {} ".format), ("text", int), ("text", "{}.0".format),
]  # fmt: skip


@pytest.mark.in_turn
@pytest.mark.parametrize(("kind", "written"), WAYS)
@pytest.mark.parametrize("numbers", ["nineteen digits", "negative"])
def test_numbers_as_ids(postgres: PostgresServer, numbers: str, kind: str, written: Callable[[int], Any]) -> None:
    user = NUMBERS[numbers]
    rows = faulty(user, lambda letter: -(2**63) + ord(letter), user, lambda number: written(user(number)))
    with postgres.new_database(()) as database:
        where = into_postgres(database, rows, {"user": kind, "household": "bigint", "id": "numeric(20,0)"})
        assert found(where) == FAULTS
        assert found(where, users=[f"{user(3)}.0"]) == ["removal-not-applied"]


@pytest.mark.parametrize("kind", ["text", "numeric", "double precision"])
def test_a_number_with_a_fraction_of_nothing_is_a_whole_one(postgres: PostgresServer, kind: str) -> None:
    rows = faulty(NUMBERS["small"], ord, int)
    for row in rows["households"]:
        row["leader_id"] = f"{row['leader_id']}.0"
    types = {"user": "int", "household": "bigint", "id": "bigint", "households.leader_id": kind}
    with postgres.new_database(()) as database:
        assert found(into_postgres(database, rows, types)) == FAULTS


def test_a_number_that_no_column_holds_is_nobody(postgres: PostgresServer) -> None:
    rows = faulty(NUMBERS["small"], ord, int)
    for number in ("9" * 20, "9" * 5_000, 10**30, "-", "1e400", "x", ""):
        add_event(rows, "household_member_removed", ord("b"), 102, REMOVED_AT, {"member_id": number})
        add_event(rows, "login_failed", None, None, REMOVED_AT, {"user_id": number})
    with postgres.new_database(()) as database:
        assert found(into_postgres(database, rows, {"user": "bigint", "household": "bigint", "id": "bigint"})) == FAULTS


@pytest.mark.in_turn
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("kind", ["json", "jsonb", "text", "varchar(4000)", "bytea"])
def test_metadata_is_read_out_of_the_strings_it_stands_in(postgres: PostgresServer, kind: str, times: int) -> None:
    rows = faulty()
    for event in rows["household_events"]:
        for _ in range(times + 1):
            event["metadata"] = json.dumps(event["metadata"])
        event["metadata"] = event["metadata"].encode() if kind == "bytea" else event["metadata"]
    with postgres.new_database(()) as database:
        assert found(into_postgres(database, rows, {"json": kind})) == FAULTS


LOST: dict[str, list[str] | list[bytes]] = {
    "json": ["[1]", "5", '"x"'],
    "text": ["", "{broken", "[1]"],
    "bytea": [b"", b'{"a": "\xff"}', b"\x00"],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in LOST.items() for value in values])
def test_a_row_without_an_object_is_counted_and_named(postgres: PostgresServer, kind: str, value: object) -> None:
    rows = faulty()
    rows["household_events"][1]["metadata"] = value
    with postgres.new_database(()) as database:
        result = scanned(into_postgres(database, rows, {"json": kind}))
    assert sorted(finding.detector for finding in result.findings) == FAULTS
    (notice,) = result.notices
    assert "1 row " in notice.said
    assert B in notice.said
    told = {entry.detector for entry in result.coverage if entry.reason and notice.said in entry.reason}
    assert "removal-not-applied" in told
    assert "no-leader" not in told


def test_rows_without_one_or_the_other_hide_nothing(postgres: PostgresServer) -> None:
    rows = faulty()
    for column in ("event_type", "household_id", "user_id", "event_timestamp", "id", "metadata"):
        for kind in ("household_member_removed", "household_left", "household_leadership_transferred", "login_failed"):
            add_event(rows, kind, B, uuid_of_user(2), REMOVED_AT, {"member_id": "zz"})[column] = None
    for at in ("infinity", "-infinity"):
        add_event(rows, "household_left", B, uuid_of_user(2), REMOVED_AT, {})["event_timestamp"] = at
    odd = {"member_count": "9" * 5_000, "error_code": "E", "duration_ms": "true"}
    add_event(rows, "household_member_list_viewed", B, uuid_of_user(2), REMOVED_AT, odd)
    rows["households"][1]["created_at"] = rows["household_members"][2]["temporary_expires_at"] = "infinity"
    with postgres.new_database(()) as database:
        assert found(into_postgres(database, rows)) == FAULTS


@pytest.mark.parametrize(
    ("kind", "number"),
    [("uuid", uuid_of_request), ("text", "e{}".format), ("text", lambda _: "9" * 5_000), ("text", lambda _: "²")],
)
def test_audit_rows_with_ids_that_are_no_numbers(
    postgres: PostgresServer, kind: str, number: Callable[[int], str]
) -> None:
    rows = faulty()
    add_event(rows, "household_leadership_transferred", B, uuid_of_user(2), REMOVED_AT, {"to_user_id": uuid_of_user(2)})
    for place, event in enumerate(rows["household_events"]):
        event["id"] = number(place)
    with postgres.new_database(()) as database:
        assert found(into_postgres(database, rows, {"household_events.id": kind})) == FAULTS


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["9" * 5_000, "\x00", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "member_id",
        "correlation_id",
        "to_user_id",
        "request_id",
        "duration_ms",
        "count",
        "error_code",
        "ip_address",
        "user_id",
    ]
)
KINDS = st.sampled_from(
    [
        "household_member_removed", "household_leadership_transferred", "household_join_request_approved", "api_request",
        "household_left", "rate_limit_exceeded", "login_failed", "session_used", "household_dashboard_viewed",
    ]
)  # fmt: skip
OBJECTS = st.dictionaries(KEYS, ANYTHING, max_size=4).map(json.dumps)
NUMBERED = st.sampled_from(
    ['{"count": %s}' % ("9" * 5_000), '{"duration_ms": 1e9999}', '{"a": ' + "[" * 1_500 + "]" * 1_500 + "}"]
)
RAW = (
    st.binary(max_size=30)
    | OBJECTS.map(str.encode)
    | NUMBERED.map(str.encode)
    | ANYTHING.map(json.dumps).map(str.encode)
)


@pytest.fixture(scope="module", params=["bytea", "text", "json", "jsonb"])
def damaged(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """A town whose last audit row is to be damaged, with the type of its metadata."""
    rows = faulty()
    add_event(rows, "api_request", B, uuid_of_user(2), REMOVED_AT + timedelta(hours=1), {})
    with postgres.new_database(()) as database:
        yield into_postgres(database, rows, {"json": request.param}), request.param


@tries(8, suppress_health_check=[HealthCheck.too_slow])
@given(raw=RAW, kind=KINDS)
def test_no_row_hides_what_others_show(damaged: tuple[str, str], raw: bytes, kind: str) -> None:
    where, held = damaged
    with psycopg.connect(where) as connection:
        value: object = raw if held == "bytea" else raw.decode("utf-8", "replace").replace("\x00", "")
        changed = f"UPDATE household_events SET event_type = %s, metadata = %s::{held} WHERE id = {BASE_EVENTS + 2}"
        try:
            connection.execute(changed.encode(), [kind, value])
        except psycopg.DataError:
            return
    result = scanned(where)
    assert not [entry for entry in result.coverage if entry.status == "failed"]
    assert set(FAULTS) <= {finding.detector for finding in result.findings}


def _command(where: str, *more: str) -> tuple[int, list[str], str]:
    result = CliRunner().invoke(
        main,
        ["--source", where, "--as-of", strange_values.AS_OF, "scan", "--format", "json", *more],
        catch_exceptions=False,
    )
    document = json.loads(result.stdout) if result.stdout else {"findings": []}
    findings = sorted(finding["detector"] for finding in document["findings"])
    return result.exit_code, [name for name in findings if name != "missing-index"], result.stderr


def test_the_command_finds_them_and_says_what_it_could_not_read(postgres: PostgresServer) -> None:
    rows = faulty(NUMBERS["nineteen digits"])
    rows["household_events"][1]["metadata"] = ""
    with postgres.new_database(()) as database:
        where = into_postgres(database, rows, {"user": "bigint", "json": "text"})
        code, findings, said = _command(where)
        assert (code, findings) == (0, FAULTS)
        assert said.count("note: household_events") == 1
        assert B in said
        assert _command(where, "--user", str(NUMBERS["nineteen digits"](3)))[:2] == (0, ["removal-not-applied"])
