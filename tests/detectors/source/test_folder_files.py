"""Files as exporters name, cut, pack and separate them: read rightly, or refused by name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from detectors.source import SourceError, SourceMapping, open_source
from detectors.source.elsewhere import files_elsewhere
from detectors.source.mapping import TableMapping
from tests.support.folders import (
    THE_FAULT,
    as_parquet,
    exported,
    found_in,
    in_parts,
    looked_at,
    packed,
    reversed_columns,
    rewritten,
    with_index,
)

TABLES = ("households", "household_members", "household_events")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return exported(tmp_path / "export")


def _as_zst(path: Path) -> Path:
    target = path.with_name(path.name + ".zst")
    rows = f"SELECT * FROM read_csv('{path}', header = true, all_varchar = true)"
    duckdb.sql(f"COPY ({rows}) TO '{target}' (FORMAT csv, HEADER, COMPRESSION zstd)")
    path.unlink()
    return target


def _upper(path: Path) -> None:
    rewritten(path, lambda rows: [[f" {name.upper()} " for name in rows[0]], *rows[1:]])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    path.rename(path.with_name(path.name.upper()))


def _renamed(separator: str, ending: str) -> Callable[[Path, str], object]:
    def write(folder: Path, table: str) -> None:
        rewritten(folder / f"{table}.csv", list, separator)
        (folder / f"{table}.csv").rename(folder / f"{table}{ending}")

    return write


def _parts_in(name: str) -> Callable[[Path, str], object]:
    def write(folder: Path, table: str) -> None:
        in_parts(folder, table)
        (folder / table).rename(folder / name.format(table))

    return write


def _beside(folder: Path, table: str) -> None:
    for path in in_parts(folder, table):
        path.rename(folder / f"{table}-{path.stem[5:]}.csv")
    (folder / table).rmdir()


def _as_spark(folder: Path, table: str) -> None:
    in_parts(folder, table)
    (folder / table / "_SUCCESS").touch()
    (folder / table / ".part-00000.csv.crc").touch()


def _by_days(folder: Path, table: str) -> None:
    for place, path in enumerate(in_parts(folder, table)):
        below = folder / table / "year=2026" / f"day={place}"
        below.mkdir(parents=True)
        path.rename(below / "part-0.csv")


def _changed_parts(change: Callable[[list[list[str]]], list[list[str]]]) -> Callable[[Path, str], object]:
    def write(folder: Path, table: str) -> None:
        for path in in_parts(folder, table)[::2]:
            rewritten(path, change)

    return write


def _one_more(rows: list[list[str]]) -> list[list[str]]:
    return [[*rows[0], "added"], *([*row, "x"] for row in rows[1:])]


WAYS: dict[str, Callable[[Path, str], object]] = {
    "semicolons": lambda folder, table: rewritten(folder / f"{table}.csv", list, ";"),
    "tabs": _renamed("\t", ".tsv"),
    "pipes": _renamed("|", ".txt"),
    "gzip": lambda folder, table: packed(folder / f"{table}.csv"),
    "zstd": lambda folder, table: _as_zst(folder / f"{table}.csv"),
    "other case, a mark of order, blanks": lambda folder, table: _upper(folder / f"{table}.csv"),
    "an index": lambda folder, table: rewritten(folder / f"{table}.csv", with_index),
    "two indexes": lambda folder, table: rewritten(folder / f"{table}.csv", lambda rows: with_index(rows, 2)),
    "parts": in_parts,
    "parts in a folder named like a file": _parts_in("{}.csv"),
    "parts that are packed": lambda folder, table: [packed(path) for path in in_parts(folder, table)],
    "parts in another order of columns": _changed_parts(reversed_columns),
    "parts with a column more": _changed_parts(_one_more),
    "parts beside each other": _beside,
    "what Spark leaves": _as_spark,
    "folders of days": _by_days,
    "Parquet": as_parquet,
    "Parquet by folders": lambda folder, table: as_parquet(
        folder,
        table,
        options=", PARTITION_BY ("
        + {"household_members": "status", "households": "name"}.get(table, "event_type")
        + ")",
        target=table,
    ),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("way", WAYS)
def test_it_is_read_as_it_is(folder: Path, way: str, table: str) -> None:
    WAYS[way](folder, table)
    assert not (folder / f"{table}.csv").is_file() or way in {"semicolons", "an index", "two indexes"}
    result, found = looked_at(folder)
    assert found == THE_FAULT
    assert [notice.said for notice in result.notices] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [(f"household_events{end}", "looks like the table household_events") for end in (
        "", ".json", ".jsonl", ".xlsx", ".csv.bz2", ".zip", ".avro", ".orc", ".csv.part", " (1).csv", "_new.csv", ".csv.bak",
    )]
    + [("Users.xlsx", "looks like the table users"), ("household_members.csv.gz.tmp", "looks like the table household_members")],
)  # fmt: skip
def test_what_looks_like_a_table_is_never_passed_over(folder: Path, name: str, said: str) -> None:
    table = said.rpartition(" ")[2]
    (folder / f"{table}.csv").rename(folder / name)
    with pytest.raises(SourceError, match=said) as caught:
        open_source(str(folder), SourceMapping())
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "also", ["households.parquet", "Households.csv", "households.csv.gz", "households-0001.csv", "households.json"]
)
def test_two_of_one_table_are_not_decided_in_silence(folder: Path, also: str) -> None:
    (folder / also).write_text("id\n1\n")
    with pytest.raises(SourceError, match="the table households"):
        open_source(str(folder), SourceMapping())


def test_what_stands_beside_a_table_is_said_where_it_could_hold_rows(folder: Path) -> None:
    (folder / "users.csv.md5").write_text("d41d8")
    (folder / "users_settings.csv").write_text("id\n")
    result, found = looked_at(folder)
    assert found == THE_FAULT
    assert [notice.said for notice in result.notices] == ["not read, though named like users: users_settings.csv"]


def test_a_table_that_the_policy_names_is_no_part_of_another(folder: Path) -> None:
    (folder / "household_events.csv").rename(folder / "users_log.csv")
    mapping = SourceMapping(tables={"household_events": TableMapping(name="users_log")})
    result, found = looked_at(folder, mapping)
    assert (found, result.notices) == (THE_FAULT, ())


@pytest.mark.in_turn
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-16", "UTF-16"), ("utf-16-be", "UTF-16"), ("latin-1", "Latin-1"), ("cp1252", "Latin-1")]
)
def test_other_encodings_are_named(folder: Path, table: str, encoding: str, said: str) -> None:
    path = folder / f"{table}.csv"
    text = path.read_text().replace("The Home", "Müllers").replace('""c1""', '""é1""').replace("active", "actíve", 1)
    path.write_bytes(text.encode(encoding))
    with pytest.raises(SourceError, match=rf"{table}\.csv .*{said}.*in UTF-8"):
        open_source(str(folder), SourceMapping())


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=,"\n', "\ufeffSEP=\t\n"])
@pytest.mark.parametrize("pack", [lambda path: path, packed])
def test_a_line_for_spreadsheets_is_named(folder: Path, pack: Callable[[Path], Path], line: str) -> None:
    path = folder / "household_members.csv"
    path.write_text(line + path.read_text(), encoding="utf-8")
    pack(path)
    with pytest.raises(
        SourceError, match=rf"(?i){path.name}.* begins with a line for spreadsheets, .?sep=.*: take that"
    ):
        open_source(str(folder), SourceMapping())


@pytest.mark.parametrize("pack", [packed, _as_zst])
@pytest.mark.parametrize("left", [0.5, 0.9, 0.999])
def test_a_packed_file_that_is_cut_short_is_no_whole_one(
    folder: Path, pack: Callable[[Path], Path], left: float
) -> None:
    path = pack(folder / "household_events.csv")
    data = path.read_bytes()
    path.write_bytes(data[: min(int(len(data) * left), len(data) - 1)])
    with pytest.raises(SourceError, match=rf"{path.name} is cut short or damaged"):
        open_source(str(folder), SourceMapping())


def _fifo(folder: Path) -> None:
    (folder / "users.csv").unlink()
    os.mkfifo(folder / "users.csv")


def _loop(folder: Path) -> None:
    in_parts(folder, "users")
    (folder / "users" / "again").symlink_to(folder / "users", target_is_directory=True)


def _no_columns(folder: Path) -> None:
    part = in_parts(folder, "users")[1]
    part.write_text(part.read_text().split("\n", 1)[1])


def _delta(folder: Path) -> None:
    in_parts(folder, "users")
    (folder / "users" / "_delta_log").mkdir()


def _linked(to: str) -> Callable[[Path], object]:
    def link(folder: Path) -> None:
        (folder / "users.csv").unlink()
        (folder / "users.csv").symlink_to(to)

    return link


def _odd_part(name: str) -> Callable[[Path], object]:
    def add(folder: Path) -> None:
        in_parts(folder, "users")
        (folder / "users" / name).write_text("{}")

    return add


def _nothing_in_it(folder: Path) -> None:
    (folder / "users.csv").unlink()
    (folder / "users").mkdir()


def _days(folder: Path) -> None:
    for day in (1, 2):
        shutil.copy(folder / "users.csv", folder / f"users_2026-02-0{day}.csv")
    (folder / "users.csv").unlink()


def _torn(folder: Path) -> None:
    (folder / "users.csv").write_text((folder / "users.csv").read_text() + "only,three,cells\n")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (_fifo, r"users\.csv is no file but a pipe"),
    "an endless device": (_linked("/dev/zero"), r"users\.csv is no file but a pipe or a device"),
    "a loop of links": (_loop, "again is a link that leads back"),
    "a link to nowhere": (_linked("gone.csv"), r"users\.csv cannot be read"),
    "no bytes": (lambda folder: (folder / "users.csv").write_bytes(b""), r"users\.csv is empty"),
    "a part without bytes": (lambda folder: in_parts(folder, "users")[1].write_bytes(b""), r"part-00001\.csv is empty"),
    "a part without a header": (_no_columns, r"part-00001\.csv has no column id"),
    "a part of another kind": (_odd_part("part-9.json"), r"part-9\.json lies among"),
    "parts of two formats": (_odd_part("part-9.parquet"), r"part-9\.parquet are of different formats"),
    "an empty folder": (_nothing_in_it, "users is a folder for the table users without any file"),
    "a Delta table": (_delta, "users is a Delta table"),
    "days of a table of state": (_days, "the table users of different days"),
    "a torn row": (_torn, r"users\.csv: line 6 is not valid CSV"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_cannot_be_read_is_named(folder: Path, broken: str) -> None:
    damage, said = BROKEN[broken]
    damage(folder)
    with pytest.raises(SourceError, match=said) as caught:
        open_source(str(folder), SourceMapping())
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="everybody's files can be read by root")
@pytest.mark.parametrize("rights", [0, 0o400])
@pytest.mark.parametrize("below", [False, True])
def test_what_may_not_be_read_is_named(folder: Path, below: bool, rights: int) -> None:
    path = in_parts(folder, "users")[0].parent if below else folder / "users.csv"
    path.chmod(rights if below else 0)
    try:
        with pytest.raises(SourceError, match=r"users.* cannot be read by this user"):
            open_source(str(folder), SourceMapping())
    finally:
        path.chmod(0o700)


@pytest.mark.parametrize("parquet", [False, True])
@pytest.mark.parametrize(
    ("table", "column", "blind"),
    [
        ("household_events", "metadata", True),
        ("household_members", "is_temporary", True),
        ("household_join_requests", "responded_by", True),
        # Nothing is concluded from these.
        ("households", "description", False),
        ("households", "updated_at", False),
    ],
)
def test_a_column_that_some_parts_lack_is_said_and_not_concluded_from(
    folder: Path, table: str, column: str, blind: bool, parquet: bool
) -> None:
    def without(rows: list[list[str]]) -> list[list[str]]:
        place = rows[0].index(column)
        return [row[:place] + row[place + 1 :] for row in rows]

    part, *others = in_parts(folder, table)
    rewritten(part, without)
    if parquet:
        for path in (part, *others):
            as_parquet(path.parent, path.stem)
    with open_source(str(folder), SourceMapping()) as source:
        (notice,) = source.notices
        assert f"{part.stem}" in notice.said
        assert f"of {table} without the column {column}" in notice.said
        assert notice.columns == {f"{table}.{column}"}
        assert source.schema.has(f"{table}.{column}") != blind
        assert (f"{table}.{column}" in source.schema.unusable) == blind


@pytest.mark.parametrize("name", ["night[1]", "exp*", "q?", "o'n é", "{a,b}", "[!x]", "**", "a\nb"])
@pytest.mark.parametrize("parquet", [False, True])
def test_a_path_is_no_pattern(tmp_path: Path, name: str, parquet: bool) -> None:
    # Whoever took the name for a pattern would read one of these, whose tables are empty.
    for decoy in ("night1", "exporter", "qa", "a", "y"):
        exported(tmp_path / decoy)
        for path in (tmp_path / decoy).glob("*.csv"):
            path.write_text(path.read_text().split("\n", 1)[0] + "\n")
    folder = exported(tmp_path / "plain")
    if parquet:
        for table in TABLES:
            as_parquet(folder, table)
    folder.rename(tmp_path / name)
    assert found_in(tmp_path / name) == THE_FAULT


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("public.household_events.csv", True),
        ("petforce_public_household_events.csv.gz", True),
        ("HouseholdEvent.parquet", True),
        ("Copy of household_events.csv", True),
        ("householdEvents.csv", True),
        ("events.csv", False),
        ("household_events_old.csv", False),
        ("old household_eventsource.csv", False),
    ],
)
def test_a_file_named_in_another_style_is_told(name: str, *, told: bool) -> None:
    missing = {"household_events": "household_events", "users": "users"}
    assert files_elsewhere(["auth.users.csv", "superusers.csv", name], missing) == {
        "users": "auth.users.csv",
        **({"household_events": name} if told else {}),
    }


def test_where_a_table_may_be_is_said(tmp_path: Path) -> None:
    folder = exported(tmp_path / "source")
    (folder / "household_events.csv").rename(folder / "public.household_events.csv")
    told = looked_at(folder)[0].coverage
    assert any("household_events (there is public.household_events.csv)" in (one.reason or "") for one in told)
    (folder / "households.csv").rename(folder / "Household.csv")
    with pytest.raises(SourceError, match=r"no households.csv or .parquet \(there is Household.csv\)"):
        looked_at(folder)


def test_lines_of_separators_alone_are_no_rows(tmp_path: Path) -> None:
    folder = exported(tmp_path / "source")
    for table in TABLES:
        rewritten(folder / f"{table}.csv", lambda rows: [*rows, *([""] * len(rows[0]) for _ in range(50))])
    result, found = looked_at(folder)
    assert found == THE_FAULT
    assert not any("empty in" in notice.said for notice in result.notices)
    assert result.rows_read["households"] == 2
