"""What the helpdesks' HTTP client repeats, how long it waits, and what its errors say and do not say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from channels.http import AnswerError, HttpClient
from channels.protocol import DeliveryError
from tests.support.faulty_proxy import Fault, FaultyProxy, all_faults_happen

TOKEN = "1-14-abcdef"


@pytest.fixture
def server() -> Iterator[FaultyProxy]:
    with all_faults_happen("http://127.0.0.1:9") as proxy:
        yield proxy


class Client:
    """A client of `url` that notes its pauses instead of making them."""

    def __init__(self, url: str) -> None:
        self.paused: list[float] = []
        self.http = HttpClient(
            "Helpdesk",
            f"{url}/api",
            f"token {TOKEN}",
            remedy="renew it",
            secrets=[TOKEN],
            timeout=0.5,
            pause=self.paused.append,
        )


def ok(times: int = 1) -> Fault:
    return Fault("", times=times, status=200, body=b'{"done": true}')


def refused(status: int, times: int = 1, **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault("", times=times, status=status, headers=named)


@pytest.mark.parametrize(
    ("method", "faults", "paused"),
    [
        ("GET", [refused(500), refused(503)], [0.01, 0.01]),
        ("GET", [Fault(""), Fault("")], [0.01, 0.01]),
        ("POST", [refused(429), refused(409)], [0.01, 0.01]),
        ("POST", [refused(429, Retry_After="7")], [7]),
        ("GET", [refused(503, Retry_After="60")], [60]),
        (
            "POST",
            [refused(429, Date="Tue, 03 Feb 2026 03:00:00 GMT", Retry_After="Tue, 03 Feb 2026 03:00:21 GMT")],
            [21],
        ),
        ("POST", [refused(429, Date="Tue, 03 Feb 2026 03:00:00 GMT", Retry_After="nonsense")], [0.01]),
    ],
)
def test_what_passes_by_is_waited_for(
    server: FaultyProxy, method: str, faults: list[Fault], paused: list[float]
) -> None:
    client = Client(server.url)
    server.plan(*faults, ok())
    assert client.http.call(method, "/things", body={"a": 1}) == {"done": True}
    assert client.paused == paused
    assert server.seen == [f"{method} /api/things"] * (len(paused) + 1)


@pytest.mark.parametrize(
    ("method", "fault", "retry", "says"),
    [
        ("POST", refused(500), True, "POST /api/things: 500 Internal Server Error: planned"),
        ("POST", Fault(""), True, "POST /api/things: "),
        ("GET", Fault("", hang=5), True, "GET /api/things: no answer in time"),
        ("GET", refused(429, Retry_After="61"), True, "429 Too Many Requests: planned: it asks to wait 61 s"),
        ("GET", refused(401), False, "401 Unauthorized: planned: renew it"),
        ("GET", refused(403), False, "403 Forbidden: planned"),
        ("POST", refused(422), False, "422 "),
        ("GET", refused(302, Location="https://evil.example/"), False, "it sends us elsewhere; give the final address"),
        ("GET", Fault("", status=200, body=b"<html>"), False, "the answer is no JSON; is the address right?"),
    ],
)
def test_everything_else_is_said_at_once(
    server: FaultyProxy, method: str, fault: Fault, says: str, *, retry: bool
) -> None:
    client = Client(server.url)
    server.plan(fault)
    with pytest.raises(DeliveryError) as caught:
        client.http.call(method, "/things", params={"q": "private"})
    assert caught.value.retry is retry
    assert says in str(caught.value)
    assert "private" not in str(caught.value)
    assert client.paused == []
    assert len(server.seen) == 1


def test_the_third_refusal_is_the_last(server: FaultyProxy) -> None:
    client = Client(server.url)
    server.plan(refused(503, times=3))
    with pytest.raises(AnswerError, match="503") as caught:
        client.http.call("GET", "/things")
    assert caught.value.status == 503
    assert client.paused == [0.01, 0.01]


def test_a_server_that_is_not_there_is_tried_again_whatever_is_sent() -> None:
    client = Client("http://127.0.0.1:9")
    with pytest.raises(DeliveryError, match="refused") as caught:
        client.http.call("POST", "/things")
    assert caught.value.retry
    assert client.paused == [0.01, 0.01]


def test_no_error_holds_a_secret_or_a_control_character(server: FaultyProxy) -> None:
    client = Client(server.url)
    said = f'{{"message": "bad token {TOKEN} \\u001b[31m\\n", "details": ["{"x" * 500}"]}}'
    server.plan(Fault("", status=400, body=said.encode()))
    with pytest.raises(AnswerError) as caught:
        client.http.call("GET", f"/things/{TOKEN}")
    assert TOKEN not in str(caught.value)
    assert "bad token [secret] \\x1b[31m" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 320
