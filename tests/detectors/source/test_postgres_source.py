"""PostgreSQL as a source: least privilege, no trace, and one clear line for everything that can be wrong."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import sql
from sqlalchemy import select, text

from detectors.contract import Context
from detectors.registry import DETECTORS
from detectors.runner import scan
from detectors.source import QueryError, SourceError, SourceMapping, SubjectError, open_source
from detectors.source.mapping import TableMapping
from tests.conftest import ReadDatabase
from tests.support.postgres import Database, PostgresServer, load
from tests.support.towns import AS_OF, LONG_AGO, YESTERDAY, Scanner, Town, uid

CONTEXT = Context(as_of=AS_OF, window=YESTERDAY)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.home("oak")["leader_id"] = uid("nobody")
    town.event("household_created", "oak", "anna")
    return town


def _writes(database: Database) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        return connection.execute(
            "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del, n_live_tup, n_dead_tup FROM pg_stat_user_tables ORDER BY 1"
        ).fetchall()


def test_a_scan_with_select_alone_works_and_leaves_no_trace(select_only_db: ReadDatabase, town: Town) -> None:
    load(select_only_db.database, town.tables())
    before = _writes(select_only_db.database)
    assert any(row[1] for row in before)
    with open_source(select_only_db.reader.url, SourceMapping()) as source:
        result = scan(source, DETECTORS, CONTEXT)
        (temporary,) = source.rows(text("SELECT pg_my_temp_schema() AS temp"), "test")
    assert [finding.detector for finding in result.findings] == ["no-leader"]
    assert temporary["temp"] == 0
    assert _writes(select_only_db.database) == before


def test_the_transaction_refuses_to_write_even_for_a_superuser(petforce_db: Database) -> None:
    with open_source(petforce_db.url, SourceMapping()) as source:
        with pytest.raises(QueryError, match="25006"):
            source.rows(text("DELETE FROM households RETURNING id"), "test")
        assert source.rows(text("SELECT 1 AS one"), "test")[0]["one"] == 1


def test_one_snapshot_for_the_whole_scan(petforce_db: Database, town: Town) -> None:
    with open_source(petforce_db.url, SourceMapping()) as source:
        source.rows(text("SELECT count(*) FROM households"), "test")
        load(petforce_db, town.tables())
        assert scan(source, DETECTORS, CONTEXT).rows_read["households"] == 0


def test_hidden_rows_are_an_error_and_not_a_clean_bill(row_security_db: ReadDatabase, town: Town) -> None:
    load(row_security_db.database, town.tables())
    with (
        open_source(row_security_db.reader.url, SourceMapping()) as source,
        pytest.raises(SourceError, match="BYPASSRLS") as caught,
    ):
        scan(source, DETECTORS, CONTEXT)
    assert not isinstance(caught.value, QueryError)


def test_a_long_statement_is_cut_off_and_the_scan_survives_it(petforce_db: Database) -> None:
    with open_source(petforce_db.url, SourceMapping(statement_seconds=1)) as source:
        with pytest.raises(QueryError, match="57014"):
            source.rows(text("SELECT pg_sleep(5)"), "test")
        assert scan(source, DETECTORS, CONTEXT).coverage


def test_a_database_that_writes_times_another_way_is_read(petforce_db: Database, town: Town) -> None:
    load(petforce_db, town.tables())
    with petforce_db.connect() as admin:
        admin.execute(sql.SQL("ALTER DATABASE {} SET datestyle = 'German'").format(sql.Identifier(petforce_db.name)))
    with open_source(petforce_db.url, SourceMapping()) as source:
        rows = source.rows(select(source.tables["households"].c.created_at), "test")
    assert [row["created_at"] for row in rows] == [LONG_AGO]


def test_a_locked_table_is_not_waited_for(petforce_db: Database) -> None:
    with petforce_db.connect() as other:
        other.execute("BEGIN")
        with open_source(petforce_db.url, SourceMapping()) as source:
            other.execute("LOCK TABLE household_join_requests IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(QueryError, match="55P03"):
                source.rows(text("SELECT count(*) FROM household_join_requests"), "test")
        other.execute("ROLLBACK")


def test_nothing_blocks_a_writer_during_a_scan(petforce_db: Database, town: Town) -> None:
    with open_source(petforce_db.url, SourceMapping()) as source:
        scan(source, DETECTORS, CONTEXT)
        load(petforce_db, town.tables())


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["DROP TABLE household_join_requests"], "required table household_join_requests is missing"),
        (["ALTER TABLE household_members DROP COLUMN role"], "household_members has no column role"),
        (
            [
                "ALTER TABLE households ALTER created_at DROP DEFAULT",
                "ALTER TABLE households ALTER created_at TYPE text",
            ],
            "households.created_at is of type text, but timestamp with time zone is needed",
        ),
    ],
)
def test_a_schema_that_cannot_be_read_is_named(petforce_db: Database, statements: list[str], message: str) -> None:
    with petforce_db.connect() as connection:
        for statement in statements:
            connection.execute(statement)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(petforce_db.url, SourceMapping())
    assert "\n" not in str(caught.value)


def test_wrong_password_dead_server_and_nonsense_are_one_line_without_the_secret(
    postgres: PostgresServer, petforce_db: Database
) -> None:
    urls = [
        postgres.tcp_url(petforce_db.name, password="not-the-password"),
        "postgresql://reader:hunter2@127.0.0.1:1/petforce",
        "postgresql://reader:hunter2@127.0.0.1:notaport/petforce",
        "mysql://reader:hunter2@127.0.0.1/petforce",
    ]
    for url in urls:
        with pytest.raises(SourceError) as caught:
            open_source(url, SourceMapping())
        assert "\n" not in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert "not-the-password" not in str(caught.value)


def test_optional_tables_and_rights_to_them_may_lack(select_only_db: ReadDatabase, town: Town) -> None:
    load(select_only_db.database, town.tables())
    with select_only_db.database.connect() as admin:
        admin.execute("DROP TABLE sessions")
        admin.execute("REVOKE SELECT ON household_events FROM PUBLIC")
        for (role,) in admin.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE '%reader%'").fetchall():
            admin.execute(f'REVOKE ALL ON household_events FROM "{role}"')
    with open_source(select_only_db.reader.url, SourceMapping()) as source:
        result = scan(source, DETECTORS, CONTEXT)
    endings = {entry.detector: entry for entry in result.coverage}
    assert endings["mass-creation"].status == "not_applicable"
    assert "may not read it" in (endings["mass-creation"].reason or "")
    assert endings["no-leader"].findings == 1


def test_every_name_can_be_mapped(petforce_db: Database, town: Town) -> None:
    load(petforce_db, town.tables())
    with petforce_db.connect() as connection:
        connection.execute('CREATE SCHEMA "App Data"')
        connection.execute('ALTER TABLE household_members SET SCHEMA "App Data"')
        connection.execute('ALTER TABLE "App Data".household_members RENAME TO "Members"')
        connection.execute('ALTER TABLE "App Data"."Members" RENAME COLUMN role TO "Rank"')
        connection.execute("ALTER TABLE households RENAME COLUMN leader_id TO owner")
        connection.execute("UPDATE household_events SET event_type = 'made'")
    mapping = SourceMapping(
        tables={
            "household_members": TableMapping(name="App Data.Members", columns={"role": "Rank"}),
            "households": TableMapping(columns={"leader_id": "owner"}),
        },
        event_types={"household_created": "made"},
    )
    with open_source(petforce_db.url, mapping) as source:
        (finding,) = scan(source, DETECTORS, CONTEXT).findings
    assert finding.subject == {"household_id": uid("oak")}
    assert [entry.what for entry in finding.timeline] == ["created the household"]


def test_ids_of_different_types_are_compared_as_text(petforce_db: Database, town: Town) -> None:
    load(petforce_db, town.tables())
    with petforce_db.connect() as connection:
        connection.execute("ALTER TABLE household_members ALTER user_id TYPE text")
    with open_source(petforce_db.url, SourceMapping()) as source:
        result = scan(source, DETECTORS, CONTEXT)
    pointless = {detector.id for detector in DETECTORS if detector.pointless(CONTEXT.limits)}
    assert {entry.status for entry in result.coverage if entry.detector not in pointless} <= {"ran", "proved"}
    assert [finding.subject for finding in result.findings] == [{"household_id": uid("oak")}]


def test_integer_ids_work(postgres: PostgresServer) -> None:
    with postgres.new_database([]) as database:
        with database.connect() as connection:
            connection.execute("CREATE TABLE households (id int PRIMARY KEY, leader_id bigint, created_at timestamptz)")
            connection.execute(
                "CREATE TABLE household_members (household_id int, user_id bigint, role text, status text, joined_at timestamptz)"
            )
            connection.execute(
                "CREATE TABLE household_join_requests (id int, household_id int, user_id bigint, status text, requested_at timestamptz)"
            )
            connection.execute("INSERT INTO households VALUES (1, NULL, '2025-01-01Z'), (2, 21, '2025-01-01Z')")
            connection.execute(
                "INSERT INTO household_members VALUES (1, 11, 'member', 'active', '2025-01-01Z'),"
                " (2, 21, 'leader', 'active', '2025-01-01Z')"
            )
        with open_source(database.url, SourceMapping()) as source:
            result = scan(source, DETECTORS, CONTEXT, households=["1"])
            assert [finding.subject for finding in result.findings] == [{"household_id": "1"}]
            with pytest.raises(SubjectError, match="a number is expected"):
                scan(source, DETECTORS, CONTEXT, households=["one"])


def test_an_id_that_cannot_be_one_is_refused(petforce_db: Database) -> None:
    with (
        open_source(petforce_db.url, SourceMapping()) as source,
        pytest.raises(SubjectError, match="a UUID is expected"),
    ):
        scan(source, DETECTORS, CONTEXT, users=["user_12345"])


def test_an_empty_id_is_refused(on_duckdb: Scanner, town: Town) -> None:
    """In a folder ids are texts, and an empty one would be an answer about nobody."""
    with pytest.raises(SubjectError, match="empty household id"):
        on_duckdb(town, *DETECTORS, households=[""])


def test_the_doctor_sees_roles_rights_and_row_security(row_security_db: ReadDatabase, petforce_db: Database) -> None:
    with open_source(row_security_db.reader.url, SourceMapping()) as source:
        checks = {check.topic: check for check in source.server_checks()}
    assert checks["row-level security"].verdict == "problem"
    assert "BYPASSRLS" in checks["row-level security"].remedy
    assert checks["server"].verdict == "ok"
    with open_source(petforce_db.url, SourceMapping()) as source:
        assert any(check.found == "is a superuser" for check in source.server_checks())


def test_two_connections_see_one_snapshot(petforce_db: Database, town: Town) -> None:
    with open_source(petforce_db.url, SourceMapping()) as source:
        assert source.widen() == 2
        load(petforce_db, town.tables())
        counted = [
            source.rows(text("SELECT count(*) AS n, pg_backend_pid() AS pid FROM households"), "test")[0]
            for _ in range(2)
        ]
    assert [row["n"] for row in counted] == [0, 0]
    assert len({row["pid"] for row in counted}) == 2
