"""PostgreSQL as a source: least privilege, no trace, and one clear line for everything that can be wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Thread, Timer
from typing import Any

import pytest
from psycopg import sql
from sqlalchemy import event, select, text

from detectors.contract import Context
from detectors.engine.doctor import examine
from detectors.engine.runner import scan
from detectors.findings import whole
from detectors.registry import DETECTORS
from detectors.source import QueryError, SourceError, SourceMapping, SubjectError, open_source
from detectors.source.mapping import TableMapping
from detectors.source.postgres import PostgresSource
from detectors.source.urls import server_at
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
            begun = time.monotonic()
            for _ in range(10):
                with pytest.raises(QueryError, match="55P03"):
                    source.rows(text("SELECT count(*) FROM household_join_requests"), "test")
            assert time.monotonic() - begun < 10, "one limit in all, and hardly more for each further statement"
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


def test_a_table_elsewhere_is_named(petforce_db: Database, town: Town) -> None:
    """In another schema, or under a name in another style."""
    load(petforce_db, town.tables())
    with petforce_db.connect() as connection:
        connection.execute("CREATE SCHEMA audit")
        connection.execute("ALTER TABLE household_events SET SCHEMA audit")
    with open_source(petforce_db.url, SourceMapping()) as source:
        assert source.schema.missing(frozenset({"household_events.id", "users.id"})) == [
            "household_events (there is audit.household_events)"
        ]
        checks = {check.topic: check.found for check in examine(source, SourceMapping(), DETECTORS, CONTEXT)}
    assert checks["table household_events"] == "missing (looked for household_events; there is audit.household_events)"
    with petforce_db.connect() as connection:
        connection.execute('ALTER TABLE household_members RENAME TO "HouseholdMember"')
    with pytest.raises(SourceError, match=r'there is public\."HouseholdMember"'):
        open_source(petforce_db.url, SourceMapping())


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
    assert [entry.what for entry in whole(finding).timeline] == ["created the household"]


def test_ids_of_different_types_are_compared_as_text(petforce_db: Database, town: Town) -> None:
    load(petforce_db, town.tables())
    with petforce_db.connect() as connection:
        connection.execute("ALTER TABLE household_members ALTER user_id TYPE text")
    with open_source(petforce_db.url, SourceMapping()) as source:
        result = scan(source, DETECTORS, CONTEXT)
    assert "failed" not in {entry.status for entry in result.coverage}
    assert not [entry.reason for entry in result.coverage if entry.reason and "needs " in entry.reason]
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


@pytest.fixture
def owner(petforce_db: Database) -> Iterator[str]:
    """A role that owns views over the tables, may read them, and is not exempt from row-level security."""
    name = f"owner_{petforce_db.name}"
    with petforce_db.connect() as admin:
        admin.execute(f"CREATE ROLE {name}")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
        admin.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
        yield name
        admin.execute(f"DROP OWNED BY {name} CASCADE")
        admin.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("table", ["households", "household_members", "household_events"])
@pytest.mark.parametrize("deep", [False, True])
def test_rows_hidden_behind_a_view_name_its_owner(
    petforce_db: Database, town: Town, owner: str, table: str, deep: bool
) -> None:
    load(petforce_db, town.tables())
    with petforce_db.connect() as admin:
        admin.execute(f"ALTER TABLE {table} RENAME TO true_rows")
        admin.execute("ALTER TABLE true_rows ENABLE ROW LEVEL SECURITY")
        admin.execute(f"SET ROLE {owner}")
        admin.execute("CREATE VIEW inner_view AS SELECT * FROM true_rows")
        admin.execute(f"CREATE VIEW {table} AS SELECT * FROM {'inner_view' if deep else 'true_rows'}")
        admin.execute("RESET ROLE")
    # A superuser scans, who is exempt; the owner of the view is not.
    with open_source(petforce_db.url, SourceMapping()) as source:
        checks = [check for check in source.server_checks() if check.topic == "row-level security"]
        with pytest.raises(SourceError) as caught:
            scan(source, DETECTORS, CONTEXT)
    for said in [f"{check.found} {check.remedy}" for check in checks] + [str(caught.value)]:
        assert "public.true_rows" in said
        assert f"the owner of the view public.{'inner_view' if deep else table}" in said
        assert f"ALTER ROLE {owner} BYPASSRLS" in said
    assert {check.verdict for check in checks} == {"problem"}


def test_a_view_that_reads_as_whoever_asks_is_judged_by_that_role(row_security_db: ReadDatabase, town: Town) -> None:
    load(row_security_db.database, town.tables())
    with row_security_db.database.connect() as admin:
        if admin.info.server_version < 150000:
            pytest.skip("security_invoker came with PostgreSQL 15")
        admin.execute("ALTER TABLE households RENAME TO true_rows")
        admin.execute("CREATE VIEW households WITH (security_invoker = true) AS SELECT * FROM true_rows")
        admin.execute(f'GRANT SELECT ON households TO "{row_security_db.reader.role}"')
    with open_source(row_security_db.reader.url, SourceMapping()) as source:
        (found,) = (check for check in source.server_checks() if "true_rows" in check.found)
    assert found.remedy == f"ALTER ROLE {row_security_db.reader.role} BYPASSRLS"


def test_a_right_that_lacks_behind_a_view_is_named(petforce_db: Database, town: Town, owner: str) -> None:
    load(petforce_db, town.tables())
    with petforce_db.connect() as admin:
        admin.execute("ALTER TABLE households RENAME TO true_rows")
        admin.execute(f"SET ROLE {owner}")
        admin.execute("CREATE VIEW households AS SELECT * FROM true_rows")
        admin.execute("RESET ROLE")
        admin.execute(f"REVOKE SELECT ON true_rows FROM {owner}")
    with open_source(petforce_db.url, SourceMapping()) as source, pytest.raises(SourceError) as caught:
        scan(source, DETECTORS, CONTEXT)
    assert f"GRANT SELECT ON public.true_rows TO {owner}" in str(caught.value)


@pytest.mark.parametrize("state", ["42703", "42P01", "P0001", "22023", "XX000", "ZZ999"])
def test_what_somebodys_view_says_is_never_passed_on(petforce_db: Database, town: Town, state: str) -> None:
    load(petforce_db, town.tables())
    with petforce_db.connect() as admin:
        admin.execute(
            "CREATE FUNCTION tell(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION E'jo@example.org \\x1b[31m %', $1 USING ERRCODE = '{state}'; END $$"
        )
        admin.execute("ALTER TABLE users RENAME TO accounts")
        admin.execute("CREATE VIEW users AS SELECT id, tell(email) AS email, created_at, deleted_at FROM accounts")
    with open_source(petforce_db.url, SourceMapping()) as source, pytest.raises(QueryError) as caught:
        source.rows(text("SELECT tell('x')"), "test")
    said = str(caught.value)
    assert state in said
    assert not any(part in said for part in ("jo@", "\x1b", "Error", "psycopg"))


def test_a_pass_that_ran_out_of_time_costs_one_limit(petforce_db: Database, town: Town) -> None:
    """Its riders would each run into the same one."""
    load(petforce_db, town.tables())
    with petforce_db.connect() as admin:
        admin.execute("ALTER TABLE household_join_requests RENAME TO asked")
        admin.execute(
            "CREATE VIEW household_join_requests AS SELECT * FROM asked WHERE (SELECT pg_sleep(30)) IS NOT NULL"
        )
    with open_source(petforce_db.url, SourceMapping(statement_seconds=1)) as source:
        result = scan(source, DETECTORS, CONTEXT)
        purposes = source.counters.by_purpose
    assert purposes["pass requests"] == 1
    failed = {entry.detector: entry.reason or "" for entry in result.coverage if entry.status == "failed"}
    assert len(failed) > 3
    assert all("its limit of 1 s (57014): raise [source] statement_seconds" in reason for reason in failed.values())


def test_a_whole_scan_has_a_limit(petforce_db: Database, town: Town) -> None:
    load(petforce_db, town.tables())
    with petforce_db.connect() as admin:
        admin.execute("ALTER TABLE household_members RENAME TO members")
        admin.execute("CREATE VIEW household_members AS SELECT * FROM members WHERE (SELECT pg_sleep(30)) IS NOT NULL")
    began = time.monotonic()
    with open_source(petforce_db.url, SourceMapping(scan_seconds=2)) as source:
        result = scan(source, DETECTORS, CONTEXT)
    assert time.monotonic() - began < 15
    reasons = {entry.reason for entry in result.coverage if entry.status == "failed"}
    assert reasons
    assert all("limit of 2 s: raise [source] scan_seconds" in (reason or "") for reason in reasons)


@pytest.mark.parametrize("engine", ["postgresql", "duckdb"])
def test_a_source_is_stopped_from_another_thread(
    engine: str, town: Town, on_duckdb: Scanner, on_postgres: Scanner
) -> None:
    where = (on_postgres if engine == "postgresql" else on_duckdb).open_town(town.tables())
    slow = (
        "SELECT pg_sleep(30)" if engine == "postgresql" else "SELECT count(*) FROM range(10000000) a, range(1000000) b"
    )
    with open_source(where, SourceMapping()) as source:
        Timer(0.5, source.cancel).start()
        began = time.monotonic()
        with pytest.raises(SourceError):
            source.rows(text(slow), "test")
    assert time.monotonic() - began < 10


def test_closing_waits_for_no_server(petforce_db: Database) -> None:
    source = open_source(petforce_db.url, SourceMapping())

    def wait() -> None:
        with pytest.raises(SourceError):
            source.rows(text("SELECT pg_sleep(30)"), "test")

    waiting = Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    began = time.monotonic()
    source.cancel()
    source.close()
    waiting.join(10)
    assert not waiting.is_alive()
    assert time.monotonic() - began < 5


def test_the_doctor_speaks_of_the_connection(postgres: PostgresServer, petforce_db: Database) -> None:
    for url, found in (
        (petforce_db.url, "by a socket on this machine"),
        (postgres.tcp_url(petforce_db.name), "not encrypted"),
    ):
        with open_source(url, SourceMapping()) as source:
            (check,) = (check for check in source.server_checks() if check.topic == "connection")
        assert check.found == found
        assert ("sslmode=verify-full" in check.remedy) == (found == "not encrypted")


def test_one_savepoint_serves_all_statements_and_what_fails_ends_none_of_them(petforce_db: Database) -> None:
    asked: list[str] = []

    def seen(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    with PostgresSource(server_at(petforce_db.url), SourceMapping()) as source:
        assert source.widen() == 2
        event.listen(source._engine, "before_cursor_execute", seen)
        try:
            for _ in range(6):
                with pytest.raises(QueryError):
                    source.rows(text("SELECT 1 / 0"), "test")
                assert [tuple(row.values()) for row in source.rows(text("SELECT 1"), "test")] == [(1,)]
        finally:
            event.remove(source._engine, "before_cursor_execute", seen)
    # One for each connection.
    assert sum(statement.startswith("SAVEPOINT") for statement in asked) <= 2
    assert sum(statement.startswith("ROLLBACK TO") for statement in asked) == 12
