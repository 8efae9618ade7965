"""Values that are written into DuckDB's statements arrive as the driver would bind them, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from detectors.source.folder_binding import bind_by_ourselves, value_of, with_values

HOSTILE = [
    "'",
    "''); DROP TABLE t; --",
    '"',
    "\\'",
    "$1",
    "?",
    ":a",
    "%s",
    "{}",
    "\n\r\t",
    "E'\\x00'",
    "$$",
    "/*",
    "\x1f",
    "ünï 💥",
    "",
]
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    TEXTS,
    st.lists(TEXTS, max_size=5),
    st.datetimes(
        datetime(1, 1, 2),  # noqa: DTZ001  # Hypothesis adds the zone
        datetime(9999, 12, 30),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
    ),
    st.timedeltas(timedelta(days=-9000), timedelta(days=9000)),
)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


@given(value=VALUES)
def test_a_written_value_is_what_the_driver_would_bind(connection: duckdb.DuckDBPyConnection, value: object) -> None:
    written = value_of(value)
    if written is None:
        return  # then it is the driver that binds it
    bound = connection.execute("SELECT $1, typeof($1)", [value]).fetchall()
    assert connection.execute(with_values("SELECT $1, typeof($1)", [written])).fetchall() == bound


@pytest.mark.parametrize("hostile", HOSTILE)
def test_only_a_value_s_own_place_is_filled(connection: duckdb.DuckDBPyConnection, hostile: str) -> None:
    statement = "SELECT $1, '$1''$2', \"$2\", $10, 7 -$2 FROM (SELECT '$1' AS \"$2\")"
    values = [hostile, -1, *[None] * 7, "tenth"]
    written = [value_of(value) or "" for value in values]
    (row,) = connection.execute(with_values(statement, written)).fetchall()
    assert row == (hostile, "$1'$2", "$1", "tenth", 8)


@pytest.mark.parametrize(
    "value", [None, True, 7, "x", ["x", "y"], datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1), *HOSTILE]
)
def test_what_statements_bind_is_written(value: object) -> None:
    assert value_of(value) is not None


@pytest.mark.parametrize("value", ["a\0b", ["a\0"], ["a\x1fb"], [], [1], 1.5, b"x", datetime(2026, 1, 1)])  # noqa: DTZ001
def test_what_could_be_read_differently_is_left_to_the_driver(value: object) -> None:
    assert value_of(value) is None


def test_no_message_quotes_a_value() -> None:
    engine = create_engine("duckdb:///:memory:", hide_parameters=True)
    bind_by_ourselves(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT CAST(:a AS INTEGER) + :b"), {"a": "1", "b": 2}).scalar() == 3
        with pytest.raises(DBAPIError) as failed:
            connection.execute(text("SELECT missing FROM (SELECT :a AS x)"), {"a": "jane@example.org"})
    assert "jane" not in str(failed.value)


@pytest.mark.parametrize(
    ("command", "code", "without"),
    [
        (["scan", "--household", "nobody"], "6", {"pandas"}),
        (["scan"], "0", {"pandas"}),
        (["household", "nobody"], "6", {"pandas", "alembic", "detectors.registry"}),
    ],
)
def test_commands_load_what_they_need(command: list[str], code: str, without: set[str]) -> None:
    arguments = [*command, "--source", "fixtures/demo/night-2", "--as-of", "2026-02-04"]
    program = (
        "import sys; from cli import main\n"
        f"try: main({arguments})\n"
        f"except SystemExit as end: print(end.code, {without} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == f"{code} set()"
