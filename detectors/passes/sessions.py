"""The pass over the sessions of people whom somebody removed from a household."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import FromClause, Select, Text, and_, cast, func, select, union_all

from detectors.contract import Context
from detectors.passes.base import (
    EVENTS,
    MEMBERS,
    METADATA,
    Pass,
    Scope,
    between,
    meta,
    not_refused,
    of_households,
    of_users,
    operation,
    since,
)
from detectors.source import Tables


def _sessions(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each use in the window of a session that survived its user's removal by somebody else, and what may excuse it.

    `let_in_at` is the time of the first approval of that person by that household after the removal; `joined_at` is when the
    first of their rows there was written after it, whatever became of it; `active_rows` is zero where none is active now.
    """
    events, members = tables["household_events"], tables["household_members"]
    removed = _removals(tables, scope, context).cte("removed")
    uses = _uses(tables, scope, context, removed)
    grace = timedelta(minutes=context.limits.session_grace_minutes)
    survived = and_(
        uses.c.user_id == removed.c.user_id,
        uses.c.created_at < removed.c.changed_at,
        uses.c.used_at > removed.c.changed_at + grace,
    )
    hits = (
        select(removed, uses.c.session_id, uses.c.created_at, uses.c.used_at)
        .select_from(removed.join(uses, survived))
        .where(of_users(tables, scope, removed.c.user_id))
        .cte("hit")
    )
    # An array, and no join: where there is an index on households it finds the few, and elsewhere one reading does for all.
    homes = func.any(func.array(select(hits.c.household_id).distinct().scalar_subquery()))
    let_in = (
        select(
            events.c.household_id,
            tables.user_key(meta(events, "new_member_id")).label("user_id"),
            events.c.event_timestamp,
        )
        .where(events.c.household_id == homes, tables.event_is("household_join_request_approved", common=True))
        .subquery("let_in")
    )
    row = (
        select(members.c.household_id, members.c.user_id, members.c.joined_at, members.c.status)
        .where(members.c.household_id == homes)
        .subquery("row")
    )
    later = and_(
        let_in.c.household_id == hits.c.household_id,
        let_in.c.user_id == hits.c.user_id,
        let_in.c.event_timestamp > hits.c.changed_at,
    )
    pair = and_(row.c.household_id == hits.c.household_id, row.c.user_id == hits.c.user_id)
    return (
        select(
            *hits.c,
            func.min(let_in.c.event_timestamp).label("let_in_at"),
            func.min(row.c.joined_at).filter(row.c.joined_at > hits.c.changed_at).label("joined_at"),
            func.count().filter(row.c.status == "active").label("active_rows"),
        )
        .select_from(hits.outerjoin(let_in, later).outerjoin(row, pair))
        .group_by(*hits.c)
        .subquery("session")
    )


def _removals(tables: Tables, scope: Scope | None, context: Context) -> Select[Any]:
    """Each removal of somebody by somebody else, retries as one."""
    events = tables["household_events"]
    person = tables.user_key(meta(events, "member_id"))
    return (
        select(
            person.label("user_id"),
            events.c.household_id,
            func.max(cast(events.c.user_id, Text)).label("changed_by"),
            func.min(events.c.event_timestamp).label("changed_at"),
        )
        .where(
            tables.event_is("household_member_removed"),
            since(events, context.history_start),
            events.c.event_timestamp < context.window.end,
            events.c.user_id.is_distinct_from(person),
            not_refused(events, context),
            of_households(tables, scope, events.c.household_id),
        )
        .group_by(person, events.c.household_id, operation(events))
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
