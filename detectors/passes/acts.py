"""The passes over what people did to others in the last days, and who asked to join."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    case,
    false,
    func,
    or_,
    select,
    true,
    union,
    union_all,
)

from detectors.contract import Context
from detectors.events import EventType
from detectors.passes.base import (
    EVENTS,
    MEMBERS,
    METADATA,
    SUPPORT,
    Pass,
    Scope,
    any_of,
    between,
    during,
    either,
    of_households,
    of_users,
)
from detectors.source import Tables
from detectors.source.sql import json_text


def _retaliation(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each household in which members were removed: how many, and how many of them had objected to something."""
    events, reports, limits = tables["household_events"], tables["support_requests"], context.limits
    removed = (
        select(
            events.c.household_id,
            tables.user_key(json_text(events.c.metadata, "member_id")).label("member_id"),
        )
        .where(
            tables.event_is(EventType.MEMBER_REMOVED),
            during(tables, context, context.back("removals")),
            events.c.household_id.is_not(None),
            of_households(tables, scope, events.c.household_id),
        )
        .subquery("removed")
    )
    objected = (
        select(reports.c.requester_id)
        .where(
            reports.c.category.in_(limits.objection_categories),
            reports.c.created_at >= context.window.start - context.back("objections"),
            reports.c.created_at < context.window.end,
        )
        .distinct()
        .subquery("objected")
    )
    return (
        select(
            removed.c.household_id.label("retaliation_household"),
            func.count().label("removals"),
            func.count(objected.c.requester_id).label("objectors"),
        )
        .select_from(removed.outerjoin(objected, objected.c.requester_id == removed.c.member_id))
        .group_by(removed.c.household_id)
        .subquery("retaliation")
    )


def _acts(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each user who created households or removed members lately, and each against whom somebody acted: how often.

    `creations` and `removals` are what a user did in the look-back, retries included. Totals are enough here: they are never
    less than what any day or any three days hold. The look-back is a day longer than the rules', whose days may begin earlier
    than the window's and have 25 hours.

    `people` is how many others reported, removed or rejected a user in the last days; `struck_in_window` says that one of
    them did so in the window, `in_places` that it was not only removing and rejecting in a single household.
    """
    events, start = tables["household_events"], context.window.start
    patterns, harassment = context.back("deeds") + timedelta(days=1), context.back("adverse actions")
    removed, rejected = (tables.event_is(f"household_{what}") for what in ("member_removed", "join_request_rejected"))
    member, requester = (tables.user_key(json_text(events.c.metadata, key)) for key in ("member_id", "requester_id"))
    mine = or_(of_households(tables, scope, events.c.household_id), of_users(tables, scope, events.c.user_id))
    whole = during(tables, context, max(patterns, harassment))
    # Read once for both kinds of rows.
    acts = (
        select(
            events.c.user_id,
            events.c.household_id,
            events.c.event_timestamp.label("at"),
            case((removed, "removed"), (rejected, "rejected"), else_="created").label("what"),
            case((removed, member), (rejected, requester)).label("target"),
        )
        .where(
            tables.event_is(EventType.CREATED, EventType.MEMBER_REMOVED, EventType.JOIN_REQUEST_REJECTED),
            whole,
            mine if context.news_from is None else _near_the_news(tables, context),
        )
        .cte("act")
    )
    actors = (
        select(
            acts.c.user_id,
            func.count().filter(acts.c.what == "created").label("creations"),
            func.count().filter(acts.c.what == "removed").label("removals"),
        )
        .where(acts.c.what != "rejected", acts.c.at >= start - patterns, acts.c.user_id.is_not(None))
        .where(of_users(tables, scope, acts.c.user_id))
        .group_by(acts.c.user_id)
    )
    adverse_actions = (
        select(acts.c.target, acts.c.user_id.label("by"), acts.c.household_id, acts.c.at, false().label("reported"))
        .where(acts.c.target.is_not(None), acts.c.at >= start - harassment)
        .where(of_households(tables, scope, acts.c.household_id))
    )
    return either(actors, _struck(tables, scope, context, adverse_actions), "doer")


def _near_the_news(tables: Tables, context: Context) -> ColumnElement[bool]:
    """Whether an act is by somebody who has acted since the last look, or in a household of somebody struck since then.

    Those are found by the keys that their rows, and those of whom somebody reported, have in the tables of state.
    """
    events, members, asked = (
        tables[name] for name in ("household_events", "household_members", "household_join_requests")
    )
    news = (
        select(
            events.c.user_id,
            events.c.household_id,
            tables.user_key(json_text(events.c.metadata, "member_id")).label("member_id"),
            tables.user_key(json_text(events.c.metadata, "requester_id")).label("requester_id"),
        )
        .where(
            tables.event_is(EventType.CREATED, EventType.MEMBER_REMOVED, EventType.JOIN_REQUEST_REJECTED, common=True),
            between(events.c.event_timestamp, context.news_since(context.window.start), context.window.end),
        )
        .cte("news")
    )
    struck = [select(news.c.member_id), select(news.c.requester_id)]
    if "support_requests" in tables:
        reports, limits = tables["support_requests"], context.limits
        before = context.window.start - context.back("adverse actions")
        struck.append(
            select(reports.c.subject_user_id).where(
                reports.c.category.in_(limits.objection_categories),
                between(reports.c.created_at, before, context.window.end),
            )
        )
    targets = any_of(union(*struck))
    homes = union(
        select(news.c.household_id),
        select(members.c.household_id).where(members.c.user_id == targets),
        select(asked.c.household_id).where(asked.c.user_id == targets),
    )
    return or_(
        events.c.user_id == any_of(select(news.c.user_id)),
        tables.users_in(events.c.user_id, context.again),
        events.c.household_id == any_of(homes),
    )


def _struck(tables: Tables, scope: Scope | None, context: Context, acts: Select[Any]) -> Select[Any]:
    """Each target of `acts` and of reports to support, with the number of others behind them."""
    if "support_requests" in tables:
        reports, limits, start = tables["support_requests"], context.limits, context.window.start
        words = select(
            reports.c.subject_user_id, reports.c.requester_id, reports.c.household_id, reports.c.created_at, true()
        ).where(
            reports.c.category.in_(limits.objection_categories),
            reports.c.created_at >= start - context.back("adverse actions"),
            reports.c.created_at < context.window.end,
            reports.c.subject_user_id.is_not(None),
        )
        adverse_actions = union_all(acts, words).subquery("adverse")
    else:
        adverse_actions = acts.subquery("adverse")
    struck: ColumnElement[bool] = func.bool_or(adverse_actions.c.at >= context.window.start, type_=Boolean())
    places: ColumnElement[bool] = or_(
        func.count(adverse_actions.c.household_id.distinct()) > 1,
        func.bool_or(or_(adverse_actions.c.reported, adverse_actions.c.household_id.is_(None)), type_=Boolean()),
    )
    if scope is not None:
        # A scan of some households sees the acts in those alone, and the facts may tell of others.
        struck, places = true(), true()
    return (
        select(
            adverse_actions.c.target.label("user_id"),
            func.count(adverse_actions.c.by.distinct()).label("people"),
            struck.label("struck_in_window"),
            places.label("in_places"),
        )
        .where(adverse_actions.c.by != adverse_actions.c.target, of_users(tables, scope, adverse_actions.c.target))
        .group_by(adverse_actions.c.target)
    )


def _hand_overs(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each transfer of leadership in the window."""
    events, start = tables["household_events"], context.window.start
    # So long after it a transfer is judged for the last time.
    explains = timedelta(minutes=context.limits.leave_explains_minutes)
    lately = or_(
        events.c.event_timestamp >= context.news_since(start, explains),
        tables.households_in(events.c.household_id, context.again),
    )
    return (
        select(events.c.household_id.label("handed_over_household"))
        .where(
            tables.event_is(EventType.LEADERSHIP_TRANSFERRED),
            during(tables, context),
            true() if context.news_from is None else lately,
            of_households(tables, scope, events.c.household_id),
        )
        .subquery("hand_over")
    )


def _code_uses(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each household with the people who asked to join it in the last days."""
    requests = tables["household_join_requests"]
    return (
        select(requests.c.household_id, func.count(requests.c.user_id.distinct()).label("people"))
        .where(
            requests.c.requested_at >= context.window.start - context.back("join requests"),
            requests.c.requested_at < context.window.end,
            of_households(tables, scope, requests.c.household_id),
        )
        .group_by(requests.c.household_id)
        .subquery("code_use")
    )


PASSES = (
    Pass(
        "retaliation",
        "removals beside objections",
        "retaliation_household",
        EVENTS | METADATA | SUPPORT | {"support_requests.household_id", "support_requests.subject_user_id"},
        _retaliation,
    ),
    Pass("acts", "creations, removals and rejections by actor and by target", "user_id", EVENTS, _acts),
    Pass("hand-overs", "transfers of leadership", "handed_over_household", EVENTS | METADATA, _hand_overs),
    Pass(
        "code-uses",
        "join requests by household",
        "household_id",
        MEMBERS | {f"household_join_requests.{column}" for column in ("household_id", "user_id", "requested_at")},
        _code_uses,
        by_rows=True,
    ),
)
