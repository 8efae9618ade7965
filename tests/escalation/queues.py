"""A queue in memory that can fail, lose answers and be worked on by people."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from escalation.decide.clocks import restarted
from escalation.deliver.case_file import CaseFile
from escalation.deliver.helpdesk import HelpdeskDelivery, Note
from escalation.policy.policy import load_policy

POLICY = load_policy()
REOPENS = "[reopens]"
Status = Literal["open", "acknowledged", "resolved", "closed", "missing"]


@dataclass(frozen=True)
class Ref:
    id: str
    url: str


@dataclass(frozen=True)
class State:
    status: Status
    first_reply_at: datetime | None = None
    owner: str = ""


@dataclass
class Filed:
    """A ticket as the queue has it. Its message is what the desk's functions below make: text."""

    text: str
    comments: dict[str, str] = field(default_factory=dict)
    status: Status = "open"
    first_reply_at: datetime | None = None


class QueueError(Exception):
    """The queue did not answer."""


class Crash(BaseException):
    """The process dies here."""


@dataclass
class MemoryQueue:
    """`trouble` is asked before and after everything that is written ("create" or "create done"), and may raise."""

    tickets: dict[str, Filed] = field(default_factory=dict)
    creations: list[str] = field(default_factory=list)
    down: bool = False
    trouble_at: dict[str, BaseException] = field(default_factory=dict)
    reopens_as: Status | None = None
    """What becomes of an ended ticket when a comment opens it again; None where the queue cannot do that."""
    written: set[str] = field(default_factory=set)
    """The tickets on which something was said; whoever asks may clear it."""

    def _step(self, name: str) -> None:
        if self.down:
            raise QueueError("queue is down")
        if name in self.trouble_at:
            raise self.trouble_at.pop(name)

    def find(self, external_id: str) -> Ref | None:
        self._step("find")
        return Ref(external_id, f"mem:{external_id}") if external_id in self.tickets else None

    def create(self, external_id: str, message: str) -> Ref:
        self._step("create")
        self.creations.append(external_id)
        self.written.add(external_id)
        self.tickets[external_id] = Filed(message)
        self._step("create done")
        return Ref(external_id, f"mem:{external_id}")

    def comment(self, ref: Ref, key: str, message: str) -> None:
        self._step("comment")
        filed = self.tickets[ref.id]
        if REOPENS in message and key not in filed.comments and filed.status in ("resolved", "closed"):
            filed.status = self.reopens_as or filed.status
        filed.comments.setdefault(key, message)
        self.written.add(ref.id)
        self._step("comment done")

    def update(self, ref: Ref, message: str) -> None:
        self._step("update")
        self.tickets[ref.id].text = message
        self.written.add(ref.id)

    def state(self, ref: Ref) -> State:
        self._step("state")
        filed = self.tickets.get(ref.id)
        return State("missing") if filed is None else State(filed.status, filed.first_reply_at)

    def said(self, external_id: str) -> list[str]:
        """The reasons of a ticket's comments, in order."""
        return [text.split(":")[0] for text in self.tickets[external_id].comments.values()]


def helpdesk(queue: MemoryQueue) -> HelpdeskDelivery[Ref, str]:
    return HelpdeskDelivery(queue, Ref, _ticket, _note, restarted=lambda late, now: restarted(late, POLICY, now))


def _ticket(case: CaseFile, external_id: str) -> str:
    """What its findings say, the tickets that it is linked with, and what is silenced."""
    findings = [f"{one.title} {one.story.issue} {one.impact.users}" for one in case.findings]
    linked = [f"linked {one.external_id} {one.verdict}" for one in case.linked]
    repeats = [f"{one.what} {one.id} before: {', '.join(one.verdicts)}" for one in case.repeats]
    return " | ".join([f"{external_id} {findings[0]}", *findings[1:], *linked, *repeats, *case.silenced])


def _note(note: Note) -> str:
    reopens = REOPENS if note.reopens else ""
    return f"{note.reason}: {' '.join(note.lines)} {note.channel} {note.mention}{reopens}".strip()
