"""A local Zendesk that holds us to the documented contract of the Support API, as far as the queue uses it.

Strict where Zendesk is: authentication, content types, required and unknown properties, upload tokens, tags, closed
tickets (422), idempotency keys (replayed, or refused with other words), errors in Zendesk's form. `listing_lags` keeps
new tickets out of the list for a while, as an index does.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

EMAIL, API_TOKEN, OAUTH_TOKEN = "robot@petforce.test", "stub-api-token", "stub-oauth-token"
ROBOT, PERSON = 7, 8
SEVERITY_FIELD, TEAM_FIELD = 360001, 360002
START = datetime(2026, 2, 3, 3, tzinfo=UTC)
LONGEST_COMMENT = 65_535
_NEW = {"subject", "external_id", "comment", "tags", "priority", "custom_fields", "metadata", "via_followup_source_id"}
_CHANGES = {"comment", "metadata", "status"}
_SETTABLE = {"open", "pending", "hold", "solved"}
_PRIORITIES = {"urgent", "high", "normal", "low"}
_TAG = re.compile(r"[a-z0-9_:/-]+")

Body = dict[str, Any]


class Refusal(Exception):  # noqa: N818  # an answer, not a fault of the stub
    def __init__(self, status: int, error: str, description: str) -> None:
        self.status = status
        self.body = {"error": error, "description": description}


@dataclass
class ZendeskStub:
    """The account. Times go on by a minute with everything that happens."""

    url: str = ""
    tickets: dict[int, Body] = field(default_factory=dict)
    audits: dict[int, list[Body]] = field(default_factory=dict)
    uploads: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    replies: dict[str, tuple[Body, Body]] = field(default_factory=dict)
    lookups: list[str] = field(default_factory=list)
    listing_lags: bool = False
    token_revoked: bool = False
    role: str = "agent"
    page_size: int = 2
    lock: threading.RLock = field(default_factory=threading.RLock)
    _events: int = 0

    def _now(self) -> str:
        self._events += 1
        return f"{START + timedelta(minutes=self._events):%Y-%m-%dT%H:%M:%SZ}"

    def _audit(self, number: int, author: int, events: list[Body], custom: Body, channel: str = "api") -> None:
        audit = {
            "id": 10_000 + self._events,
            "ticket_id": number,
            "author_id": author,
            "created_at": self._now(),
            "via": {"channel": channel},
            "metadata": {"system": {"client": "stub"}, "custom": custom},
            "events": events,
        }
        self.audits[number].append(audit)
        self.tickets[number]["updated_at"] = audit["created_at"]

    # What people do in the web interface

    def person(self, number: int, *, says: str = "", **changes: Any) -> None:
        events = [{"type": "Change", "field_name": name, "value": value} for name, value in changes.items()]
        if says:
            events.append({"type": "Comment", "body": says, "public": True})
        self.tickets[number].update(changes)
        self._audit(number, PERSON, events, {}, "web")

    def trigger(self, number: int) -> None:
        """A business rule comments in the name of whoever set it off."""
        self._audit(number, PERSON, [{"type": "Comment", "body": "We have got it"}], {}, "rule")

    def delete(self, number: int) -> None:
        del self.tickets[number]

    def comments(self, number: int) -> list[str]:
        """The HTML of a ticket's comments, in order."""
        events = (event for audit in self.audits[number] for event in audit["events"])
        return [event.get("html_body") or event["body"] for event in events if event["type"] == "Comment"]

    # The API

    def handle(self, method: str, path: str, headers: Any, content: bytes) -> tuple[int, Body, dict[str, str]]:
        self._check_login(headers.get("Authorization") or "")
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if headers.get("Accept") != "application/json":
            raise Refusal(406, "NotAcceptable", "Accept: application/json is required")
        if parts.path == "/api/v2/uploads.json" and method == "POST":
            return 201, self._upload(query, headers.get("Content-Type") or "", content), {}
        if (method, parts.path) == ("GET", "/api/v2/users/me.json"):
            return 200, {"user": {"id": ROBOT, "name": "Robot", "role": self.role}}, {}
        if (method, parts.path) == ("GET", "/api/v2/ticket_fields.json"):
            return 200, {"ticket_fields": [{"id": number} for number in (SEVERITY_FIELD, TEAM_FIELD)]}, {}
        body = self._json(headers.get("Content-Type") or "", content) if method in ("POST", "PUT") else {}
        if parts.path == "/api/v2/tickets.json":
            if method == "POST":
                return self._create(body, headers.get("Idempotency-Key"))
            return 200, self._list(query), {}
        found = re.fullmatch(r"/api/v2/tickets/(\d+)(/audits)?\.json", parts.path)
        if not found:
            raise Refusal(404, "InvalidEndpoint", "Not found")
        number = int(found[1])
        if number not in self.tickets:
            raise Refusal(404, "RecordNotFound", "Not found")
        if found[2]:
            return 200, self._audit_page(number, query), {}
        if method == "PUT":
            self._update(number, body)
        users = [{"id": PERSON, "name": "Kim"}, {"id": ROBOT, "name": "Robot"}]
        side = {"users": users} if query.get("include") == "users" else {}
        return 200, {"ticket": self.tickets[number], **side}, {}

    def _check_login(self, authorization: str) -> None:
        basic = base64.b64encode(f"{EMAIL}/token:{API_TOKEN}".encode()).decode()
        if self.token_revoked or authorization not in (f"Basic {basic}", f"Bearer {OAUTH_TOKEN}"):
            raise Refusal(401, "Couldn't authenticate you", f"given: {authorization}")

    def _json(self, content_type: str, content: bytes) -> Body:
        if content_type != "application/json":
            raise Refusal(415, "UnsupportedMediaType", "Content-Type: application/json is required")
        ticket: Body = json.loads(content)["ticket"]
        return ticket

    def _upload(self, query: Body, content_type: str, content: bytes) -> Body:
        if not query.get("filename") or not content_type:
            raise Refusal(400, "AttachmentInvalid", "filename and Content-Type are required")
        token = f"upload-{len(self.uploads) + 1}"
        self.uploads[token] = (
            query["filename"],
            content_type,
            content.decode("latin-1" if content_type.startswith("image/") else "utf-8"),
        )
        return {"upload": {"token": token}}

    def _create(self, body: Body, key: str | None) -> tuple[int, Body, dict[str, str]]:
        self._check(body, _NEW)
        if key in self.replies:
            request, answer = self.replies[key]
            if request != body:
                raise Refusal(400, "IdempotentRequestError", "Request parameters do not match those of the first one")
            self.lookups.append("hit")
            return 201, answer, {"x-idempotency-lookup": "hit"}
        source = body.get("via_followup_source_id")
        if source is not None and self.tickets.get(source, {}).get("status") != "closed":
            raise Refusal(422, "RecordInvalid", "via_followup_source_id must be a closed ticket")
        number = len(self.audits) + 1
        ticket = {name: body.get(name) for name in ("subject", "external_id", "tags", "priority", "custom_fields")}
        self.tickets[number] = {
            **ticket, "id": number, "status": "new", "assignee_id": None, "followup_ids": [],
            "url": f"{self.url}/api/v2/tickets/{number}.json",
        }  # fmt: skip
        self.audits[number] = []
        self._comment(number, body)
        if source is not None:
            self.tickets[source]["followup_ids"].append(number)
        answer = {"ticket": dict(self.tickets[number])}
        if key:
            self.replies[key] = (body, answer)
        self.lookups.append("miss" if key else "none")
        return 201, answer, {"x-idempotency-lookup": "miss"} if key else {}

    def _update(self, number: int, body: Body) -> None:
        self._check(body, _CHANGES)
        if self.tickets[number]["status"] == "closed":
            raise Refusal(422, "RecordInvalid", "Status: closed prevents ticket update")
        self.tickets[number]["status"] = body.get("status", self.tickets[number]["status"])
        self._comment(number, body)

    def _check(self, body: Body, known: set[str]) -> None:
        comment = body.get("comment") or {}
        said = comment.get("html_body") or comment.get("body") or ""
        problems = [
            (bool(set(body) - known), f"unknown properties {sorted(set(body) - known)}"),
            (bool(set(comment) - {"html_body", "body", "public", "uploads"}), "unknown properties of the comment"),
            (not said, "Description: cannot be blank"),
            (len(said) > LONGEST_COMMENT, "Description: is too long (maximum is 65535 characters)"),
            (any(token not in self.uploads for token in comment.get("uploads", [])), "Attachment: unknown token"),
            (any(not _TAG.fullmatch(tag) for tag in body.get("tags", [])), "Tags: contain special characters"),
            (body.get("priority", "low") not in _PRIORITIES, "Priority: is not known"),
            (body.get("status", "open") not in _SETTABLE, "Status: is not included in the list"),
            (
                any(one["id"] not in (SEVERITY_FIELD, TEAM_FIELD) for one in body.get("custom_fields", [])),
                "Custom field: does not exist",
            ),
            (not isinstance(body.get("metadata", {}).get("custom", {}), dict), "Metadata: is no object"),
        ]
        for wrong, description in problems:
            if wrong:
                raise Refusal(422, "RecordInvalid", description)

    def _comment(self, number: int, body: Body) -> None:
        files = [self.uploads[token] for token in body["comment"].get("uploads", [])]
        event = {"type": "Comment", "author_id": ROBOT, **body["comment"], "attachments": files}
        self._audit(number, ROBOT, [event], body.get("metadata", {}).get("custom", {}))

    def _list(self, query: Body) -> Body:
        if self.listing_lags:
            return {"tickets": []}
        wanted = query.get("external_id")
        return {"tickets": [one for one in self.tickets.values() if wanted is None or one["external_id"] == wanted]}

    def _audit_page(self, number: int, query: Body) -> Body:
        if "page[size]" not in query:
            raise Refusal(400, "InvalidPagination", "cursor pagination is required")
        start = int(query.get("page[after]", 0))
        size = min(self.page_size, int(query["page[size]"]))
        audits = self.audits[number]
        return {
            "audits": audits[start : start + size],
            "meta": {"has_more": start + size < len(audits), "after_cursor": str(start + size)},
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    stub: ZendeskStub

    def _handle(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers: dict[str, str] = {}
        try:
            with self.stub.lock:
                status, body, headers = self.stub.handle(self.command, self.path, self.headers, content)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        answer = json.dumps(body).encode()
        self.send_response_only(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = _handle  # noqa: N815  # BaseHTTPRequestHandler wants these names

    def log_message(self, format: str, *args: object) -> None:
        """Tests show what they need themselves."""


@contextmanager
def zendesk() -> Iterator[ZendeskStub]:
    stub = ZendeskStub()
    handler: Callable[..., BaseHTTPRequestHandler] = type("Handler", (_Handler,), {"stub": stub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        stub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()
