"""The desk of a run: the queue that --queue names, and how findings and notes become its messages."""

from __future__ import annotations

import os

import click

from channels.open_queue import QueueSettingError, open_queue
from channels.protocol import TicketRef
from channels.renderers import Renderers
from detectors.contract import Finding
from escalation.desk import Desk
from escalation.policy import Policy
from reports import csv_text, markdown, text
from reports.message import Message
from reports.neutral import defused
from reports.note import note_message
from reports.redact import redacted
from reports.ticket import ticket

RENDERERS = Renderers(
    subject=lambda message: defused(message.headline), text=text.render, markdown=markdown.render, csv=csv_text.render
)


def open_desk(where: str, policy: Policy) -> Desk[TicketRef, Message]:
    """The queue with the words for it, redacted as the policy says for its kind; credentials from the environment."""
    hides = policy.redaction.file if where.startswith("folder:") else policy.redaction.ticket
    key = os.environ.get("HEARTHWATCH_PSEUDONYM_KEY", "").encode()

    def as_ticket(finding: Finding, external_id: str) -> Message:
        return ticket(redacted(finding, hides, key), policy, reference=external_id)

    try:
        queue = open_queue(where, os.environ, RENDERERS)
    except QueueSettingError as error:
        raise click.UsageError(str(error)) from error
    return Desk(queue=queue, ref=TicketRef, ticket=as_ticket, note=lambda note: note_message(note, policy))
