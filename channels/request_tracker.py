"""Request Tracker 5 as a queue, over its REST interface, version 2.

The external id stands in the custom field `Hearthwatch ID`. What we say later are comments; the subject of each begins
with a mark made of its key, so that the history tells what has been said. Nothing that people can edit is ever
written after the ticket's making, but for links. A ticket that was merged is the one it was merged into.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from channels.http import AnswerError, HttpClient
from channels.protocol import Check, DeliveryError, Status, TicketRef, TicketState
from channels.renderers import Renderers, digest, said
from reports.message import Message

ID_FIELD = "Hearthwatch ID"
SEVERITY_FIELD = "Hearthwatch Severity"
_LONGEST_SUBJECT = 200
_MARK = "[hearthwatch "
_STATUSES: dict[str, Status] = {
    "new": "open",
    "open": "acknowledged",
    "stalled": "acknowledged",
    "resolved": "resolved",
    "rejected": "closed",
    "deleted": "missing",
}
# RT shows them as High, Medium and Low. Set once; people may change it.
_PRIORITIES = {"P0": 100, "Immediate": 100, "P1": 50, "Same-day": 50}
_SAYING = ("Comment", "Correspond")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# A status and the time of its change are stored one after the other.
_SAME_CHANGE = timedelta(seconds=5)
_ON_A_PAGE = 100

Entry = dict[str, Any]
"""A transaction of a ticket's history: id, Type, Data, Created, Creator."""


class RequestTrackerQueue:
    """The tickets of one queue of the RT at `site`. `client` calls `site`/REST/2.0."""

    def __init__(self, client: HttpClient, site: str, queue: str, renderers: Renderers) -> None:
        self._client = client
        self._site = site
        self._queue = queue
        self._render = renderers
        self._known_fields: frozenset[str] | None = None
        self._finds_its_own = False
        self._sees_its_own = False

    def find(self, external_id: str) -> TicketRef | None:
        # RT leaves merged tickets out of a search that does not name EffectiveId.
        query = f"EffectiveId > 0 AND 'CF.{{{ID_FIELD}}}' = '{_quoted(external_id)}'"
        found = self._client.call("GET", "/tickets", params={"query": query, "orderby": "id", "per_page": 1})
        return next((self._ref(item["id"]) for item in found["items"]), None)

    def create(self, external_id: str, message: Message) -> TicketRef:
        known = self.find(external_id)
        if known is not None:
            return known
        values = {ID_FIELD: external_id, SEVERITY_FIELD: message.severity}
        ticket = {
            "Queue": self._queue,
            "Subject": self._render.line(message, _LONGEST_SUBJECT),
            "Priority": _PRIORITIES.get(message.severity, 0),
            "CustomFields": {name: value for name, value in values.items() if name in self._fields()},
            **self._content(message),
        }
        ref = self._ref(self._client.call("POST", "/ticket", body=ticket)["id"])
        # RT makes a ticket also where we may not fill or read the field; it would be made again every night.
        if not self._finds_its_own and self.find(external_id) is None:
            needs = f"ShowTicket on the queue, SeeCustomField and SetInitialCustomField on {ID_FIELD!r}"
            raise DeliveryError(f"Request Tracker: ticket {ref.id} cannot be found again; we need {needs}", retry=False)
        self._finds_its_own = True
        self._link(ref, message)
        return ref

    def comment(self, ref: TicketRef, key: str, message: Message) -> None:
        new = said(key, message)
        history = self._history(ref)
        if not new.is_among(_marks(history)):
            if message.reopens and self.state(ref).status in ("resolved", "closed"):
                # As new, since nobody is at it. Without the right RT refuses in words that are no error, and the comment
                # must do; after the comment it is the people's again.
                self._client.call("PUT", f"/ticket/{ref.id}", body={"Status": "new"})
            self._say(ref, f"{_MARK}{new.mark}]", message)

    def update(self, ref: TicketRef, message: Message) -> None:
        about = f"{_MARK}text {digest(message.reference)} "
        mark = f"{about}{self._render.digest(message)}]"
        history = self._history(ref)
        texts = [entry for entry in history if _is_marked(entry, about)]
        says_it = _is_marked(texts[-1], mark) if texts else self._was_made_as(history, message)
        if not says_it:
            self._say(ref, mark, message)
        self._link(ref, message)

    def state(self, ref: TicketRef) -> TicketState:
        try:
            ticket = self._client.call("GET", f"/ticket/{ref.id}")
        except AnswerError as error:
            if error.status != 404 or not isinstance(error.body, dict):
                raise
            # A server that has forgotten everything is no reason to believe that people deleted every ticket.
            self._fields()
            return TicketState("missing")
        history = self._history(ref)
        owner = ticket["Owner"]["id"]
        replies = (_time(entry["Created"]) for entry in history if _is_reply(entry))
        return TicketState(
            _status(ticket, history), "" if owner == "Nobody" else str(owner), min(replies, default=None)
        )

    def check(self) -> list[Check]:
        try:
            queue = self._client.call("GET", f"/queue/{quote(self._queue, safe='')}")
        except AnswerError as error:
            if error.status not in (403, 404):
                return [Check("request tracker", False, str(error))]
            text = f"no queue {self._queue!r}, or we may not see it: we need SeeQueue on it"
            return [Check("request tracker", False, text)]
        except DeliveryError as error:
            return [Check("request tracker", False, str(error))]
        may_create = any(
            (link.get("ref"), link.get("type")) == ("create", "ticket") for link in queue.get("_hyperlinks", ())
        )
        fields = {field.get("name") for field in queue.get("TicketCustomFields", ())}
        return [
            Check("request tracker", True, f"the token is good, and we see the queue {self._queue!r}"),
            Check(
                "rt create", may_create, "we may make tickets" if may_create else "we need CreateTicket on the queue"
            ),
            Check(
                "rt field",
                ID_FIELD in fields,
                f"the custom field {ID_FIELD!r} is there"
                if ID_FIELD in fields
                else f"apply the custom field {ID_FIELD!r} to the queue, and let us SeeCustomField and SetInitialCustomField",
            ),
            Check("rt reopen", True, self._may_reopen()),
        ]

    def _may_reopen(self) -> str:
        """What can be said of the one right that is optional. RT shows what may be made of a ticket, not of a queue."""
        query = f"Queue = '{_quoted(self._queue)}' AND Status = '__Active__'"
        found = self._client.call("GET", "/tickets", params={"query": query, "per_page": 1})
        for item in found["items"]:
            links = self._client.call("GET", f"/ticket/{item['id']}").get("_hyperlinks", ())
            if any(link.get("ref") == "lifecycle" for link in links):
                return "what people ended too early is opened again (ModifyTicket)"
            return "what people ended too early is only commented on; with ModifyTicket it is opened again"
        return "with ModifyTicket, what people ended too early is opened again; before the first ticket nobody can tell"

    def _link(self, ref: TicketRef, message: Message) -> None:
        """Have RT show the linked tickets on each other. Their ids are in the text anyway, so where it refuses, that must do."""
        if message.refers_to:
            # What is linked already, also by people, stays; without the right (ModifyTicket) RT says so and it is no error.
            links = {"AddRefersTo": [one for one in message.refers_to if one != ref.id]}
            with suppress(AnswerError):
                self._client.call("PUT", f"/ticket/{ref.id}", body=links)

    def _say(self, ref: TicketRef, mark: str, message: Message) -> None:
        subject = f"{mark} {self._render.line(message, _LONGEST_SUBJECT - len(mark) - 1)}"
        self._client.call("POST", f"/ticket/{ref.id}/comment", body={"Subject": subject, **self._content(message)})
        # Who may write comments but not see them would write them again every night.
        if not self._sees_its_own and not any(_is_marked(entry, mark) for entry in self._history(ref)):
            text = f"Request Tracker: our comments on ticket {ref.id} are hidden from us; we need ShowTicketComments"
            raise DeliveryError(text, retry=False)
        self._sees_its_own = True

    def _content(self, message: Message) -> dict[str, object]:
        files = self._render.files(message).items()
        attachments = [
            {
                "FileName": name,
                "FileType": "text/csv; charset=utf-8",
                "FileContent": base64.b64encode(csv.encode()).decode(),
            }
            for name, csv in files
        ]
        attachments += [
            {
                "FileName": picture.name,
                "FileType": f"image/{picture.kind}",
                "FileContent": base64.b64encode(picture.content).decode(),
            }
            for picture in self._render.pictures(message)
        ]
        content: dict[str, object] = {"Content": self._render.text(message), "ContentType": "text/plain"}
        return {**content, "Attachments": attachments} if attachments else content

    def _was_made_as(self, history: list[Entry], message: Message) -> bool:
        wanted = {"": self._render.text(message), **self._render.files(message)}
        lines = {name: text.split() for name, text in wanted.items()}
        return any(self._said_at(entry) == lines for entry in history if entry["Type"] == "Create")

    def _said_at(self, entry: Entry) -> dict[str, list[str]]:
        """The words of each part of a transaction's message, by file name."""
        parts = self._pages(f"/transaction/{entry['id']}/attachments", "Content,ContentType,Filename")
        return {
            part.get("Filename") or "": _characters(part.get("Content") or "").split()
            for part in parts
            if part["ContentType"].startswith("text/")
        }

    def _history(self, ref: TicketRef) -> list[Entry]:
        """Oldest first, together with those of the tickets that were merged into it."""
        entries = list(self._pages(f"/ticket/{ref.id}/history", "Type,Data,Created,Creator"))
        if not entries:
            # RT shows an empty history to whom it does not show the ticket; asking for the ticket tells why.
            self._client.call("GET", f"/ticket/{ref.id}")
            raise DeliveryError(f"Request Tracker: the history of ticket {ref.id} is hidden from us", retry=False)
        return entries

    def _pages(self, path: str, fields: str) -> Iterator[Entry]:
        """Everything that a list has. RT does not always say how long it is, so the end is an empty page."""
        number = 1
        while True:
            params: dict[str, str | int] = {"fields": fields, "orderby": "id", "per_page": _ON_A_PAGE, "page": number}
            page = self._client.call("GET", path, params=params)
            yield from page["items"]
            if not page["items"] or (page.get("pages") and number >= page["pages"]):
                return
            number += 1

    def _fields(self) -> frozenset[str]:
        """The custom fields of our queue's tickets that we can see."""
        if self._known_fields is None:
            try:
                queue = self._client.call("GET", f"/queue/{quote(self._queue, safe='')}")
            except AnswerError as error:
                if error.status not in (403, 404):
                    raise
                text = f"Request Tracker: there is no queue {self._queue!r} for us; we need SeeQueue and CreateTicket"
                raise DeliveryError(text, retry=False) from None
            names = frozenset(field["name"] for field in queue["TicketCustomFields"])
            if ID_FIELD not in names:
                text = f"Request Tracker: queue {self._queue!r} shows us no custom field {ID_FIELD!r} for tickets"
                raise DeliveryError(f"{text}; make it, apply it and grant SeeCustomField", retry=False)
            self._known_fields = names
        return self._known_fields

    def _ref(self, number: object) -> TicketRef:
        return TicketRef(str(number), f"{self._site}/Ticket/Display.html?id={number}")


def _quoted(text: str) -> str:
    """As it stands between quotes in RT's query language."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _characters(content: str) -> str:
    """A part's text. RT gives files as bytes, each as one character, but messages as text."""
    try:
        return content.encode("latin-1").decode()
    except UnicodeError:
        return content


def _is_marked(entry: Entry, mark: str) -> bool:
    return entry["Type"] == "Comment" and str(entry.get("Data") or "").startswith(mark)


def _marks(history: list[Entry]) -> Iterator[str]:
    """What our comments are marked with, oldest first."""
    for entry in history:
        if _is_marked(entry, _MARK):
            yield str(entry["Data"]).removeprefix(_MARK).partition("]")[0]


def _is_reply(entry: Entry) -> bool:
    return entry["Type"] in _SAYING and entry["Creator"]["id"] != "RT_System" and not _is_marked(entry, _MARK)


def _status(ticket: dict[str, Any], history: list[Entry]) -> Status:
    word = str(ticket["Status"]).casefold()
    if word in _STATUSES:
        return _STATUSES[word]
    # A site's own word: RT keeps when a ticket last ended, also after it was opened again.
    ended = _time(ticket["Resolved"])
    changes = (_time(entry["Created"]) for entry in history if entry["Type"] == "Status")
    if ended > _NEVER and max(changes, default=ended) <= ended + _SAME_CHANGE:
        return "resolved"
    return "acknowledged" if _time(ticket["Started"]) > _NEVER else "open"


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value)
