"""A folder of exports as a source: CSV or Parquet, and a clear line for each thing that can be broken."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import text

from detectors.contract import Context
from detectors.engine.runner import scan
from detectors.registry import DETECTORS
from detectors.source import SlowError, SourceError, SourceMapping, open_source
from detectors.source.folder import WORTHWHILE, FolderSource
from detectors.source.folder_text import LONGEST_LINE
from detectors.source.mapping import TableMapping
from tests.support.towns import AS_OF, YESTERDAY, Town, uid, write_csv

CONTEXT = Context(as_of=AS_OF, window=YESTERDAY)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.home("oak")["leader_id"] = None
    town.home("oak")["description"] = 'says "hi",\nin two lines'
    town.event("household_left", "oak", "zoe", was_leader=False)
    return town


def _subjects(folder: Path, mapping: SourceMapping | None = None) -> list[dict[str, str]]:
    with open_source(str(folder), mapping or SourceMapping()) as source:
        return [
            {str(k): v for k, v in finding.subject.items()} for finding in scan(source, DETECTORS, CONTEXT).findings
        ]


def test_csv_with_quotes_and_line_breaks(tmp_path: Path, town: Town) -> None:
    assert _subjects(write_csv(tmp_path, town.tables())) == [{"household_id": uid("oak")}]


def test_parquet_as_files_and_as_folders_of_files(tmp_path: Path, town: Town) -> None:
    write_csv(tmp_path, town.tables())
    for path in list(tmp_path.glob("*.csv")):
        target = tmp_path / f"{path.stem}.parquet"
        if path.stem == "household_members":
            target = tmp_path / path.stem / "part-1.parquet"
            target.parent.mkdir()
        duckdb.sql(f"COPY (SELECT * FROM read_csv('{path}', header = true)) TO '{target}' (FORMAT parquet)")
        path.unlink()
    assert _subjects(tmp_path) == [{"household_id": uid("oak")}]


def test_optional_tables_may_lack(tmp_path: Path, town: Town) -> None:
    write_csv(tmp_path, town.tables(), leave_out=["users", "sessions", "support_requests", "household_events"])
    with open_source(str(tmp_path), SourceMapping()) as source:
        result = scan(source, DETECTORS, CONTEXT)
    endings = {entry.detector: entry for entry in result.coverage}
    assert (endings["mass-removal"].status, endings["mass-removal"].reason) == (
        "not_applicable",
        "needs household_events",
    )
    assert endings["no-leader"].findings == 1


def test_files_and_columns_can_be_renamed(tmp_path: Path, town: Town) -> None:
    write_csv(tmp_path, town.tables())
    (tmp_path / "households.csv").rename(tmp_path / "homes.csv")
    text = (tmp_path / "homes.csv").read_text()
    (tmp_path / "homes.csv").write_text(text.replace("leader_id", "Owner Id", 1))
    mapping = SourceMapping(tables={"households": TableMapping(name="homes", columns={"leader_id": "Owner Id"})})
    assert _subjects(tmp_path, mapping) == [{"household_id": uid("oak")}]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("households", "leader_id", "boss", "has no column leader_id"),
        ("households", "2025-06-01T12:00:00+00:00", "last summer", r"record 1, column \"created_at\": .* not a time"),
        ("household_members", ",removed,\n", ",\n", "is not valid CSV"),
    ],
)
def test_broken_files_are_named_with_the_place(
    tmp_path: Path, town: Town, name: str, old: str, new: str, message: str
) -> None:
    write_csv(tmp_path, town.tables())
    path = tmp_path / f"{name}.csv"
    if "valid CSV" in message:
        path.write_text(path.read_text() + "only,three,cells\n")
    else:
        path.write_text(path.read_text().replace(old, new, 1 if old == "leader_id" else -1))
    with pytest.raises(SourceError, match=message) as caught:
        open_source(str(tmp_path), SourceMapping())
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    assert "last summer" not in str(caught.value)


def test_a_long_line_is_read_and_one_that_never_ends_is_named(tmp_path: Path, town: Town) -> None:
    town.home("oak")["leader_id"] = None
    town.home("oak")["description"] = "x" * 3_000_000
    write_csv(tmp_path, town.tables())
    assert _subjects(tmp_path, SourceMapping()) == [{"household_id": uid("oak")}]
    town.home("oak")["description"] = "x" * (LONGEST_LINE + 1)
    write_csv(tmp_path, town.tables())
    with pytest.raises(SourceError, match="a line is longer than 16 MB"):
        open_source(str(tmp_path), SourceMapping())


def test_what_is_no_folder_no_parquet_or_no_text_is_said(tmp_path: Path, town: Town) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        open_source(str(tmp_path / "nowhere"), SourceMapping())
    with pytest.raises(SourceError, match=r"has no households\.csv or \.parquet"):
        open_source(str(tmp_path), SourceMapping())
    write_csv(tmp_path, town.tables())
    (tmp_path / "households.csv").unlink()
    (tmp_path / "households.parquet").write_bytes(b"not parquet")
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        open_source(str(tmp_path), SourceMapping())


def test_a_whole_scan_of_files_has_a_limit(tmp_path: Path, town: Town) -> None:
    with open_source(str(write_csv(tmp_path, town.tables())), SourceMapping(scan_seconds=2)) as source:
        began = time.monotonic()
        with pytest.raises(SlowError, match=r"limit of 2 s: raise \[source\] scan_seconds"):
            source.rows(
                text("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7"), "slow"
            )
        assert time.monotonic() - began < 15
        # What follows fails at once, for the same reason.
        with pytest.raises(SlowError, match="limit of 2 s"):
            source.rows(text("SELECT 1"), "after")


def test_a_tiny_folder_is_planned_plainly_and_a_larger_one_with_care(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(write_csv(tmp_path, Town().tables()))

    def left_out() -> set[str]:
        with FolderSource(Path(folder), SourceMapping()) as source:
            return {
                name for (name,) in source._execute("SELECT unnest(current_setting('disabled_optimizers').split(','))")
            }

    assert "statistics_propagation" in left_out()
    assert left_out().isdisjoint(WORTHWHILE)
    monkeypatch.setattr("detectors.source.folder.TINY", 0)
    assert left_out() <= {""}
