"""What every helpdesk can do for us: find, create, comment, update, read state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from reports.message import Message

Status = Literal["open", "acknowledged", "resolved", "closed", "missing"]


@dataclass(frozen=True, slots=True)
class TicketRef:
    """A ticket in its queue: the queue's own id, and where a person opens it (a web address or a path)."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class TicketState:
    """What people made of a ticket. `owner` is empty where nobody has it, `first_reply_at` None before the first reply."""

    status: Status
    owner: str = ""
    first_reply_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Whether something that a channel needs is there; `text` says what was seen, or what to do. Nothing was sent."""

    name: str
    ok: bool
    text: str


class DeliveryError(Exception):
    """The queue could not be reached or refused. The text is one line; `retry` says whether trying again can help."""

    def __init__(self, text: str, *, retry: bool) -> None:
        super().__init__(" ".join(text.split()))
        self.retry = retry


class Queue(Protocol):
    """A helpdesk queue. Every method raises DeliveryError when it cannot do, or cannot be sure to have done, its work."""

    def find(self, external_id: str) -> TicketRef | None:
        """The ticket that was made for `external_id`, None if there is none (any more)."""

    def create(self, external_id: str, message: Message) -> TicketRef:
        """Make the ticket; where there is one for `external_id` already, that one, unchanged."""

    def comment(self, ref: TicketRef, key: str, message: Message) -> None:
        """Add `message` to the ticket, once for each `key` however often it is sent."""

    def update(self, ref: TicketRef, message: Message) -> None:
        """Make the ticket say `message`, without touching what people wrote or set."""

    def state(self, ref: TicketRef) -> TicketState:
        """What people made of the ticket; status `missing` where it is gone."""

    def check(self) -> list[Check]:
        """Whether everything is there that the queue needs. Nothing is sent, and failures are among the checks."""
