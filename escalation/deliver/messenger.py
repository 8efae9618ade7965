"""Telling Slack: one thread for each ticket, each message once, the first one edited when the ticket changes.

Slack cannot be asked for a message by an id of ours. So a message is marked as begun before it is sent, and whatever was
begun is looked for before it is sent again. A ticket is told of when its queue has confirmed it, as the link belongs to
the message; only who is tagged in the process (P0, Immediate) hears at once, link or not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from detectors.contract import Finding
from escalation.decide.decisions import is_held
from escalation.decide.observations import more_urgent
from escalation.deliver.case_file import CaseFile, case_from
from escalation.deliver.helpdesk import (
    GIVE_UP_AFTER,
    Delivered,
    Failed,
    Note,
    by_urgency,
    note_from,
    one_line,
)
from escalation.ledger.ledger import Ledger
from escalation.ledger.records import Entry, OutboxRow, Post, Silence, Ticket
from escalation.policy.policy import Policy
from escalation.policy.process import SlackPlace

logger = logging.getLogger("hearthwatch.delivery")
WITH_MENTION = frozenset(
    {"back", "still-seen", "closing-ended", "snooze-broken", "happened-again", "more-urgent", "follow-up"}
)
"""The reasons for which somebody is called again, not only told in the thread."""


class Posted(Protocol):
    """Where a message is: Slack's id of its channel, and the message's timestamp there."""

    @property
    def channel_id(self) -> str: ...
    @property
    def timestamp(self) -> str: ...


PayloadT = TypeVar("PayloadT")
Payload_contra = TypeVar("Payload_contra", contravariant=True)


class Client(Protocol[Payload_contra]):
    """Slack as the escalation needs it. Any exception means: perhaps not done, look for it next time."""

    def post(self, key: str, payload: Payload_contra) -> Posted: ...
    def find(self, key: str, channel: str) -> Posted | None: ...
    def reply(self, key: str, thread: Posted, payload: Payload_contra) -> None: ...
    def has_reply(self, key: str, thread: Posted) -> bool: ...
    def edit(self, message: Posted, payload: Payload_contra) -> None: ...


@dataclass(frozen=True, slots=True)
class Notification:
    """What a message needs to know beside its words: where it goes, whom it calls, and where the ticket is."""

    place: SlackPlace
    link: str
    """The ticket's address, or its external id while the queue has not confirmed it."""
    in_thread: bool
    with_mention: bool
    ids: tuple[str, ...]
    """The user and household ids that its words may name."""


@dataclass(frozen=True, slots=True)
class SlackDelivery(Generic[PayloadT]):
    """A wall, and how cases, notes and the ends of tickets become its messages."""

    client: Client[PayloadT]
    ticket: Callable[[CaseFile, str, Notification], PayloadT]
    note: Callable[[Note, Notification], PayloadT]
    standing: Callable[[Ticket, Notification], PayloadT]
    """What a first message says when a ticket has ended, or is open again: the state and the link, no more."""


@dataclass(slots=True)
class _Run(Generic[PayloadT]):
    """One emptying of the outbox onto a board."""

    ledger: Ledger
    slack_delivery: SlackDelivery[PayloadT]
    policy: Policy
    findings: Mapping[str, Finding]
    now: datetime
    silences: dict[str, Silence]
    delivered: list[Delivered] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    in_a_row: int = 0


def announce(
    ledger: Ledger,
    slack_delivery: SlackDelivery[PayloadT],
    policy: Policy,
    findings: Mapping[str, Finding],
    now: datetime,
) -> tuple[list[Delivered], list[Failed]]:
    """Post what is in the outbox for Slack, except on tickets that are muted now, and mark what has ended.

    `findings` are tonight's, by fingerprint. Whatever fails is tried again by the next run.
    """
    with ledger.begin() as tx:
        rows = by_urgency(tx, tx.unsent("slack"))
        run = _Run(ledger, slack_delivery, policy, findings, now, tx.silences())
    blocked: set[int] = set()
    for row in rows:
        if row.ticket_id not in blocked and not _say(run, row):
            blocked.add(row.ticket_id)
    _settle(run, blocked)
    return run.delivered, run.failed


def _say(run: _Run[PayloadT], row: OutboxRow) -> bool:
    """Send one row. False if what comes later for the same ticket must wait."""
    with run.ledger.begin() as tx:
        ticket = tx.ticket_by_row(row.ticket_id)
        entries = tx.entries_on(ticket)
        post = tx.latest_posts().get(ticket.id)
    place = run.policy.slack(ticket.team, ticket.severity)
    if place is None:
        with run.ledger.begin() as tx:
            tx.mark_sent(row, run.now)
        return True
    if is_held(ticket.fingerprint, entries, run.silences, run.now) or (ticket.ref_id is None and not place.mention):
        return False
    notification = _notification(ticket, place, entries, with_mention=True)
    try:
        _not_out_of_reach(run)
        if not row.begun:
            with run.ledger.begin() as tx:
                tx.mark_begun(row)
        begun = _send(run, row, ticket, post, notification)
    except Exception as error:
        _failed(run, ticket, row, error)
        return False
    run.in_a_row = 0
    with run.ledger.begin() as tx:
        if begun is not None:
            tx.add_post(begun)
        elif post is not None and row.kind == "update":
            tx.save_post(replace(post, settled=False))
        tx.mark_sent(row, run.now)
    run.delivered.append(Delivered(ticket.external_id, row.kind, place.channel if begun or not post else post.channel))
    return True


def _notification(ticket: Ticket, place: SlackPlace, entries: Collection[Entry], *, with_mention: bool) -> Notification:
    ids = {one for entry in entries for one in (*entry.households, *entry.users, *entry.subject.values())}
    return Notification(
        place=place,
        link=ticket.ref_url or ticket.external_id,
        in_thread=False,
        with_mention=with_mention and bool(place.mention),
        ids=tuple(sorted(ids - {""})),
    )


def _send(
    run: _Run[PayloadT], row: OutboxRow, ticket: Ticket, post: Post | None, notification: Notification
) -> Post | None:
    """Send the row's message; the post of the thread that it begins, if it does."""
    slack_delivery, client = run.slack_delivery, run.slack_delivery.client
    begins = post is None or _moved(post, ticket, notification.place)
    if row.kind in ("create", "update"):
        if post is not None and row.kind == "create":
            return None
        payload = slack_delivery.ticket(case_from(row.payload, run.findings), ticket.external_id, notification)
        if not begins and post is not None:
            client.edit(post, payload)
            return None
    else:
        note = note_from(row.payload)
        # What joins a case is news for whoever is called for such: as urgent as the case, it would have called them by itself.
        as_urgent = note.reason == "joined" and note.severity == ticket.severity
        with_mention = notification.with_mention and (begins or as_urgent or note.reason in WITH_MENTION)
        payload = slack_delivery.note(note, replace(notification, in_thread=not begins, with_mention=with_mention))
        if not begins and post is not None:
            if not (row.begun and client.has_reply(row.key, post)):
                client.reply(row.key, post, payload)
            return None
    known = client.find(row.key, notification.place.channel) if row.begun else None
    posted = known or client.post(row.key, payload)
    return Post(
        id=0,
        ticket_id=ticket.id,
        channel=notification.place.channel,
        channel_id=posted.channel_id,
        timestamp=posted.timestamp,
        severity=ticket.severity,
        settled=False,
        linked=ticket.ref_id is not None,
    )


def _moved(post: Post, ticket: Ticket, place: SlackPlace) -> bool:
    """True if the ticket has become so much more urgent that others must hear of it."""
    return more_urgent(ticket.severity, post.severity) and place.channel != post.channel


def _settle(run: _Run[PayloadT], blocked: Collection[int]) -> None:
    """Bring the threads into line with tickets that have ended, are open again, or have got their link at last."""
    with run.ledger.begin() as tx:
        posts = sorted(tx.latest_posts().items())
    for key, post in posts:
        with run.ledger.begin() as tx:
            ticket = tx.ticket_by_row(key)
            entries = tx.entries_on(ticket)
        late = not post.linked and ticket.ref_id is not None
        if key in blocked or (post.settled == ticket.ended and not late):
            continue
        notification = _notification(ticket, SlackPlace(channel=post.channel), entries, with_mention=False)
        try:
            _not_out_of_reach(run)
            if post.settled != ticket.ended:
                run.slack_delivery.client.edit(post, run.slack_delivery.standing(ticket, notification))
            if late:
                _link(run, ticket, post, replace(notification, in_thread=True))
        except Exception as error:
            _failed(run, ticket, None, error)
            continue
        run.in_a_row = 0
        with run.ledger.begin() as tx:
            tx.save_post(replace(post, settled=ticket.ended, linked=post.linked or late))


def _link(run: _Run[PayloadT], ticket: Ticket, post: Post, notification: Notification) -> None:
    """Say in the thread where the ticket is, once."""
    key = f"{ticket.external_id}/link@slack"
    told = Note(
        external_id=ticket.external_id,
        team=ticket.team,
        severity=ticket.severity,
        title=ticket.title,
        reason="added",
        at=run.now,
        lines=("The ticket is in the queue now.",),
    )
    if not run.slack_delivery.client.has_reply(key, post):
        run.slack_delivery.client.reply(key, post, run.slack_delivery.note(told, notification))


def _not_out_of_reach(run: _Run[PayloadT]) -> None:
    if run.in_a_row == GIVE_UP_AFTER:
        raise ConnectionError("not tried: Slack is out of reach")


def _failed(run: _Run[PayloadT], ticket: Ticket, row: OutboxRow | None, error: Exception) -> None:
    logger.debug("announcing %s failed", ticket.external_id, exc_info=True)
    run.in_a_row = min(run.in_a_row + 1, GIVE_UP_AFTER)
    run.failed.append(Failed(ticket.external_id, row.kind if row else "update", f"Slack: {one_line(error)}"))
    if row is not None:
        with run.ledger.begin() as tx:
            tx.mark_failed(row, run.failed[-1].error)
