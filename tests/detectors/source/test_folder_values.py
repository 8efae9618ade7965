"""Values as exporters write them: ids in any notation, metadata in any wrapping, and single cells that are broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from detectors.source import CANONICAL, SourceError, SourceMapping, open_source
from detectors.source.folder_values import literal, plain_id_of
from detectors.source.ids import BLANKS, plain_id
from tests.support.folders import (
    THE_FAULT,
    as_parquet,
    exported,
    faulty_town,
    found_in,
    looked_at,
    mapped,
)
from tests.support.towns import uid

ID_COLUMNS = [
    (table, column)
    for table, canonical in CANONICAL.items()
    for column, each in canonical.columns.items()
    if each.kind in {"user", "household", "id"} and (table, column) != ("household_events", "id")
]
NOTATIONS: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "quotes": lambda text: f'"{text}"',
    "single quotes": lambda text: f"'{text}'",
    "braces": lambda text: f"{{{text}}}",
    "bare": lambda text: text.replace("-", ""),
    "urn": lambda text: f"urn:uuid:{text.upper()}",
    "blanks": lambda text: f" {text}\u00a0",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    town = faulty_town()
    town.session("phone", "ben")
    town.report("question", "policy_question", "eve", household_id="elm", subject_user_id="dora")
    return exported(tmp_path / "export", town)


def _ids(folder: Path) -> dict[str, list[str | None]]:
    with open_source(str(folder), SourceMapping()) as source:
        return {
            f"{table}.{column}": [row["it"] for row in source.rows(select(source.tables[table].c[column].label("it")), "test")]
            for table, column in ID_COLUMNS
        }  # fmt: skip


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("parquet", [False, True])
def test_every_id_is_read_in_one_notation(folder: Path, notation: str, parquet: bool) -> None:
    expected = _ids(folder)
    for table, column in ID_COLUMNS:
        mapped(folder / f"{table}.csv", column, lambda text: text and NOTATIONS[notation](text))
    if parquet:
        for table in CANONICAL:
            as_parquet(folder, table)
    assert _ids(folder) == expected
    assert found_in(folder) == THE_FAULT


@pytest.mark.parametrize("table", CANONICAL)
def test_sixteen_bytes_are_a_uuid(folder: Path, table: str) -> None:
    expected = _ids(folder)
    columns = [column for where, column in ID_COLUMNS if where == table]
    as_parquet(folder, table, ", ".join(f"unhex(replace({column}, '-', '')) AS {column}" for column in columns))
    assert _ids(folder) == expected


@pytest.mark.parametrize(
    ("stored", "numbers", "written"),
    [
        ("DOUBLE", ["101", "7"], ["101", "7"]),
        ("FLOAT", ["101", "7"], ["101", "7"]),
        ("DECIMAL(20, 1)", ["1234567890123456789", "7"], ["1234567890123456789", "7"]),
        ("BIGINT", ["1234567890123456789", "-7"], ["1234567890123456789", "-7"]),
        ("UBIGINT", ["18446744073709551615", "7"], ["18446744073709551615", "7"]),
        ("VARCHAR", ["101.0", "+7"], ["101", "7"]),
        ("BLOB", ["101.0", "0000000000000007"], ["101", "0000000000000007"]),
    ],
)
def test_numbers_are_ids_to_the_last_digit(folder: Path, stored: str, numbers: list[str], written: list[str]) -> None:
    values = iter(numbers)
    mapped(folder / "households.csv", "leader_id", lambda _: next(values))
    as_parquet(folder, "households", f"CAST(leader_id AS {stored}) AS leader_id")
    assert _ids(folder)["households.leader_id"] == written


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("1.2345678901234568e+18", ""),
        ("1.23457E+18", ""),
        ("9007199254740993.0", ""),
        ("1234567890123456789", "DOUBLE"),
        ("123456789", "FLOAT"),
    ],
)
@pytest.mark.parametrize(
    ("table", "column"), [("households", "leader_id"), ("household_members", "invited_by"), ("users", "id")]
)
def test_an_id_that_lost_digits_is_nobodys(folder: Path, table: str, column: str, value: str, stored: str) -> None:
    mapped(folder / f"{table}.csv", column, lambda _: value)
    if stored:
        as_parquet(folder, table, f"CAST({column} AS {stored}) AS {column}")
    with pytest.raises(SourceError, match=rf"{table}\..*{column} lost digits"):
        open_source(str(folder), SourceMapping())


@given(
    st.lists(
        st.one_of(
            st.text(st.sampled_from("aB-{}+.0 1\u00a0\t"), max_size=12),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
            st.builds(
                lambda u, way, left, right: left + NOTATIONS[way](str(u)) + right,
                st.uuids(),
                st.sampled_from(sorted(NOTATIONS)),
                st.text(BLANKS, max_size=2),
                st.text(BLANKS, max_size=2),
            ),
            st.from_regex(r"[+-]?[0-9]{1,25}([.]0{1,3})?", fullmatch=True),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_the_engine_writes_ids_as_everybody_else(texts: list[str]) -> None:
    values = ", ".join(f"({place}, {literal(text)})" for place, text in enumerate(texts))
    query = f"SELECT {plain_id_of('it')} FROM (VALUES {values}) AS t(place, it) ORDER BY place"
    assert [row[0] for row in duckdb.sql(query).fetchall()] == [plain_id(text) or None for text in texts]


WRAPPINGS: dict[str, Callable[[str], str]] = {
    "a string": json.dumps,
    "a string in a string": lambda text: json.dumps(json.dumps(text)),
    "doubled quotes": lambda text: '"' + text.replace('"', '""') + '"',
    "doubled quotes without a frame": lambda text: text.replace('"', '""'),
    "blanks": lambda text: f"\n {text} ",
}
STORED = {
    "bytes": "encode(metadata) AS metadata",
    "bytes of a string": "encode(CAST(to_json(metadata) AS VARCHAR)) AS metadata",
    "json": "CAST(metadata AS JSON) AS metadata",
    "a structure": 'from_json(metadata, \'{"correlation_id":"VARCHAR","member_id":"VARCHAR"}\') AS metadata',
    "a map": "MAP {'member_id': metadata->>'member_id', 'correlation_id': metadata->>'correlation_id'} AS metadata",
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("parquet", [False, True])
def test_metadata_is_unwrapped(folder: Path, wrapping: str, parquet: bool) -> None:
    mapped(folder / "household_events.csv", "metadata", WRAPPINGS[wrapping])
    if parquet:
        as_parquet(folder, "household_events")
    result, found = looked_at(folder)
    assert (found, result.notices) == (THE_FAULT, ())


@pytest.mark.parametrize("stored", STORED)
def test_metadata_of_other_types_is_read(folder: Path, stored: str) -> None:
    as_parquet(folder, "household_events", STORED[stored])
    result, found = looked_at(folder)
    assert (found, result.notices) == (THE_FAULT, ())


TOO_LONG = '{"note": "%s"}' % ("long " * 200_001)
BROKEN_METADATA = ["{broken", "[1, 2]", "5", '"text"', "{'a': 1}", "{" * 3000, '{"a": "\0"}', "\ufffd", TOO_LONG]
STRANGE_METADATA = [
    '{"a": "x\\u0000y"}', '{"a": "x\\ud800y"}', '{"a": %s}' % ("9" * 5000), '{"a": %s}' % ("[" * 2000 + "]" * 2000), "null", "",
]  # fmt: skip


@pytest.mark.parametrize("value", BROKEN_METADATA + STRANGE_METADATA, ids=lambda value: value[:20])
@pytest.mark.parametrize("parquet", [False, True])
def test_one_odd_row_of_metadata_hides_no_other(folder: Path, value: str, parquet: bool) -> None:
    values = iter([value])
    mapped(folder / "household_events.csv", "metadata", lambda text: next(values, text))
    if parquet:
        as_parquet(folder, "household_events")
    result, found = looked_at(folder)
    assert found == THE_FAULT
    if value in STRANGE_METADATA:
        assert result.notices == ()
    else:
        (notice,) = result.notices
        assert notice.said == (
            "1 row of household_events holds in metadata what is not a JSON object of up to 1 MB: read as missing "
            f"(household {uid('elm')})"
        )
        assert notice.columns == {"household_events.metadata"}


def test_bytes_that_are_no_text_hide_no_other_row(folder: Path) -> None:
    for table, old in (("household_events", b"c0"), ("households", b"The Home")):
        path = folder / f"{table}.csv"
        path.write_bytes(path.read_bytes().replace(old, b"\xed\xa0\x80\xff", 1))
    result, found = looked_at(folder)
    assert found == THE_FAULT
    assert sorted(notice.said.partition(" in ")[0] for notice in result.notices) == [
        "household_events.csv holds bytes that are no UTF-8",
        "households.csv holds bytes that are no UTF-8",
    ]
    rewritten = folder / "household_events.csv"
    rewritten.unlink()
    exported(folder)
    as_parquet(
        folder, "household_events", "CASE WHEN id = '1' THEN '\\xFF'::BLOB ELSE encode(metadata) END AS metadata"
    )
    result, found = looked_at(folder)
    assert found == THE_FAULT
    assert [notice.said.partition(":")[0] for notice in result.notices if notice.columns] == [
        "1 row of household_events holds in metadata what is not a JSON object of up to 1 MB"
    ]


OPTIONAL = [
    ("households", "invite_code_expires_at"),
    ("household_members", "is_temporary"),
    ("household_members", "temporary_expires_at"),
    ("household_join_requests", "responded_at"),
    ("users", "deleted_at"),
    ("users", "monthly_revenue"),
]


@pytest.mark.parametrize(("table", "column"), OPTIONAL)
@pytest.mark.parametrize("parquet", [False, True])
def test_a_broken_value_that_may_lack_is_read_as_missing_and_said(
    folder: Path, table: str, column: str, parquet: bool
) -> None:
    right = {"is_temporary": "1.0", "monthly_revenue": "12.5"}.get(column, "2026-02-02 14:35:00+00")
    values = iter(["perhaps"])
    mapped(folder / f"{table}.csv", column, lambda _: next(values, right))
    if parquet:
        as_parquet(folder, table)
    with open_source(str(folder), SourceMapping()) as source:
        read = [row["it"] for row in source.rows(select(source.tables[table].c[column].label("it")), "test")]
    assert read[0] is None
    assert None not in read[1:]
    (notice,) = source.notices
    assert notice.columns == {f"{table}.{column}"}
    assert f"1 row of {table} holds in {column} what is not" in notice.said
    assert "perhaps" not in notice.said


@pytest.mark.parametrize(("table", "column"), OPTIONAL)
@pytest.mark.parametrize("stored", ["", "BOOLEAN[]"])
def test_a_column_of_another_type_is_treated_as_absent_with_the_reason(
    folder: Path, table: str, column: str, stored: str
) -> None:
    mapped(folder / f"{table}.csv", column, lambda _: "perhaps")
    if stored:
        as_parquet(folder, table, f"[true] AS {column}")
    with open_source(str(folder), SourceMapping()) as source:
        reason = source.schema.unusable[f"{table}.{column}"]
        assert source.schema.missing(frozenset({f"{table}.{column}"})) == [f"{table}.{column} ({reason})"]
    assert reason.startswith("is of type BOOLEAN[], needs" if stored else f"{len(read_rows(folder, table))} of its")
    assert looked_at(folder)[1] == THE_FAULT


def read_rows(folder: Path, table: str) -> list[str]:
    return (folder / f"{table}.csv").read_text().splitlines()[1:]


@pytest.mark.parametrize(
    ("table", "column"),
    [("households", "created_at"), ("household_members", "joined_at"), ("household_events", "event_timestamp")],
)
def test_a_broken_value_without_which_a_row_says_nothing_stops_the_scan(folder: Path, table: str, column: str) -> None:
    values = iter(["2026-02-02T11:00Z", "last summer"])
    mapped(folder / f"{table}.csv", column, lambda text: next(values, text))
    with pytest.raises(SourceError, match=rf'{table}\.csv: record 2, column "{column}": .* not a time') as caught:
        open_source(str(folder), SourceMapping())
    assert "last summer" not in str(caught.value)
    as_parquet(folder, table, f"17 AS {column}")
    with pytest.raises(SourceError, match=rf"{table}\.parquet: the column {column} is of type INTEGER, needs a time"):
        open_source(str(folder), SourceMapping())


@pytest.mark.parametrize("stored", ["csv", "VARCHAR", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMPTZ"])
@pytest.mark.parametrize(("zone", "hour"), [("UTC", 14), ("Europe/Berlin", 13)])
def test_times_without_a_zone_are_of_the_policys(folder: Path, stored: str, zone: str, hour: int) -> None:
    written = "2026-02-02 14:35:00"
    for table, column in (("households", "invite_code_expires_at"), ("household_events", "event_timestamp")):
        mapped(folder / f"{table}.csv", column, lambda _: written)
        if stored != "csv":
            as_parquet(folder, table, f"CAST({column} AS {stored}) AS {column}")
        with open_source(str(folder), SourceMapping(zone=zone)) as source:
            read = source.rows(select(source.tables[table].c[column].label("it")), "test")[0]["it"]
        assert read.isoformat() == f"2026-02-02T{14 if stored == 'TIMESTAMPTZ' else hour}:35:00+00:00"


def test_a_zone_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        SourceMapping(zone="Europe/Nowhere")


@pytest.mark.parametrize("parquet", [False, True])
@pytest.mark.parametrize("table", list(CANONICAL))
def test_rows_exported_twice_are_read_once(tmp_path: Path, table: str, parquet: bool) -> None:
    town = faulty_town()
    town.session("phone", "ben")
    town.report("question", "policy_question", "eve")
    rows = getattr(town, table)
    count = len(rows)
    rows += [dict(row) for row in rows]
    folder = exported(tmp_path / "export", town)
    if parquet:
        as_parquet(folder, table)
    with open_source(str(folder), SourceMapping()) as source:
        assert len(source.rows(select(source.tables[table].c.id), "test")) == count
    assert [(notice.table, notice.said.partition(" of ")[0]) for notice in source.notices] == [
        (table, f"{count} row{'' if count == 1 else 's'}")
    ]
    assert found_in(folder) == THE_FAULT


@pytest.mark.parametrize("parquet", [False, True])
def test_of_rows_with_one_id_the_last_is_read(tmp_path: Path, parquet: bool) -> None:
    town = faulty_town()
    town.household_members.append(town.row("oak", "ben") | {"status": "removed"})
    # Of households the time of the last change says which it is.
    town.households.insert(0, dict(town.home("elm")))
    town.home("elm")["leader_id"] = uid("dora")
    town.households.append(town.home("elm") | {"leader_id": None, "updated_at": "2020-01-01T00:00Z"})
    folder = exported(tmp_path / "export", town)
    if parquet:
        as_parquet(folder, "household_members")
        as_parquet(folder, "households")
    result, found = looked_at(folder)
    assert found == []
    noticed = {notice.table: notice for notice in result.notices if notice.columns}
    assert noticed["household_members"].columns == {"household_members.status"}
    assert noticed["households"].columns == {"households.leader_id", "households.updated_at"}
    assert uid("elm") in noticed["households"].said


@pytest.mark.parametrize("parquet", [False, True])
def test_acts_that_share_an_id_are_all_read_and_one_act_once(tmp_path: Path, parquet: bool) -> None:
    town = faulty_town()
    removal = town.household_events[1]
    # The second act of this id would hide the first; the first was exported again with other metadata.
    town.household_events += [removal | {"user_id": uid("dora"), "household_id": uid("elm"), "metadata": {}}]
    town.household_events.insert(0, removal | {"metadata": {}})
    folder = exported(tmp_path / "export", town)
    if parquet:
        as_parquet(folder, "household_events")
    with open_source(str(folder), SourceMapping()) as source:
        assert len(source.rows(select(source.tables["household_events"].c.id), "test")) == 4
    result, found = looked_at(folder)
    assert found == THE_FAULT
    assert [(notice.said.partition(":")[0], set(notice.columns)) for notice in result.notices] == [
        ("1 id of household_events stands for several acts", set()),
        ("1 id of household_events in several rows that differ in metadata", {"household_events.metadata"}),
    ]


def test_without_ids_two_equal_rows_are_two_rows(tmp_path: Path) -> None:
    town = faulty_town()
    town.household_members.append(dict(town.row("oak", "ben")))
    folder = exported(tmp_path / "export", town)
    as_parquet(folder, "household_members", target="all.parquet")
    duckdb.sql(
        f"COPY (SELECT * EXCLUDE (id) FROM '{folder}/all.parquet') TO '{folder}/household_members.parquet' (FORMAT parquet)"
    )
    with open_source(str(folder), SourceMapping()) as source:
        assert len(source.rows(select(source.tables["household_members"].c.user_id), "test")) == 5
    assert source.notices == []
