"""Inputs as the field has them, through the command line: each came out wrong once. Variants of each kind are beside it."""

from __future__ import annotations

import csv
import gzip
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.field import (
    NIGHT_1,
    NIGHT_2,
    NIGHT_3,
    REMOVAL_AT,
    Told,
    base,
    call,
    changed,
    event,
    folder_of,
    home,
    household,
    member,
    person,
    scanned,
    with_removal,
)
from tests.support.postgres import RESTORED_PETFORCE, Database, PostgresServer, load
from tests.support.towns import Tables


@dataclass(frozen=True)
class Place:
    """Puts tables where a scan can read them, each call anew, and returns the --source value."""

    engine: str
    put: Callable[[Tables], str]


@pytest.fixture
def databases(postgres: PostgresServer) -> Iterator[Callable[..., Database]]:
    """New databases with the app's tables and some rows."""
    with ExitStack() as opened:

        def new(tables: Tables, *statements: str) -> Database:
            database = opened.enter_context(postgres.new_database(RESTORED_PETFORCE))
            load(database, {name: [present(row) for row in rows] for name, rows in tables.items()})
            with database.connect() as admin:
                for statement in statements:
                    admin.execute(statement.encode())
            return database

        yield new


def present(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


@pytest.fixture(params=["folder", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each engine in turn."""
    if request.param == "folder":
        numbers = iter(range(1000))
        return Place("folder", lambda tables: folder_of(tmp_path / f"export-{next(numbers)}", tables))
    new = request.getfixturevalue("databases")
    return Place("postgresql", lambda tables: str(new(tables).url))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for ledger and tickets."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "cwd"


def tickets() -> dict[str, str]:
    """The status of each ticket in the ledger, by detector."""
    with sqlite3.connect("hearthwatch.db") as ledger:
        return dict(ledger.execute("SELECT detector, status FROM tickets ORDER BY id").fetchall())


def test_the_base_is_healthy(place: Place) -> None:
    told = scanned(place.put(base()))
    assert (told.code, told.detectors) == (0, [])


def test_the_removal_is_found(place: Place) -> None:
    told = scanned(place.put(with_removal(base())))
    assert (told.code, told.detectors) == (0, ["removal-not-applied"])


# --- 2, 3: absence is not repair


def with_reports(tables: Tables) -> Tables:
    reports = [
        {
            "id": f"44444444-0000-4000-8000-00000000000{number}",
            "created_at": datetime(2026, 2, 2, 9, tzinfo=UTC),
            "requester_id": person(2),
            "household_id": home("b"),
            "category": category,
            "body": "please look",
            "status": "open",
        }
        for number, category in enumerate(("court_order", "child_safety"))
    ]
    return tables | {"support_requests": reports}


EMPTIED = [
    ("household_events", "support_requests"),
    ("household_events",),
    ("support_requests",),
]


@pytest.mark.parametrize("emptied", EMPTIED)
def test_a_table_that_came_empty_fixes_nothing(place: Place, emptied: tuple[str, ...]) -> None:
    town = with_reports(with_removal(base()))
    assert call("run", "--source", place.put(town), "--as-of", NIGHT_1).exit_code == 0
    before = tickets()
    assert len(before) == 3
    night = call("run", "--source", place.put(town | {name: [] for name in emptied}), "--as-of", NIGHT_2)
    assert night.exit_code == 4, night.output
    for name in emptied:
        assert sum(name in line for line in night.stderr.splitlines()) >= 1
    assert "verified" not in night.output
    assert tickets() == before
    assert call("run", "--source", place.put(town), "--as-of", NIGHT_3).exit_code == 0
    assert tickets() == before


def test_a_table_that_is_missing_since_last_night_fixes_nothing(tmp_path: Path) -> None:
    town = with_reports(with_removal(base()))
    call("run", "--source", folder_of(tmp_path / "1", town), "--as-of", NIGHT_1)
    before = tickets()
    without = folder_of(tmp_path / "2", town, leave_out=("household_events", "support_requests"))
    night = call("run", "--source", without, "--as-of", NIGHT_2)
    assert night.exit_code == 4, night.output
    assert tickets() == before


def alone(number: int, **columns: Any) -> Tables:
    """So many households with one person each."""
    at = datetime(2026, 1, 5, 10, tzinfo=UTC)
    tables: Tables = {name: [] for name in base()}
    for place in range(number):
        ids = {"id": f"55555555-0000-4000-8000-{place:012d}", "user": f"66666666-0000-4000-8000-{place:012d}"}
        code = f"A{chr(65 + place // 676 % 26)}{chr(65 + place // 26 % 26)}{chr(65 + place % 26)}-ALPHA-BRAVO"
        row = household("a", 1, at=at, id=ids["id"], leader_id=ids["user"], invite_code=code)
        tables["households"].append(row)
        plain = {"id": f"77777777-0000-4000-8000-{place:012d}", "household_id": ids["id"], "user_id": ids["user"]}
        tables["household_members"].append(member("a", 1, at=at, role="leader", **plain) | columns)
    return tables


def test_members_that_arrive_in_part_make_and_fix_nothing(place: Place) -> None:
    town = alone(40)
    town["household_members"][0]["role"] = "member"
    assert call("run", "--source", place.put(town), "--as-of", NIGHT_1).exit_code == 0
    assert tickets() == {"no-leader": "open"}
    part = town | {"household_members": town["household_members"][21:]}
    night = call("run", "--source", place.put(part), "--as-of", NIGHT_2)
    assert night.exit_code == 4, night.output
    assert len([line for line in night.stderr.splitlines() if "household_members" in line]) == 1
    assert tickets() == {"no-leader": "open"}
    taken = call("run", "--source", place.put(part), "--as-of", NIGHT_3, "--accept-volume")
    assert "orphaned-household" in tickets(), taken.output


# --- 4, 13: metadata


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE household_events SET metadata = to_jsonb(metadata::text)",
        "UPDATE household_events SET metadata = to_jsonb(to_jsonb(metadata::text)::text)",
        "ALTER TABLE household_events ALTER metadata DROP DEFAULT, ALTER metadata TYPE text USING metadata::text",
        "ALTER TABLE household_events ALTER metadata DROP DEFAULT, ALTER metadata TYPE json USING metadata::json",
        "ALTER TABLE household_events ALTER metadata DROP DEFAULT, "
        "ALTER metadata TYPE json USING to_json(metadata::text)",
        "ALTER TABLE household_events ALTER metadata DROP DEFAULT, "
        "ALTER metadata TYPE text USING to_jsonb(metadata::text)::text",
        "ALTER TABLE household_events ALTER metadata DROP DEFAULT, ALTER metadata TYPE varchar USING metadata::varchar",
    ],
)
def test_metadata_in_another_wrapping_is_read_on_a_server(databases: Callable[..., Database], statement: str) -> None:
    told = scanned(databases(with_removal(base()), statement).url)
    assert (told.code, told.detectors) == (0, ["removal-not-applied"])


@pytest.mark.parametrize(
    "expression",
    [
        "CAST(to_json(CAST(metadata AS VARCHAR)) AS VARCHAR)",
        "encode(CAST(metadata AS VARCHAR))",
        "encode(CAST(to_json(CAST(metadata AS VARCHAR)) AS VARCHAR))",
        "CAST(metadata AS JSON)",
    ],
)
def test_metadata_in_another_wrapping_is_read_from_parquet(tmp_path: Path, expression: str) -> None:
    source = Path(folder_of(tmp_path / "csv", with_removal(base())))
    events = source / "household_events.csv"
    with duckdb.connect() as engine:
        engine.execute(
            f"COPY (SELECT * REPLACE ({expression} AS metadata) FROM read_csv('{events}', all_varchar = true)) "
            f"TO '{source / 'household_events.parquet'}' (FORMAT parquet)"
        )
    events.unlink()
    told = scanned(str(source))
    assert (told.code, told.detectors) == (0, ["removal-not-applied"])


BROKEN = ["", "{broken", "[1, 2]", "17", '"text"', "null", '{"a": ' * 2000 + "1" + "}" * 2000, "{'a': 1}", '{"a": NaN}']


@pytest.mark.in_turn
@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("engine", ["text", "folder"])
def test_one_unreadable_row_hides_no_other_fault(
    tmp_path: Path, request: pytest.FixtureRequest, engine: str, broken: str
) -> None:
    town = with_removal(base())
    town["households"].append(household("c", 4, at=datetime(2026, 1, 20, tzinfo=UTC), leader_id=person(5)))
    town["household_members"].append(member("c", 4, at=datetime(2026, 1, 20, tzinfo=UTC)))
    old = event(town, "household_updated", "b", 2, datetime(2026, 1, 15, tzinfo=UTC))
    town["household_events"].append(old)
    if engine == "folder":
        old["metadata"] = broken
        source = folder_of(tmp_path / "export", town)
    else:
        column = (
            "ALTER TABLE household_events ALTER metadata DROP DEFAULT, ALTER metadata TYPE text USING metadata::text"
        )
        quoted = broken.replace("'", "''")
        row = f"UPDATE household_events SET metadata = '{quoted}' WHERE id = {old['id']}"
        source = request.getfixturevalue("databases")(town, column, row).url
    told = scanned(source)
    assert set(told.detectors) == {"no-leader", "removal-not-applied"}, told.talk
    assert told.code == 0, told.talk


def test_an_unreadable_row_of_the_day_is_counted_and_named(tmp_path: Path) -> None:
    town = with_removal(base())
    town["household_events"].append(
        event(town, "household_updated", "b", 2, datetime(2026, 2, 2, 12, tzinfo=UTC)) | {"metadata": "{broken"}
    )
    told = scanned(folder_of(tmp_path / "export", town))
    assert told.detectors == ["removal-not-applied"]
    (line,) = [line for line in told.talk.splitlines() if "metadata" in line]
    assert "1 row" in line
    assert home("b") in line


# --- 5, 6, 9: ids

NOTATIONS: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "quotes": lambda text: f'"{text}"',
    "single quotes": lambda text: f"'{text}'",
    "braces": lambda one: "{" + one + "}",
    "bare": lambda one: one.replace("-", ""),
    "urn": lambda one: f"urn:uuid:{one}",
    "blanks": lambda one: f" {one} ",
}
WRITTEN_OTHERWISE = {
    "household_members": ("household_id", "user_id", "invited_by"),
    "households": ("id", "leader_id"),
    "household_join_requests": ("id", "household_id", "user_id", "responded_by"),
    "household_events": ("household_id", "user_id"),
    "users": ("id",),
}


def rewritten(tables: Tables, table: str, notation: Callable[[str], str]) -> Tables:
    def change(name: str, row: dict[str, Any]) -> dict[str, Any]:
        if name != table:
            return row
        return row | {key: notation(row[key]) for key in WRITTEN_OTHERWISE[table] if row.get(key)}

    return changed(tables, change)


@pytest.mark.in_turn
@pytest.mark.parametrize("table", WRITTEN_OTHERWISE)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_a_uuid_in_another_notation_is_the_same_id(
    tmp_path: Path, request: pytest.FixtureRequest, table: str, notation: str
) -> None:
    town = rewritten(with_removal(base()), table, NOTATIONS[notation])
    told = scanned(folder_of(tmp_path / "export", town))
    assert (told.code, told.detectors) == (0, ["removal-not-applied"]), told.talk


TEXT_IDS = tuple(
    f"ALTER TABLE {table} " + ", ".join(f"ALTER {column} DROP DEFAULT, ALTER {column} TYPE text" for column in columns)
    for table, columns in WRITTEN_OTHERWISE.items()
)


@pytest.mark.parametrize("table", ["households", "household_members", "household_join_requests", "household_events"])
def test_a_uuid_in_another_notation_is_the_same_id_on_a_server(databases: Callable[..., Database], table: str) -> None:
    updates = [f"UPDATE {table} SET {column} = '{{' || upper({column}) || '}}'" for column in WRITTEN_OTHERWISE[table]]
    columns = ", ".join(f"ALTER {c} DROP DEFAULT, ALTER {c} TYPE text" for c in WRITTEN_OTHERWISE[table])
    told = scanned(databases(with_removal(base()), f"ALTER TABLE {table} {columns}", *updates).url)
    assert (told.code, told.detectors) == (0, ["removal-not-applied"]), told.talk


def withdrawn(nobody: str) -> Tables:
    """With a request that was withdrawn, and was answered by `nobody`."""
    tables = base()
    (answered,) = tables["household_join_requests"]
    other = {"id": answered["id"][:-1] + "2", "user_id": person(4), "status": "withdrawn", "responded_at": None}
    tables["household_join_requests"].append(answered | other | {"responded_by": nobody})
    return tables


@pytest.mark.parametrize("nobody", ["null", " <NA>"])
def test_a_word_for_no_value_is_nobody(tmp_path: Path, nobody: str) -> None:
    told = scanned(folder_of(tmp_path / "export", withdrawn(nobody)))
    assert (told.code, told.detectors) == (0, []), told.talk


def test_a_word_for_no_value_is_nobody_on_a_server(databases: Callable[..., Database]) -> None:
    alter = "ALTER TABLE household_join_requests ALTER responded_by TYPE text"
    for nobody in ("", "null"):
        said = f"UPDATE household_join_requests SET responded_by = '{nobody}' WHERE status = 'withdrawn'"
        told = scanned(databases(withdrawn(person(1)), alter, said).url)
        assert (told.code, told.detectors) == (0, []), told.talk


def numbered(tables: Tables) -> Tables:
    """The same town with whole numbers as ids."""
    back = {home(letter): str(100 + place) for place, letter in enumerate("abcdef")}
    back |= {person(number): str(200 + number) for number in range(1, 10)}

    def change(name: str, row: dict[str, Any]) -> dict[str, Any]:
        plain = {key: back.get(value, value) if isinstance(value, str) else value for key, value in row.items()}
        if isinstance(row.get("metadata"), dict):
            plain["metadata"] = {key: back.get(value, value) for key, value in row["metadata"].items()}
        return plain

    return changed(tables, change)


@pytest.mark.parametrize(
    ("table", "column"),
    [("households", "leader_id"), ("household_members", "user_id"), ("household_events", "user_id"), ("users", "id")],
)
def test_a_number_with_a_fraction_of_zero_is_the_number(tmp_path: Path, table: str, column: str) -> None:
    town = numbered(with_removal(base()))
    for row in town[table]:
        row[column] = f"{row[column]}.0"
    told = scanned(folder_of(tmp_path / "export", town))
    assert (told.code, told.detectors) == (0, ["removal-not-applied"]), told.talk


BIG = 1_000_000_000_000_000_000
AS_BIGINT = (
    "ALTER TABLE household_members DROP COLUMN id",
    *(
        f"ALTER TABLE {table} ALTER {column} DROP DEFAULT, ALTER {column} TYPE bigint "
        f"USING {BIG} + ('x' || right({column}::text, 8))::bit(32)::int + "
        f"CASE WHEN {column}::text LIKE 'a%' THEN 500 ELSE 0 END"
        for table, columns in WRITTEN_OTHERWISE.items()
        for column in columns
        if (table, column) != ("household_join_requests", "id")
    ),
    "UPDATE household_events SET metadata = metadata || jsonb_build_object('member_id', "
    f"({BIG} + 503)::text) WHERE metadata ? 'member_id'",
    "UPDATE household_events SET metadata = metadata || jsonb_build_object('new_member_id', "
    f"({BIG} + 503)::text) WHERE metadata ? 'new_member_id'",
)


@pytest.mark.parametrize("written", ["text", "number"])
def test_a_number_of_nineteen_digits_is_an_id(databases: Callable[..., Database], written: str) -> None:
    as_number = [
        f"UPDATE household_events SET metadata = metadata || jsonb_build_object('{key}', (metadata ->> '{key}')::bigint) "
        f"WHERE metadata ? '{key}'"
        for key in ("member_id", "new_member_id")
    ]
    database = databases(with_removal(base()), *AS_BIGINT, *(as_number if written == "number" else ()))
    told = scanned(database.url)
    assert (told.code, told.detectors) == (0, ["removal-not-applied"]), told.talk
    alone = scanned(database.url, "--user", str(BIG + 503))
    assert (alone.code, alone.detectors) == (0, ["removal-not-applied"]), alone.talk


# --- 7, 8: who is gone


def test_a_deleted_account_leads_nobody(place: Place) -> None:
    town = base()
    town["users"][0]["deleted_at"] = datetime(2026, 1, 20, tzinfo=UTC)
    told = scanned(place.put(town))
    assert told.detectors == ["no-leader"]
    assert told.findings[0]["subject"] == {"household_id": home("a")}
    assert scanned(place.put(town), "--household", home("a")).detectors == ["no-leader"]


def test_a_deleted_account_succeeds_nobody_and_counts_nowhere(place: Place) -> None:
    town = base()
    town["household_members"] = [row for row in town["household_members"] if row["user_id"] != person(1)]
    town["household_members"].append(member("a", 4, at=datetime(2026, 1, 20, tzinfo=UTC), invited_by=person(1)))
    town["users"].append({"id": person(4), "email": "u4@example.org", "created_at": datetime(2026, 1, 1, tzinfo=UTC)})
    town["users"][2]["deleted_at"] = datetime(2026, 1, 25, tzinfo=UTC)
    source = place.put(town)
    told = scanned(source)
    (finding,) = [one for one in told.findings if one["detector"] in {"no-leader", "transfer-failed"}]
    assert finding["impact"] == {"users": 1, "households": 1}
    call("run", "--source", source, "--as-of", NIGHT_1)
    texts = [path.read_text() for path in Path("out/queue").glob("*.md")]
    (page,) = [text for text in texts if re.search(r"\| Detector \| (no-leader|transfer-failed) \|", text)]
    assert person(4).split("-")[-1] in page or person(4) in page


@pytest.mark.parametrize("more", [(), ("--household", home("a")), ("--user", person(3))])
def test_members_of_a_household_that_does_not_exist(place: Place, more: tuple[str, ...]) -> None:
    town = base()
    town["households"] = town["households"][1:]
    told = scanned(place.put(town), *more)
    assert told.detectors == ["members-without-household"], told.talk
    assert told.findings[0]["severity"] == "P0"


# --- 11: late rows


def test_what_arrives_after_the_export_is_found_the_next_night(place: Place) -> None:
    town = base()
    last = event(town, "household_dashboard_viewed", "b", 2, datetime(2026, 2, 2, 8, 58, tzinfo=UTC))
    town["household_events"].append(last)
    guesses = [
        event(town, "household_invite_code_validated", None, None, datetime(2026, 2, 2, 10, tzinfo=UTC))
        | {"id": 1000 + n, "metadata": {"invite_code": f"X{n}", "valid": False, "ip_address": "203.0.113.9"}}
        for n in range(120)
    ]
    for n, guess in enumerate(guesses):
        guess["event_timestamp"] += timedelta(seconds=20 * n)
    first = call("run", "--source", place.put(town), "--as-of", NIGHT_1)
    assert first.exit_code == 0, first.output
    assert "2026-02-02 08:58" in first.output
    later = town | {"household_events": town["household_events"] + guesses}
    second = call("run", "--source", place.put(later), "--as-of", NIGHT_2)
    assert second.exit_code == 0, second.output
    assert "scraping" in tickets()
    third = call("run", "--source", place.put(later), "--as-of", NIGHT_3)
    assert third.exit_code == 0, third.output
    with sqlite3.connect("hearthwatch.db") as ledger:
        assert ledger.execute("SELECT count(*) FROM tickets WHERE detector = 'scraping'").fetchone() == (1,)


# --- 12: size


def test_more_findings_than_a_statement_has_parameters(databases: Callable[..., Database]) -> None:
    number = 70_000
    many = (
        "INSERT INTO households (id, name, invite_code, leader_id, created_at, updated_at) "
        "SELECT ('55555555-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'The Home', "
        "chr(65 + n / 17576 % 26) || chr(65 + n / 676 % 26) || chr(65 + n / 26 % 26) || chr(65 + n % 26) || '-ALPHA-BRAVO', "
        "('66666666-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '2026-01-05', '2026-01-05' "
        f"FROM generate_series(1, {number}) AS n"
    )
    rows = (
        "INSERT INTO household_members (household_id, user_id, role, status, joined_at) "
        "SELECT id, leader_id, 'member', 'active', created_at FROM households WHERE id::text LIKE '5%'"
    )
    told = scanned(databases(base(), many, rows, "ANALYZE").url)
    assert told.code == 0, told.talk
    (incident,) = told.findings
    assert (incident["detector"], incident["evidence"]["count"]) == ("no-leader", number)


# --- 14: files


def gzipped(path: Path) -> None:
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def in_parts(path: Path) -> None:
    header, *rows = path.read_text().splitlines(keepends=True)
    folder = path.with_suffix("")
    folder.mkdir()
    for place in range(2):
        (folder / f"part-{place:05d}.csv").write_text(header + "".join(rows[place::2]))
    path.unlink()


def tabbed(path: Path) -> None:
    with path.open(newline="") as file, path.with_suffix(".tsv").open("w", newline="") as other:
        csv.writer(other, delimiter="\t").writerows(csv.reader(file))
    path.unlink()


def with_index(path: Path) -> None:
    header, *rows = path.read_text().splitlines(keepends=True)
    path.write_text("," + header + "".join(f"{place},{row}" for place, row in enumerate(rows)))


@pytest.mark.in_turn
@pytest.mark.parametrize("made", [gzipped, in_parts, tabbed, with_index])
@pytest.mark.parametrize("table", ["household_events", "household_members", "households"])
def test_whatever_an_exporter_makes_is_read(tmp_path: Path, made: Callable[[Path], None], table: str) -> None:
    source = Path(folder_of(tmp_path / "export", with_removal(base())))
    made(source / f"{table}.csv")
    told = scanned(str(source))
    assert (told.code, told.detectors) == (0, ["removal-not-applied"]), told.talk


@pytest.mark.parametrize("name", ["household_events.csv.bz2", "household_events.xlsx", "household_events.json"])
def test_what_looks_like_a_table_and_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    source = Path(folder_of(tmp_path / "export", with_removal(base()), leave_out=("household_events",)))
    (source / name).write_bytes(b"\x00\x01")
    told = scanned(str(source))
    assert told.code == 3
    assert name in told.talk


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused_by_name(tmp_path: Path, encoding: str) -> None:
    town = base()
    town["households"][0]["name"] = "Bär Haus"
    source = Path(folder_of(tmp_path / "export", town))
    path = source / "households.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    told = scanned(str(source))
    assert told.code == 3
    assert "households.csv" in told.talk
    assert encoding in told.talk.lower()


# --- 16: words


@pytest.mark.in_turn
@pytest.mark.parametrize("written", [str.upper, str.title, lambda word: f" {word} "])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("household_members", "role"),
        ("household_members", "status"),
        ("household_join_requests", "status"),
        ("household_events", "event_type"),
    ],
)
def test_the_case_of_a_word_does_not_matter(
    place: Place, table: str, column: str, written: Callable[[str], str]
) -> None:
    town = with_removal(base())
    for row in town[table]:
        row[column] = written(row[column])
    told = scanned(place.put(town))
    assert (told.code, told.detectors) == (0, ["removal-not-applied"]), told.talk


@pytest.mark.parametrize(
    ("table", "column", "word"),
    [
        ("household_members", "role", "owner"),
        ("household_members", "status", "enabled"),
        ("household_join_requests", "status", "accepted"),
    ],
)
@pytest.mark.parametrize("command", ["scan", "run"])
def test_a_word_that_nobody_mapped_ends_the_scan(
    place: Place, table: str, column: str, word: str, command: str
) -> None:
    town = base()
    town[table][0][column] = word
    source = place.put(town)
    ended = call(command, "--source", source, "--as-of", NIGHT_1)
    assert ended.exit_code == 3, ended.output
    assert word in ended.stderr
    assert word in call("doctor", "--source", source).output


def test_an_enum_in_capitals_is_read(databases: Callable[..., Database]) -> None:
    statements = [
        "CREATE TYPE member_role AS ENUM ('LEADER', 'MEMBER')",
        "CREATE TYPE member_status AS ENUM ('ACTIVE', 'REMOVED')",
        "ALTER TABLE household_members ALTER role DROP DEFAULT, ALTER status DROP DEFAULT, "
        "ALTER role TYPE member_role USING upper(role)::member_role, "
        "ALTER status TYPE member_status USING upper(status)::member_status",
    ]
    told = scanned(databases(with_removal(base()), *statements).url)
    assert (told.code, told.detectors) == (0, ["removal-not-applied"]), told.talk


# --- 19, 21


def test_a_wrong_type_in_an_optional_column_costs_that_column_alone(databases: Callable[..., Database]) -> None:
    told = scanned(
        databases(with_removal(base()), "ALTER TABLE households ALTER invite_code_expires_at TYPE timestamp").url
    )
    assert (told.code, told.detectors) == (0, ["removal-not-applied"]), told.talk


@pytest.mark.parametrize("table", ["household_members", "households", "household_join_requests", "household_events"])
def test_rows_that_were_exported_twice_are_read_once(tmp_path: Path, table: str) -> None:
    town = with_removal(base())
    town[table] = town[table] * 2
    told = scanned(folder_of(tmp_path / "export", town))
    assert (told.code, told.detectors) == (0, ["removal-not-applied"]), told.talk
    assert table in told.talk


# --- never written


def test_what_the_source_never_wrote_is_not_found_to_be_absent(place: Place) -> None:
    told = scanned(place.put(base()))
    entry = told.coverage["removal-not-applied"]
    assert entry["status"] == "not_applicable"
    assert "household_member_removed" in entry["reason"]
    assert json.dumps(told.coverage["fake-households"]).count("pet_activity_logged")


# --- 1: what cannot be seen is not repaired

Change = Callable[[str, dict[str, Any]], dict[str, Any]]


def of_events(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    return lambda table, row: change(row) if table == "household_events" else row


def nested(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"metadata": {"data": row["metadata"]}}


def of_removals(**columns: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: row | columns if row["event_type"] == "household_member_removed" else row


def without_metadata(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "metadata"}


UNSEEN = {
    "empty": (of_events(without_metadata), "household_member_removed no longer names member_id"),
    "nested": (of_events(nested), "household_member_removed no longer names member_id"),
    "null": (of_events(of_removals(metadata=None)), "household_member_removed no longer names member_id"),
    "another key": (of_events(of_removals(metadata={"memberId": person(3)})), "no longer names member_id"),
    "a python dict": (of_events(of_removals(metadata=str({"member_id": person(3)}))), "not a JSON object"),
    "renamed": (
        of_events(of_removals(event_type="member_gone")),
        "the source no longer writes household_member_removed",
    ),
}


@pytest.mark.parametrize("how", UNSEEN)
def test_what_the_rows_no_longer_tell_is_not_repaired(tmp_path: Path, how: str) -> None:
    change, said = UNSEEN[how]
    place = Place("folder", lambda tables: folder_of(tmp_path / f"export-{len(list(tmp_path.iterdir()))}", tables))
    _stays(place, change, said)


def test_what_the_rows_no_longer_tell_is_not_repaired_on_a_server(databases: Callable[..., Database]) -> None:
    place = Place("postgresql", lambda tables: str(databases(tables).url))
    _stays(place, *UNSEEN["nested"])


def test_a_column_that_is_gone_repairs_nothing(tmp_path: Path) -> None:
    def put(tables: Tables) -> str:
        source = folder_of(tmp_path / f"export-{len(list(tmp_path.iterdir()))}", tables)
        if any("metadata" not in row for row in tables["household_events"]):
            file = Path(source) / "household_events.csv"
            with file.open(newline="") as opened:
                rows = list(csv.DictReader(opened))
            with file.open("w", newline="") as opened:
                writer = csv.DictWriter(opened, [name for name in rows[0] if name != "metadata"], extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)
        return source

    _stays(Place("folder", put), of_events(without_metadata), "household_events.metadata")


def _stays(place: Place, change: Change, said: str) -> None:
    town = with_removal(base())
    assert call("run", "--source", place.put(town), "--as-of", NIGHT_1).exit_code == 0
    damaged = place.put(changed(town, change))
    night = call("run", "--source", damaged, "--as-of", NIGHT_2)
    assert night.exit_code == 4, night.output
    (line,) = [line for line in night.stderr.splitlines() if line.startswith("hearthwatch: ")]
    assert said in line
    assert "removal-not-applied" in line
    assert tickets() == {"removal-not-applied": "open"}
    checked = call("tickets", "verify", ticket_of("removal-not-applied"), "--source", damaged, "--as-of", NIGHT_2)
    assert checked.exit_code == 4, checked.output
    assert checked.stdout.startswith("not looked at: removal-not-applied")
    # Where it is told again, and repaired, it is seen to be.
    repaired = changed(
        town,
        lambda table, row: row | {"status": "removed"} if row.get("user_id") == person(3) and "role" in row else row,
    )
    assert call("run", "--source", place.put(repaired), "--as-of", NIGHT_3).exit_code == 0
    assert tickets() == {"removal-not-applied": "verified"}


def test_a_trail_of_which_no_type_is_known_ends_the_scan(tmp_path: Path) -> None:
    town = changed(with_removal(base()), of_events(lambda row: row | {"event_type": f"petforce.{row['event_type']}"}))
    told = scanned(folder_of(tmp_path / "1", town))
    assert (told.code, told.findings) == (3, [])
    assert "none that is known" in told.talk
    assert "'petforce.household_created' = 'household_created'" in told.talk


def joined_in_a_year(number: int) -> Change:
    """Members of the first so many households of `alone`, as if they joined a year later."""
    late = {f"55555555-0000-4000-8000-{place:012d}" for place in range(number)}

    def change(table: str, row: dict[str, Any]) -> dict[str, Any]:
        at = datetime(2027, 1, 5, 10, tzinfo=UTC)
        return row | {"joined_at": at} if table == "household_members" and row["household_id"] in late else row

    return change


def with_trail(town: Tables) -> Tables:
    seen = event(town, "household_dashboard_viewed", None, 1, datetime(2026, 2, 1, tzinfo=UTC))
    return town | {"household_events": [seen]}


def test_times_that_have_not_come_yet_end_the_scan(place: Place) -> None:
    town = with_trail(alone(60))
    told = scanned(place.put(changed(town, joined_in_a_year(12))))
    assert (told.code, told.findings) == (3, [])
    assert "household_members.joined_at lies after 2026-02-03 03:00:00 UTC in 12 of 60 rows" in told.talk
    later = event(town, "household_dashboard_viewed", None, 1, datetime(2027, 2, 1, tzinfo=UTC))
    past = changed(town, joined_in_a_year(12)) | {"household_events": [*town["household_events"], later]}
    assert scanned(place.put(past)).code == 0


def test_a_household_that_has_not_come_yet_is_not_repaired(tmp_path: Path) -> None:
    town = with_trail(alone(60))
    for row in town["household_members"][:2]:
        row["role"] = "member"
    assert call("run", "--source", folder_of(tmp_path / "1", town), "--as-of", NIGHT_1).exit_code == 0
    town["household_members"][0]["role"] = town["household_members"][1]["role"] = "leader"
    night = call("run", "--source", folder_of(tmp_path / "2", changed(town, joined_in_a_year(1))), "--as-of", NIGHT_2)
    assert night.exit_code == 4, night.output
    assert "1 of 60 rows, which have not happened yet" in night.stderr
    with sqlite3.connect("hearthwatch.db") as ledger:
        assert ledger.execute("SELECT status FROM tickets ORDER BY status").fetchall() == [("open",), ("verified",)]


def ticket_of(detector: str) -> str:
    with sqlite3.connect("hearthwatch.db") as ledger:
        (found,) = ledger.execute("SELECT external_id FROM tickets WHERE detector = ?", (detector,)).fetchone()
    return str(found)


@pytest.mark.parametrize(
    ("repeated", "held_back"),
    [
        ("SELECT * FROM kept UNION ALL SELECT * FROM kept", False),
        (
            "SELECT * FROM kept UNION ALL SELECT id, household_id, user_id, 'member', 'removed', is_temporary, "
            "temporary_expires_at, invited_by, joined_at FROM kept WHERE role = 'leader'",
            True,
        ),
    ],
)
def test_a_row_that_a_server_holds_twice_is_read_once(
    databases: Callable[..., Database], repeated: str, held_back: bool
) -> None:
    copies = (
        "ALTER TABLE household_members RENAME TO kept",
        f"CREATE TABLE household_members AS {repeated}",
        "ANALYZE household_members",
    )
    told = scanned(databases(with_removal(base()), *copies).url)
    assert set(told.detectors) - {"missing-index"} == (set() if held_back else {"removal-not-applied"})
    assert "of household_members repeat" in told.talk
    assert ("held back" in told.talk) == held_back


def test_a_materialized_view_that_was_never_filled_is_named(databases: Callable[..., Database]) -> None:
    told = scanned(
        databases(
            base(),
            "ALTER TABLE users RENAME TO kept",
            "CREATE MATERIALIZED VIEW users AS SELECT * FROM kept WITH NO DATA",
        ).url
    )
    assert told.code == 3
    assert "public.users was never filled" in told.talk
    assert "REFRESH MATERIALIZED VIEW" in told.talk


MARKS: dict[str, tuple[str, Any]] = {
    "_fivetran_deleted": ("boolean", True),
    "_ab_cdc_deleted_at": ("text", "2026-01-20T10:00:00Z"),
    "DBT_VALID_TO": ("timestamptz", datetime(2026, 1, 20, tzinfo=UTC)),
    "__op": ("text", "d"),
    "is_current": ("integer", 0),
}
"""What tools that copy tables call the column by which a row is no more, its type, and what it then holds."""


def with_second_leader() -> Tables:
    """The base with the row of somebody who led a until it was deleted, which a copy keeps."""
    tables = base()
    tables["household_members"].append(member("a", 2, at=REMOVAL_AT - timedelta(days=20), role="leader"))
    return tables


def refused(told: Told, column: str) -> bool:
    said = f"household_members holds rows that are deleted or outdated, by its column {column}: 1 of 4"
    return (told.code, said in told.talk) == (3, True)


def test_rows_that_a_copy_keeps_after_their_end_are_not_read(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "export", with_second_leader())
    file = Path(source, "household_members.csv")
    head, *rows = file.read_text().splitlines()
    for column, (_, value) in MARKS.items():
        file.write_text("\n".join([f"{head},{column}", *(f"{row}," for row in rows[:-1]), f"{rows[-1]},{value}"]))
        assert refused(scanned(source), column)
        assert refused(scanned(source, "--household", home("b")), column)
    # An app may mark whom it has removed.
    removed = [row.replace("active", "removed") for row in rows[-1:]]
    file.write_text("\n".join([f"{head},is_current", *(f"{row},true" for row in rows[:-1]), f"{removed[0]},false"]))
    assert (scanned(source).code, scanned(source).findings) == (0, [])


def test_rows_that_a_server_keeps_after_their_end_are_not_read(databases: Callable[..., Database]) -> None:
    database = databases(with_second_leader())
    assert "multiple-leaders" in scanned(str(database.url)).detectors
    for column, (kind, value) in MARKS.items():
        with database.connect() as admin:
            admin.execute(f'ALTER TABLE household_members ADD COLUMN "{column}" {kind}'.encode())
            mark = f'UPDATE household_members SET "{column}" = %s WHERE user_id = %s AND household_id = %s'
            admin.execute(mark.encode(), (value, person(2), home("a")))
        assert refused(scanned(str(database.url), "--household", home("b")), column)
        assert call("household", home("a"), "--source", str(database.url)).exit_code == 3
        with database.connect() as admin:
            admin.execute(f'ALTER TABLE household_members DROP COLUMN "{column}"'.encode())
    assert "multiple-leaders" in scanned(str(database.url)).detectors


def test_versions_of_a_row_end_the_scan(databases: Callable[..., Database], tmp_path: Path) -> None:
    tables = base()
    tables["household_members"].append(member("a", 3, at=REMOVAL_AT, role="leader") | {"id": home("f")})
    database = databases(tables)
    with database.connect() as admin:
        admin.execute(b"ALTER TABLE household_members ADD valid_from timestamptz, ADD valid_to timestamptz")
        admin.execute(b"UPDATE household_members SET valid_to = joined_at WHERE role = 'member'")
        rows = admin.execute(b"SELECT * FROM household_members").fetchall()
        columns = [one.name for one in admin.execute(b"SELECT * FROM household_members").description or ()]
    export = folder_of(tmp_path / "export", tables)
    with Path(export, "household_members.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    assert refused(scanned(export), "valid_to")
    assert refused(scanned(database.url), "valid_to")
    # Where no row has several versions, it may be a sitter's stay.
    with database.connect() as admin:
        admin.execute(f"DELETE FROM household_members WHERE id = '{home('f')}'".encode())
    assert (scanned(database.url).code, scanned(database.url).detectors) == (0, [])


def test_times_without_an_hour_are_not_believed(place: Place) -> None:
    tables = with_removal(base())
    tables["household_events"] += [
        event(tables, "household_dashboard_viewed", "a", 1, REMOVAL_AT - timedelta(days=day, hours=day))
        | {"id": 100 + day}
        for day in range(8)
    ]
    assert scanned(place.put(tables)).detectors == ["removal-not-applied"]
    for row in tables["household_events"]:
        row["event_timestamp"] = row["event_timestamp"].replace(hour=0, minute=0, second=0)
    told = scanned(place.put(tables))
    assert (told.code, "household_events.event_timestamp holds days without an hour" in told.talk) == (3, True)
    assert scanned(place.put(tables), "--household", home("b")).code == 3
    # On one day many may be of one moment.
    for row in tables["household_events"]:
        row["event_timestamp"] = REMOVAL_AT.replace(hour=0, minute=0, second=0)
    assert "days without an hour" not in scanned(place.put(tables)).talk


def test_times_of_whole_hours_are_not_believed(place: Place) -> None:
    """A last use at 10:59 seems to follow a removal that was written down as of 10:00."""
    tables = with_removal(base())
    tables["household_events"] += [
        event(
            tables, "household_dashboard_viewed", "a", 1, REMOVAL_AT - timedelta(hours=3 * number, minutes=number + 1)
        )
        | {"id": 100 + number}
        for number in range(60)
    ]
    joined = tables["household_members"][0]["joined_at"]
    tables["household_members"] += [
        member("b", 9, at=joined.replace(minute=minute), status="removed")
        | {"id": f"33333333-0000-4000-8000-0000000009{minute}"}
        for minute in range(10, 20)
    ]
    assert scanned(place.put(tables)).detectors == ["removal-not-applied"]
    for row in tables["household_events"]:
        row["event_timestamp"] = row["event_timestamp"].replace(minute=0, second=0)
    told = scanned(place.put(tables))
    assert (told.code, "household_events.event_timestamp holds whole hours" in told.talk) == (3, True)
    # Where nothing tells other minutes the town was made up so, though whoever joins does it a second later.
    made_up = [row | {"joined_at": row["joined_at"].replace(minute=0, second=1)} for row in tables["household_members"]]
    assert "whole hours" not in scanned(place.put(tables | {"household_members": made_up})).talk
    # A handful of rows may all be of whole hours, and a job may write every quarter of one.
    few = tables | {"household_events": tables["household_events"][:30]}
    assert "whole hours" not in scanned(place.put(few)).talk
    for row in tables["household_events"][::3]:
        row["event_timestamp"] = row["event_timestamp"].replace(minute=15)
    assert scanned(place.put(tables)).code == 0


@pytest.mark.parametrize("change", [str.upper, lambda key: f"the_{key}"])
def test_keys_of_metadata_that_nobody_knows_are_told(tmp_path: Path, change: Callable[[str], str]) -> None:
    def renamed(_: str, row: dict[str, Any]) -> dict[str, Any]:
        keys = {change(key): value for key, value in row.get("metadata", {}).items()}
        return row | {"metadata": keys}

    told = scanned(folder_of(tmp_path / "export", changed(with_removal(base()), renamed)))
    assert "household_events.metadata names none of the keys that are known" in told.talk
    assert told.coverage["database-errors"]["reason"]


def test_a_household_that_is_newer_than_the_copy_of_its_table_is_awaited(tmp_path: Path) -> None:
    tables = base()
    tables["household_members"].append(member("c", 4, at=REMOVAL_AT, role="leader"))
    assert scanned(folder_of(tmp_path / "untold", tables)).detectors == ["members-without-household"]
    tables["household_events"].append(event(tables, "household_created", "c", 4, REMOVAL_AT))
    told = scanned(folder_of(tmp_path / "night", tables))
    assert (told.code, told.detectors) == (0, [])
    assert "1 household began after the newest row of households, as household_events tells" in told.talk
    # As long after as no copy lags behind, or with a household that is newer still, it is missing.
    assert scanned(folder_of(tmp_path / "later", tables), as_of=NIGHT_3).detectors == ["members-without-household"]
    tables["households"][1]["created_at"] = REMOVAL_AT
    assert scanned(folder_of(tmp_path / "newer", tables)).detectors == ["members-without-household"]
