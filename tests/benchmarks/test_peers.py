"""The nine checks that the tools are compared on find what was planted, however they are asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.peers import run_pandas
from benchmarks.peers.checks import CREATIONS_PER_DAY, REMOVALS_PER_DAY, Night, nine_checks
from benchmarks.peers.run_hearthwatch import counts
from benchmarks.town import generate, preset
from benchmarks.town.faults import EVERYONE_LEFT
from detectors.contract import Context, Window
from detectors.engine.runner import scan
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source
from tests.support.postgres import Database, PostgresServer, load
from tests.support.towns import AS_OF, MINUTE, Town, uid

SPEC = replace(preset("tiny"), plant=3, duplicates=True)
TOWN = generate(SPEC)
NIGHT = Night(SPEC.as_of)


@pytest.fixture(scope="module")
def planted(postgres: PostgresServer) -> Iterator[Database]:
    """The town with its planted faults, and two households whose invite codes differ in case alone."""
    with postgres.new_database(()) as database:
        TOWN.load_postgres(database.url, unique=False)
        with database.connect() as connection:
            first, second = connection.execute("SELECT id, invite_code FROM households ORDER BY id LIMIT 2").fetchall()
            connection.execute("UPDATE households SET invite_code = lower(%s) WHERE id = %s", (first[1], second[0]))
        yield database


def rows_of(database: Database, night: Night, check: str) -> list[tuple[str, ...]]:
    with database.connect() as connection:
        found = connection.execute(nine_checks(night)[check].encode()).fetchall()
    return [tuple(map(str, row)) for row in found]


def truth(*detectors: str) -> list[tuple[str, ...]]:
    return [tuple(subject.values()) for detector in detectors for subject in TOWN.truth[detector]]


@pytest.mark.parametrize(
    ("check", "detectors"),
    [
        ("several_leaders", ("multiple-leaders",)),
        ("no_leader", ("no-leader",)),
        ("orphaned", ("orphaned-household", EVERYONE_LEFT)),
        ("duplicate_members", ("duplicate-member",)),
        ("approved_without_member", ("approval-not-applied",)),
    ],
)
def test_statements_find_what_was_planted(planted: Database, check: str, detectors: tuple[str, ...]) -> None:
    assert sorted(rows_of(planted, NIGHT, check)) == sorted(truth(*detectors))


@pytest.mark.parametrize(
    ("check", "detector"),
    [("leader_mismatch", "transfer-failed"), ("many_creations", "mass-creation"), ("many_removals", "mass-removal")],
)
def test_statements_find_the_part_that_one_statement_can_see(planted: Database, check: str, detector: str) -> None:
    found = [row[0] for row in rows_of(planted, NIGHT, check)]
    assert len(found) == len(set(found)) == SPEC.plant
    assert set(found) < {subject[0] for subject in truth(detector)}


def test_a_code_in_another_case_is_the_same_code(planted: Database) -> None:
    assert len(rows_of(planted, NIGHT, "duplicate_codes")) == 1


def test_pandas_counts_the_same(planted: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, answer = tmp_path / "job", tmp_path / "answer"
    moments = {name: getattr(NIGHT, name).isoformat() for name in ("end", "since", "settled")}
    limits = {"creations_per_day": CREATIONS_PER_DAY, "removals_per_day": REMOVALS_PER_DAY}
    job.write_text(json.dumps({"url": planted.url, **limits, **moments}))
    monkeypatch.setattr("sys.argv", ["run_pandas.py", str(job), str(answer)])
    run_pandas.main()
    assert json.loads(answer.read_text())["counts"] == {
        check: len(rows_of(planted, NIGHT, check)) for check in nine_checks(NIGHT)
    }


def test_hearthwatch_counts_the_same(planted: Database) -> None:
    with open_source(planted.url, SourceMapping()) as source:
        result = scan(source, DETECTORS, Context(as_of=NIGHT.as_of, window=Window(NIGHT.start, NIGHT.end)))
    counted = counts(result, NIGHT.start.date())
    looked = {check for check, number in counted.items() if number is not None}
    assert {check: counted[check] for check in looked} == {
        check: len(rows_of(planted, NIGHT, check)) for check in looked
    }
    assert counted.keys() == nine_checks(NIGHT).keys()


@pytest.mark.parametrize(("removals", "found"), [(REMOVALS_PER_DAY, False), (REMOVALS_PER_DAY + 1, True)])
def test_retries_and_leaving_are_no_further_removals(
    restored_petforce_db: Database, removals: int, found: bool
) -> None:
    night = Night(AS_OF)
    town = Town()
    for number in range(removals):
        at = night.start + number * MINUTE
        for attempt in range(2):
            about = {"member_id": f"member {number}", "correlation_id": f"try {number}"}
            town.event("household_member_removed", "home", "leader", at=at + attempt * MINUTE, **about)
    town.event("household_member_removed", "home", "leader", at=night.start, member_id="leader")
    load(restored_petforce_db, town.tables())
    assert rows_of(restored_petforce_db, night, "many_removals") == ([(uid("leader"), "1")] if found else [])


@pytest.mark.parametrize(("days_ago", "found"), [((1,), "1"), ((1, 8), "2"), ((1, 9), "1"), ((2,), None)])
def test_creations_are_judged_yesterday_and_counted_in_the_look_back(
    restored_petforce_db: Database, days_ago: tuple[int, ...], found: str | None
) -> None:
    night = Night(AS_OF)
    town = Town()
    for ago in days_ago:
        for number in range(CREATIONS_PER_DAY + 1):
            at = night.end - timedelta(days=ago) + number * MINUTE
            town.event("household_created", f"home {ago} {number}", "creator", at=at)
    load(restored_petforce_db, town.tables())
    assert [row[1] for row in rows_of(restored_petforce_db, night, "many_creations")] == ([found] if found else [])
