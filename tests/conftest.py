"""Fixtures that every room's tests share: hypothesis profiles and databases on a real PostgreSQL."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import sql

from escalation.ledger import store
from tests.support.apache_spark import QUICK, apache_spark, engines
from tests.support.effort import PROFILE, load_profile
from tests.support.kept import KeptDatabase, KeptFolder
from tests.support.ledgers import migrate_once, wait_for_no_disk
from tests.support.postgres import RESTORED_PETFORCE, Database, PostgresServer, Reader, find_or_start, load
from tests.support.selection import RULES, add_option, keep_fast, long_first, one_engine_each
from tests.support.statements import written_once
from tests.support.towns import KeptTowns, Scanner, Tables, Town, write_csv

ON_A_LAKE = os.environ.get("HEARTHWATCH_TEST_LAKE", "")
"""`sail` or `apache`: the rules' tests run on Spark too, and all of that on this server. By hand, as it takes hours."""
load_profile()
wait_for_no_disk()
# Statements and towns are many small objects that live for one test: looking for cycles among them took a tenth of the time.
gc.set_threshold(100_000, 20, 100)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_option(parser)


def pytest_report_header() -> str:
    """Which servers of Spark Connect this run speaks to."""
    return engines()


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: many a test waits for a server, or for somebody's time to be over."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    keep_fast(config, items)
    if not ON_A_LAKE:
        one_engine_each(config, items)
    long_first(items)


@pytest.fixture(autouse=True)
def copied_ledgers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new ledger's file is a copy of one that was migrated before; the store's own tests migrate each."""
    if request.path.name != "test_store.py":
        monkeypatch.setattr(store, "_migrate", migrate_once)


@pytest.fixture(autouse=True)
def written_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass's statement is written once for all towns that are alike; when we explore, for each scan."""
    if PROFILE == "ci":
        monkeypatch.setattr("detectors.engine.reading.statement", written_once)


@dataclass(frozen=True)
class ReadDatabase:
    """A database and a role that may only read it. Load rows through ``database``, scan through ``reader.url``."""

    database: Database
    reader: Reader


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The run's PostgreSQL server; the workers of pytest-xdist share one."""
    run_dir = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run_dir = run_dir.parent
    with find_or_start(run_dir) as server:
        yield server


@pytest.fixture
def petforce_db(postgres: PostgresServer) -> Iterator[Database]:
    """A fresh database with the app's empty tables."""
    with postgres.new_database() as database:
        yield database


@pytest.fixture
def restored_petforce_db(postgres: PostgresServer) -> Iterator[Database]:
    """The same without unique constraints (duplicate members are possible) and with a nullable leader_id."""
    with postgres.new_database(RESTORED_PETFORCE) as database:
        yield database


@pytest.fixture
def select_only_db(postgres: PostgresServer) -> Iterator[ReadDatabase]:
    """The app's empty tables and a role with SELECT and BYPASSRLS: the least privileges that a scan needs."""
    with postgres.new_database() as database, postgres.new_reader(database, bypass_rls=True) as reader:
        yield ReadDatabase(database, reader)


@pytest.fixture
def row_security_db(postgres: PostgresServer) -> Iterator[ReadDatabase]:
    """Row-level security on every table, and a role with SELECT but without BYPASSRLS: it silently reads no rows."""
    with postgres.new_database() as database, postgres.new_reader(database, bypass_rls=False) as reader:
        with database.connect() as admin:
            tables = admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                admin.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(sql.Identifier(table)))
        yield ReadDatabase(database, reader)


@pytest.fixture(scope="session")
def kept_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptFolder]:
    with closing(KeptFolder(write_csv(tmp_path_factory.mktemp("kept"), Town().tables()))) as kept:
        yield kept


@pytest.fixture(scope="session")
def kept_database(postgres: PostgresServer) -> Iterator[KeptDatabase]:
    with postgres.new_database(RESTORED_PETFORCE) as database, closing(KeptDatabase(database)) as kept:
        yield kept


def _keeps_towns(request: pytest.FixtureRequest) -> bool:
    """Whether a test is about what is found in a town, and not about how its rows are read."""
    return PROFILE == "ci" and RULES in request.path.parents


@pytest.fixture
def on_duckdb(request: pytest.FixtureRequest, tmp_path: Path) -> Scanner:
    """Scans towns as folders of CSV files."""
    count = iter(range(10**9))

    def open_town(tables: Tables) -> str:
        folder = tmp_path / f"town-{next(count)}"
        folder.mkdir()
        return str(write_csv(folder, tables))

    if _keeps_towns(request):
        return Scanner("duckdb", KeptTowns(open_town, request.getfixturevalue("kept_folder").holding))
    return Scanner("duckdb", open_town)


@pytest.fixture
def on_postgres(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[Scanner]:
    """Scans towns in databases of their own, made without the app's unique constraints so that every fault fits."""
    with ExitStack() as databases:

        def open_town(tables: Tables) -> str:
            database = databases.enter_context(postgres.new_database(RESTORED_PETFORCE))
            load(database, tables)
            return database.url

        if _keeps_towns(request):
            yield Scanner("postgresql", KeptTowns(open_town, request.getfixturevalue("kept_database").holding))
        else:
            yield Scanner("postgresql", open_town)


@pytest.fixture(scope="session")
def lake_url() -> Iterator[str]:
    """The run's Spark Connect server: Sail, or what ON_A_LAKE says."""
    pytest.importorskip("grpc", reason="the extra hearthwatch[spark] is not installed")
    if ON_A_LAKE == "apache":
        with apache_spark(2, QUICK) as server:
            yield server.url
        return
    pytest.importorskip("pysail", reason="the wheel of Sail (pysail) is not installed: no scan on Spark is tested")
    from tests.support.lake import sail  # noqa: PLC0415  # its libraries are an extra

    with sail() as url:
        yield url


@pytest.fixture
def on_spark(lake_url: str, tmp_path: Path) -> Scanner:
    """Scans towns as folders of Parquet files that a Spark Connect server reads."""
    from tests.support.lake import write_parquet  # noqa: PLC0415  # its libraries are an extra

    count = iter(range(10**9))

    def open_town(tables: Tables) -> str:
        return f"{lake_url};folder={write_parquet(tmp_path / f'lake-{next(count)}', tables)}"

    return Scanner("spark", open_town)


_SCANNERS = {"duckdb": "on_duckdb", "postgresql": "on_postgres", **({"spark": "on_spark"} if ON_A_LAKE else {})}


@pytest.fixture(params=_SCANNERS)
def scanner(request: pytest.FixtureRequest) -> Scanner:
    """Each engine in turn."""
    chosen: Scanner = request.getfixturevalue(_SCANNERS[request.param])
    return chosen
