"""The pass over who was last named as the leader."""

from __future__ import annotations

from sqlalchemy import (
    FromClause,
    func,
    select,
)

from detectors.contract import Context
from detectors.domain.retries import operation
from detectors.events import EventType
from detectors.passes.base import (
    EVENTS,
    HOUSEHOLDS,
    METADATA,
    Pass,
    Scope,
    of_households,
    since,
)
from detectors.source import Tables
from detectors.source.sql import json_text


def _transfers(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each household's last leadership transfer event: whom it names, and who leader_id is now."""
    events, households = tables["household_events"], tables["households"]
    named = tables.user_key(json_text(events.c.metadata, "to_user_id"))
    one, in_order = (events.c.household_id, operation(events)), (events.c.event_timestamp, events.c.id)
    each = (
        select(
            events.c.household_id,
            named.label("to_user_id"),
            events.c.event_timestamp.label("at"),
            events.c.id,
            # A retry repeats the operation; what its first row says counts, at that row's time.
            func.row_number().over(partition_by=one, order_by=in_order).label("attempt"),
        )
        .where(
            tables.event_is(EventType.LEADERSHIP_TRANSFERRED),
            since(events, context.history_start),
            of_households(tables, scope, events.c.household_id),
        )
        .subquery("each")
    )
    newest_first = (each.c.at.desc(), each.c.id.desc())
    transfers = (
        select(
            each.c.household_id,
            each.c.to_user_id,
            func.row_number().over(partition_by=each.c.household_id, order_by=newest_first).label("place"),
        )
        .where(each.c.attempt == 1)
        .subquery("transfer")
    )
    return (
        select(transfers.c.household_id, transfers.c.to_user_id, households.c.leader_id)
        .select_from(transfers.join(households, households.c.id == transfers.c.household_id))
        .where(transfers.c.place == 1)
        .subquery("last_transfer")
    )


PASSES = (
    Pass(
        "transfers",
        "leadership transfer events",
        "household_id",
        EVENTS | HOUSEHOLDS | METADATA,
        _transfers,
        history=True,
    ),
)
