"""What a scan of a folder puts down, and what others do to the folder meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock
from sqlalchemy import func, select, text

from detectors.source import QueryError, SourceError, SourceMapping, open_source
from detectors.source.folder import FolderSource, _least
from detectors.source.folder_spill import PREFIX
from detectors.source.folder_tables import TableReader
from tests.support.folders import as_parquet, exported, faulty_town, in_parts

LONG_DEAD = 1_700_000_000


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_what_is_spilled_is_nobody_elses_and_ends_with_the_scan(tmp_path: Path, temporary: Path) -> None:
    folder = exported(tmp_path / "export")
    before = os.umask(0)
    try:
        with open_source(str(folder), SourceMapping()):
            (private,) = temporary.iterdir()
            assert private.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert list(temporary.iterdir()) == []
    (folder / "households.csv").write_text("id\n")
    with pytest.raises(SourceError):
        open_source(str(folder), SourceMapping())
    assert list(temporary.iterdir()) == []


def test_what_a_killed_scan_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path, temporary: Path) -> None:
    folder = exported(tmp_path / "export")
    left, used, new = (temporary / f"{PREFIX}{name}" for name in ("left", "used", "new"))
    for each in (left, used, new):
        each.mkdir()
        (each / "duckdb_temp_storage_DEFAULT-0.tmp").write_text("203.0.113.7")
    (temporary / f"{PREFIX}link").symlink_to(folder, target_is_directory=True)
    with FileLock(used / "in-use"):
        for each in (left, used):
            os.utime(each, (LONG_DEAD, LONG_DEAD))
        open_source(str(folder), SourceMapping()).close()
        assert sorted(path.name for path in temporary.iterdir()) == [
            f"{PREFIX}{name}" for name in ("link", "new", "used")
        ]
    assert (folder / "households.csv").exists()


SPILLING = """
import sys
from pathlib import Path
from sqlalchemy import text
from detectors.source import SourceMapping, open_source
with open_source(sys.argv[1], SourceMapping()) as source:
    source._modest = "30 MB"
    source._raw.execute("SET threads = 1")
    print("open", flush=True)
    sys.stdin.readline()
    spilled = 0
    for _ in range(3):
        rows = source.rows(text("SELECT user_id, count(*) AS n, max(event_timestamp) AS last FROM household_events GROUP BY ALL"
                                " ORDER BY last, user_id"), "test")
        assert sum(row["n"] for row in rows) == 200_000 and len(rows) == 200_000, len(rows)
        spilled += sum(path.stat().st_size for path in source._private.path.rglob("*"))
    print("spilled", spilled)
"""


def test_two_scans_that_spill_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    folder = exported(tmp_path / "export")
    (folder / "household_events.csv").unlink()
    duckdb.sql(
        "COPY (SELECT i AS id, 'pet_activity_logged' AS event_type, md5((i % 9)::VARCHAR)::UUID AS household_id, "
        "md5(i::VARCHAR)::UUID AS user_id, TIMESTAMPTZ '2026-02-01 00:00:00+00' + to_seconds(i % 77777) AS event_timestamp "
        f"FROM range(200_000) t(i)) TO '{folder}/household_events.parquet' (FORMAT parquet)"
    )
    (tmp_path / "tmp").mkdir()
    scans = [
        subprocess.Popen(
            [sys.executable, "-c", SPILLING, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        )
        for _ in range(2)
    ]
    for one in scans:
        assert one.stdout is not None
        assert one.stdout.readline() == "open\n", one.communicate()
    for one in scans:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in scans:
        said, erred = one.communicate(timeout=120)
        assert one.returncode == 0, erred
        assert int(said.split()[1]) > 0, "nothing was spilled, so nothing was tried"
    assert list((tmp_path / "tmp").iterdir()) == []


def _grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _replaced(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    copy.replace(path)


CHANGES: dict[str, Callable[[Path], object]] = {"grown": _grown, "replaced": _replaced, "gone": Path.unlink}


@pytest.mark.parametrize("change", CHANGES)
def test_parquet_that_changes_between_two_statements_ends_the_scan(tmp_path: Path, change: str) -> None:
    folder = exported(tmp_path / "export")
    times = ("created_at", "updated_at", "invite_code_expires_at")
    as_parquet(folder, "households", ", ".join(f"CAST({time} AS TIMESTAMPTZ) AS {time}" for time in times))
    with open_source(str(folder), SourceMapping()) as source:
        count = select(func.count()).select_from(source.tables["households"])
        source.rows(count, "test")
        CHANGES[change](folder / "households.parquet")
        with pytest.raises(SourceError, match=r"households\.parquet changed while it was read") as caught:
            source.rows(count, "test")
    assert not isinstance(caught.value, QueryError)


@pytest.mark.parametrize("change", [*CHANGES, "another part"])
def test_text_that_changes_while_it_is_loaded_ends_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    folder = exported(tmp_path / "export", faulty_town())
    parts = in_parts(folder, "household_events")
    load = TableReader.load

    def meanwhile(self: TableReader, delivery: object) -> object:
        loaded = load(self, delivery)  # type: ignore[arg-type]  # what it was given is passed on
        if loaded.table.name == "household_events":
            if change == "another part":
                (parts[0].parent / "part-00099.csv").write_bytes(parts[0].read_bytes())
            else:
                CHANGES[change](parts[-1])
        return loaded

    monkeypatch.setattr(TableReader, "load", meanwhile)
    with pytest.raises(SourceError, match=r"part-000\d\d\.csv changed while it was read"):
        open_source(str(folder), SourceMapping())


def test_too_little_memory_is_no_fault_of_a_file(tmp_path: Path) -> None:
    with open_source(str(exported(tmp_path / "export")), SourceMapping()) as source:
        assert isinstance(source, FolderSource)
        source._modest = source._memory = "10 MB"
        source._raw.execute("SET max_temp_directory_size = '0MB'")
        many = "SELECT list(md5(i::VARCHAR)) FROM range(1_000_000) t(i)"
        with pytest.raises(QueryError, match=r"^DuckDB ran out of memory.*: give the scan more memory, or set TMPDIR"):
            source.rows(text(many), "test")
        with pytest.raises(SourceError, match=r"^DuckDB ran out of memory"):
            source._execute(f"CREATE TABLE many AS {many}")


def test_what_needs_more_than_modest_memory_gets_it(tmp_path: Path) -> None:
    with open_source(str(exported(tmp_path / "export")), SourceMapping()) as source:
        assert isinstance(source, FolderSource)
        source._modest = "10 MB"
        source._raw.execute("SET max_temp_directory_size = '0MB'")
        (row,) = source.rows(text("SELECT len(list(md5(i::VARCHAR))) AS n FROM range(1_000_000) t(i)"), "test")
        assert row["n"] == 1_000_000


def test_where_the_tables_alone_are_more_than_modest_and_nothing_can_be_spilled_all_memory_does(tmp_path: Path) -> None:
    with open_source(str(exported(tmp_path / "export")), SourceMapping()) as source:
        assert isinstance(source, FolderSource)
        source._modest = "10 MB"
        source._raw.execute("SET max_temp_directory_size = '0MB'")
        source._execute("CREATE TABLE many AS SELECT md5(i::VARCHAR) FROM range(1_000_000) t(i)")
        (row,) = source.rows(text("SELECT count(*) AS n FROM many"), "test")
        assert row["n"] == 1_000_000


@pytest.mark.parametrize(
    ("one", "other", "least"),
    [("250 MB", "18.6 GiB", "250 MB"), ("250 MB", "95.3 MiB", "95.3 MiB"), ("5000 MB", "1.0 GiB", "1.0 GiB")],
)
def test_the_smaller_of_two_sizes(one: str, other: str, least: str) -> None:
    assert _least(one, other) == least
