"""What a page tells its team to do: every place filled, every condition decided, and every statement true to the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pytest

from detectors.advice import advice_of, note_of, readable, statements_of, steps_of
from detectors.contract import Detector, Finding
from detectors.registry import BY_ID, DETECTORS
from detectors.source import SourceMapping
from detectors.source.own_names import in_own_names
from tests.support.every_case import BROKEN, NO_ROWS_HERE, REPAIRED, findings_of, whole_town
from tests.support.postgres import Database, load
from tests.support.towns import Tables, write_csv

PLAIN = SourceMapping()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Finding]:
    return findings_of(tmp_path_factory.mktemp("town"), whole_town())


def test_every_detector_finds_its_case(found: Mapping[str, Finding]) -> None:
    assert found.keys() | NO_ROWS_HERE.keys() == BY_ID.keys()


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.id)
def test_a_page_can_be_filled_in(detector: Detector) -> None:
    assert steps_of(detector.page)
    assert statements_of(detector.page)
    assert "{" not in readable("\n".join(steps_of(detector.page)))
    assert all(statement.startswith("SELECT ") for statement in statements_of(detector.page))
    assert not detector.meta.refuted_by.endswith(".")


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_the_steps_name_the_case(found: Mapping[str, Finding], name: str) -> None:
    advice = advice_of(BY_ID[name], found[name], PLAIN)
    assert advice.steps
    said = " ".join(advice.steps)
    assert "{" not in said
    assert "(see the rows below)" not in said
    assert "  " not in said


def _rows(ask: Callable[[str], int], found: Mapping[str, Finding]) -> dict[str, int]:
    """How many rows each finding's statement returns."""
    statements = {name: advice_of(BY_ID[name], one, PLAIN).statement for name, one in found.items()}
    assert all(statements.values()), [name for name, statement in statements.items() if not statement]
    return {name: ask("\n".join(statement)) for name, statement in statements.items()}


def _hold(broken: Mapping[str, int], repaired: Mapping[str, int]) -> None:
    assert [name for name, rows in broken.items() if not rows] == []
    assert {name: repaired[name] for name in REPAIRED} == dict.fromkeys(REPAIRED, 0)
    judged = {name for name in broken if BY_ID[name].meta.kind == "state" and not note_of(BY_ID[name].page)}
    assert judged - REPAIRED.keys() == {"commercial-use", "fake-households"}, (
        "each state that is about rows has a repair"
    )


def test_the_statements_on_duckdb(found: Mapping[str, Finding], tmp_path: Path) -> None:
    def ask_of(tables: Tables) -> Callable[[str], int]:
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        for name in write_csv(tmp_path, tables).glob("*.csv"):
            connection.execute(f"CREATE TABLE {name.stem} AS SELECT * FROM read_csv('{name}')")  # our own folder
        return lambda statement: len(connection.execute(statement).fetchall())

    broken = _rows(ask_of(whole_town().tables()), found)
    _hold(broken, _rows(ask_of(whole_town(repaired=True).tables()), found))


def test_the_statements_on_postgresql(found: Mapping[str, Finding], restored_petforce_db: Database) -> None:
    tables = whole_town().tables()
    with restored_petforce_db.connect() as connection:

        def ask(statement: str) -> int:
            return len(connection.execute(statement.encode()).fetchall())

        load(restored_petforce_db, tables)
        broken = _rows(ask, found)
        connection.execute(f"TRUNCATE {', '.join(tables)}".encode())
        load(restored_petforce_db, whole_town(repaired=True).tables())
        _hold(broken, _rows(ask, found))


def test_a_statement_is_in_the_deployments_own_names() -> None:
    mapping = SourceMapping.model_validate(
        {
            "schema": "app",
            "tables": {"household_members": {"name": 'Mem"bers', "columns": {"user_id": "person"}}},
            "words": {"household_members": {"status": {"aktiv": "active", "ok": "active"}}},
            "event_types": {"household_left": "LEFT"},
        }
    )
    statement = "SELECT m.user_id FROM household_members m WHERE m.status = 'active' AND m.role IN ('leader', 'member')"
    assert in_own_names(statement, mapping) == (
        'SELECT m."person" FROM "app"."Mem""bers" m WHERE m."status" IN (\'aktiv\', \'ok\') AND m."role" IN '
        "('leader', 'member')"
    )
    event = "SELECT e.id FROM household_events e WHERE e.event_type = 'household_left'"
    assert in_own_names(event, mapping).endswith("""e."event_type" = 'LEFT'""")


@pytest.mark.parametrize(
    ("household", "expected"),
    [
        ("7", "= '7'"),
        ("user_2ab-C|x", "= 'user_2ab-C|x'"),
        ("x'; DROP TABLE households; --", ""),
        ("https://evil.example", ""),
        ("evil.example", ""),
        ("tel:0199", ""),
        ("a@b", ""),
    ],
)
def test_an_id_cannot_act_from_within_a_statement(household: str, expected: str) -> None:
    finding = Finding.model_validate(
        {
            "detector": "multiple-leaders",
            "team": "engineering",
            "severity": "P0",
            "fingerprint": "0" * 32,
            "subject": {"household_id": household},
            "title": "Several leaders",
            "impact": {"users": 0, "households": 1},
            "kind": "state",
        }
    )
    statement = "\n".join(advice_of(BY_ID["multiple-leaders"], finding, PLAIN).statement)
    assert (expected in statement) if expected else statement == ""
