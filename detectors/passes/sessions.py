"""The pass over the sessions of people whom somebody removed from a household."""

from __future__ import annotations

from typing import Any

from sqlalchemy import FromClause, Select, Text, and_, cast, literal, select, union_all

from detectors.contract import Context
from detectors.passes.base import EVENTS, MEMBERS, METADATA, Pass, Scope, between, meta, of_users, since
from detectors.source import Tables


def _sessions(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each use of a session in the window beside the changes of its user's memberships.

    Only users whom somebody removed; a change is "removed" or "approved" (let into the household again). `joined_at` is
    that of the user's active row in the change's household.
    """
    removed = _changes(tables, context, "household_member_removed", "member_id", "removed").cte("removed")
    # Who was let in again is read from metadata, so the household, a column, narrows first.
    of_the_removed = select(removed.c.household_id).where(removed.c.household_id.is_not(None))
    approved = _changes(tables, context, "household_join_request_approved", "new_member_id", "approved").where(
        tables["household_events"].c.household_id.in_(of_the_removed)
    )
    changes = union_all(select(*removed.c), approved).subquery("change")
    members = tables["household_members"]
    row = (
        select(members.c.household_id, members.c.user_id, members.c.joined_at)
        .where(members.c.status == "active", members.c.household_id.in_(of_the_removed))
        .subquery("row")
    )
    uses = _uses(tables, context, removed)
    pair = and_(row.c.household_id == changes.c.household_id, row.c.user_id == changes.c.user_id)
    return (
        select(
            *changes.c,
            uses.c.session_id,
            uses.c.created_at,
            uses.c.used_at,
            row.c.joined_at,
        )
        .select_from(changes.join(uses, uses.c.user_id == changes.c.user_id).outerjoin(row, pair))
        .where(of_users(tables, scope, changes.c.user_id))
        .subquery("session")
    )


def _changes(tables: Tables, context: Context, event_type: str, key: str, change: str) -> Select[Any]:
    events = tables["household_events"]
    return select(
        tables.user_key(meta(events, key)).label("user_id"),
        events.c.household_id,
        events.c.user_id.label("changed_by"),
        events.c.event_timestamp.label("changed_at"),
        literal(change).label("change"),
        meta(events, "correlation_id").label("correlation_id"),
    ).where(
        tables.event_is(event_type),
        since(events, context.history_start),
        events.c.event_timestamp < context.window.end,
    )


def _uses(tables: Tables, context: Context, removed: FromClause) -> FromClause:
    """The uses in the window of the sessions of `removed` people, by the session's own row and by session_used events."""
    events, sessions, window = tables["household_events"], tables["sessions"], context.window
    theirs = (
        select(
            cast(sessions.c.id, Text).label("session_id"),
            sessions.c.user_id,
            sessions.c.created_at,
            sessions.c.last_activity_at,
        )
        .where(sessions.c.user_id.in_(select(removed.c.user_id).where(removed.c.user_id.is_not(None))))
        .cte("theirs")
    )
    told = (
        select(meta(events, "session_id").label("session_id"), events.c.event_timestamp.label("used_at"))
        .where(tables.event_is("session_used"), between(events.c.event_timestamp, window.start, window.end))
        .subquery("told")
    )
    by_event = select(theirs.c.session_id, theirs.c.user_id, theirs.c.created_at, told.c.used_at).select_from(
        theirs.join(told, told.c.session_id == theirs.c.session_id)
    )
    by_row = select(
        theirs.c.session_id, theirs.c.user_id, theirs.c.created_at, theirs.c.last_activity_at.label("used_at")
    ).where(between(theirs.c.last_activity_at, window.start, window.end))
    return union_all(by_event, by_row).subquery("use")


_SESSIONS = frozenset({"sessions.id", "sessions.user_id", "sessions.created_at"})

PASSES = (
    Pass("sessions", "sessions of removed members", "user_id", EVENTS | MEMBERS | METADATA | _SESSIONS, _sessions),
)
