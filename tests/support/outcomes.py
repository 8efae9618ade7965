"""What nights have left behind, for comparing: the ledger's rows, and what the queue holds."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from channels.renderers import digest
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.zendesk_stub import API_TOKEN, EMAIL, PERSON, ZendeskStub

LEDGER = "hearthwatch.db"
_TABLES = ("nights", "tickets", "entries", "decisions", "silences", "outbox")
_HOW_IT_WENT = {"sent_at", "attempts", "error", "ref_id", "ref_url", "seconds"}
"""How often something was tried, how long it took, and what number the queue gave it."""
_REMINDING = {"ladder_step", "clock_began_at", "acknowledge_due", "investigate_due", "resolve_due"}
"""What waits until a ticket has arrived: its reminders, and its team's clock."""
_MAKE, _SAY = "POST .*/tickets.json", "PUT .*/tickets/"
_LOSSES: tuple[tuple[tuple[str, int], ...], ...] = (
    (),
    ((_MAKE, 3),),
    ((_MAKE, 1), (_SAY, 3)),
    (("/tickets", 2), (_SAY, 1), (_MAKE, 3)),
    (("/audits", 3),),
)
"""Which answers are lost in a run, and how many in a row; the client tries three times."""


@dataclass(frozen=True)
class Outcome:
    """`said` are the keys of each ticket's comments in order; `words` is all else that the queue holds."""

    ledger: dict[str, list[dict[str, Any]]]
    said: dict[str, list[str]]
    words: dict[str, Any]

    def without_reminders(self) -> Outcome:
        """Without follow-ups and clocks, which wait until a ticket is made, and without the words, which may be those of another night."""
        ledger = {
            table: [
                {key: value for key, value in row.items() if key not in _REMINDING and (table, key) != ("outbox", "id")}
                for row in rows
                if row.get("kind") != "follow-up"
            ]
            for table, rows in self.ledger.items()
        }
        said = {ticket: [key for key in keys if "/follow-up/" not in key] for ticket, keys in self.said.items()}
        return Outcome(ledger, said, {})


class World(Protocol):
    """A ledger and a queue that runs work on, and that can be put back to where it was."""

    queue: str
    environment: Mapping[str, str]
    ways: int
    """How many kinds of trouble there are."""

    def keep(self) -> Any: ...
    def put_back(self, kept: Any) -> None: ...
    def hours_pass(self) -> None: ...
    def trouble(self, number: int) -> None: ...
    def somebody_resolves(self, external_id: str) -> None: ...
    def outcome(self) -> Outcome: ...


class FolderWorld:
    """The folder queue, in `home`."""

    queue = "folder:out/queue"
    environment: Mapping[str, str] = MappingProxyType({})
    ways = 1

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "out" / "queue"

    def keep(self) -> dict[Path, bytes]:
        files = [*self.home.glob(f"{LEDGER}*"), *self.folder.glob("*")]
        return {path: path.read_bytes() for path in files}

    def put_back(self, kept: dict[Path, bytes]) -> None:
        shutil.rmtree(self.home / "out", ignore_errors=True)
        forget_ledger(self.home)
        for path, content in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def hours_pass(self) -> None:
        """Files do not change by themselves."""

    def trouble(self, number: int) -> None:
        """A folder loses no answers."""

    def somebody_resolves(self, external_id: str) -> None:
        path = self.folder / f"{external_id}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "resolved"}))

    def outcome(self) -> Outcome:
        records = {path.stem: json.loads(path.read_text()) for path in self.folder.glob("*.json")}
        said = {name: [comment["key"] for comment in record["comments"]] for name, record in records.items()}
        assert all(record["external_id"] == name for name, record in records.items())
        ledger = ledger_rows(self.home / LEDGER, dict.fromkeys(records, ""))
        return Outcome(ledger, said, {path.name: path.read_bytes() for path in self.folder.iterdir()})


class HelpdeskWorld:
    """A helpdesk behind a proxy that loses answers; the ledger is in `home`."""

    ways = len(_LOSSES)

    def __init__(self, home: Path, stub: ZendeskStub, proxy: FaultyProxy) -> None:
        self.home, self.stub, self.proxy = home, stub, proxy
        self.queue = f"zendesk:{proxy.url}"
        self.environment: Mapping[str, str] = {
            "HEARTHWATCH_ZENDESK_EMAIL": EMAIL,
            "HEARTHWATCH_ZENDESK_TOKEN": API_TOKEN,
        }

    def keep(self) -> tuple[Any, bytes]:
        ledger = self.home / LEDGER
        return self._contents(), ledger.read_bytes() if ledger.exists() else b""

    def _contents(self) -> Any:
        stub = self.stub
        return copy.deepcopy((stub.tickets, stub.audits, stub.uploads, stub.replies))

    def put_back(self, kept: tuple[Any, bytes]) -> None:
        contents, ledger = kept
        with self.stub.lock:
            stub = self.stub
            stub.tickets, stub.audits, stub.uploads, stub.replies = copy.deepcopy(contents)
        self.proxy.unused.clear()
        forget_ledger(self.home)
        if ledger:
            (self.home / LEDGER).write_bytes(ledger)

    def hours_pass(self) -> None:
        """The helpdesk forgets the idempotency keys, and trouble is over."""
        with self.stub.lock:
            self.stub.replies.clear()
        self.proxy.unused.clear()

    def trouble(self, number: int) -> None:
        """One of the ways to lose answers in the next run."""
        losses = _LOSSES[number % self.ways]
        self.proxy.plan(*(Fault(where, times=times, forwarded=True) for where, times in losses))

    def somebody_resolves(self, external_id: str) -> None:
        (number,) = [key for key, one in self.stub.tickets.items() if one["external_id"] == external_id]
        self.stub.person(number, status="solved", assignee_id=PERSON)

    def outcome(self) -> Outcome:
        numbers: dict[str, int] = {}
        for number, ticket in self.stub.tickets.items():
            assert ticket["external_id"] not in numbers, "a second ticket"
            numbers[ticket["external_id"]] = number
        ledger = ledger_rows(self.home / LEDGER, {name: str(number) for name, number in numbers.items()})
        known = {f"comment {digest(row['key'])}": row["key"] for row in ledger["outbox"]}
        said, words = {}, {}
        for name, number in numbers.items():
            keys = [audit["metadata"]["custom"].get("hearthwatch", "") for audit in self.stub.audits[number]]
            said[name] = [known[" ".join(key.split()[:2])] for key in keys if key.startswith("comment")]
            status = {key: self.stub.tickets[number][key] for key in ("subject", "status", "tags", "priority")}
            words[name] = (status, keys, self.stub.comments(number))
        return Outcome(ledger, said, words)


def forget_ledger(home: Path) -> None:
    for path in home.glob(f"{LEDGER}*"):
        path.unlink()


def ledger_rows(path: Path, queue: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The rows that say what was decided and told. `queue` has the queue's own id (or "") for each external id.

    Raises AssertionError for a ledger that contradicts itself or the queue, or that has still something to send.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        assert [tuple(row) for row in connection.execute("PRAGMA integrity_check")] == [("ok",)]
        assert not list(connection.execute("PRAGMA foreign_key_check"))
        rows = {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in _TABLES}
    assert all(row["sent_at"] is not None and row["payload"] in (None, "null") for row in rows["outbox"]), "not sent"
    assert {row["external_id"]: row["ref_id"] for row in rows["tickets"]} == {
        name: number or name for name, number in queue.items()
    }
    return {
        table: [{key: value for key, value in row.items() if key not in _HOW_IT_WENT} for row in kept]
        for table, kept in rows.items()
    }
