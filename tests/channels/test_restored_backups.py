"""A ledger put back from a backup, through a real Request Tracker and a Zendesk: what the tickets hold is not said again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from channels.http import HttpClient
from channels.open_queue import RT_TOKEN
from channels.protocol import TicketRef
from channels.request_tracker import RequestTrackerQueue
from cli import main
from escalation.ledger.ledger import open_ledger
from escalation.policy.policy import load_policy
from reports.message import Section
from reports.ticket import ticket
from tests.reports.examples import TRANSFER_FAILED
from tests.support.renderers import RENDERERS
from tests.support.request_tracker import RequestTracker
from tests.support.towns import Town, write_csv
from tests.support.zendesk_stub import API_TOKEN, EMAIL, zendesk

FIRST, SECOND = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z"
TICKET = ticket(TRANSFER_FAILED, load_policy())
_numbers = itertools.count()
Comments = Callable[[], list[str]]


def town_of(name: str, *leaderless: str) -> Town:
    town = Town()
    for home in ("oak", "elm"):
        town.family(f"{name} {home}", f"{name} {home} ann", f"{name} {home} bob")
        if home in leaderless:
            town.home(f"{name} {home}")["leader_id"] = None
    return town


def in_rt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Comments]]:
    tracker: RequestTracker = request.getfixturevalue("request_tracker")
    monkeypatch.setenv(RT_TOKEN, tracker.token)

    def comments() -> list[str]:
        with open_ledger("sqlite:///hearthwatch.db", exclusive=False) as ledger, ledger.begin() as tx:
            names = [one.external_id for one in tx.tickets()]
        return [said for name in names for one in tracker.tickets(name) for said in tracker.comments(one["id"])]

    yield f"rt:{tracker.url}/", comments


def in_zendesk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Comments]]:
    monkeypatch.setenv("HEARTHWATCH_ZENDESK_EMAIL", EMAIL)
    monkeypatch.setenv("HEARTHWATCH_ZENDESK_TOKEN", API_TOKEN)
    with zendesk() as stub:
        yield f"zendesk:{stub.url}", lambda: [str(one) for key in stub.tickets for one in stub.comments(key)]


@pytest.mark.parametrize("again", [SECOND, "2026-02-04T09:00:00Z"])
@pytest.mark.parametrize("world", [in_rt, in_zendesk])
def test_a_ledger_from_a_backup_repeats_no_comment(
    world: Callable[..., Iterator[tuple[str, Comments]]],
    again: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"lane {next(_numbers)}"
    for queue, comments in world(tmp_path, monkeypatch, request):

        def run(town: Town, as_of: str, queue: str = queue) -> None:
            (tmp_path / "town").mkdir(exist_ok=True)
            source = str(write_csv(tmp_path / "town", town.tables()))
            ended = CliRunner().invoke(main, ["run", "--source", source, "--as-of", as_of, "--queue", queue])
            assert ended.exit_code == 0, ended.output

        run(town_of(name, "oak", "elm"), FIRST)
        before, kept = comments(), (tmp_path / "hearthwatch.db").read_bytes()
        run(town_of(name, "oak"), SECOND)
        told = comments()
        assert len(told) > len(before)
        (tmp_path / "hearthwatch.db").write_bytes(kept)
        run(town_of(name, "oak"), again)
        assert comments() == told


class OneTicket:
    """As much of an RT as a comment needs."""

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = [{"id": "1", "Type": "Create", "Data": ""}]

    def call(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        if method == "POST":
            self.history.append({"id": "2", "Type": "Comment", "Data": body["Subject"]})
        return {"items": self.history, "pages": 1}


def test_what_rt_is_told_as_of_another_time_is_not_told_again() -> None:
    there = OneTicket()
    queue = RequestTrackerQueue(cast("HttpClient", there), "https://rt.example", "General", RENDERERS)
    ref = TicketRef("1", "")

    def say(key: str, at: str, words: str) -> int:
        queue.comment(ref, key, replace(TICKET, blocks=(Section(f"Still there ({at} UTC)", (words,)),)))
        return len(there.history) - 1

    assert say("hw-1/worse/f1/20260203T030000Z", "2026-02-03 03:00", "4 members") == 1
    assert say("hw-1/worse/f1/20260203T090000Z", "2026-02-03 09:00", "4 members") == 1
    assert say("hw-1/worse/f1/20260204T030000Z", "2026-02-04 03:00", "9 members") == 2
    assert say("hw-1/better/f1/20260205T030000Z", "2026-02-05 03:00", "4 members") == 3
    assert say("hw-1/worse/f1/20260206T030000Z", "2026-02-06 03:00", "9 members") == 4
