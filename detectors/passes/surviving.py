"""Sessions that survived their user's removal by somebody else: part of the pass over what people did in households."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union,
    union_all,
)

from detectors.contract import Context
from detectors.domain.retries import operation
from detectors.events import EventType
from detectors.passes.base import Scope, any_of, between, meta, not_refused, of_users, since
from detectors.source import Tables

REMOVED_LATELY = timedelta(days=1)
"""So long before the window a removal may lie for a look at its news; those before it are left to the night."""


def told_to_be_gone(
    tables: Tables, context: Context, kinds: Sequence[EventType], mine: ColumnElement[bool], *, few: bool = False
) -> Select[Any]:
    """What tells that somebody is no longer a member, where it is `mine`; of `few` households, whose other rows are few, too."""
    events = tables["household_events"]
    removed = tables.event_is(EventType.MEMBER_REMOVED)
    # A fence: each text is taken out of the metadata once, and not wherever it is named below.
    told = (
        select(
            events.c.household_id,
            events.c.event_timestamp,
            events.c.user_id,
            removed.label("removed"),
            case((removed, meta(events, "member_id"))).label("member_id"),
            case((and_(removed, not_refused(events, context)), operation(events))).label("removal"),
        )
        .where(
            tables.event_is(*kinds, common=few),
            since(events, context.history_start),
            mine,
        )
        .offset(0)
        .subquery("told")
    )
    return select(
        told.c.household_id,
        told.c.event_timestamp,
        case((told.c.removed, tables.user_key(told.c.member_id)), else_=told.c.user_id).label("user_id"),
        case((told.c.removed, told.c.user_id)).label("changed_by"),
        told.c.removal,
    )


def sessions_used(tables: Tables, departed: FromClause, context: Context) -> Select[Any]:
    """The sessions that were used since the last look, by their own rows or by who is named in a session_used event.

    And those of whom a household removed of which rows were written or lost: that may have been what excused an earlier use.
    """
    events, sessions, window = tables["household_events"], tables["sessions"], context.window
    news_from = context.news_since(window.start)
    told = select(events.c.user_id).where(
        tables.event_is(EventType.SESSION_USED, common=True),
        between(events.c.event_timestamp, news_from, window.end),
        events.c.user_id.is_not(None),
    )
    return select(
        cast(sessions.c.id, Text).label("session_id"),
        sessions.c.user_id,
        sessions.c.created_at,
        sessions.c.last_activity_at,
    ).where(
        or_(
            between(sessions.c.last_activity_at, news_from, window.end),
            sessions.c.user_id.in_(union(told, _judged_anew(tables, departed, context))),
        )
    )


def _judged_anew(tables: Tables, departed: FromClause, context: Context) -> Select[Any]:
    """Whom households have removed of which rows were written or lost."""
    mine = tables.households_in(departed.c.household_id, context.rewritten)
    return select(departed.c.user_id).where(departed.c.removal.is_not(None), departed.c.user_id.is_not(None), mine)


def gone_from_sessions(tables: Tables, used: FromClause, departed: FromClause, context: Context) -> CompoundSelect[Any]:
    """The removals that a look at changes must read: of whoever used a session, and of households whose rows were written or lost.

    Of the news it reads recent ones: all that were ever told would cost more with each day of history.
    """
    events = tables["household_events"]
    theirs = tables.user_key(meta(events, "member_id")).in_(select(used.c.user_id))
    lately = events.c.event_timestamp >= context.window.start - REMOVED_LATELY
    told = told_to_be_gone(
        tables, context, [EventType.MEMBER_REMOVED], theirs if context.news_from is None else and_(theirs, lately)
    )
    anew = select(departed).where(tables.households_in(departed.c.household_id, context.rewritten))
    return union(told, anew)


def survived(
    tables: Tables, scope: Scope | None, context: Context, gone: FromClause, used: FromClause | None
) -> Select[Any]:
    events, members = tables["household_events"], tables["household_members"]
    removed = _removals(gone, context).cte("removed")
    theirs = _sessions_of(tables, scope, removed).cte("theirs") if used is None else used
    uses = _uses(tables, scope, context, gone, theirs)
    grace = timedelta(minutes=context.limits.session_grace_minutes)
    outlived = and_(
        uses.c.user_id == removed.c.user_id,
        uses.c.created_at < removed.c.changed_at,
        uses.c.used_at > removed.c.changed_at + grace,
    )
    hits = (
        select(removed, uses.c.session_id, uses.c.created_at, uses.c.used_at)
        .select_from(removed.join(uses, outlived))
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
        .where(events.c.household_id == homes, tables.event_is(EventType.JOIN_REQUEST_APPROVED, common=True))
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
            literal("session").label("act"),
            func.min(let_in.c.event_timestamp).label("let_in_at"),
            func.min(row.c.joined_at).filter(row.c.joined_at > hits.c.changed_at).label("joined_at"),
            func.count().filter(row.c.status == "active").label("active_rows"),
        )
        .select_from(hits.outerjoin(let_in, later).outerjoin(row, pair))
        .group_by(*hits.c)
    )


def _removals(gone: FromClause, context: Context) -> Select[Any]:
    """Each removal of somebody by somebody else, retries as one."""
    return (
        select(
            gone.c.user_id,
            gone.c.household_id,
            func.max(cast(gone.c.changed_by, Text)).label("changed_by"),
            func.min(gone.c.event_timestamp).label("changed_at"),
        )
        .where(
            gone.c.removal.is_not(None),
            gone.c.event_timestamp < context.window.end,
            gone.c.changed_by.is_distinct_from(gone.c.user_id),
        )
        .group_by(gone.c.user_id, gone.c.household_id, gone.c.removal)
    )


def _sessions_of(tables: Tables, scope: Scope | None, removed: FromClause) -> Select[Any]:
    sessions = tables["sessions"]
    return select(
        cast(sessions.c.id, Text).label("session_id"),
        sessions.c.user_id,
        sessions.c.created_at,
        sessions.c.last_activity_at,
    ).where(
        sessions.c.user_id.in_(select(removed.c.user_id).where(removed.c.user_id.is_not(None))),
        of_users(tables, scope, sessions.c.user_id),
    )


def _uses(tables: Tables, scope: Scope | None, context: Context, gone: FromClause, theirs: FromClause) -> FromClause:
    """The uses in the window of some sessions, by the session's own row and by session_used events."""
    events, window = tables["household_events"], context.window
    news_from = context.news_since(window.start)
    told: Select[Any] | CompoundSelect[Any] = _told_uses(
        tables, between(events.c.event_timestamp, news_from, window.end), scope
    )
    if news_from > window.start and context.rewritten:
        whose = events.c.user_id == any_of(_judged_anew(tables, gone, context))
        earlier = and_(whose, between(events.c.event_timestamp, window.start, news_from))
        told = union_all(told, _told_uses(tables, earlier, scope))
    uses = told.subquery("told")
    by_event = select(theirs.c.session_id, theirs.c.user_id, theirs.c.created_at, uses.c.used_at).select_from(
        theirs.join(uses, uses.c.session_id == theirs.c.session_id)
    )
    by_row = select(
        theirs.c.session_id, theirs.c.user_id, theirs.c.created_at, theirs.c.last_activity_at.label("used_at")
    ).where(between(theirs.c.last_activity_at, window.start, window.end))
    return union_all(by_event, by_row).subquery("use")


def _told_uses(tables: Tables, when: ColumnElement[bool], scope: Scope | None) -> Select[Any]:
    events = tables["household_events"]
    return select(
        tables.id_text(meta(events, "session_id")).label("session_id"), events.c.event_timestamp.label("used_at")
    ).where(
        tables.event_is(EventType.SESSION_USED, common=True),
        when,
        of_users(tables, scope, events.c.user_id),
    )
