"""The pass over the sessions of people whom somebody removed from a household."""

from __future__ import annotations

from typing import Any

from sqlalchemy import FromClause, Select, Text, and_, cast, literal, select, union_all

from detectors.contract import Context
from detectors.passes.base import EVENTS, MEMBERS, METADATA, Pass, Scope, between, meta, of_households, of_users, since
from detectors.source import Tables


def _sessions(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each use in the window of a session after a removal of its user, beside that removal and what followed.

    A change is "removed" or "approved" (the removed person was let into the household again). `joined_at` is that of
    the user's active row in the change's household.
    """
    removed = _changes(tables, scope, context, "household_member_removed", "member_id", "removed").cte("removed")
    uses = _uses(tables, scope, context, removed)
    hits = (
        select(*removed.c, uses.c.session_id, uses.c.created_at, uses.c.used_at)
        .select_from(removed.join(uses, uses.c.user_id == removed.c.user_id))
        .where(uses.c.used_at > removed.c.changed_at, of_users(tables, scope, removed.c.user_id))
        .cte("hit")
    )
    # What may excuse a use is looked for where there is one: hits are few, approvals and members are not.
    homes = select(hits.c.household_id)
    approvals = _changes(tables, scope, context, "household_join_request_approved", "new_member_id", "approved")
    let_in = approvals.where(tables["household_events"].c.household_id.in_(homes)).subquery("let_in")
    same = and_(let_in.c.household_id == hits.c.household_id, let_in.c.user_id == hits.c.user_id)
    approved = select(*let_in.c, hits.c.session_id, hits.c.created_at, hits.c.used_at).select_from(
        hits.join(let_in, same)
    )
    rows = union_all(select(*hits.c), approved).subquery("change")
    members = tables["household_members"]
    row = (
        select(members.c.household_id, members.c.user_id, members.c.joined_at)
        .where(members.c.status == "active", members.c.household_id.in_(homes))
        .subquery("row")
    )
    pair = and_(row.c.household_id == rows.c.household_id, row.c.user_id == rows.c.user_id)
    return select(*rows.c, row.c.joined_at).select_from(rows.outerjoin(row, pair)).subquery("session")


def _changes(
    tables: Tables, scope: Scope | None, context: Context, event_type: str, key: str, change: str
) -> Select[Any]:
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
        of_households(tables, scope, events.c.household_id),
    )


def _uses(tables: Tables, scope: Scope | None, context: Context, removed: FromClause) -> FromClause:
    """The uses in the window of the sessions of `removed` people, by the session's own row and by session_used events."""
    events, sessions, window = tables["household_events"], tables["sessions"], context.window
    theirs = (
        select(
            cast(sessions.c.id, Text).label("session_id"),
            sessions.c.user_id,
            sessions.c.created_at,
            sessions.c.last_activity_at,
        )
        .where(
            sessions.c.user_id.in_(select(removed.c.user_id).where(removed.c.user_id.is_not(None))),
            of_users(tables, scope, sessions.c.user_id),
        )
        .cte("theirs")
    )
    told = (
        select(meta(events, "session_id").label("session_id"), events.c.event_timestamp.label("used_at"))
        .where(
            tables.event_is("session_used", common=True),
            between(events.c.event_timestamp, window.start, window.end),
            of_users(tables, scope, events.c.user_id),
        )
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
    Pass(
        "sessions",
        "sessions of removed members",
        "user_id",
        EVENTS | MEMBERS | METADATA | _SESSIONS,
        _sessions,
        reach="whole",
    ),
)
