"""Times that both engines hold and Python does not: they are read as the nearest that it does, and nothing fails."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import select

from detectors.registry import DETECTORS
from detectors.source import CANONICAL, SourceMapping, open_source
from detectors.source.moments import EARLIEST, LATEST
from tests.support.towns import NOON, Scanner, Town, uid, write_csv

TIMES = {name: [c for c, one in table.columns.items() if one.kind == "time"] for name, table in CANONICAL.items()}


@pytest.fixture
def on_parquet(tmp_path: Path) -> Scanner:
    """Scans a town as Parquet files whose times are times."""

    def open_town(tables: dict[str, list[dict[str, object]]]) -> str:
        for path in write_csv(tmp_path, tables).glob("*.csv"):
            times = ", ".join(f"CAST({column} AS TIMESTAMPTZ) AS {column}" for column in TIMES[path.stem])
            rows = f"SELECT * REPLACE ({times}) FROM read_csv('{path}', header = true, all_varchar = true)"
            with duckdb.connect() as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute(f"COPY ({rows}) TO '{path.with_suffix('.parquet')}' (FORMAT parquet)")
            path.unlink()
        return str(tmp_path)

    return Scanner("duckdb", open_town)


@pytest.fixture(params=["csv", "parquet", "postgresql"])
def anywhere(request: pytest.FixtureRequest) -> Scanner:
    """Each kind of source in turn."""
    names = {"csv": "on_duckdb", "parquet": "on_parquet", "postgresql": "on_postgres"}
    chosen: Scanner = request.getfixturevalue(names[request.param])
    return chosen


def test_each_time_is_read_as_the_nearest_that_can_be_held(anywhere: Scanner) -> None:
    written: dict[str, datetime | None] = {
        "infinity": LATEST,
        "-infinity": EARLIEST,
        "10000-01-01 00:00:00+00": LATEST,
        "9999-12-31 23:59:59.999999+00": LATEST,
        "9999-01-01 00:00:00+00": LATEST,
        "9998-12-31 23:59:59.999999+00": datetime.fromisoformat("9998-12-31T23:59:59.999999Z"),
        "2026-02-02 12:00:00+00": NOON,
        "0002-01-01 00:00:00.000001+00": datetime.fromisoformat("0002-01-01T00:00:00.000001Z"),
        "0001-01-01 00:00:00+00": EARLIEST,
        "0001-01-01 00:00:00+14": EARLIEST,
    }
    town = Town()
    for place, value in enumerate(written):
        town.household(f"{place}", "anna", invite_code_expires_at=value)
    town.household("never", "anna", invite_code_expires_at=None)
    with open_source(anywhere.open_town(town.tables()), SourceMapping()) as source:
        columns = source.tables["households"].c
        rows = source.rows(select(columns.id, columns.invite_code_expires_at), "test")
    read = {str(row["id"]): row["invite_code_expires_at"] for row in rows}
    assert read == {uid(f"{place}"): time for place, time in enumerate(written.values())} | {uid("never"): None}


@pytest.mark.parametrize(
    "written",
    [
        *("2026-02-02T12:00Z", "2026-02-02 13:00+01:00", "2026-02-02 12:00:00 +00:00", "2026-02-02t12:00:00.000z"),
        *("2026-02-02 12:00:00 +0000 UTC", " 2026-02-02T12:00:00+00 ", "2026-02-02 12:00:00 UTC", "2026-02-02 12:00"),
    ],
)
def test_times_as_other_programs_write_them(on_duckdb: Scanner, written: str) -> None:
    town = Town()
    town.household("oak", "anna", created_at=written)
    with open_source(on_duckdb.open_town(town.tables()), SourceMapping()) as source:
        (row,) = source.rows(select(source.tables["households"].c.created_at), "test")
    assert row["created_at"] == NOON


def test_years_before_christ_as_postgresql_exports_them(on_duckdb: Scanner, on_postgres: Scanner) -> None:
    town = Town()
    town.household("old", "anna", created_at="0001-12-31 19:03:58-04:56:02 BC")
    for scanner in (on_duckdb, on_postgres):
        with open_source(scanner.open_town(town.tables()), SourceMapping()) as source:
            (row,) = source.rows(select(source.tables["households"].c.created_at), "test")
        assert row["created_at"] == EARLIEST


@pytest.mark.parametrize("value", ["infinity", "-infinity", "10000-01-01 00:00:00+00", "0001-01-01 00:00:00+14"])
def test_one_household_beyond_time_hides_no_other(anywhere: Scanner, value: str) -> None:
    town = Town()
    town.family("far", "dora", "eve", "fay")
    town.member("far", "sitter", is_temporary=True, temporary_expires_at=value)
    town.request("waiting", "far", "gus")
    town.event("household_left", "far", "eve", was_leader=False)
    town.event("household_leadership_transferred", "far", "dora", from_user_id="eve", to_user_id="fay", reason="leave")
    town.event("household_member_removed", "far", "dora", member_id="fay")
    town.account("dora")
    town.session("phone", "fay")
    town.report("question", "dispute", "dora", household_id="far", subject_user_id="eve")
    for name, rows in town.tables().items():
        for row in rows:
            row.update(dict.fromkeys(TIMES[name], value))
    town.family("oak", "anna", "ben")
    town.home("oak")["leader_id"] = None
    town.event("household_left", "oak", "zoe", was_leader=False)
    result = anywhere(town, *DETECTORS)
    assert {entry.status for entry in result.coverage} <= {"ran", "proved", "not_applicable"}, result.coverage
    assert {"household_id": uid("oak")} in [dict(finding.subject) for finding in result.findings]
