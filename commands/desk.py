"""Where messages go: the queue that --queue names, Slack where it is set up, and how findings become their messages."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import click

from channels import mail
from channels.open_queue import open_queue
from channels.protocol import Queue, TicketRef
from channels.renderers import PictureFile, Renderers
from channels.settings import ChannelSettingError
from channels.slack import SlackWorkspace, open_slack
from commands.options import Settings
from detectors.contract import Team
from escalation.decide.clocks import restarted
from escalation.deliver.case_file import CaseFile
from escalation.deliver.helpdesk import HelpdeskDelivery, Note
from escalation.deliver.messenger import Notification, SlackDelivery
from escalation.ledger.records import Ticket
from escalation.policy.policy import Policy
from escalation.policy.process import Redaction, TeamPolicy
from reports import csv_text, markdown, png, slack, text
from reports import mail as mail_words
from reports.case import case_ticket
from reports.message import Message
from reports.neutral import defused
from reports.note import note_message, standing_message
from reports.redact import redacted_case, word_scrub

PSEUDONYM_KEY = "HEARTHWATCH_PSEUDONYM_KEY"
RENDERERS = Renderers(
    subject=lambda message: defused(message.headline),
    text=text.render,
    markdown=markdown.render,
    csv=csv_text.render,
    picture=lambda one: PictureFile(*png.named(one)),
)


def open_helpdesk_delivery(settings: Settings, policy: Policy) -> HelpdeskDelivery[TicketRef, Message]:
    """The queue with the words for it, redacted as the policy says for its kind; credentials from the environment.

    With a mail server in the environment, the teams that the process tells by e-mail are told so.
    """
    hides = _hidden_in(settings.queue, policy)
    key = pseudonym_key(hides, "the queue's messages")
    by_mail = policy.redaction.email
    mail_key = pseudonym_key(by_mail, "e-mail's messages") if mail_is_set_up() else b""

    def goes_by_mail(team: Team) -> bool:
        return mail_is_set_up() and policy.teams[team].by == "email"

    def as_ticket(case: CaseFile, external_id: str) -> Message:
        mailed = goes_by_mail(case.findings[0].team)
        hidden_here, its_key = (by_mail, mail_key) if mailed else (hides, key)
        hidden = redacted_case(case, hidden_here, its_key)
        return case_ticket(hidden, policy, reference=external_id, pseudonyms=hidden_here == "ids")

    queue = opened_queue(settings, policy)
    return HelpdeskDelivery(
        queue=queue,
        ref=TicketRef,
        ticket=as_ticket,
        note=lambda note: note_message(note, policy),
        place=lambda team: "mail" if goes_by_mail(team) else "helpdesk",
        restarted=lambda late, now: restarted(late, policy, now),
    )


def _hidden_in(where: str, policy: Policy) -> Redaction:
    rules = policy.redaction
    return {"folder": rules.file, "mail": rules.email}.get(where.partition(":")[0], rules.ticket)


def mail_is_set_up() -> bool:
    """True if the environment names a mail server."""
    return bool(os.environ.get(mail.URL, "").strip())


def opened_queue(settings: Settings, policy: Policy) -> Queue:
    """The queue of --queue, and beside it e-mail where the environment names a mail server. Nothing is sent yet."""
    kind, _, address = settings.queue.partition(":")
    try:
        server = mail.open_mail_server(os.environ)
        if kind == "mail":
            if server is None or not mail.is_address(address):
                raise ChannelSettingError(
                    f"write --queue mail:ADDRESS, and set {mail.URL} and {mail.SENDER}: see docs/connect.md"
                )
            return _mail_queue(*server, settings, policy, inbound=address)
        queue = open_queue(settings.queue, os.environ, RENDERERS)
    except ChannelSettingError as error:
        raise click.UsageError(str(error)) from error
    if server is None:
        return queue
    mailed = _mail_queue(*server, settings, policy)
    return mail.ByMail(queue, mailed, lambda message: _rules(message, policy).by == "email")


def _rules(message: Message, policy: Policy) -> TeamPolicy:
    return next(rules for team, rules in policy.teams.items() if team == message.team)


def _mail_queue(
    server: mail.MailServer, sender: str, settings: Settings, policy: Policy, inbound: str = ""
) -> mail.MailQueue:
    def recipients(message: Message) -> mail.Recipients:
        rules = _rules(message, policy)
        if rules.by != "email" and inbound:
            return mail.Recipients(inbound)
        copies = (one for one in rules.copy_to if mail.is_address(one) and one != rules.email)
        return mail.Recipients(rules.email, tuple(copies))

    return mail.MailQueue(server, sender, recipients, words=mail_words.render, renderers=RENDERERS, now=settings.moment)


def opened_slack() -> SlackWorkspace | None:
    """Slack, where the environment names a token. Nothing is sent yet."""
    try:
        return open_slack(os.environ)
    except ChannelSettingError as error:
        raise click.UsageError(str(error)) from error


def slack_channels(policy: Policy) -> dict[str, str]:
    """The channels that the process names, each with what is said there."""
    said: dict[str, list[str]] = {}
    for rules in policy.teams.values():
        for priority, place in rules.slack.items() if rules.by != "email" else ():
            said.setdefault(place.channel, []).append(rules.name if priority == "any" else f"{rules.name} {priority}")
    return {channel: ", ".join(what) for channel, what in said.items()}


def open_slack_delivery(policy: Policy) -> SlackDelivery[dict[str, Any]] | None:
    """Slack with the words for it; None where the environment names no token."""
    workspace = opened_slack()
    if workspace is None:
        return None
    hides = policy.redaction.slack
    key = pseudonym_key(hides, "Slack's messages")

    def as_ticket(case: CaseFile, external_id: str, notification: Notification) -> dict[str, Any]:
        hidden = redacted_case(case, hides, key)
        said = case_ticket(hidden, policy, reference=external_id, pseudonyms=hides == "ids")
        return _payload(said, policy, notification)

    def as_note(note: Note, notification: Notification) -> dict[str, Any]:
        scrub = word_scrub(hides, key, notification.ids)
        hidden = replace(note, title=scrub(note.title), lines=tuple(map(scrub, note.lines)))
        return _payload(note_message(hidden, policy), policy, notification)

    def as_standing(of: Ticket, notification: Notification) -> dict[str, Any]:
        hidden = replace(of, title=word_scrub(hides, key, notification.ids)(of.title))
        return _payload(standing_message(hidden, policy), policy, notification)

    return SlackDelivery(client=workspace, ticket=as_ticket, note=as_note, standing=as_standing)


def _payload(message: Message, policy: Policy, notification: Notification) -> dict[str, Any]:
    return slack.payload(
        message,
        place=notification.place,
        link=notification.link,
        slack_id=policy.mentions.get(notification.place.mention, ""),
        reply=notification.in_thread,
        with_mention=notification.with_mention,
    )


def pseudonym_key(hides: Redaction, whose: str) -> bytes:
    key = os.environ.get(PSEUDONYM_KEY, "").encode()
    if hides == "ids" and not key:
        raise click.UsageError(
            f"{whose} hide ids behind pseudonyms: set {PSEUDONYM_KEY} to a secret of your own, "
            "or let the policy's [redaction] hide less"
        )
    return key
