"""Whoever answers in a vendor's place: nobody is followed with our credentials, and nothing counts as done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from channels.heartbeat import beat
from channels.open_queue import RT_TOKEN, ZENDESK_TOKEN, open_queue
from channels.protocol import DeliveryError
from channels.settings import TIMEOUT
from channels.slack import SlackMessage, SlackWorkspace
from escalation.policy.policy import load_policy
from escalation.policy.process import SlackPlace
from reports.slack import payload
from reports.ticket import ticket
from tests.reports.examples import TRANSFER_FAILED
from tests.support.renderers import RENDERERS

POLICY = load_policy()
SPEECH = ticket(TRANSFER_FAILED, POLICY, reference="hw-1")
POSTED = payload(SPEECH, place=SlackPlace(channel="#incidents"), link="https://rt.example/1")


class Somebody(HTTPServer):
    """Answers every request alike, and notes what it was asked."""

    def __init__(self, status: int, body: bytes, location: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.location = status, body, location
        self.heard: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Somebody

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.heard.append(f"{self.command} {self.path} {self.headers.get('Authorization')}")
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location + self.path)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_PUT = do_GET  # noqa: N815  # the server wants these names

    def log_message(self, format: str, *args: object) -> None:
        """Tests show what they need themselves."""


@contextmanager
def somebody(status: int, body: bytes, location: str = "") -> Iterator[Somebody]:
    with Somebody(status, body, location) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask_slack(url: str) -> None:
    SlackWorkspace("xoxb-secret", api=f"{url}/api", seconds=2, pause=lambda _: None).post("hw-1/create", POSTED)


def answer_in_slack(url: str) -> None:
    workspace = SlackWorkspace("xoxb-secret", api=f"{url}/api", seconds=2, pause=lambda _: None)
    workspace.reply("hw-1/worse", SlackMessage("C1", "1.1"), POSTED)


def ask_zendesk(url: str) -> None:
    environment = {ZENDESK_TOKEN: "zendesk-secret", TIMEOUT: "2"}
    open_queue(f"zendesk:{url}", environment, RENDERERS).create("hw-1", SPEECH)


def ask_rt(url: str) -> None:
    open_queue(f"rt:{url}", {RT_TOKEN: "rt-secret", TIMEOUT: "2"}, RENDERERS).create("hw-1", SPEECH)


def ask_heartbeat(url: str) -> None:
    beat(f"{url}/ping/secret", 0, well=True)


EVERYBODY = [ask_slack, answer_in_slack, ask_zendesk, ask_rt, ask_heartbeat]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", EVERYBODY)
def test_nobody_is_followed_to_another_host(ask: Callable[[str], None], status: int) -> None:
    with somebody(200, b'{"ok": true, "channel": "C1", "ts": "1.1"}') as other:
        with somebody(status, b"", other.url) as first, pytest.raises(DeliveryError) as caught:
            ask(first.url)
        assert other.heard == []
        assert len(first.heard) == 1
    assert str(status) in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Log in</html>", b"{}", b"[]", b"7", b'{"ok": 1}', b'{"ok": true}', b"[" * 100_000, b"\xff"]
)
@pytest.mark.parametrize("ask", [ask_slack, answer_in_slack, ask_zendesk, ask_rt])
def test_an_answer_that_is_not_the_vendors_confirms_nothing(ask: Callable[[str], None], body: bytes) -> None:
    with somebody(200, body) as other, pytest.raises(DeliveryError) as caught:
        ask(other.url)
    assert str(caught.value).isprintable()


def test_an_answer_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.http._LONGEST_ANSWER", 1000)
    with somebody(200, b" " * 10_000_000) as other, pytest.raises(DeliveryError, match="does not end"):
        ask_zendesk(other.url)
