"""What makes the suite quick leaves nothing out: kept tables hold what a folder does, and each case meets an engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from detectors.contract import Context
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.registry import DETECTORS
from detectors.source import Source, SourceMapping, open_source
from tests.support.kept import KeptDatabase, KeptFolder
from tests.support.selection import ENGINES, RULES, WHOLE_RUN, one_engine_each
from tests.support.towns import AS_OF, NOON, YESTERDAY, Scanner, Town, with_later_life


def faulty() -> Town:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.family("elm", "dora", "emil")
    town.home("oak").update(leader_id=None, description="Casino chips, book now")
    town.row("elm", "emil")["role"] = "leader"
    town.account("ben", account_tier="premium", monthly_revenue=12.5)
    town.event("household_member_removed", "elm", "dora", at=NOON, member_id="emil")
    town.report("r", "threat", "ben", household_id="oak", subject_user_id="anna", body="He said, that")
    return with_later_life(town)


def told(source: Source) -> ScanResult:
    with source:
        return scan(source, DETECTORS, Context(as_of=AS_OF, window=YESTERDAY))


def test_kept_tables_hold_what_a_folder_does(kept_folder: KeptFolder, on_duckdb: Scanner) -> None:
    town = faulty()
    anew = told(open_source(on_duckdb.open_town(town.tables()), SourceMapping()))
    assert len(anew.findings) >= 4
    for tables in (town.tables(), Town().tables(), town.tables()):
        held = kept_folder.holding(tables)
        assert held is not None
        found = told(held)
    assert found == anew


def test_kept_tables_of_postgres_hold_what_new_ones_do(kept_database: KeptDatabase, on_postgres: Scanner) -> None:
    town = faulty()
    anew = told(open_source(on_postgres.open_town(town.tables()), SourceMapping()))
    for tables in (town.tables(), Town().tables(), town.tables()):
        found = told(kept_database.holding(tables))
    assert found.findings == anew.findings
    assert found.coverage == anew.coverage
    town.household_events[-1]["metadata"]["error_code"] = 57014
    assert len(told(kept_database.holding(town.tables())).findings) >= 4
    # As where somebody ends all connections of the server.
    kept_database._connection.close()
    town.row("elm", "emil")["role"] = "member"
    again = told(kept_database.holding(town.tables()))
    assert "multiple-leaders" not in {finding.detector for finding in again.findings}


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("households", "id", "{DD8DC23F-D34E-596D-B38B-EB8463FB4B15}"),
        ("households", "name", "NULL"),
        ("household_members", "user_id", " "),
        ("households", "description", "a\nb"),
        ("households", "created_at", "yesterday"),
        ("household_members", "is_temporary", "yes"),
        ("household_members", "role", "x" * 1_001),
        ("household_events", "metadata", "{broken"),
        ("users", "monthly_revenue", float("nan")),
    ],
)
def test_what_a_file_might_not_give_back_is_read_from_one(
    kept_folder: KeptFolder, table: str, column: str, value: object
) -> None:
    tables = faulty().tables()
    tables[table][0] = {**tables[table][0], column: value}
    assert kept_folder.holding(tables) is None


def test_a_file_tells_which_of_two_rows_of_one_id_counts(kept_folder: KeptFolder) -> None:
    tables = faulty().tables()
    tables["users"].append(dict(tables["users"][0]))
    assert kept_folder.holding(tables) is None


@dataclass(frozen=True, eq=False)
class Item:
    """As much of a test as the selection looks at."""

    path: Path
    name: str
    lists: tuple[list[str], ...]
    marks: tuple[str, ...]

    def iter_markers(self, _: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(args=("name", one)) for one in self.lists]

    def get_closest_marker(self, name: str) -> bool:
        return name in self.marks


class Left:
    """The hook that a run's configuration has, and what it was told."""

    def __init__(self, *, fast: bool = False) -> None:
        self.hook, self._fast = self, fast

    def getoption(self, _: str) -> bool:
        return self._fast

    def pytest_deselected(self, items: list[Any]) -> None:
        """Told of what is left out."""


def variants(path: Path, function: str, *lists: list[str], marks: tuple[str, ...] = ()) -> Iterator[Any]:
    cases = [""]
    for one in lists:
        cases = [f"{case}-{entry}" for case in cases for entry in one]
    for engine in ENGINES:
        for case in cases:
            yield Item(path, f"{function}[{engine}{case}]", lists, marks)


def test_each_case_meets_an_engine_and_each_entry_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.selection.PROFILE", "ci")
    file = RULES / "integrity" / "test_x.py"
    many = [str(number) for number in range(WHOLE_RUN)]
    items = [
        *variants(file, "test_alone"),
        *variants(file, "test_three", ["a", "b", "c"]),
        *variants(file, "test_both", ["a", "b"], ["u", "v"]),
        *variants(file, "test_turns", ["a", "b", "c"], marks=("in_turn",)),
        *variants(file, "test_texts", ["a", "b"], marks=("each_engine",)),
        *variants(file.parents[3] / "test_elsewhere.py", "test_other", many),
    ]
    one_engine_each(Left(), items)  # type: ignore[arg-type]  # a stand-in
    kept = [item.name for item in items if item.path == file]
    assert kept[:2] == ["test_alone[duckdb]", "test_alone[postgresql]"]
    assert kept[2:5] == ["test_three[duckdb-a]", "test_three[duckdb-c]", "test_three[postgresql-b]"]
    both = {name for name in kept if "test_both" in name}
    assert len(both) == 4
    for engine in ENGINES:
        for entry in "abuv":
            assert any(engine in name and entry in name.partition("-")[2] for name in both)
    assert sum("test_texts" in name for name in kept) == 4
    turns = [name for name in kept if "test_turns" in name]
    assert len(turns) == 3
    assert {name.rstrip("]")[-1] for name in turns} == set("abc")
    assert sum(item.path != file for item in items) == 2 * WHOLE_RUN


def test_a_part_of_the_suite_keeps_all_pairs() -> None:
    items = [*variants(RULES / "test_x.py", "test_three", ["a", "b", "c"])]
    one_engine_each(Left(), items)  # type: ignore[arg-type]  # a stand-in
    assert len(items) == 6
