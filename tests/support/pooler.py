"""A pooler that gives its one server connection to whoever has a transaction, as poolers in transaction mode do."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgres import PostgresServer

_SSL_REQUEST = 80877103
_GREETINGS = (("server_version", "15.0"), ("server_encoding", "UTF8"), ("client_encoding", "UTF8"))


@contextmanager
def pooled(postgres: PostgresServer, database: str) -> Iterator[str]:
    """The address of a pooler in front of `database`."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(f"{postgres.socket_directory}/.s.PGSQL.{postgres.port}")
        words = b"".join(one.encode() + b"\0" for one in ("user", postgres.user, "database", database))
        server.sendall(struct.pack("!ii", len(words) + 9, 196608) + words + b"\0")
        while _message(server)[0] != b"Z":
            pass
        turn = threading.Lock()

        class Client(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                _serve(self.request, server, turn)

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Client) as pooler:
            pooler.daemon_threads = True
            threading.Thread(target=pooler.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            try:
                yield f"postgresql://{postgres.user}@127.0.0.1:{pooler.server_address[1]}/{database}?sslmode=disable"
            finally:
                pooler.shutdown()


def _serve(client: socket.socket, server: socket.socket, turn: threading.Lock) -> None:
    length, code = struct.unpack("!ii", _bytes(client, 8))
    _bytes(client, length - 8)
    if code == _SSL_REQUEST:
        return
    # Its own number in the server's place.
    hello = _as_message(b"R", struct.pack("!i", 0)) + _as_message(b"K", struct.pack("!ii", 1, 1))
    for name, value in _GREETINGS:
        hello += _as_message(b"S", name.encode() + b"\0" + value.encode() + b"\0")
    client.sendall(hello + _as_message(b"Z", b"I"))
    state = b"I"
    try:
        while True:
            kind, body = _message(client)
            if kind == b"X":
                return
            if state == b"I":
                turn.acquire()
            server.sendall(_as_message(kind, body))
            while kind not in (b"S", b"Q"):
                kind, body = _message(client)
                server.sendall(_as_message(kind, body))
            while kind != b"Z":
                kind, body = _message(server)
                client.sendall(_as_message(kind, body))
            state = body
            if state == b"I":
                turn.release()
    except (OSError, EOFError):
        return


def _as_message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _message(one: socket.socket) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!ci", _bytes(one, 5))
    return kind, _bytes(one, length - 4)


def _bytes(one: socket.socket, number: int) -> bytes:
    got = b""
    while len(got) < number:
        more = one.recv(number - len(got))
        if not more:
            raise EOFError
        got += more
    return got
