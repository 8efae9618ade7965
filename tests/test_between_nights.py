"""Whatever people or other programs write between two nights, a run ends as documented, and the next one makes it good.

A first night is run, something of it is changed at random, and the second night follows. It ends with a code of the table, with one
line that names what is wrong, and says nothing that acts on a terminal. Then what was named is put back, as the line asks, and
the night is run again: each ticket is there once, each comment once, and nothing that was to be said is missing.

HEARTHWATCH_FUZZ_ROUNDS says how many changes are tried in each place.
"""

from __future__ import annotations

import csv
import json
import os
import pickle
import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import commands.nightly
from cli import main
from tests.support.three_nights import NIGHTS, write_source
from tests.support.vandal import ODD, REPLACED, remove, spoil_bytes, spoil_json, strew

ROUNDS = int(os.environ.get("HEARTHWATCH_FUZZ_ROUNDS", "5"))
CODES = {0, 1, 2, 3, 4, 5, 10}
HANGS_AFTER = 30


@dataclass(frozen=True)
class Ended:
    """How a run ended; `line` is the last of what it says on standard error."""

    code: int
    output: str
    line: str


def hearthwatch(*arguments: str) -> Ended:
    """Run the command. It ends by itself, in order, with a code of the table and in words that act on no terminal."""
    with alarm():
        result = CliRunner().invoke(main, arguments)
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.exit_code in CODES, result.output
    assert "our own failure" not in result.output, result.output
    assert [one for one in result.output if not (one.isprintable() or one == "\n")] == [], result.output
    lines = result.stderr.splitlines()
    if result.exit_code:
        assert lines[-1].startswith("hearthwatch: "), result.output
    return Ended(result.exit_code, result.output, lines[-1] if lines else "")


@contextmanager
def alarm() -> Iterator[None]:
    def hang(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(HANGS_AFTER)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Home:
    """The folder in which the nights are run, as it was after the first one."""

    folder: Path
    kept: dict[Path, bytes] = field(default_factory=dict)
    asked: dict[str, set[str]] = field(default_factory=dict)
    """What an undisturbed second night leaves of each ticket's comments."""

    @property
    def queue(self) -> Path:
        return self.folder / "out" / "queue"

    @property
    def ledger(self) -> Path:
        return self.folder / "hearthwatch.db"

    def run(self, night: int, *more: str) -> Ended:
        source = more if "--source" in more else ("--source", str(self.folder / f"night-{night}"), *more)
        return hearthwatch("run", "--as-of", NIGHTS[night], *source)

    def keep(self) -> None:
        files = [self.ledger, *self.queue.iterdir(), *(self.folder / "night-1").iterdir()]
        self.kept = {path: path.read_bytes() for path in files}
        assert self.run(1).code == 0
        self.asked = self.said()
        self.back()

    def back(self) -> None:
        """Everything is as it was after the first night."""
        for path in [*self.queue.iterdir(), *(self.folder / "night-1").iterdir(), *self.folder.glob("hearthwatch.db*")]:
            remove(path)
        for path, content in self.kept.items():
            path.write_bytes(content)

    def said(self) -> dict[str, set[str]]:
        """The comments of each ticket; none is there twice, and all that the ledger calls sent is there."""
        said = {}
        for path in self.queue.glob("hw-*.json"):
            keys = [one["key"] for one in json.loads(path.read_text())["comments"]]
            assert len(keys) == len(set(keys)), (path.name, keys)
            said[path.stem] = set(keys)
        return said

    def check(self) -> None:
        """Nothing is double, and nothing is lost of what an undisturbed night would have told."""
        said = self.said()
        with closing(sqlite3.connect(self.ledger)) as connection:
            rows = list(connection.execute("SELECT external_id, detector, queue_status FROM tickets"))
            unsent = list(connection.execute("SELECT key, error FROM outbox WHERE sent_at IS NULL"))
        assert unsent == []
        assert {row[0] for row in rows if row[2] != "missing"} == set(said), (
            "a ticket that nobody knows, or that is not there"
        )
        assert set(self.asked) <= set(said)


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home")
    for night in (0, 1):
        write_source(folder / f"night-{night}", night)
    return Home(folder)


@pytest.fixture
def home(first_night: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(first_night.folder)
    keep_scans(monkeypatch)
    if not first_night.kept:
        assert first_night.run(0).code == 0
        first_night.keep()
    first_night.back()
    return first_night


SCANS: dict[str, bytes] = {}


def keep_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan of files that are what they were is made once."""
    nightly: Any = commands.nightly
    really = nightly.scanned

    def scanned(settings: Any, policy: Any, context: Any, detectors: Any, **more: Any) -> Any:
        files = {path.name: path.read_bytes() for path in sorted(Path(settings.source).iterdir()) if path.is_file()}
        key = repr((files, context, sorted(more["recheck"].items()), more["days"], policy))
        if key not in SCANS:
            SCANS[key] = pickle.dumps(really(settings, policy, context, detectors, **more))
        return pickle.loads(SCANS[key])  # noqa: S301  # what was written a line above

    monkeypatch.setattr(nightly, "scanned", scanned)


def put_right(path: Path, before: bytes, spoilt: bytes | None) -> None:
    """What a person does about a file that a run has named: the old one is put back, unless the run has added to it."""
    if path.is_symlink() or not path.is_file() or path.read_bytes() == spoilt:
        remove(path)
        path.write_bytes(before)
    else:
        people = {"status": "open", "first_reply_at": None}
        path.write_text(json.dumps(json.loads(path.read_text()) | people))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_files_of_the_queue(home: Home, seed: int) -> None:
    chance = random.Random(seed)
    spoilt: dict[Path, bytes] = {}
    files = sorted(home.queue.iterdir())
    for path in chance.sample(files, chance.randrange(1, 5)):
        ways = [spoil_bytes, spoil_json, spoil_json, spoil_json] if path.suffix == ".json" else [spoil_bytes]
        chance.choice([*ways, chance.choice(REPLACED)])(path, chance)
        if path.is_file() and not path.is_symlink():
            spoilt[path] = path.read_bytes()
    strewn = strew(home.queue, chance)
    for _ in files:
        ended = home.run(1)
        assert ended.code in (0, 5), ended.output
        complaints = "".join(line for line in ended.output.splitlines() if "not delivered: " in line)
        named = [path for path in files if path.name in complaints]
        if ended.code == 0:
            break
        assert named, ended.output
        for path in named:
            put_right(path, home.kept[path], spoilt.get(path))
    assert ended.code == 0, ended.output
    for path in strewn:
        remove(path)
    home.check()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_bytes_of_the_ledger(home: Home, seed: int) -> None:
    """What can be told from a ledger is. It is put back as the line says, and nothing has been told twice or is lost."""
    chance = random.Random(seed)
    chance.choice((spoil_bytes, spoil_bytes, spoil_cells, spoil_cells, spoil_cells, *REPLACED))(home.ledger, chance)
    ended = home.run(1)
    assert ended.code in (0, 1, 2, 5), ended.output
    if ended.code in (1, 2):
        assert "hearthwatch.db" in ended.line, ended.output
    remove(home.ledger)
    home.ledger.write_bytes(home.kept[home.ledger])
    if ended.code in (1, 2):
        assert home.run(1).code == 0
        home.check()
    else:
        home.said()


def spoil_cells(ledger: Path, chance: random.Random) -> None:
    """Another program has written into a table, what SQLite lets it."""
    with closing(sqlite3.connect(ledger)) as connection:
        tables = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        for _ in range(chance.choice((1, 1, 3))):
            table = chance.choice([name for name in tables if not name.startswith("sqlite_")])
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            value = chance.choice([one for one in ODD if isinstance(one, str | int | float | None) and one != "\ud800"])
            wanted: Any = value if not isinstance(value, int) or abs(value) < 2**63 else "1e30"
            with suppress(sqlite3.Error):
                connection.execute(f"UPDATE {table} SET {chance.choice(columns)} = ?", (wanted,))  # its own names
        connection.commit()


POLICY = """
environment = "staging"

[nights]
growth_percent = 20

[matrix.security]
response = "2 hours"
clock = "business"

[business_hours]
timezone = "Europe/Berlin"
"""


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_the_policy_file(home: Home, seed: int) -> None:
    chance = random.Random(seed)
    path = home.folder / "policy.toml"
    remove(path)
    path.write_text(POLICY)
    chance.choice((spoil_bytes, spoil_bytes, spoil_line, spoil_line, spoil_line, chance.choice(REPLACED)))(path, chance)
    ended = home.run(1, "--policy", str(path))
    remove(path)
    assert ended.code in (0, 2), ended.output
    if ended.code == 2:
        assert "policy.toml" in ended.line
    assert home.run(1).code == 0
    home.check()


def spoil_line(path: Path, chance: random.Random) -> None:
    """A value in the policy is another one, as people write them."""
    lines = path.read_text().splitlines()
    at = chance.choice([number for number, line in enumerate(lines) if "=" in line])
    key = lines[at].partition("=")[0]
    value = chance.choice((*(one for one in ODD if one != "\ud800"), "10**14 hours", "99999999999999 hours", "0 hours"))
    lines[at] = f"{key}= {'nan' if value is None else json.dumps(value)}"
    path.write_text("\n".join(lines))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_values_of_the_source(home: Home, seed: int) -> None:
    """A damaged delivery ends as documented; the next night, on what it should have been, makes it good."""
    chance = random.Random(seed)
    files = sorted((home.folder / "night-1").iterdir())
    for path in chance.sample(files, chance.randrange(1, 4)):
        chance.choice((spoil_rows, spoil_rows, spoil_rows, spoil_bytes, chance.choice(REPLACED)))(path, chance)
    ended = home.run(1)
    assert ended.code in (0, 3, 4), ended.output
    if ended.code:
        assert any(path.stem in ended.line for path in files), ended.output
    for path in files:
        remove(path)
        path.write_bytes(home.kept[path])
    again = home.run(1, "--accept-volume")
    assert again.code == 0, again.output
    home.check()


def spoil_rows(path: Path, chance: random.Random) -> None:
    """Some cells of a table are other ones; or a column, or many rows, are gone or there twice."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    if len(rows) < 2:
        return
    for _ in range(chance.choice((1, 5, 50))):
        row = chance.choice(rows[1:])
        if row:
            row[chance.randrange(len(row))] = str(chance.choice([one for one in ODD if one != "\ud800"]))
    match chance.randrange(8):
        case 0:
            column = chance.randrange(len(rows[0]))
            rows = [row[:column] + row[column + 1 :] for row in rows]
        case 1:
            rows[0][chance.randrange(len(rows[0]))] = chance.choice(rows[0])
        case 2:
            rows = rows[: chance.randrange(len(rows))]
        case 3:
            rows += rows[1:]
        case _:
            pass
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
