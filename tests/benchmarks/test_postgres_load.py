"""A town in PostgreSQL is the same town, in the app's own tables."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from benchmarks.town import generate, preset
from tests.support.postgres import Database, PostgresServer

COLUMNS = """
    SELECT table_name, ordinal_position, column_name, data_type
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"


@pytest.mark.parametrize("unique", [True, False])
def test_tables_and_indexes_are_the_apps_own(
    postgres: PostgresServer, petforce_db: Database, restored_petforce_db: Database, unique: bool
) -> None:
    town = generate(replace(preset("tiny"), plant=1, duplicates=not unique))
    with postgres.new_database(()) as database:
        town.load_postgres(database.url, unique=unique)
        app = petforce_db if unique else restored_petforce_db
        with database.connect() as loaded, app.connect() as wanted:
            for question in (COLUMNS, INDEXES):
                assert loaded.execute(question).fetchall() == wanted.execute(question).fetchall()
            for table, rows in town.tables().items():
                ids = [str(row[0]) for row in loaded.execute(f"SELECT id FROM {table}".encode())]
                assert ids == [str(row["id"]) for row in rows]


def test_pages_are_all_visible_and_statistics_are_there(postgres: PostgresServer) -> None:
    town = generate(preset("tiny"))
    with postgres.new_database(()) as database:
        town.load_postgres(database.url)
        with database.connect() as connection:
            pages = connection.execute(
                "SELECT relname, relpages, relallvisible, reltuples FROM pg_class"
                " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            ).fetchall()
    assert len(pages) == 7
    tables = town.tables()
    for name, size, visible, tuples in pages:
        assert size == visible > 0
        assert tuples == len(tables[name])


def test_a_database_that_is_in_use_stays_as_it_is(petforce_db: Database) -> None:
    with pytest.raises(psycopg.errors.DuplicateTable):
        generate(preset("tiny")).load_postgres(petforce_db.url)
    with petforce_db.connect() as connection:
        assert connection.execute("SELECT count(*) FROM households").fetchone() == (0,)
