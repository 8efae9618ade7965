"""Tables that a Spark Connect server reads: what is found there is what is found in a folder, whatever the texts hold."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Text, bindparam, func, literal, select

from benchmarks.town import generate, preset
from detectors.contract import Context
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.source import LostError, QueryError, Source, SourceError, SourceMapping, open_source
from detectors.source.sql import one_of_many
from tests.support.effort import tries
from tests.support.field import call
from tests.support.folders import RULES, THE_FAULT, faulty_town
from tests.support.postgres import RESTORED_PETFORCE, PostgresServer, load, load_folder
from tests.support.towns import AS_OF, DAY, HOUR, LONG_AGO, NOON, YESTERDAY, uid, write_csv

pa = pytest.importorskip("pyarrow", reason="the extra hearthwatch[spark] is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra hearthwatch[spark] is not installed")
lake = pytest.importorskip("tests.support.lake", reason="the extra hearthwatch[spark] is not installed")
client = pytest.importorskip("detectors.source.spark.client", reason="the extra hearthwatch[spark] is not installed")

DEMO = Path(__file__).parents[3] / "fixtures" / "demo" / "night-2"
HOSTILE = (
    "it's",
    "back\\slash",
    "\\'; DROP TABLE households; --",
    '"',
    "`",
    "\\",
    "\\u0041",
    "a\nb\tc",
    "\x00",
    ":param_1",
    "${x}",
    "%s",
    "\N{SNOWMAN}\N{CAT FACE}",
    "",
)


@pytest.fixture(scope="module")
def opened(lake_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    folder = lake.write_parquet(tmp_path_factory.mktemp("lake"), faulty_town().tables())
    with open_source(f"{lake_url};folder={folder}", SourceMapping()) as source:
        yield source


def documents(postgres: PostgresServer, lake_url: str, folder: Path, as_of: datetime) -> list[dict[str, Any]]:
    """What a scan of a folder says on DuckDB, PostgreSQL and Spark, but for the engine and what a server's catalog alone tells."""
    said = []
    with postgres.new_database(RESTORED_PETFORCE) as database:
        for where in (str(folder), load_folder(database, folder), f"{lake_url};folder={folder}"):
            told = call("scan", "--source", where, "--as-of", as_of.isoformat(), "--format", "json")
            assert told.exit_code == 0, told.stderr
            document = json.loads(told.stdout)
            for name in ("source", "engine", "seconds"):
                del document["scan"][name]
            document["coverage"] = [each for each in document["coverage"] if each["detector"] != "missing-index"]
            said.append(document)
    return said


def test_the_demo_night_is_the_same_on_three_engines(postgres: PostgresServer, lake_url: str) -> None:
    here, *others = documents(postgres, lake_url, DEMO, datetime(2026, 2, 4, 3, tzinfo=UTC))
    assert others == [here, here]
    assert here["findings"]


@tries(2)
@given(st.integers(0, 10**6))
def test_random_towns_with_faults_are_the_same_on_three_engines(
    postgres: PostgresServer, lake_url: str, seed: int
) -> None:
    spec = replace(preset("tiny", seed=seed, plant=1), households=200, members=600, requests=430, events=1_000)
    with tempfile.TemporaryDirectory() as folder:
        generate(spec).write_folder(Path(folder), format="parquet")
        lake.without_uuids(Path(folder))
        here, *others = documents(postgres, lake_url, Path(folder), spec.as_of)
    assert others == [here, here]
    assert len(here["findings"]) > 10


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_comes_back_as_it_went(opened: Source, text: str) -> None:
    value = bindparam(None, text, Text(), unique=True)
    wanted = [f"{text}{number}" for number in range(60)]
    same = select(value.label("same")).where(value == literal(text), one_of_many(value.concat("7"), wanted, Text()))
    assert opened.rows(same, "test") == [{"same": text}]


def test_a_statement_that_the_server_refuses_fails_alone(opened: Source) -> None:
    households = opened.tables["households"]
    with pytest.raises(QueryError, match="the statement failed in Spark") as refused:
        opened.rows(select(func.max(households.c.id, households.c.name)), "test")
    assert "households" not in str(refused.value)
    (row,) = opened.rows(select(func.count().label("number")).select_from(households), "test")
    assert row["number"] == 2


def looked_at_few(where: str, **mapping: Any) -> ScanResult:
    """A scan by a few rules of state and trail."""
    with open_source(where, SourceMapping(**mapping)) as source:
        return scan(source, RULES, Context(as_of=AS_OF, window=YESTERDAY))


def found(result: ScanResult) -> list[tuple[str, dict[str, str]]]:
    assert {entry.status for entry in result.coverage} == {"ran"}
    return [(each.detector, {str(k): v for k, v in each.subject.items()}) for each in result.findings]


def numbers(rows: list[dict[str, Any]], known: dict[str, int]) -> list[dict[str, Any]]:
    """The rows with a whole number in place of each UUID, in metadata too."""

    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: of(each) for key, each in value.items()}
        if isinstance(value, str) and len(value) == 36 and value.count("-") == 4:
            return known.setdefault(value, 7_000_000_000_000_000_001 + len(known))
        return value

    return [{key: of(value) for key, value in row.items()} for row in rows]


def test_numbers_as_ids_local_times_and_objects_are_read(lake_url: str, tmp_path: Path) -> None:
    known: dict[str, int] = {}
    for name, rows in faulty_town().tables().items():
        own = numbers(rows, known)
        columns = {
            key: [str(row[key]) if key == "event_type" else _local(row[key]) for row in own]
            for key in (own[0] if own else ())
        }
        if "metadata" in columns:
            columns["metadata"] = pa.array(
                columns["metadata"],
                pa.struct(
                    [
                        (key, pa.int64() if key == "member_id" else pa.string())
                        for key in ("correlation_id", "member_id")
                    ]
                ),
            )
        if own:
            pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    told = looked_at_few(f"{lake_url};folder={tmp_path}", zone="Europe/Berlin")
    ((detector, subject),) = THE_FAULT
    assert found(told) == [(detector, {key: str(known[value]) for key, value in subject.items()})]


def test_ids_in_sixteen_bytes_are_read(lake_url: str, tmp_path: Path) -> None:
    def in_bytes(value: Any) -> Any:
        return UUID(value).bytes if isinstance(value, str) and len(value) == 36 else value

    lake.write_parquet(tmp_path, faulty_town().tables())
    for path in tmp_path.glob("*.parquet"):
        rows = pq.read_table(path).to_pylist()
        if rows:
            pq.write_table(pa.Table.from_pylist([{key: in_bytes(row[key]) for key in row} for row in rows]), path)
    assert found(looked_at_few(f"{lake_url};folder={tmp_path}")) == THE_FAULT


def _local(value: Any) -> Any:
    """A time as a clock in Berlin showed it, without saying so."""
    return value.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None) if isinstance(value, datetime) else value


def test_metadata_inside_a_string_is_read(lake_url: str, tmp_path: Path) -> None:
    tables = faulty_town().tables()
    wrapped = (json.dumps, lambda text: json.dumps(json.dumps(text)), lambda text: f"\n {text}")
    tables["household_events"] = [
        row | {"metadata": wrapped[place % 3](json.dumps(row["metadata"]))}
        for place, row in enumerate(tables["household_events"])
    ]
    told = looked_at_few(f"{lake_url};folder={lake.write_parquet(tmp_path, tables)}")
    assert found(told) == THE_FAULT
    assert not told.notices[1:]


def test_metadata_that_cannot_be_read_is_counted(lake_url: str, tmp_path: Path) -> None:
    tables = faulty_town().tables()
    tables["household_events"][0]["metadata"] = '{"correlation_id": "c1", broken'
    told = looked_at_few(f"{lake_url};folder={lake.write_parquet(tmp_path, tables)}")
    assert found(told) == THE_FAULT
    assert "1 row whose metadata is neither an object of up to 1 MB nor a text" in told.notices[-1].said


# With a session of the run's own server: where the first session of a process has lost its server, later ones lose theirs.
@pytest.mark.usefixtures("opened")
def test_a_column_that_would_have_to_be_worked_out_is_named(lake_url: str, tmp_path: Path) -> None:
    place = f"{lake_url};folder={lake.write_parquet(tmp_path, faulty_town().tables())}"
    mapping = SourceMapping.model_validate({"app": {"leaders_by_role": True}})
    with pytest.raises(SourceError, match=r"households\.leader_id would have to be worked out of other columns"):
        open_source(place, mapping)


def test_a_server_that_goes_away_ends_the_scan_and_says_so(tmp_path: Path) -> None:
    with lake.sail() as url:
        source = open_source(
            f"{url};token=s3cret;folder={lake.write_parquet(tmp_path, faulty_town().tables())}".replace(
                "127.0.0.1", "localhost"
            ),
            SourceMapping(),
        )
    with source, pytest.raises(LostError, match="the connection was lost") as lost:
        source.rows(select(source.tables["users"].c.id), "test")
    assert "s3cret" not in f"{lost.value} {source.label}"
    with pytest.raises(SourceError, match="nothing that speaks Spark Connect answers there") as refused:
        open_source(f"{url};token=s3cret;folder=x".replace("127.0.0.1", "localhost"), SourceMapping())
    assert "s3cret" not in str(refused.value)


def test_a_scan_that_takes_too_long_or_is_stopped_asks_nothing_more(lake_url: str) -> None:
    with open_source(f"{lake_url};folder={DEMO}", SourceMapping()) as source:
        source.cancel()
        with pytest.raises(SourceError, match="the scan was stopped"):
            source.rows(select(source.tables["users"].c.id), "test")
    with pytest.raises(SourceError, match=r"ran into its limit of 1 s: raise \[source\] scan_seconds"):
        looked_within(f"{lake_url};folder={DEMO}", 1)


class Call(NamedTuple):
    """What an interceptor is told of a call."""

    timeout: float | None


def test_what_a_statement_asks_beside_itself_has_the_statements_time() -> None:
    limits = client.Limits()

    def given() -> float:
        return float(limits.intercept_unary_unary(lambda call, _: call.timeout, Call(None), None))

    with limits.within(300):
        assert 290 < given() <= 300
    assert given() == 10


def looked_within(where: str, seconds: int) -> None:
    with open_source(where, SourceMapping(scan_seconds=seconds)) as source:
        for _ in range(200):
            source.rows(select(func.count(source.tables["household_events"].c.metadata.distinct())), "test")


def test_a_night_files_the_same_tickets(
    postgres: PostgresServer, lake_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tables = faulty_town().tables()
    folder = tmp_path / "files"
    folder.mkdir()
    filed = []
    with postgres.new_database(RESTORED_PETFORCE) as database:
        load(database, tables)
        in_lake = f"{lake_url};folder={lake.write_parquet(tmp_path / 'lake', tables)}"
        for name, source in {"folder": str(write_csv(folder, tables)), "server": database.url, "lake": in_lake}.items():
            options = ["--ledger", f"sqlite:///{name}.db", "--queue", f"folder:{name}", "--as-of", AS_OF.isoformat()]
            told = call("run", "--source", source, *options)
            assert told.exit_code == 0, told.stderr
            filed.append({path.name: path.read_text() for path in Path(name).rglob("*.md")})
    assert filed[1:] == [filed[0], filed[0]]
    assert filed[0]


def test_support_sees_a_household_as_in_a_folder_though_its_rows_stand_there_twice(
    lake_url: str, tmp_path: Path
) -> None:
    town = faulty_town()
    town.request("asked", "oak", "zoe", status="rejected", at=NOON, responded_at=NOON + HOUR)
    tables, folder = town.tables(), tmp_path / "files"
    folder.mkdir()
    write_csv(folder, tables)
    older = {"name": "of an older row", "updated_at": LONG_AGO - DAY, "status": "pending", "responded_at": None}
    for name in ("households", "household_join_requests"):
        tables[name] += [row | {key: older[key] for key in row.keys() & older.keys()} for row in tables[name]]
    tables["household_members"] *= 2
    shown = []
    for source in (str(folder), f"{lake_url};folder={lake.write_parquet(tmp_path / 'lake', tables)}"):
        told = call("household", uid("oak"), "--source", source, "--as-of", AS_OF.isoformat(), "--format", "json")
        assert told.exit_code == 0
        shown.append(json.loads(told.stdout)["household"]["households"])
    assert shown[1] == shown[0]
    assert len(shown[0][0]["members"]) == 2
