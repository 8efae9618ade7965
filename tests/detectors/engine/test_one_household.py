"""A scan of one household reads that household's rows, however big the town is, and says what it cannot find so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from benchmarks.town import generate, preset
from detectors.contract import Context, Window
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.limits import Limits
from detectors.registry import DETECTORS
from detectors.source import ONE_HOUSEHOLD, SourceMapping, open_source
from tests.support.postgres import Database, PostgresServer

BIG = SourceMapping(look_through_rows=0)
"""As if every table were too big to be read through."""
CHOSEN = "SELECT household_id FROM household_members WHERE status = 'active' GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
TOWN = replace(preset("tiny"), plant=1)


@pytest.fixture(scope="module")
def towns(postgres: PostgresServer) -> Iterator[tuple[Database, Database]]:
    with postgres.new_database(()) as small, postgres.new_database(()) as large:
        for database, times in ((small, 1), (large, 10)):
            generate(
                replace(
                    TOWN,
                    households=times * TOWN.households,
                    members=times * TOWN.members,
                    requests=times * TOWN.requests,
                    events=times * TOWN.events,
                )
            ).load_postgres(database.url)
            with database.connect() as connection:
                connection.execute(
                    f"UPDATE household_members SET role = 'member' WHERE household_id = ({CHOSEN})".encode()
                )
        yield small, large


def looked_at(database: Database, mapping: SourceMapping = BIG) -> tuple[ScanResult, list[tuple[str, Any]]]:
    """What the scan of a leaderless household says, and the statements that it asked."""
    with database.connect() as connection:
        row = connection.execute(CHOSEN.encode()).fetchone()
    assert row is not None
    asked: list[tuple[str, Any]] = []

    def listen(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        with open_source(database.url, mapping, glance=ONE_HOUSEHOLD) as source:
            context = Context(
                as_of=TOWN.as_of, window=Window(TOWN.as_of - timedelta(days=30), TOWN.as_of), limits=Limits()
            )
            return scan(source, DETECTORS, context, households=[str(row[0])]), asked
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


def pages(database: Database, asked: Sequence[tuple[str, Any]]) -> int:
    """How many pages the server touches for these statements."""
    total = 0
    with database.connect() as connection:
        for statement, parameters in asked:
            told = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters).fetchone()
            assert told is not None
            plan = told[0][0]["Plan"]
            total += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return total


def test_what_is_read_does_not_grow_with_the_town(towns: tuple[Database, Database]) -> None:
    small, large = (pages(database, looked_at(database)[1]) for database in towns)
    assert large < 1.5 * small, f"{small} pages in a town, {large} in one ten times as big"


def test_what_no_index_finds_is_left_out_and_said(towns: tuple[Database, Database]) -> None:
    result, _ = looked_at(towns[0])
    assert "no-leader" in {finding.detector for finding in result.findings}
    left = [notice.line for notice in result.notices if notice.said.startswith("not looked for")]
    assert [line.partition(" in ")[2].partition(",")[0] for line in left] == [
        "households", "household_join_requests", "household_events",
    ]  # fmt: skip
    assert left[0].endswith("CREATE INDEX CONCURRENTLY ON public.households (leader_id)")
    (fakes,) = (one for one in result.coverage if one.detector == "fake-households")
    assert (fakes.status, fakes.reason) == (
        "not_applicable", "households is too big to be looked through for one household and has no index on leader_id",
    )  # fmt: skip


def test_an_index_brings_it_back(towns: tuple[Database, Database]) -> None:
    with towns[0].connect() as connection:
        connection.execute("CREATE INDEX led_by ON households (leader_id)")
        connection.commit()
        try:
            result, _ = looked_at(towns[0])
        finally:
            connection.execute("DROP INDEX led_by")
            connection.commit()
    assert not [notice for notice in result.notices if notice.said.startswith("not looked for in households,")]
    (fakes,) = (one for one in result.coverage if one.detector == "fake-households")
    assert fakes.status == "ran"


def test_a_small_town_is_read_through(towns: tuple[Database, Database]) -> None:
    result, _ = looked_at(towns[0], SourceMapping())
    assert not [notice for notice in result.notices if notice.said.startswith("not looked for")]
