"""What is said of inputs that are not in order: what is wrong, where, and what to do, in the same way by each command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.field import NIGHT_1, NIGHT_2, base, call, changed, folder_of, home
from tests.support.towns import Tables

UNREADABLE = "household_events hold in metadata what is not a JSON object of up to 1 MB: read as missing"


def unreadable(tables: Tables, rows: int) -> Tables:
    """The tables with a metadata in the first `rows` audit rows that is no object."""
    damaged = [row | {"metadata": "no object"} for row in tables["household_events"][:rows]]
    return tables | {"household_events": damaged + tables["household_events"][rows:]}


def test_metadata_that_is_no_object_is_a_note_for_both_commands(tmp_path: Path) -> None:
    many = base()
    for number in range(20):
        many["household_events"].append(many["household_events"][-1] | {"id": 100 + number})
    source = folder_of(tmp_path / "town", unreadable(many, 2))
    scan = call("scan", "--source", source, "--as-of", NIGHT_1)
    doctor = call("doctor", "--source", source, "--as-of", NIGHT_1)
    assert (scan.exit_code, doctor.exit_code) == (0, 0)
    said = f"2 rows of {UNREADABLE} (households {home('a')}, {home('b')})"
    assert f"note: {said}; export the column as a JSON object of up to 1 MB\n" in scan.stderr
    assert f"{said}  -> export the column as a JSON object" in doctor.stdout


def test_of_many_households_three_are_named_and_that_there_are_others(tmp_path: Path) -> None:
    tables = base()
    last = tables["household_events"][-1]
    for number in range(20):
        broken = {"metadata": "no object"} if number < 5 else {}
        tables["household_events"].append(
            last | {"id": 100 + number, "household_id": home("cdef9"[number % 5])} | broken
        )
    talk = call("scan", "--source", folder_of(tmp_path / "town", tables), "--as-of", NIGHT_1).stderr
    assert f"5 rows of {UNREADABLE} (households {home('9')}, {home('c')}, {home('d')} and others)" in talk


def test_a_row_that_is_read_once_is_named(tmp_path: Path) -> None:
    tables = base()
    tables["households"].append(tables["households"][0])
    talk = call("scan", "--source", folder_of(tmp_path / "town", tables), "--as-of", NIGHT_1).stderr
    assert f"1 row of households repeats another row, id and all: read once ({home('a')})" in talk


def test_a_first_scan_says_which_tables_are_not_there(tmp_path: Path) -> None:
    tables = base()
    del tables["household_events"], tables["support_requests"]
    scan = call("scan", "--source", folder_of(tmp_path / "town", tables), "--as-of", NIGHT_1)
    assert scan.exit_code == 0
    said = r"note: without household_events \d\d, without support_requests \d of \d\d detectors cannot look"
    assert re.search(said, scan.stderr)


def test_a_table_that_is_gone_is_accepted_once(tmp_path: Path) -> None:
    there, ledger = ["--ledger", f"sqlite:///{tmp_path}/ledger.db"], ["--queue", f"folder:{tmp_path}/queue"]
    whole, part = tmp_path / "whole", tmp_path / "part"
    without = base()
    del without["household_events"]
    assert call("run", "--source", folder_of(whole, base()), "--as-of", NIGHT_1, *there, *ledger).exit_code == 0
    source = folder_of(part, without)
    refused = call("run", "--source", source, "--as-of", NIGHT_2, *there, *ledger)
    assert refused.exit_code == 4
    assert "or, if the table is really gone, take that once with `hearthwatch run --accept-volume`" in refused.stderr
    assert call("run", "--source", source, "--as-of", NIGHT_2, *there, *ledger, "--accept-volume").exit_code == 0
    assert call("run", "--source", source, "--as-of", NIGHT_2, *there, *ledger).exit_code == 0


def test_an_empty_table_is_one_problem_and_spoken_of_as_what_it_is(tmp_path: Path) -> None:
    # A table without rows has a header all the same.
    source = folder_of(tmp_path / "town", base())
    path = next(Path(source.removeprefix("folder:")).glob("household_members.*"))
    path.write_text(path.read_text().splitlines()[0] + "\n")
    doctor = call("doctor", "--source", source, "--as-of", NIGHT_1)
    assert doctor.exit_code == 3
    assert doctor.stdout.count("problem ") == 1
    assert not any(word in doctor.stdout for word in ("role", "schema", "GRANT"))


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("aktiv", '"aktiv" = "active"'),
        ("inactive", '"inactive" = "…"'),
        ("zzz", '"zzz" = "…"'),
        ('say "x"', '"say \\"x\\"" = "…"'),
    ],
)
def test_a_word_that_nobody_knows_comes_with_its_line_of_the_policy(tmp_path: Path, word: str, line: str) -> None:
    def other(table: str, row: dict[str, object]) -> dict[str, object]:
        return row | {"status": word} if table == "household_members" else row

    scan = call("scan", "--source", folder_of(tmp_path / "town", changed(base(), other)), "--as-of", NIGHT_1)
    assert scan.exit_code == 3
    assert f"[source.words.household_members.status] {line}" in scan.stderr


@pytest.mark.parametrize("command", ["scan", "report"])
def test_an_empty_period_is_said_with_both_its_ends(tmp_path: Path, command: str) -> None:
    source = ["--source", folder_of(tmp_path / "town", base())] if command == "scan" else []
    told = call(command, *source, "--as-of", NIGHT_1, "--since", "2026-02-05")
    assert told.exit_code == 2
    assert "it starts at 2026-02-05 00:00:00 UTC and ends at 2026-02-03 03:00:00 UTC" in told.stderr
    assert "give an earlier --since or a later --until" in told.stderr


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("limits.creation_per_day", "did you mean limits.creations_per_day? "),
        ("limit.creations_per_day", "did you mean limits? "),
        ("nonsense", ""),
    ],
)
def test_an_unknown_key_of_the_policy_comes_with_the_one_that_is_like_it(tmp_path: Path, key: str, hint: str) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f"{key} = 3\n")
    told = call("policy", "check", "--policy", str(policy))
    assert told.exit_code == 2
    assert f": unknown key; {hint}remove it, or see" in told.stderr
