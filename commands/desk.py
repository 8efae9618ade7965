"""Where messages go: the queue that --queue names, Slack where it is set up, and how findings become their messages."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import click

from channels.open_queue import open_queue
from channels.protocol import TicketRef
from channels.renderers import Renderers
from channels.settings import ChannelSettingError
from channels.slack import open_slack
from detectors.contract import Finding
from escalation.board import Board, Occasion
from escalation.desk import Desk, Note
from escalation.policy import Policy
from escalation.process import Redaction
from escalation.records import Ticket
from reports import csv_text, markdown, slack, text
from reports.message import Message
from reports.neutral import defused
from reports.note import note_message, standing_message
from reports.redact import redacted, word_scrub
from reports.ticket import ticket

PSEUDONYM_KEY = "HEARTHWATCH_PSEUDONYM_KEY"
RENDERERS = Renderers(
    subject=lambda message: defused(message.headline), text=text.render, markdown=markdown.render, csv=csv_text.render
)


def open_desk(where: str, policy: Policy) -> Desk[TicketRef, Message]:
    """The queue with the words for it, redacted as the policy says for its kind; credentials from the environment."""
    hides = policy.redaction.file if where.startswith("folder:") else policy.redaction.ticket
    key = _pseudonym_key(hides, "the queue's")

    def as_ticket(finding: Finding, external_id: str) -> Message:
        return ticket(redacted(finding, hides, key), policy, reference=external_id)

    try:
        queue = open_queue(where, os.environ, RENDERERS)
    except ChannelSettingError as error:
        raise click.UsageError(str(error)) from error
    return Desk(queue=queue, ref=TicketRef, ticket=as_ticket, note=lambda note: note_message(note, policy))


def open_board(policy: Policy) -> Board[dict[str, Any]] | None:
    """Slack with the words for it; None where the environment names no token."""
    try:
        workspace = open_slack(os.environ)
    except ChannelSettingError as error:
        raise click.UsageError(str(error)) from error
    if workspace is None:
        return None
    hides = policy.redaction.slack
    key = _pseudonym_key(hides, "Slack's")

    def as_ticket(finding: Finding, external_id: str, occasion: Occasion) -> dict[str, Any]:
        return _payload(ticket(redacted(finding, hides, key), policy, reference=external_id), policy, occasion)

    def as_note(note: Note, occasion: Occasion) -> dict[str, Any]:
        scrub = word_scrub(hides, key, occasion.ids)
        hidden = replace(note, title=scrub(note.title), lines=tuple(map(scrub, note.lines)))
        return _payload(note_message(hidden, policy), policy, occasion)

    def as_standing(of: Ticket, occasion: Occasion) -> dict[str, Any]:
        hidden = replace(of, title=word_scrub(hides, key, occasion.ids)(of.title))
        return _payload(standing_message(hidden, policy), policy, occasion)

    return Board(wall=workspace, ticket=as_ticket, note=as_note, standing=as_standing)


def _payload(message: Message, policy: Policy, occasion: Occasion) -> dict[str, Any]:
    return slack.payload(
        message,
        place=occasion.place,
        link=occasion.link,
        slack_id=policy.mentions.get(occasion.place.mention, ""),
        reply=occasion.in_thread,
        loud=occasion.loud,
    )


def _pseudonym_key(hides: Redaction, whose: str) -> bytes:
    key = os.environ.get(PSEUDONYM_KEY, "").encode()
    if hides == "ids" and not key:
        raise click.UsageError(
            f"{whose} messages hide ids behind pseudonyms: set {PSEUDONYM_KEY} to a secret of your own, "
            "or let the policy's [redaction] hide less"
        )
    return key
