"""The ledger's outbox, and what has been posted from it: the part of a transaction that sending needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from escalation.ledger.records import Destination, OutboxKind, OutboxRow, Post, Ticket
from escalation.ledger.schema import OUTBOX, POSTS
from escalation.ledger.undamaged import record, undamaged

QUEUE_ONLY: Final[tuple[Destination, ...]] = ("queue",)


class OutboxPart:
    """What can be read and written of the outbox and of posts in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """For what is done once and to many tables (see forgetting.py)."""
        return self._connection

    def enqueue(
        self,
        key: str,
        ticket: Ticket,
        kind: OutboxKind,
        payload: Mapping[str, Any],
        now: datetime,
        destinations: Collection[Destination] = QUEUE_ONLY,
    ) -> None:
        """Want something sent to each of the destinations. A key that is known there, sent or not, is not wanted twice."""
        for destination in destinations:
            own_key = key if destination == "queue" else f"{key}@{destination}"
            if self._connection.scalar(select(OUTBOX.c.id).where(OUTBOX.c.key == own_key)) is not None:
                continue
            self._connection.execute(
                insert(OUTBOX).values(
                    key=own_key,
                    ticket_id=ticket.id,
                    destination=destination,
                    kind=kind,
                    payload=dict(payload),
                    made_at=now,
                    attempts=0,
                    begun=False,
                )
            )

    @undamaged()
    def unsent(self, destination: Destination | None = None) -> list[OutboxRow]:
        """What is still to be sent, to one destination or to all, oldest first."""
        columns = [OUTBOX.c[field.name] for field in dataclasses.fields(OutboxRow)]
        query = select(*columns).where(OUTBOX.c.sent_at.is_(None)).order_by(OUTBOX.c.id)
        if destination is not None:
            query = query.where(OUTBOX.c.destination == destination)
        return [record(OutboxRow, row) for row in self._connection.execute(query).mappings()]

    def mark_begun(self, row: OutboxRow) -> None:
        """From now on it may have been sent. For destinations that cannot be asked for a message by our own id."""
        self._connection.execute(update(OUTBOX).where(OUTBOX.c.id == row.id).values(begun=True))

    def mark_sent(self, row: OutboxRow, now: datetime) -> None:
        """The destination has confirmed it; what was said is not kept."""
        self._connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.id == row.id)
            .values(sent_at=now, payload=None, error=None, attempts=row.attempts + 1)
        )

    def mark_failed(self, row: OutboxRow, error: str) -> None:
        self._connection.execute(
            update(OUTBOX).where(OUTBOX.c.id == row.id).values(error=error, attempts=row.attempts + 1)
        )

    def forget_unsent(self, ticket: Ticket) -> None:
        """Do not send any more what was to be said on a ticket that is gone from its queue."""
        self._connection.execute(
            delete(OUTBOX).where(and_(OUTBOX.c.ticket_id == ticket.id, OUTBOX.c.sent_at.is_(None)))
        )

    @undamaged()
    def latest_posts(self) -> dict[int, Post]:
        """Each ticket's latest post, by the ticket's row."""
        latest = select(func.max(POSTS.c.id)).group_by(POSTS.c.ticket_id)
        query = select(POSTS).where(POSTS.c.id.in_(latest))
        return {row["ticket_id"]: record(Post, row) for row in self._connection.execute(query).mappings()}

    def add_post(self, post: Post) -> None:
        """Write a post; its id is not used."""
        values = dataclasses.asdict(post)
        del values["id"]
        self._connection.execute(insert(POSTS).values(values))

    def save_post(self, post: Post) -> None:
        values = dataclasses.asdict(post)
        self._connection.execute(update(POSTS).where(POSTS.c.id == post.id).values(values))
