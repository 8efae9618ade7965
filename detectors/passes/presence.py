"""The pass over what people did in households while they were members, and before and after."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)

from detectors.contract import Context
from detectors.events import INSIDE, LEADER_ACTIONS, EventType
from detectors.passes.base import (
    EVENTS,
    MEMBERS,
    Pass,
    Scope,
    between,
    either,
    of_households,
    of_users,
)
from detectors.passes.surviving import gone_from_sessions, sessions_used, survived, told_to_be_gone
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
    used = None
    if context.changed is None:
        departed = gone = _departures(tables, scope, context).cte("gone")
    else:
        departed = gone = _departed_from_changed(tables, context).cte("departed")
        if "sessions" in tables:
            used = sessions_used(tables, departed, context).cte("session_used")
            gone = gone_from_sessions(tables, used, departed, context).cte("gone")
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
        moved: ColumnElement[bool] = acts.c.household_id.in_(
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
    return either(beside, survived(tables, scope, context, gone, used), "presence")


def _accesses(tables: Tables, scope: Scope | None, context: Context) -> Select[Any] | CompoundSelect[Any]:
    """Each person who read or changed a household in the window, with that household.

    Of a look at changes what was done lately where an audit row has come or a state is judged, and in households whose
    rows were written all of the window.
    """
    events, window = tables["household_events"], context.window
    if context.news_from is None:
        who = or_(of_households(tables, scope, events.c.household_id), of_users(tables, scope, events.c.user_id))
        return _inside(tables, between(events.c.event_timestamp, window.start, window.end), who)
    news_from = context.news_since(window.start)
    lately = tables.households_in(events.c.household_id, context.visited.union(context.changed or ()))
    news = _inside(tables, between(events.c.event_timestamp, news_from, window.end), lately)
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
    """Each event that says that somebody is no longer a member. The last two columns are those of removals alone."""
    mine = of_households(tables, scope, tables["household_events"].c.household_id)
    return told_to_be_gone(tables, context, [EventType.MEMBER_REMOVED, EventType.LEFT], mine)


def _departed_from_changed(tables: Tables, context: Context) -> Select[Any]:
    mine = tables.households_in(tables["household_events"].c.household_id, context.changed or ())
    kinds = [EventType.MEMBER_REMOVED, EventType.LEFT]
    return told_to_be_gone(tables, context, kinds, mine, few=context.few_changed)


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
