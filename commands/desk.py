"""The desk of a run: the queue that --queue names, and how findings and notes become its messages."""

from __future__ import annotations

from pathlib import Path

import click

from channels.folder import FolderQueue
from channels.protocol import Queue, TicketRef
from detectors.contract import Finding
from escalation.desk import Desk
from escalation.policy import Policy
from reports import csv_text, markdown
from reports.message import Message
from reports.note import note_message
from reports.redact import redacted
from reports.ticket import ticket


def open_queue(where: str) -> Queue:
    """The queue at `where`. Raises click.UsageError for a kind that is not known."""
    kind, _, place = where.partition(":")
    if kind != "folder" or not place:
        raise click.UsageError(f"unknown queue {where!r}: write folder:PATH")
    return FolderQueue(Path(place), text=markdown.render, csv=csv_text.render)


def open_desk(where: str, policy: Policy) -> Desk[TicketRef, Message]:
    """The queue with the words for it, redacted as the policy says for files."""

    def as_ticket(finding: Finding, external_id: str) -> Message:
        return ticket(redacted(finding, policy.redaction.file, b""), policy, reference=external_id)

    return Desk(queue=open_queue(where), ref=TicketRef, ticket=as_ticket, note=lambda note: note_message(note, policy))
