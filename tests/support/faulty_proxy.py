"""An HTTP proxy in front of a helpdesk that loses answers, refuses, and hangs when it is told to."""

from __future__ import annotations

import http.client
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from channels.protocol import DeliveryError

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Fault:
    """What happens to the next `times` requests whose "METHOD path" matches `where`.

    First comes `before`. With `status` that is the answer, with `headers` and `body`, and the helpdesk hears nothing.
    Else the request is passed on if it is `forwarded` or `answered`; `after` comes next, then silence for `hang`
    seconds. Unless it is `answered`, the connection is closed without an answer.
    """

    where: str
    times: int = 1
    before: Callable[[], None] = lambda: None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"message": "planned"}'
    forwarded: bool = False
    answered: bool = False
    after: Callable[[], None] = lambda: None
    hang: float = 0


class FaultyProxy(ThreadingHTTPServer):
    """Passes everything on to `upstream` (http://host:port), except where a fault is due. `seen` is what came in."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen: list[str] = []
        self.woken = threading.Event()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed are what this proxy is for."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def plan(self, *faults: Fault) -> None:
        self._faults.extend(faults)

    @property
    def unused(self) -> list[Fault]:
        """Faults that no request has met (often enough)."""
        return self._faults

    def fault_for(self, request: str) -> Fault | None:
        with self._lock:
            self.seen.append(request)
            for fault in self._faults:
                if re.search(fault.where, request):
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyProxy

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            # Whoever asked died in the middle of it: that is no request.
            self.close_connection = True
            return
        fault = self.server.fault_for(f"{self.command} {self.path}")
        if fault is None:
            self._answer(*self._upstream(body))
            return
        fault.before()
        if fault.status is not None:
            self._answer(fault.status, list(fault.headers.items()), fault.body)
            return
        answer = self._upstream(body) if fault.forwarded or fault.answered else None
        fault.after()
        if fault.hang:
            self.server.woken.wait(fault.hang)
        if fault.answered and answer:
            self._answer(*answer)
        else:
            self.close_connection = True

    do_GET = do_POST = do_PUT = _handle  # noqa: N815  # BaseHTTPRequestHandler wants these names

    def _upstream(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        target = urlsplit(self.server.upstream)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except OSError:
            return 502, [], b"the helpdesk is down"
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests show what they need themselves."""


@contextmanager
def proxy_to(upstream: str) -> Iterator[FaultyProxy]:
    """A running proxy; whoever still hangs in it is woken at the end."""
    with FaultyProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.woken.set()
            proxy.shutdown()
            thread.join()


@contextmanager
def all_faults_happen(upstream: str) -> Iterator[FaultyProxy]:
    """A running proxy; whoever plans a fault for it must make it happen."""
    with proxy_to(upstream) as proxy:
        yield proxy
        assert not proxy.unused, "these faults never happened"


def insist(send: Callable[[], object]) -> int:
    """How often `send` fails before it succeeds."""
    failures = 0
    while True:
        try:
            send()
        except DeliveryError as error:
            assert error.retry  # noqa: PT017  # the last call does not fail
            failures += 1
        else:
            return failures
