"""Whatever others put into the queue's folder between two nights: the next run names it and does the rest."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.towns import Town, write_csv

FIRST, SECOND = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z"


def leaderless(*names: str) -> Town:
    town = Town()
    town.family("sound", "sound anna", "sound ben")
    for name in names:
        town.family(name, f"{name} anna", f"{name} ben")
        town.home(name)["leader_id"] = None
    return town


def run(folder: Path, town: Town, as_of: str) -> Result:
    folder.mkdir(exist_ok=True)
    source = str(write_csv(folder, town.tables()))
    return CliRunner().invoke(main, ["run", "--source", source, "--as-of", as_of])


def changed(**values: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def written(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


SPOILT = [
    changed(first_reply_at="9999-12-31T23:59:59-12:00"),
    changed(version=2),
    written(b"7"),
    written(b"[" * 200_000),
    written(b"\xff\xff"),
    piped,
    linked,
]


def test_odd_files_are_named_and_the_rest_goes_on(elsewhere: Path, tmp_path: Path) -> None:
    homes = [f"home {number}" for number in range(len(SPOILT) + 2)]
    assert run(tmp_path / "town", leaderless(*homes), FIRST).exit_code == 0
    tickets = sorted((elsewhere / "out" / "queue").glob("*.json"))
    for spoil, path in zip(SPOILT, tickets, strict=False):
        spoil(path)
    changed(status="acknowledged")(tickets[-1])
    ended = run(tmp_path / "town", leaderless(*homes, "one more"), SECOND)
    assert ended.exit_code == 5, ended.output
    for path in tickets[: len(SPOILT)]:
        assert path.name in ended.output, "each is named, also after many in a row"
    assert "1 ticket made" in ended.output
    assert len(list((elsewhere / "out" / "queue").glob("*.md"))) == len(homes) + 1
    shown = CliRunner().invoke(main, ["tickets", "show", tickets[-1].stem, "--as-of", SECOND]).output
    assert "acknowledged: 2026-02-04" in shown


def test_a_run_leaves_nothing_that_others_can_read(elsewhere: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert run(tmp_path / "town", leaderless("home"), FIRST).exit_code == 0
    finally:
        os.umask(before)
    made = [elsewhere / "out", *(elsewhere / "out").rglob("*")]
    assert len(made) == 5
    assert [str(path) for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


@pytest.mark.parametrize("again", ["2026-02-04T03:00:00Z", "2026-02-04T09:00:00Z"])
def test_a_ledger_from_a_backup_repeats_no_comment(elsewhere: Path, tmp_path: Path, again: str) -> None:
    assert run(tmp_path / "town", leaderless("oak", "elm"), FIRST).exit_code == 0
    ledger = elsewhere / "hearthwatch.db"
    kept = ledger.read_bytes()
    repaired = leaderless("oak")
    repaired.family("elm", "elm anna", "elm ben")
    assert run(tmp_path / "town", repaired, SECOND).exit_code == 0

    def said() -> list[int]:
        return sorted(
            len(json.loads(path.read_text())["comments"]) for path in (elsewhere / "out/queue").glob("*.json")
        )

    told = said()
    assert told[-1] >= 1
    ledger.write_bytes(kept)
    assert run(tmp_path / "town", repaired, again).exit_code == 0
    assert said() == told
