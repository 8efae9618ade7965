"""Columns of every type that a server may give them: read rightly, or named with the reason."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from detectors.contract import Context
from detectors.engine.doctor import examine
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.registry import BY_ID, DETECTORS
from detectors.source import SourceError, SourceMapping, open_source
from detectors.source.mapping import TableMapping
from tests.support.postgres import RESTORED_PETFORCE, Database, PostgresServer, load
from tests.support.towns import AS_OF, YESTERDAY, Town, uid

CONTEXT = Context(as_of=AS_OF, window=YESTERDAY)


@pytest.fixture
def town() -> Town:
    """A healthy family and one that nobody leads, which a join request and the audit trail tell of."""
    town = Town()
    town.family("elm", "dan", "eve")
    town.family("oak", "anna", "ben", "cleo")
    town.home("oak")["leader_id"] = uid("nobody")
    town.event("household_created", "oak", "anna")
    return town


def scanned(url: str, mapping: SourceMapping | None = None) -> ScanResult:
    with open_source(url, mapping or SourceMapping()) as source:
        return scan(source, DETECTORS, CONTEXT)


def assert_seen(result: ScanResult) -> None:
    """The one fault was found; nobody failed, or lacked a table or column."""
    assert [(one.detector, one.subject) for one in result.findings] == [("no-leader", {"household_id": uid("oak")})]
    assert "failed" not in {one.status for one in result.coverage}
    assert not [one.reason for one in result.coverage if one.reason and "needs " in one.reason]


def altered(table: str, **types: str) -> str:
    """The statement that gives columns other types; a type may come with its USING."""
    parts = (f"ALTER {name} DROP DEFAULT, ALTER {name} TYPE {kind}" for name, kind in types.items())
    return f"ALTER TABLE {table} {', '.join(parts)}"


def everywhere(kind: str) -> list[str]:
    """All texts that rules compare or look into, as `kind`."""
    return [
        altered("households", name=kind, description=kind, invite_code=kind),
        altered("household_members", role=kind, status=kind),
        altered("household_join_requests", status=kind, invite_code=kind),
        altered("household_events", event_type=kind),
        altered("users", email=kind, account_tier=kind),
        altered("support_requests", category=kind, status=kind, body=kind),
    ]


def as_bytes(table: str, *columns: str) -> str:
    return altered(table, **{name: f"bytea USING decode(replace({name}::text, '-', ''), 'hex')" for name in columns})


READ: dict[str, list[str]] = {
    "a collation that takes letters of either case for equal": [
        "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        *everywhere("text COLLATE any_case"),
        altered("household_members", user_id="text COLLATE any_case", household_id="text COLLATE any_case"),
    ],
    "collations that cannot be compared": [
        altered("households", invite_code='text COLLATE "C"', name='text COLLATE "de-x-icu"'),
        altered("household_join_requests", invite_code='text COLLATE "de-x-icu"'),
        altered("household_members", role='text COLLATE "POSIX"'),
    ],
    "domains": [
        "CREATE DOMAIN key AS uuid",
        "CREATE DOMAIN inner_key AS key",
        "CREATE DOMAIN code AS varchar(90)",
        "CREATE DOMAIN moment AS timestamptz",
        "CREATE DOMAIN yes AS boolean",
        "CREATE DOMAIN document AS jsonb",
        altered("households", id="inner_key", leader_id="key", invite_code="code", created_at="moment"),
        altered("household_members", user_id="inner_key", is_temporary="yes", joined_at="moment", role="code"),
        altered("household_events", user_id="key", metadata="document", event_timestamp="moment"),
    ],
    "citext": ["CREATE EXTENSION citext", *everywhere("citext")],
    "texts filled up with blanks": everywhere("char(90)"),
    "ids filled up with blanks": [
        altered("households", id="char(40)", leader_id="char(50)"),
        altered("household_members", household_id="char(36)", user_id="char(60)"),
    ],
    "short texts": everywhere("varchar(200)"),
    "names": [altered("household_members", role="name"), altered("household_events", event_type="name")],
    "enums": [
        "CREATE TYPE rank AS ENUM ('leader', 'member')",
        "CREATE TYPE state AS ENUM ('active', 'removed')",
        altered("household_members", role="rank USING role::rank", status="state USING status::state"),
    ],
    "events with UUIDs": [
        "ALTER TABLE household_events DROP COLUMN id",
        "ALTER TABLE household_events ADD id uuid DEFAULT gen_random_uuid()",
    ],
    "ids as bytes": [
        as_bytes("households", "id", "leader_id"),
        as_bytes("household_members", "household_id", "user_id", "invited_by"),
        as_bytes("household_join_requests", "household_id", "user_id", "responded_by"),
        as_bytes("household_events", "household_id", "user_id"),
        as_bytes("users", "id"),
    ],
    "flags as numbers": [altered("household_members", is_temporary="smallint USING is_temporary::int")],
    "times without zone": [
        "SET timezone = 'UTC'",
        altered("households", created_at="timestamp", updated_at="timestamp", invite_code_expires_at="timestamp"),
        altered("household_members", joined_at="timestamp", temporary_expires_at="timestamp"),
        altered("household_join_requests", requested_at="timestamp", responded_at="timestamp"),
        altered("household_events", event_timestamp="timestamp"),
    ],
    "views of all kinds": [
        "ALTER TABLE households RENAME TO homes",
        "CREATE VIEW households AS SELECT * FROM homes",
        "ALTER TABLE household_join_requests RENAME TO asked",
        "CREATE MATERIALIZED VIEW household_join_requests AS SELECT * FROM asked",
        "CREATE UNIQUE INDEX ON household_join_requests (id)",
        "CREATE INDEX ON household_join_requests (household_id)",
        "CREATE INDEX ON household_join_requests (user_id)",
    ],
    "a partitioned table": [
        "ALTER TABLE household_members RENAME TO parts",
        "CREATE TABLE household_members (LIKE parts INCLUDING DEFAULTS) PARTITION BY LIST (status)",
        "ALTER TABLE household_members ATTACH PARTITION parts DEFAULT",
        "CREATE INDEX ON household_members (id)",
        "CREATE INDEX ON household_members (household_id)",
        "CREATE INDEX ON household_members (user_id)",
    ],
}


@pytest.fixture
def database(postgres: PostgresServer, town: Town) -> Iterator[Database]:
    with postgres.new_database(RESTORED_PETFORCE) as made:
        load(made, town.tables())
        yield made


def change(database: Database, *statements: str) -> None:
    with database.connect() as admin:
        for statement in statements:
            admin.execute(statement)


@pytest.mark.parametrize("kind", READ)
def test_a_source_of_other_types_is_read_as_it_is(database: Database, kind: str) -> None:
    change(database, *READ[kind])
    assert_seen(scanned(database.url))


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 10), ("Europe/Berlin", 9), ("Asia/Kolkata", 4)])
def test_times_without_a_zone_are_of_the_zone_that_the_policy_names(database: Database, zone: str, hour: int) -> None:
    change(
        database,
        altered("household_members", joined_at="timestamp"),
        "UPDATE household_members SET joined_at = '2026-01-10 10:00'",
    )
    with open_source(database.url, SourceMapping(zone=zone)) as source:
        rows = source.rows(source.tables["household_members"].select(), "test")
    assert {(row["joined_at"].hour, row["joined_at"].utcoffset().total_seconds()) for row in rows} == {(hour, 0)}


@pytest.mark.parametrize("zone", ["Nowhere/Atall", "", "UTC'; DROP TABLE x", "x" * 5000])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        SourceMapping(zone=zone)


@pytest.mark.parametrize(
    ("table", "column", "kind", "blind", "says"),
    [
        ("household_members", "is_temporary", "text USING 'wahr'", "temporary-access-expired", "text, but boolean"),
        (
            "household_members",
            "temporary_expires_at",
            "bigint USING 1",
            "temporary-access-expired",
            "bigint, but timestamp",
        ),
        ("household_members", "temporary_expires_at", "date", "temporary-access-expired", "date, but timestamp"),
        ("households", "name", "xml USING '<a/>'::xml", "fake-households", "xml, but text"),
        (
            "households",
            "invite_code",
            "text[] USING ARRAY[invite_code]",
            "invite-code-collision",
            r"text\[\], but text",
        ),
        ("household_events", "metadata", "text[] USING '{}'", "session-survives-removal", r"text\[\], but jsonb"),
        ("users", "monthly_revenue", "text", "vip-affected", "text, but numeric"),
        ("users", "account_tier", "boolean USING true", "vip-affected", "boolean, but text"),
    ],
)
def test_an_optional_column_that_cannot_be_read_costs_its_own_detectors(
    database: Database, table: str, column: str, kind: str, blind: str, says: str
) -> None:
    change(database, altered(table, **{column: kind}))
    result = scanned(database.url)
    assert ("no-leader", {"household_id": uid("oak")}) in [(one.detector, one.subject) for one in result.findings]
    assert "failed" not in {one.status for one in result.coverage}
    (notice,) = result.notices
    assert (notice.table, notice.columns) == (table, frozenset({f"{table}.{column}"}))

    assert re.search(says, notice.said)
    if f"{table}.{column}" in BY_ID[blind].meta.needs:
        (ending,) = (one for one in result.coverage if one.detector == blind)
        assert ending.status == "not_applicable"
        assert re.search(says, ending.reason or "")


@pytest.mark.parametrize(
    ("table", "column", "kind", "says"),
    [
        ("households", "created_at", "date", "a day has no time of day"),
        ("household_members", "joined_at", "bigint USING 1", r"to_timestamp\(…\)"),
        ("household_members", "role", "text[] USING ARRAY[role]", r"of type text\[\], but text is needed"),
        ("household_events", "event_timestamp", "text", "timestamp with time zone is needed"),
    ],
)
def test_a_required_column_that_cannot_be_read_is_named(
    database: Database, table: str, column: str, kind: str, says: str
) -> None:
    change(database, altered(table, **{column: kind}))
    with pytest.raises(SourceError, match=f"public.{table}.{column} .*{says}"):
        scanned(database.url)


def test_ids_are_read_carefully_where_nobody_can_be_asked_how_they_are_written(database: Database) -> None:
    """A column that fails for one row must not take the others' notation with it."""
    change(
        database,
        altered("household_members", household_id="text", user_id="text"),
        "UPDATE household_members SET household_id = upper(household_id), user_id = upper(user_id)",
        "ALTER TABLE household_members RENAME TO all_members",
        "CREATE VIEW household_members AS SELECT id, household_id, user_id, role, status, joined_at, "
        f"(1 / abs(strpos(user_id, '{uid('dan').upper()}') - 1))::text AS invited_by FROM all_members",
    )
    found = [(one.detector, one.subject) for one in scanned(database.url).findings]
    assert found == [("no-leader", {"household_id": uid("oak")})]


def test_one_column_may_be_two_of_ours(database: Database, town: Town) -> None:
    mapping = SourceMapping(
        tables={
            "household_members": TableMapping(columns={"id": "user_id"}),
            "households": TableMapping(columns={"name": "invite_code"}),
        }
    )
    assert [one.detector for one in scanned(database.url, mapping).findings if one.team == "engineering"] == [
        "no-leader"
    ]


ODD_NAMES = ["App.Data", 'My "own" schema', "ünder score", "per%cent", "order"]


@pytest.mark.parametrize("odd", ODD_NAMES)
def test_names_of_any_kind_work_in_mapping_messages_and_proposed_statements(database: Database, odd: str) -> None:
    schema, table, column = f"{odd} s", f"{odd}.t", f"{odd}.c"
    with database.connect() as admin:
        admin.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for statement, names in (
            ("ALTER TABLE household_members SET SCHEMA {}", (schema,)),
            ("ALTER TABLE {}.household_members RENAME TO {}", (schema, table)),
            ("ALTER TABLE {}.{} RENAME COLUMN user_id TO {}", (schema, table, column)),
        ):
            admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        for (name,) in admin.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", [table]).fetchall():
            if "pkey" not in name:
                admin.execute(sql.SQL("DROP INDEX {}.{}").format(sql.Identifier(schema), sql.Identifier(name)))
    mapping = SourceMapping(
        tables={"household_members": TableMapping(name=f"{schema}.{table}", columns={"user_id": column})}
    )
    (_, fault) = sorted(scanned(database.url, mapping).findings, key=lambda one: one.detector)
    assert fault.subject == {"household_id": uid("oak")}
    with open_source(database.url, mapping) as source:
        advice = [
            one.remedy for one in examine(source, mapping, [BY_ID["missing-index"]], CONTEXT) if "INDEX" in one.remedy
        ]
    (proposed,) = advice
    with database.connect() as admin:
        for statement in proposed.removeprefix("Run: ").split(";")[:-1]:
            admin.execute(statement)
    assert [one.detector for one in scanned(database.url, mapping).findings] == ["no-leader"]


@contextmanager
def encoded(postgres: PostgresServer, encoding: str, tables: Any) -> Iterator[str]:
    """A town in a database of another encoding; bytes go in as they are."""
    name = f"encoded_{encoding.lower()}_{os.getpid()}"
    with psycopg.connect(postgres.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
        try:
            client = "SQL_ASCII" if encoding == "SQL_ASCII" else "UTF8"
            with psycopg.connect(postgres.url(name), client_encoding=client) as connection:
                for part in RESTORED_PETFORCE:
                    connection.execute(part.read_bytes())
                for table, rows in tables.items():
                    for row in rows:
                        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                            sql.Identifier(table),
                            sql.SQL(",").join(map(sql.Identifier, row)),
                            sql.SQL(",").join([sql.Placeholder()] * len(row)),
                        )
                        values = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
                        connection.execute(statement, values)
            yield postgres.url(name)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "WIN1251", "EUC_JP"])
def test_a_database_of_another_encoding_is_read(postgres: PostgresServer, town: Town, encoding: str) -> None:
    letters = {"LATIN1": "Müller", "WIN1251": "Кошкин дом", "EUC_JP": "猫の家"}.get(encoding, "猫")
    town.home("oak")["name"] = letters
    with encoded(postgres, encoding, town.tables()) as url:
        assert_seen(scanned(url))
        with open_source(url, SourceMapping()) as source:
            assert letters in [row["name"] for row in source.rows(source.tables["households"].select(), "test")]


def test_bytes_that_are_no_letters_stop_nobody(postgres: PostgresServer, town: Town) -> None:
    with encoded(postgres, "SQL_ASCII", town.tables()) as url:
        with psycopg.connect(url) as admin:
            admin.execute(rb"UPDATE households SET name = E'M\xfcller', description = E'\xff\xfe'")
            admin.execute(rb"""UPDATE household_events SET metadata = '{"note": "ok"}', event_type = E'\xe9'""")
        assert_seen(scanned(url))
        with open_source(url, SourceMapping()) as source:
            rows = source.rows(source.tables["households"].select(), "test")
    assert {row["name"] for row in rows} == {"M\\xfcller"}


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1251", "SQL_ASCII"])
def test_words_behind_strange_letters_are_found_there_too(postgres: PostgresServer, town: Town, encoding: str) -> None:
    town.home("oak")["description"] = {"LATIN1": "ª<script>alert(1)</script>"}.get(
        encoding, "я<script>alert(1)</script>"
    )
    with encoded(postgres, encoding, town.tables()) as url:
        assert "stored-markup" in [one.detector for one in scanned(url).findings]
