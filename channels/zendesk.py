"""Zendesk Support as a queue.

The external id is the ticket's `external_id`. Each audit that we cause carries its key in the audit's custom metadata,
so that the audits tell what has been said. All comments are private. Nothing that people can edit is ever written
after the ticket's making. A closed ticket takes no more comments: what comes later goes on a follow-up ticket.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from channels.http import AnswerError, HttpClient
from channels.protocol import Check, DeliveryError, Status, TicketRef, TicketState
from channels.renderers import Renderers, digest, said
from reports.message import Message

METADATA_KEY = "hearthwatch"
LONGEST_COMMENT = 60_000
"""Characters; Zendesk takes 65,535 with the markup around them."""
_LONGEST_SUBJECT = 150
_PRIORITIES = {
    "P0": "urgent",
    "Immediate": "urgent",
    "P1": "high",
    "Same-day": "high",
    "P2": "normal",
    "Next-day": "normal",
}
_STATUSES: dict[str, Status] = {
    "new": "open",
    "pending": "acknowledged",
    "hold": "acknowledged",
    "solved": "resolved",
    "closed": "closed",
}
_NOT_IN_A_TAG = re.compile(r"[^a-z0-9_:/-]+")
_SYSTEM = -1

Found = dict[str, Any]
"""A ticket or an audit as Zendesk describes it."""


class ZendeskQueue:
    """The tickets of the account at `site`. `fields` are the ids of ticket fields to fill: `severity`, `team`."""

    def __init__(self, client: HttpClient, site: str, renderers: Renderers, fields: Mapping[str, int]) -> None:
        self._client = client
        self._site = site
        self._render = renderers
        self._fields = fields

    def find(self, external_id: str) -> TicketRef | None:
        # The list, not the search: the search learns of a new ticket only minutes later.
        answer = self._client.call("GET", "/tickets.json", params={"external_id": external_id})
        numbers = [ticket["id"] for ticket in answer["tickets"] if ticket["external_id"] == external_id]
        return self._ref(min(numbers)) if numbers else None

    def check(self) -> list[Check]:
        try:
            me = self._client.call("GET", "/users/me.json")["user"]
            known = {field["id"] for field in self._client.call("GET", "/ticket_fields.json")["ticket_fields"]}
        except DeliveryError as error:
            return [Check("zendesk", False, str(error))]
        agent = me.get("role") in ("agent", "admin")
        text = "the token is good, and belongs to an agent" if agent else "the token belongs to no agent"
        return [
            Check("zendesk", agent, text),
            *(
                Check(
                    f"zendesk {name}",
                    number in known,
                    f"the ticket field {number} is there" if number in known else f"there is no ticket field {number}",
                )
                for name, number in sorted(self._fields.items())
            ),
        ]

    def create(self, external_id: str, message: Message) -> TicketRef:
        known = self.find(external_id)
        if known is not None:
            return known
        values = {"severity": message.severity, "team": message.team}
        fields = [{"id": number, "value": values[name]} for name, number in self._fields.items()]
        key = f"text {digest(external_id)} {self._render.digest(message)}"
        ticket = {**self._new(key, message), "external_id": external_id, "custom_fields": fields}
        try:
            return self._ref(self._post_ticket(external_id, ticket)["id"])
        except AnswerError as error:
            if error.status != 400 or "Idempotent" not in str(error.body):
                raise
        # Made a short while ago with other words, by a request whose answer was lost.
        made = self.find(external_id)
        if made is None:
            raise DeliveryError(f"Zendesk: ticket {external_id} was made but is not listed yet", retry=True)
        return made

    def comment(self, ref: TicketRef, key: str, message: Message) -> None:
        tickets, new = self._tickets(ref), said(key, message)
        marks = (mark.removeprefix("comment ") for mark in self._keys(tickets) if mark.startswith("comment "))
        if not new.is_among(marks):
            self._say(tickets[-1], f"comment {new.mark}", message)

    def update(self, ref: TicketRef, message: Message) -> None:
        about = f"text {digest(message.reference)} "
        key = f"{about}{self._render.digest(message)}"
        tickets = self._tickets(ref)
        texts = [mark for mark in self._keys(tickets) if mark.startswith(about)]
        if not texts or texts[-1] != key:
            self._say(tickets[-1], key, message)

    def state(self, ref: TicketRef) -> TicketState:
        try:
            tickets = self._tickets(ref)
        except AnswerError as error:
            if _is_gone(error):
                return TicketState("missing")
            raise
        replies = (datetime.fromisoformat(audit["created_at"]) for audit in self._audits(tickets) if _is_reply(audit))
        last = tickets[-1]
        owner = next((user["name"] for user in last["users"] if user["id"] == last["assignee_id"]), "")
        # Triggers and views make "open" of whatever has an assignee.
        status = _STATUSES.get(last["status"], "acknowledged" if last["assignee_id"] else "open")
        return TicketState(status, owner, min(replies, default=None))

    def _tickets(self, ref: TicketRef) -> list[Found]:
        """The ticket, then the follow-ups of what is closed, each with its `users`."""
        tickets = [self._ticket(ref.id)]
        while tickets[-1]["status"] == "closed" and tickets[-1].get("followup_ids"):
            try:
                tickets.append(self._ticket(max(tickets[-1]["followup_ids"])))
            except AnswerError as error:
                if not _is_gone(error):
                    raise
                break
        return tickets

    def _ticket(self, number: object) -> Found:
        answer = self._client.call("GET", f"/tickets/{number}.json", params={"include": "users"})
        return {**answer["ticket"], "users": answer.get("users", [])}

    def _say(self, ticket: Found, key: str, message: Message) -> None:
        if ticket["status"] == "closed":
            follow_up = {**self._new(key, message), "via_followup_source_id": ticket["id"]}
            self._post_ticket(f"{ticket['id']} {key}", follow_up)
            return
        change: dict[str, object] = {"comment": self._comment(message), "metadata": _metadata(key)}
        if message.reopens and ticket["status"] == "solved":
            change["status"] = "open"
        self._client.call("PUT", f"/tickets/{ticket['id']}.json", body={"ticket": change})

    def _new(self, key: str, message: Message) -> dict[str, object]:
        tag = _NOT_IN_A_TAG.sub("_", message.tag.casefold()).strip("_")
        return {
            "subject": self._render.line(message, _LONGEST_SUBJECT),
            "comment": self._comment(message),
            "tags": [one for one in ("hearthwatch", tag, f"severity_{message.severity.casefold()}") if one],
            "priority": _PRIORITIES.get(message.severity, "low"),
            "metadata": _metadata(key),
        }

    def _post_ticket(self, key: str, ticket: Mapping[str, object]) -> Found:
        answer = self._client.call(
            "POST",
            "/tickets.json",
            body={"ticket": ticket},
            headers={"Idempotency-Key": digest(key)},
            repeatable=True,
        )
        made: Found = answer["ticket"]
        return made

    def _comment(self, message: Message) -> dict[str, object]:
        files = {name: ("text/csv", csv) for name, csv in self._render.files(message).items()}
        text = self._render.text(message)
        if len(text) > LONGEST_COMMENT:
            files["ticket.txt"] = ("text/plain", text)
            text = f"{text[:LONGEST_COMMENT].rstrip()}\n\nCut off here: all of it is attached as ticket.txt.\n"
        # In <pre> nothing is markup: neither Markdown nor HTML acts, and columns stay below each other.
        comment: dict[str, object] = {
            "html_body": f"<pre>{html.escape(text)}</pre>{self._links(message)}",
            "public": False,
        }
        tokens = [self._upload(name, kind, content) for name, (kind, content) in files.items()]
        tokens += [
            self._upload(picture.name, f"image/{picture.kind}", picture.content)
            for picture in self._render.pictures(message)
        ]
        return {**comment, "uploads": tokens} if tokens else comment

    def _links(self, message: Message) -> str:
        """The linked tickets, to be followed. Zendesk's own links make one ticket the problem of others and solve all with it."""
        links = [
            f'<a href="{self._site}/agent/tickets/{one}">#{one}</a>' for one in message.refers_to if one.isdecimal()
        ]
        return f"<p>Linked: {', '.join(links)}</p>" if links else ""

    def _upload(self, name: str, kind: str, content: str | bytes) -> str:
        answer = self._client.call(
            "POST",
            "/uploads.json",
            params={"filename": name},
            content=content,
            headers={"Content-Type": kind},
            repeatable=True,  # what no ticket uses is thrown away after an hour
        )
        return str(answer["upload"]["token"])

    def _keys(self, tickets: list[Found]) -> list[str]:
        """What we have said on `tickets`, oldest first."""
        return [key for audit in self._audits(tickets) if (key := _key(audit))]

    def _audits(self, tickets: list[Found]) -> Iterator[Found]:
        for ticket in tickets:
            params: dict[str, str | int] = {"page[size]": 100}
            audits: list[Found] = []
            while True:
                page = self._client.call("GET", f"/tickets/{ticket['id']}/audits.json", params=params)
                audits.extend(page["audits"])
                if not page["meta"]["has_more"]:
                    break
                params["page[after]"] = page["meta"]["after_cursor"]
            yield from sorted(audits, key=lambda audit: int(audit["id"]))

    def _ref(self, number: int) -> TicketRef:
        return TicketRef(str(number), f"{self._site}/agent/tickets/{number}")


def _metadata(key: str) -> dict[str, object]:
    return {"custom": {METADATA_KEY: key}}


def _key(audit: Found) -> str:
    custom = audit["metadata"].get("custom") or {}
    return str(custom.get(METADATA_KEY) or "")


def _is_reply(audit: Found) -> bool:
    by_a_person = audit["author_id"] != _SYSTEM and audit["via"]["channel"] != "rule"
    return by_a_person and not _key(audit) and any(event["type"] == "Comment" for event in audit["events"])


def _is_gone(error: AnswerError) -> bool:
    """True if Zendesk knows the account but not the ticket; a wrong address gets another kind of 404."""
    return error.status == 404 and isinstance(error.body, dict) and error.body.get("error") == "RecordNotFound"
