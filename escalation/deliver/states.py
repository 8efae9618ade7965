"""What people did in the queue is read back: the tickets' states, and which of them were deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from escalation.deliver.helpdesk import (
    GIVE_UP_AFTER,
    Failed,
    HelpdeskDelivery,
    MessageT,
    RefT,
    State,
    may_pass,
    one_line,
)
from escalation.ledger.ledger import Ledger, Transaction
from escalation.ledger.records import OutboxRow, Reason, Ticket

_NEWS: frozenset[Reason] = frozenset({"back", "more-urgent", "snooze-broken", "flapping"})
"""What whoever deleted a ticket cannot have known while it had not been said on it."""
NAME_MOST = 100
"""Characters of an owner's name that are kept."""
ANOTHER_QUEUE = 3
"""Where no ticket is left, and there were so many, nobody has deleted them: the queue is another one, or empty."""


@dataclass(frozen=True, slots=True)
class StatesRead:
    """What came of asking the queue for its tickets' states: those found deleted just now, and what failed."""

    deleted: tuple[Ticket, ...]
    failed: tuple[Failed, ...]


def read_states(
    ledger: Ledger,
    helpdesk: HelpdeskDelivery[RefT, MessageT],
    seen: Iterable[str],
    now: datetime,
    matters: Callable[[Ticket], bool] = lambda _: True,
) -> StatesRead:
    """Bring the tickets' lives up to date with what people did in the queue.

    Of the tickets that have ended only those are asked for whose findings were `seen` tonight (fingerprints), as one
    that was deleted cannot be reopened, and one that was put back is there again. What does not matter now is not asked for.
    """
    with ledger.begin() as tx:
        ended = {entry.ticket_id for entry in tx.entries_for(seen).values() if entry.ticket_id is not None}
        asked = {ticket.id: ticket for ticket in (*map(tx.ticket_by_row, sorted(ended)), *tx.tickets(ended=False))}
        tickets = [ticket for ticket in asked.values() if ticket.ref_id is not None and matters(ticket)]
        opening = {row.ticket_id for row in tx.unsent("queue") if row.payload.get("reopens")}
    changes, failed = _asked(helpdesk, tickets, opening, now)
    deleted = [(old, new) for old, new in changes if new.status == "missing" and not old.ended]
    if len(deleted) >= ANOTHER_QUEUE and len(deleted) == sum(not old.ended for old, _ in changes):
        text = f"all {len(deleted)} tickets are gone at once: is this another queue? nothing was recorded about them"
        failed.append(Failed("every ticket", "state", text))
        changes = [pair for pair in changes if pair not in deleted]
        deleted = []
    with ledger.begin() as tx:
        for old, new in changes:
            if new != old:
                tx.save_ticket(new)
        for _, ticket in deleted:
            _let_go(tx, ticket)
    return StatesRead(tuple(new for _, new in deleted), tuple(failed))


def _asked(
    helpdesk: HelpdeskDelivery[RefT, MessageT], tickets: Iterable[Ticket], opening: Collection[int], now: datetime
) -> tuple[list[tuple[Ticket, Ticket]], list[Failed]]:
    """Each ticket as it was and as the queue says it is now, and what failed. `opening` are those that a comment of ours opens."""
    failed: list[Failed] = []
    changes: list[tuple[Ticket, Ticket]] = []
    in_a_row = 0
    for ticket in tickets:
        try:
            state = helpdesk.queue.state(helpdesk.ref(ticket.ref_id or "", ticket.ref_url or ""))
        except Exception as error:
            failed.append(Failed(ticket.external_id, "state", one_line(error)))
            in_a_row += may_pass(error)
            if in_a_row == GIVE_UP_AFTER:
                break
            continue
        in_a_row = 0
        # What our own comment may have opened, without our knowing that it arrived, nobody has acknowledged with that.
        ours = ticket.id in opening and state.status in ("open", "acknowledged")
        known = replace(ticket, queue_status=state.status) if ours else ticket
        changes.append((ticket, after_state(known, state, now)))
    return changes, failed


def _let_go(tx: Transaction, deleted: Ticket) -> None:
    """Drop what was still to be said on a deleted ticket.

    States of which that was news are on no ticket any more, and neither are effects: when their cause no longer explains
    them, they speak for themselves.
    """
    untold = any(
        row.ticket_id == deleted.id and row.kind == "comment" and not _NEWS.isdisjoint(_reasons(row))
        for row in tx.unsent("queue")
    )
    tx.forget_unsent(deleted)
    leaving = [one for one in tx.entries_on(deleted) if one.kind == "state" and (untold or one.explained_by)]
    tx.save_entries([replace(one, ticket_id=None) for one in leaving], [one.fingerprint for one in leaving])


def _reasons(row: OutboxRow) -> tuple[Reason, ...]:
    """All that a comment tells; an earlier version's tells of one thing."""
    return (row.payload["reason"], *row.payload.get("also", ()))


def after_state(ticket: Ticket, state: State, now: datetime) -> Ticket:
    """The ticket, once it is known what people made of it. What the queue said before is no news."""
    if ticket.status == "missing" and state.status != "missing":
        again = replace(ticket, status="acknowledged" if ticket.acknowledged_at else "open", ended_at=None)
        return after_state(replace(again, queue_status="open"), state, now)
    changed = replace(ticket, queue_status=state.status, owner=_name(state.owner))
    if ticket.ended:
        return changed
    if ticket.acknowledged_at is None and (state.first_reply_at is not None or state.status not in ("open", "missing")):
        # A reply from before the ticket was reopened acknowledges nothing; a status that has not changed neither.
        replied = state.first_reply_at is not None and state.first_reply_at >= ticket.clock_began_at
        if replied or (state.status != ticket.queue_status and state.status != "open"):
            at = max(state.first_reply_at, ticket.clock_began_at) if replied and state.first_reply_at else now
            changed = replace(changed, acknowledged_at=at, status="acknowledged")
    if state.status == "missing":
        return replace(changed, status="missing", ended_at=now)
    if state.status == ticket.queue_status:
        return changed
    if state.status in ("resolved", "closed"):
        return replace(changed, status="resolved", resolved_at=now)
    if ticket.status == "resolved":
        return replace(changed, status="acknowledged", resolved_at=None)
    return changed


def _name(owner: str) -> str:
    """Somebody's name as every ledger can hold it: people may have put anything in its place."""
    return owner.replace("\0", "").encode("utf-8", "replace").decode()[:NAME_MOST]
