"""The pass over what people did in households while they were members, and before and after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
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
from detectors.events import INSIDE, LEADER_ACTIONS, EventType
from detectors.passes.base import (
    EVENTS,
    MEMBERS,
    Pass,
    Scope,
    between,
    either,
    meta,
    not_refused,
    of_households,
    of_users,
    since,
)
from detectors.source import Tables

_DEPARTURE = -1
"""Stands for the number of leader's actions in what is no visit: rows of this pass must be narrow."""


def _presence(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each household with what somebody did there or was done to them, beside their active member row there, if any.

    `act` is one of three, and columns that say nothing of it are null.

    "visit": all that one person read or changed in the window, from `first_at` to `last_at`. `led_without_office` says that
    they did what only a leader does, in a household whose leadership has moved, and are not the leader now. What people of a
    `scope` did is seen wherever they did it: a household that is not theirs is where they had no right to be.

    "departure": an event, at `first_at`, that says that its person is no longer a member.

    "session": a use in the window of a session that survived its user's removal by somebody else, and what may excuse it.
    `let_in_at` is the time of the first approval of that person by that household after the removal; `joined_at` is when the
    first of their rows there was written after it, whatever became of it; `active_rows` is zero where none is active now.
    """
    members, households = tables["household_members"], tables["households"]
    gone = _departures(tables, scope, context).cte("gone")
    departed = gone if context.changed is None else _departed_from_changed(tables, context).cte("departed")
    acts = union_all(
        _accesses(tables, scope, context),
        select(
            departed.c.household_id,
            departed.c.user_id,
            departed.c.event_timestamp,
            departed.c.event_timestamp,
            cast(_DEPARTURE, Integer),
        ),
    ).cte("act")
    mine = of_households(tables, scope, members.c.household_id)
    if context.changed is not None:
        # An array, and no join: of a part of a day an index finds the few.
        mine = members.c.household_id == func.any(func.array(select(acts.c.household_id).distinct().scalar_subquery()))
    active = select(members).where(members.c.status == "active", mine).subquery("active")
    belongs = and_(active.c.household_id == acts.c.household_id, active.c.user_id == acts.c.user_id)
    # Few visitors acted as leaders where leadership ever moved: the office is looked up for them, and not beside every visit.
    events = tables["household_events"]
    if scope is None and context.news_from is None:
        transferred = tables.event_is(EventType.LEADERSHIP_TRANSFERRED)
        moved = acts.c.household_id.in_(
            select(events.c.household_id).where(transferred, events.c.household_id.is_not(None))
        )
    else:
        # A number, as PostgreSQL would look up whether one exists in a table of all.
        transferred = tables.event_is(EventType.LEADERSHIP_TRANSFERRED, common=True)
        transfers = select(func.count()).where(transferred, events.c.household_id == acts.c.household_id)
        moved = transfers.scalar_subquery() > 0
    office = (
        select(func.count())
        .select_from(households)
        .where(households.c.id == acts.c.household_id, households.c.leader_id == acts.c.user_id)
        .scalar_subquery()
    )
    once_led = and_(acts.c.leader_actions > 0, office == 0, moved)
    beside = select(
        acts.c.household_id,
        acts.c.user_id,
        case((acts.c.leader_actions == _DEPARTURE, literal("departure")), else_=literal("visit")).label("act"),
        acts.c.first_at,
        acts.c.last_at,
        active.c.joined_at,
        active.c.is_temporary,
        active.c.temporary_expires_at,
        case((once_led, True), else_=False).label("led_without_office"),
    ).select_from(acts.outerjoin(active, belongs))
    if "sessions" not in tables:
        return beside.subquery("presence")
    return either(beside, _survived(tables, scope, context, gone), "presence")


def _accesses(tables: Tables, scope: Scope | None, context: Context) -> Select[Any] | CompoundSelect[Any]:
    """Each person who read or changed a household in the window, with that household.

    Of a look at changes what came since the last one, and in households whose rows were written all of the window.
    """
    events, window = tables["household_events"], context.window
    news_from = context.news_since(window.start)
    who = or_(of_households(tables, scope, events.c.household_id), of_users(tables, scope, events.c.user_id))
    news = _inside(tables, between(events.c.event_timestamp, news_from, window.end), who)
    if news_from == window.start or not context.rewritten:
        return news
    mine = tables.households_in(events.c.household_id, context.rewritten)
    return union_all(news, _inside(tables, between(events.c.event_timestamp, window.start, news_from), mine))


def _inside(tables: Tables, at: ColumnElement[bool], mine: ColumnElement[bool]) -> Select[Any]:
    events = tables["household_events"]
    return (
        select(
            events.c.household_id,
            events.c.user_id,
            func.min(events.c.event_timestamp).label("first_at"),
            func.max(events.c.event_timestamp).label("last_at"),
            cast(func.count().filter(tables.event_is(*LEADER_ACTIONS)), Integer).label("leader_actions"),
        )
        .where(
            tables.event_is(*INSIDE),
            at,
            events.c.household_id.is_not(None),
            events.c.user_id.is_not(None),
            mine,
        )
        .group_by(events.c.household_id, events.c.user_id)
    )


def _departures(tables: Tables, scope: Scope | None, context: Context) -> Select[Any]:
    """Each event that says that somebody is no longer a member. The last two columns are those of removals alone.

    Of a look at changes, which judges departures elsewhere, the removals: sessions that survived them may be anybody's.
    """
    events = tables["household_events"]
    if context.changed is None or "sessions" not in tables:
        mine = of_households(tables, scope, events.c.household_id)
        return _told_to_be_gone(tables, context, [EventType.MEMBER_REMOVED, EventType.LEFT], mine)
    # Of whoever used no session since the last look nothing more need be read, unless what excused them was lost.
    removed = tables.user_key(meta(events, "member_id")).in_(_who_used_sessions(tables, context))
    mine = or_(removed, tables.households_in(events.c.household_id, context.rewritten))
    return _told_to_be_gone(tables, context, [EventType.MEMBER_REMOVED], mine)


def _who_used_sessions(tables: Tables, context: Context) -> CompoundSelect[Any]:
    """Whose session was used of late, by its own row or by who is named in a session_used event."""
    events, sessions, window = tables["household_events"], tables["sessions"], context.window
    used, news_from = tables.event_is(EventType.SESSION_USED, common=True), context.news_since(window.start)
    return union(
        select(sessions.c.user_id).where(between(sessions.c.last_activity_at, news_from, window.end)),
        select(events.c.user_id).where(used, between(events.c.event_timestamp, news_from, window.end)),
    )


def _departed_from_changed(tables: Tables, context: Context) -> Select[Any]:
    mine = tables.households_in(tables["household_events"].c.household_id, context.changed or ())
    return _told_to_be_gone(tables, context, [EventType.MEMBER_REMOVED, EventType.LEFT], mine, common=True)


def _told_to_be_gone(
    tables: Tables, context: Context, kinds: Sequence[EventType], mine: ColumnElement[bool], *, common: bool = False
) -> Select[Any]:
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
            tables.event_is(*kinds, common=common),
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


def _survived(tables: Tables, scope: Scope | None, context: Context, gone: FromClause) -> Select[Any]:
    events, members = tables["household_events"], tables["household_members"]
    removed = _removals(gone, context).cte("removed")
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
    news_from = context.news_since(window.start)
    told = _told_uses(tables, between(events.c.event_timestamp, news_from, window.end), scope)
    if news_from > window.start and context.rewritten:
        lost = select(removed.c.user_id).where(tables.households_in(removed.c.household_id, context.rewritten))
        whose = events.c.user_id == func.any(func.array(lost.distinct().scalar_subquery()))
        earlier = and_(whose, between(events.c.event_timestamp, window.start, news_from))
        told = union_all(told, _told_uses(tables, earlier, scope))
    told = told.subquery("told")
    by_event = select(theirs.c.session_id, theirs.c.user_id, theirs.c.created_at, told.c.used_at).select_from(
        theirs.join(told, told.c.session_id == theirs.c.session_id)
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


PASSES = (
    Pass(
        "presence",
        "visits, departures and sessions beside the members",
        "household_id",
        EVENTS | MEMBERS,
        _presence,
        reach="whole",
        history=True,
    ),
)
