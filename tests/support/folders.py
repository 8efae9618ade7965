"""One healthy town with one fault, and the ways in which exporters write its tables into a folder."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from detectors.contract import Context
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.registry import BY_ID
from detectors.source import SourceMapping, open_source
from tests.support.towns import AS_OF, YESTERDAY, Town, uid, write_csv

RULES = [
    BY_ID[name]
    for name in (
        "removal-not-applied",
        "no-leader",
        "multiple-leaders",
        "orphaned-household",
        "member-without-approval",
    )
]
THE_FAULT = [("removal-not-applied", {"household_id": uid("oak"), "user_id": uid("ben")})]
"""What a scan of the town finds, if every table was read as it is."""


def faulty_town() -> Town:
    """Two families; the trail says that ben was removed, and his row is still active."""
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "eve")
    for name in ("anna", "ben", "dora", "eve"):
        town.account(name)
    town.event("pet_activity_logged", "elm", "dora", correlation_id="c0")
    town.event("household_member_removed", "oak", "anna", correlation_id="c1", member_id="ben")
    town.event("pet_activity_logged", "elm", "eve", correlation_id="c2")
    return town


def exported(folder: Path, town: Town | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return write_csv(folder, (town or faulty_town()).tables())


def looked_at(
    folder: Path, mapping: SourceMapping | None = None
) -> tuple[ScanResult, list[tuple[str, dict[str, str]]]]:
    """A scan of a folder by a few rules of state and trail, with what was found."""
    with open_source(str(folder), mapping or SourceMapping()) as source:
        result = scan(source, RULES, Context(as_of=AS_OF, window=YESTERDAY))
    return result, [(each.detector, {str(k): v for k, v in each.subject.items()}) for each in result.findings]


def found_in(folder: Path, mapping: SourceMapping | None = None) -> list[tuple[str, dict[str, str]]]:
    """What such a scan finds, when every rule could look."""
    result, found = looked_at(folder, mapping)
    assert {entry.status for entry in result.coverage} == {"ran"}, result.coverage
    return found


def rewritten(path: Path, change: Callable[[list[list[str]]], list[list[str]]], separator: str = ",") -> None:
    """A CSV file with its rows, header first, changed."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = change(list(csv.reader(file)))
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator).writerows(rows)


def mapped(path: Path, column: str, change: Callable[[str], str]) -> None:
    """A CSV file with the values of a column changed."""

    def each(rows: list[list[str]]) -> list[list[str]]:
        place = rows[0].index(column)
        return [rows[0], *([*row[:place], change(row[place]), *row[place + 1 :]] for row in rows[1:])]

    rewritten(path, each)


def as_parquet(folder: Path, table: str, replaced: str = "", *, options: str = "", target: str = "") -> None:
    """The CSV file of a table as Parquet; `replaced` is DuckDB's text for columns with other types or values."""
    path = folder / f"{table}.csv"
    clause = f"REPLACE ({replaced})" if replaced else ""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (SELECT * {clause} FROM read_csv('{path}', header = true, all_varchar = true)) "
            f"TO '{folder / (target or f'{table}.parquet')}' (FORMAT parquet{options})"
        )
    path.unlink()


def in_parts(folder: Path, table: str, suffix: str = ".csv") -> list[Path]:
    """The CSV file of a table as a folder of files of one row each."""
    path, below = folder / f"{table}.csv", folder / table
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    below.mkdir()
    path.unlink()
    parts = []
    for place, row in enumerate(rows):
        part = below / f"part-{place:05}{suffix}"
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, row])
        parts.append(part)
    return parts


def packed(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


def reversed_columns(rows: list[list[str]]) -> list[list[str]]:
    return [row[::-1] for row in rows]


def with_index(rows: Sequence[list[str]], columns: int = 1) -> list[list[str]]:
    """The rows with nameless columns of numbers before them, as pandas and R write them."""
    return [[""] * columns + rows[0], *([str(place)] * columns + row for place, row in enumerate(rows[1:]))]
