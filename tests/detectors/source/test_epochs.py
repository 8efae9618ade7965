"""Times that are numbers, and flags that are texts, are read where their values say what they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from sqlalchemy import select

from detectors.source import SourceError, SourceMapping, open_source
from detectors.source.epochs import UNITS, unit_of
from tests.support.towns import Scanner, Town

AT = datetime(2026, 1, 5, 10, 0, 0, 123456, tzinfo=UTC)
WHOLE = {"second": 10**6, "millisecond": 10**3, "microsecond": 1, "nanosecond": 1}
"""Of so many microseconds each unit holds whole ones."""


def town() -> Town:
    town = Town()
    for place, home in enumerate("abc"):
        town.family(home, f"{home} one", at=AT + timedelta(hours=place))
    return town


def born(where: str) -> list[datetime]:
    with open_source(where, SourceMapping()) as source:
        rows = source.rows(select(source.tables["households"].c.created_at.label("at")), "words")
    return sorted(row["at"] for row in rows)


def expected(unit: str) -> list[datetime]:
    cut = AT.microsecond // WHOLE[unit] * WHOLE[unit]
    return [AT.replace(microsecond=cut) + timedelta(hours=place) for place in range(3)]


def counted(at: datetime, unit: str) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * UNITS[unit] // 10**6


def folder_with(on_duckdb: Scanner, numbers: list[Any], *, parquet: bool = False) -> str:
    where = Path(on_duckdb.open_town(town().tables()))
    file = where / "households.csv"
    head, *rows = file.read_text().splitlines()
    place = head.split(",").index("created_at")
    cells = [row.split(",") for row in rows]
    for row, number in zip(cells, numbers, strict=True):
        row[place] = str(number)
    file.write_text("\n".join([head, *(",".join(row) for row in cells)]) + "\n")
    if parquet:
        duckdb.sql(
            f"SELECT * REPLACE (CAST(created_at AS BIGINT) AS created_at) FROM read_csv('{file}', all_varchar = true)"
        ).write_parquet(str(where / "households.parquet"))
        file.unlink()
    return str(where)


@pytest.mark.parametrize("parquet", [False, True], ids=["text", "parquet"])
@pytest.mark.parametrize("unit", UNITS)
def test_files_may_count_times(on_duckdb: Scanner, unit: str, parquet: bool) -> None:
    numbers = [counted(AT + timedelta(hours=place), unit) for place in range(3)]
    assert born(folder_with(on_duckdb, numbers, parquet=parquet)) == expected(unit)


@pytest.mark.parametrize("unit", UNITS)
def test_a_server_may_count_times(on_postgres: Scanner, unit: str) -> None:
    where = on_postgres.open_town(town().tables())
    with psycopg.connect(where, autocommit=True) as server:
        server.execute("ALTER TABLE households ALTER created_at DROP DEFAULT")
        numbers = f"floor(extract(epoch FROM created_at) * {UNITS[unit]})::bigint"
        server.execute(f"ALTER TABLE households ALTER created_at TYPE bigint USING {numbers}".encode())
    assert born(where) == expected(unit)


@pytest.mark.parametrize("parquet", [False, True], ids=["text", "parquet"])
def test_numbers_of_several_units_are_refused(on_duckdb: Scanner, parquet: bool) -> None:
    numbers = [counted(AT, "second"), counted(AT, "second"), counted(AT, "millisecond")]
    with pytest.raises(SourceError, match="created_at"):
        born(folder_with(on_duckdb, numbers, parquet=parquet))


def test_a_server_with_several_units_is_refused(on_postgres: Scanner) -> None:
    where = on_postgres.open_town(town().tables())
    with psycopg.connect(where, autocommit=True) as server:
        server.execute("ALTER TABLE households ALTER created_at DROP DEFAULT")
        server.execute("ALTER TABLE households ALTER created_at TYPE bigint USING extract(hour FROM created_at)")
    with pytest.raises(SourceError, match=r"created_at is of type bigint.*no times of one unit"):
        born(where)


def test_units_never_overlap() -> None:
    assert (unit_of(None, None), unit_of(946_684_800, 4_102_444_799)) == ("second", "second")
    assert [unit_of(*2 * (edge,)) for edge in (946_684_799, 4_102_444_800, 20_260_203_101_112, -1)] == [None] * 4


FLAGS = [("t", "f"), ("Yes", "no"), ("on", "OFF"), ("1", "0"), ("true", "")]


@pytest.mark.parametrize(("yes", "no"), FLAGS)
def test_a_folder_has_flags_in_words(on_duckdb: Scanner, yes: str, no: str) -> None:
    tables = town().tables()
    for place, row in enumerate(tables["household_members"]):
        row["is_temporary"] = yes if place else no
    assert temporary(on_duckdb.open_town(tables)) == 2


@pytest.mark.parametrize(("yes", "no"), FLAGS)
def test_a_server_has_flags_in_words(on_postgres: Scanner, yes: str, no: str) -> None:
    where = flagged(on_postgres, yes, no)
    assert temporary(where) == 1


def test_words_of_other_languages_are_not_guessed(on_postgres: Scanner) -> None:
    with open_source(flagged(on_postgres, "WAHR", "FALSCH"), SourceMapping()) as source:
        assert "is of type text, but boolean is needed" in source.schema.unusable["household_members.is_temporary"]


def flagged(on_postgres: Scanner, yes: str, no: str) -> str:
    where = on_postgres.open_town(town().tables())
    with psycopg.connect(where, autocommit=True) as server:
        server.execute("ALTER TABLE household_members ALTER is_temporary DROP DEFAULT")
        server.execute("ALTER TABLE household_members ALTER is_temporary TYPE text USING 'f'")
        server.execute("UPDATE household_members SET is_temporary = %s", (no,))
        one = "UPDATE household_members SET is_temporary = %s WHERE id = (SELECT id FROM household_members LIMIT 1)"
        server.execute(one, (yes,))
    return where


def temporary(where: str) -> int:
    with open_source(where, SourceMapping()) as source:
        members = source.tables["household_members"].c
        return len(source.rows(select(members.user_id).where(members.is_temporary), "words"))
