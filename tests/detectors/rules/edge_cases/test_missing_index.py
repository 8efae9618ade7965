"""missing-index: read from the catalog of a real PostgreSQL."""

from __future__ import annotations

import pytest

from detectors.contract import Context, Finding
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.findings import whole
from detectors.rules.edge_cases.missing_index import DETECTOR
from detectors.source import SourceMapping, open_source
from detectors.source.mapping import TableMapping
from tests.support.postgres import Database
from tests.support.towns import AS_OF, YESTERDAY, Scanner, Town


def scan_of(database: Database, mapping: SourceMapping | None = None) -> ScanResult:
    with open_source(database.url, mapping or SourceMapping()) as source:
        return scan(source, [DETECTOR], Context(as_of=AS_OF, window=YESTERDAY))


def findings(database: Database, mapping: SourceMapping | None = None) -> list[Finding]:
    result = scan_of(database, mapping)
    assert [entry.status for entry in result.coverage] == ["ran"]
    return [whole(found) for found in result.findings]


def change(database: Database, statement: str) -> None:
    with database.connect() as admin:
        admin.execute(statement)


def test_silent_on_the_apps_own_schema(petforce_db: Database) -> None:
    assert findings(petforce_db) == []


def test_an_index_need_not_be_unique(restored_petforce_db: Database) -> None:
    assert findings(restored_petforce_db) == []


def test_not_applicable_to_files(on_duckdb: Scanner) -> None:
    (entry,) = on_duckdb(Town(), DETECTOR).coverage
    assert entry.status == "not_applicable"
    assert "catalog" in str(entry.reason)


def test_fires_on_a_missing_index_and_is_silent_once_it_is_made(petforce_db: Database) -> None:
    change(petforce_db, "DROP INDEX household_members_user_id_idx")
    (finding,) = findings(petforce_db)
    assert finding.subject == {"table": "household_members"}
    assert finding.severity == "P2"
    (index,) = finding.evidence["indexes"]
    assert index["statement"] == "CREATE INDEX CONCURRENTLY ON public.household_members (user_id);"
    change(petforce_db, index["statement"])
    assert findings(petforce_db) == []


def test_one_finding_for_each_table(petforce_db: Database) -> None:
    for index in ("events_event_type", "events_user_id", "join_requests_user_id"):
        change(petforce_db, f"DROP INDEX household_{index}_idx")
    found = findings(petforce_db)
    assert [(f.subject["table"], len(f.evidence["indexes"])) for f in found] == [
        ("household_events", 2),
        ("household_join_requests", 1),
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("(user_id)", 0),
        ("(user_id, event_timestamp)", 0),
        ("(user_id) INCLUDE (event_type)", 0),
        ("(user_id, (metadata ->> 'route'))", 0),
        ("((metadata ->> 'route'), user_id)", 1),
        ("(event_type) INCLUDE (user_id)", 1),
        ("(event_timestamp, user_id)", 1),
        ("(user_id) WHERE user_id IS NOT NULL", 1),
        ("((user_id::text))", 1),
    ],
)
def test_which_indexes_answer_a_lookup(petforce_db: Database, columns: str, expected: int) -> None:
    change(petforce_db, "DROP INDEX household_events_user_id_idx")
    change(petforce_db, f"CREATE INDEX ON household_events {columns}")
    assert len(findings(petforce_db)) == expected


@pytest.mark.parametrize(
    "how",
    ["bigint USING extract(epoch FROM event_timestamp)::bigint", "timestamp USING timezone('UTC', event_timestamp)"],
)
def test_no_index_is_asked_for_that_would_not_serve(petforce_db: Database, how: str) -> None:
    """A plain index on them holds something else than the moments that are compared."""
    change(petforce_db, "ALTER TABLE household_events ALTER COLUMN event_timestamp DROP DEFAULT")
    change(petforce_db, f"ALTER TABLE household_events ALTER COLUMN event_timestamp TYPE {how}")
    change(petforce_db, "DROP INDEX household_events_event_timestamp_idx")
    assert findings(petforce_db) == []


def test_the_apps_keys_are_needed(petforce_db: Database) -> None:
    for key in ("households_pkey", "households_invite_code_key"):
        change(petforce_db, f"ALTER TABLE households DROP CONSTRAINT {key}")
    change(
        petforce_db,
        "ALTER TABLE household_members DROP CONSTRAINT household_members_pkey,"
        " DROP CONSTRAINT household_members_household_id_user_id_key",
    )
    found = findings(petforce_db)
    assert [(f.subject["table"], [index["column"] for index in f.evidence["indexes"]]) for f in found] == [
        ("household_members", ["id", "household_id"]),
        ("households", ["id", "invite_code"]),
    ]


def test_an_invalid_index_beside_a_valid_one_is_no_harm(petforce_db: Database) -> None:
    change(petforce_db, "CREATE INDEX half ON household_events (user_id)")
    change(petforce_db, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half'::regclass")
    assert findings(petforce_db) == []


def test_the_statement_for_a_partitioned_table_can_be_run(petforce_db: Database) -> None:
    change(petforce_db, "DROP TABLE household_events")
    change(
        petforce_db,
        "CREATE TABLE household_events (id bigint, event_type text, household_id uuid, user_id uuid,"
        " event_timestamp timestamptz, metadata jsonb) PARTITION BY RANGE (event_timestamp)",
    )
    change(petforce_db, "CREATE TABLE old PARTITION OF household_events FOR VALUES FROM (MINVALUE) TO ('2026-01-01')")
    (finding,) = findings(petforce_db)
    assert len(finding.evidence["indexes"]) == 4
    for index in finding.evidence["indexes"]:
        change(petforce_db, index["statement"])
    assert findings(petforce_db) == []


def test_an_invalid_index_is_missing_and_is_rebuilt(petforce_db: Database) -> None:
    invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'household_events_user_id_idx'::regclass"
    change(petforce_db, invalid)
    (finding,) = findings(petforce_db)
    (index,) = finding.evidence["indexes"]
    assert index["invalid_index"] == "household_events_user_id_idx"
    assert index["statement"] == "REINDEX INDEX CONCURRENTLY public.household_events_user_id_idx;"
    change(petforce_db, index["statement"])
    assert findings(petforce_db) == []


def test_optional_tables_may_be_missing_and_views_have_no_indexes(petforce_db: Database) -> None:
    change(petforce_db, "DROP TABLE household_events, users")
    change(petforce_db, "ALTER TABLE sessions RENAME TO all_sessions")
    change(petforce_db, "CREATE VIEW sessions AS SELECT * FROM all_sessions")
    assert findings(petforce_db) == []


def test_the_sources_own_names_are_used(petforce_db: Database) -> None:
    change(petforce_db, 'ALTER TABLE users RENAME COLUMN id TO "userId"')
    change(petforce_db, 'ALTER TABLE users RENAME TO "Accounts"')
    mapping = SourceMapping(tables={"users": TableMapping(name="Accounts", columns={"id": "userId"})})
    assert findings(petforce_db, mapping) == []
    change(petforce_db, 'ALTER TABLE "Accounts" DROP CONSTRAINT users_pkey')
    (finding,) = findings(petforce_db, mapping)
    (index,) = finding.evidence["indexes"]
    assert index["statement"] == 'CREATE INDEX CONCURRENTLY ON public."Accounts" ("userId");'
    change(petforce_db, index["statement"])
    assert findings(petforce_db, mapping) == []
