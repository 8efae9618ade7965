"""A local Slack that holds us to the documented contract of its Web API, as far as the channel uses it.

Strict where Slack is: the token, what each method accepts, channels that are unknown, archived or not joined, threads
that exist, the limits of blocks and texts, messages of others that nobody may edit, 429 with Retry-After. `says_nothing`
makes it do what it is asked and close the connection without an answer.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

TOKEN = "xoxb-stub-token"
SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.list": "channels:read",
    "auth.test": "",
}
_POSTED = {
    *("channel", "text", "blocks", "mrkdwn", "parse", "link_names", "unfurl_links", "unfurl_media"),
    *("reply_broadcast", "metadata", "thread_ts"),
}
_UPDATED = {"channel", "ts", "text", "blocks", "link_names", "parse"}
_ALL_TEXT = 12_000
"""From about so many characters of text in all blocks on, Slack answers msg_blocks_too_long."""

Body = dict[str, Any]


class Refusal(Exception):  # noqa: N818  # an answer, not a fault of the stub
    def __init__(self, error: str, **more: Any) -> None:
        self.body = {"ok": False, "error": error, **more}


@dataclass
class SlackStub:
    """The workspace. `channels` are names and ids, `messages` each channel's by id, oldest first, replies among them."""

    url: str = ""
    channels: dict[str, str] = field(
        default_factory=lambda: {
            name: f"C{number:08d}"
            for number, name in enumerate(
                ["general", "incidents", "engineering-support", "trust-safety", "customer-success", "product-feedback"]
            )
        }
    )
    joined: set[str] = field(default_factory=set)
    scopes: set[str] = field(default_factory=lambda: {"chat:write", "channels:history", "channels:read"})
    messages: dict[str, list[Body]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    token_revoked: bool = False
    down: bool = False
    says_nothing: list[str] = field(default_factory=list)
    """Methods of which the next answer is lost, in order."""
    wait: list[int] = field(default_factory=list)
    """Seconds that the next callers are told to wait."""
    page_size: int = 3
    lock: threading.RLock = field(default_factory=threading.RLock)
    _events: int = 0

    def __post_init__(self) -> None:
        self.joined = set(self.channels) - {"general"}

    def said(self, channel: str) -> list[Body]:
        """The messages that begin threads in the channel of that name, or are shown there, oldest first."""
        return [one for one in self.messages.get(self.channels[channel], []) if not _is_reply(one)]

    def thread(self, message: Body) -> list[Body]:
        """The replies to a message, oldest first."""
        every = [one for some in self.messages.values() for one in some]
        return [one for one in every if one.get("thread_ts") == message["ts"] and _is_reply(one)]

    def everything(self) -> str:
        """All that anybody has written here, as JSON."""
        return json.dumps(self.messages)

    # The API

    def handle(self, method: str, headers: Any, content: bytes) -> Body:
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal("invalid_auth")
        if self.token_revoked:
            raise Refusal("token_revoked")
        if method not in SCOPES:
            raise Refusal("unknown_method")
        if SCOPES[method] and SCOPES[method] not in self.scopes:
            raise Refusal("missing_scope", needed=SCOPES[method], provided=",".join(sorted(self.scopes)))
        arguments = self._arguments(method, headers.get("Content-Type") or "", content)
        match method:
            case "auth.test":
                return {"team": "PetForce", "user": "hearthwatch"}
            case "chat.postMessage":
                return self._post(arguments)
            case "chat.update":
                return self._update(arguments)
            case "conversations.list":
                return self._list(arguments)
            case _:
                return self._read(method, arguments)

    def _arguments(self, method: str, kind: str, content: bytes) -> Body:
        if kind.startswith("application/json") and content:
            if not method.startswith("chat."):
                raise Refusal("invalid_arguments")
            arguments: Body = json.loads(content)
        else:
            arguments = dict(parse_qsl(content.decode()))
        known = {"chat.postMessage": _POSTED, "chat.update": _UPDATED}.get(method)
        if known is not None and set(arguments) - known:
            raise Refusal("invalid_arguments", unknown=sorted(set(arguments) - known))
        return arguments

    def _post(self, arguments: Body) -> Body:
        named = str(arguments["channel"])
        name = named.removeprefix("#")
        channel = self.channels.get(name) if named.startswith("#") else named
        if channel is None or channel not in self.channels.values():
            raise Refusal("channel_not_found")
        if not any(self.channels[one] == channel for one in self.joined):
            raise Refusal("not_in_channel")
        self._check(arguments)
        thread = arguments.get("thread_ts")
        if thread is not None and thread not in {one["ts"] for one in self.messages.get(channel, [])}:
            raise Refusal("thread_not_found")
        if arguments.get("reply_broadcast") and thread is None:
            raise Refusal("invalid_arguments")
        self._events += 1
        message = {**arguments, "ts": f"1770087600.{self._events:06d}", "bot_id": "B1"}
        del message["channel"]
        self.messages.setdefault(channel, []).append(message)
        return {"channel": channel, "ts": message["ts"], "message": message}

    def _update(self, arguments: Body) -> Body:
        found = [one for one in self.messages.get(arguments["channel"], []) if one["ts"] == arguments["ts"]]
        if not found:
            raise Refusal("message_not_found")
        if found[0].get("bot_id") != "B1":
            raise Refusal("cant_update_message")
        self._check(arguments)
        found[0].update({name: arguments[name] for name in ("text", "blocks")}, edited=True)
        return {"channel": arguments["channel"], "ts": arguments["ts"]}

    def _check(self, arguments: Body) -> None:
        """The published limits of texts and blocks."""
        if not arguments.get("text") or len(arguments["text"]) > 4000:
            raise Refusal("no_text" if not arguments.get("text") else "msg_too_long")
        blocks = arguments["blocks"]
        if not 1 <= len(blocks) <= 50:
            raise Refusal("invalid_blocks")
        for block in blocks:
            text = block.get("text", {}).get("text", "-")
            if not 1 <= len(text) <= (150 if block["type"] == "header" else 3000):
                raise Refusal("invalid_blocks")
        if sum(map(len, _texts(blocks))) > _ALL_TEXT:
            raise Refusal("msg_blocks_too_long")
        metadata = arguments.get("metadata")
        if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
            raise Refusal("invalid_metadata_format")

    def _list(self, arguments: Body) -> Body:
        listed = [
            {"id": key, "name": name, "is_member": name in self.joined} for name, key in sorted(self.channels.items())
        ]
        return self._page("channels", listed, arguments)

    def _read(self, method: str, arguments: Body) -> Body:
        channel = arguments["channel"]
        if channel not in self.channels.values():
            raise Refusal("channel_not_found")
        if not any(self.channels[one] == channel for one in self.joined):
            raise Refusal("not_in_channel")
        messages = self.messages.get(channel, [])
        if method == "conversations.history":
            # The latest first, and no replies but those shown in the channel.
            chosen = [one for one in reversed(messages) if not _is_reply(one) or one.get("reply_broadcast")]
        else:
            chosen = [one for one in messages if arguments["ts"] in (one["ts"], one.get("thread_ts"))]
            if not chosen:
                raise Refusal("thread_not_found")
        if arguments.get("include_all_metadata") != "1":
            chosen = [{name: value for name, value in one.items() if name != "metadata"} for one in chosen]
        return self._page("messages", chosen, arguments)

    def _page(self, name: str, rows: list[Body], arguments: Body) -> Body:
        size = min(int(arguments["limit"]), self.page_size)
        start = int(arguments.get("cursor", 0))
        after = str(start + size) if start + size < len(rows) else ""
        return {name: rows[start : start + size], "response_metadata": {"next_cursor": after}}


def _is_reply(message: Body) -> bool:
    return message.get("thread_ts") not in (None, message["ts"])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    stub: SlackStub

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        method = re.sub(r"^/api/", "", self.path)
        with self.stub.lock:
            self.stub.calls.append(method)
            if self.stub.down:
                self._answer(503, {"ok": False, "error": "service_unavailable"})
                return
            if self.stub.wait:
                self._answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": str(self.stub.wait.pop(0))})
                return
            try:
                body = {"ok": True, **self.stub.handle(method, self.headers, content)}
            except Refusal as refusal:
                body = refusal.body
            if method in self.stub.says_nothing[:1]:
                del self.stub.says_nothing[0]
                self.close_connection = True
                return
        self._answer(200, body)

    def _answer(self, status: int, body: Body, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Tests show what they need themselves."""


@contextmanager
def slack() -> Iterator[SlackStub]:
    """A running workspace; its API is at `url`."""
    stub = SlackStub()
    handler = type("_Bound", (_Handler,), {"stub": stub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        stub.url = f"http://127.0.0.1:{server.server_address[1]}/api"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()
