"""Passes about people: what they did in the window, what they wrote to support, whom they acted against."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    FromClause,
    Numeric,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from detectors.cases.conduct import failures_count_for
from detectors.contract import Context
from detectors.domain.actors import IP_ACTOR
from detectors.events import CHANGES, DEEDS, GUESS, LOGINS, VIEWS, EventType
from detectors.passes.base import EVENTS, Pass, Scope, either, of_households, of_users
from detectors.source import Tables
from detectors.source.longest import MOST_CHARACTERS
from detectors.source.sql import json_text


def _during(tables: Tables, context: Context, before: timedelta = timedelta()) -> ColumnElement[bool]:
    at = tables["household_events"].c.event_timestamp
    return and_(at >= context.window.start - before, at < context.window.end)


def _support(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each support request that is out of its first two minutes."""
    table = tables["support_requests"]
    return (
        select(
            cast(table.c.id, Text).label("support_id"),
            table.c.created_at,
            table.c.category,
            func.lower(func.trim(table.c.status)).label("status"),
        )
        .where(table.c.created_at <= context.watermark, _of_parties(tables, scope, table))
        .subquery("support_request")
    )


def _of_parties(tables: Tables, scope: Scope | None, table: FromClause) -> ColumnElement[bool]:
    if scope is None:
        return true()
    return or_(
        tables.households_in(table.c.household_id, scope.households),
        tables.users_in(table.c.requester_id, scope.users),
        tables.users_in(table.c.subject_user_id, scope.users),
    )


def _features(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each request for a feature of the last `feature_days`, with the account of who asked."""
    table, limits = tables["support_requests"], context.limits
    asked = (
        select(
            table.c.id,
            table.c.created_at,
            table.c.requester_id,
            table.c.household_id,
            func.substr(table.c.feature, 1, MOST_CHARACTERS).label("feature"),
        )
        .where(
            table.c.category.in_(limits.feature_categories),
            table.c.feature.is_not(None),
            table.c.created_at > context.window.start - timedelta(days=limits.feature_days),
            table.c.created_at < context.window.end,
            table.c.created_at <= context.watermark,
            _of_parties(tables, scope, table),
        )
        .subquery("asked")
    )
    columns = (
        cast(asked.c.id, Text).label("support_id"),
        asked.c.created_at,
        cast(asked.c.requester_id, Text).label("requester_id"),
        cast(asked.c.household_id, Text).label("household_id"),
        asked.c.feature,
    )
    if "users" not in tables:
        return select(*columns, cast(null(), Numeric).label("monthly_revenue")).subquery("feature_request")
    users = tables["users"]
    return (
        select(*columns, users.c.monthly_revenue)
        .select_from(asked.outerjoin(users, users.c.id == asked.c.requester_id))
        .subquery("feature_request")
    )


def _conduct(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each actor of the window, a user or where none is known an IP address, with totals of what they did.

    Totals over a little more than the rules' spans are never less than what any of their spans holds.
    """
    events = tables["household_events"]
    day_begins = context.window.start - context.day_start(context.day(context.window.start))
    before = max(day_begins, failures_count_for(context), timedelta(hours=1))
    named = tables.user_key(json_text(events.c.metadata, "user_id"))
    by_login = and_(events.c.user_id.is_(None), tables.event_is(*LOGINS))
    address = literal(IP_ACTOR).concat(json_text(events.c.metadata, "ip_address"))
    nameless = and_(events.c.user_id.is_(None), tables.event_is(*VIEWS, GUESS))
    mine: ColumnElement[bool] = true()
    if scope is not None:
        failed = and_(events.c.user_id.is_(None), tables.event_is(EventType.LOGIN_FAILED))
        theirs = of_users(tables, scope, events.c.user_id)
        mine = or_(theirs, and_(failed, of_users(tables, scope, named))) if tables.finds("household_events") else theirs
    acts = (
        select(
            func.coalesce(events.c.user_id, case((by_login, named))).label("user_id"),
            case((nameless, address)).label("address"),
            case((tables.event_is(*VIEWS), 1), else_=0).label("view"),
            case((tables.event_is(GUESS), 1), else_=0).label("guess"),
            case((tables.event_is(EventType.LOGIN_FAILED), 1), else_=0).label("failure"),
            case((tables.event_is(*VIEWS, *DEEDS, EventType.PET_ACTIVITY_LOGGED), 1), else_=0).label("action"),
        )
        .where(
            _during(tables, context, before),
            tables.event_is(*VIEWS, *DEEDS, EventType.PET_ACTIVITY_LOGGED, GUESS, EventType.LOGIN_FAILED),
            mine,
        )
        # A fence: grouped by ids and not by text, and without the metadata that the address was taken from.
        .offset(0)
        .subquery("act")
    )
    return (
        select(
            func.coalesce(cast(acts.c.user_id, Text), acts.c.address).label("actor"),
            func.sum(acts.c.view).label("views"),
            func.sum(acts.c.guess).label("guesses"),
            func.sum(acts.c.failure).label("failures"),
            func.sum(acts.c.action).label("actions"),
        )
        .where(or_(acts.c.user_id.is_not(None), acts.c.address.is_not(None)))
        .group_by(acts.c.user_id, acts.c.address)
        .subquery("conduct")
    )


def network(address: ColumnElement[str]) -> ColumnElement[str]:
    """The first two parts of an IPv4 address or three of an IPv6 one, as written: at least as many as real networks.

    Parts that are not written out, and IPv4 addresses written as IPv6 ones, may be any: such an address stands for itself.
    """

    def part(sign: str, number: int) -> ColumnElement[str]:
        return func.split_part(address, sign, number)

    four = part(".", 1).concat(".").concat(part(".", 2))
    six = part(":", 1).concat(":").concat(part(":", 2)).concat(":").concat(part(":", 3))
    itself = or_(address.contains("."), part(":", 1) == "", part(":", 2) == "", part(":", 3) == "")
    return case((address.contains(":"), case((itself, address), else_=six)), else_=four)


def _access_anomalies(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each user and hour in which they changed a household, with the networks and user agents of the time before.

    A user agent is new here if it did not occur on the day before: that spares reading weeks for everybody, and the
    rule sees the whole look-back of the few that remain.
    """
    events = tables["household_events"]
    before = timedelta(minutes=2 * context.limits.access_minutes)
    at = func.timezone("UTC", events.c.event_timestamp, type_=DateTime())
    hour = func.date_trunc("hour", at, type_=DateTime())
    changed = (
        select(events.c.user_id, hour.label("hour"))
        .where(
            tables.event_is(*CHANGES, common=True), _during(tables, context), of_users(tables, scope, events.c.user_id)
        )
        .distinct()
        .cte("changed")
    )
    changers = select(changed.c.user_id).distinct().subquery("changer")
    # A fence: each text is taken out of the metadata once, and the metadata is not sorted along.
    told = (
        select(
            events.c.user_id,
            at.label("at"),
            json_text(events.c.metadata, "user_agent").label("agent"),
            json_text(events.c.metadata, "ip_address").label("address"),
        )
        .select_from(events.join(changers, changers.c.user_id == events.c.user_id))
        .where(_during(tables, context, max(timedelta(days=1), before)), events.c.household_id.is_not(None))
        .offset(0)
        .subquery("told")
    )
    acts = select(
        told.c.user_id,
        told.c.at,
        told.c.agent,
        network(told.c.address).label("network"),
        func.min(told.c.at).over(partition_by=(told.c.user_id, told.c.agent)).label("agent_since"),
    ).subquery("act")
    near = and_(
        acts.c.user_id == changed.c.user_id,
        acts.c.at > changed.c.hour - before,
        acts.c.at < changed.c.hour + timedelta(hours=1),
    )
    new = acts.c.agent_since > changed.c.hour - before
    return (
        select(
            changed.c.user_id.label("anomaly"),
            func.count(acts.c.network.distinct()).label("networks"),
            func.count(acts.c.agent.distinct()).filter(new).label("new_agents"),
        )
        .select_from(changed.join(acts, near))
        .group_by(changed.c.user_id, changed.c.hour)
        .subquery("anomaly")
    )


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
            _during(tables, context, timedelta(hours=limits.punitive_removals_hours)),
            events.c.household_id.is_not(None),
            of_households(tables, scope, events.c.household_id),
        )
        .subquery("removed")
    )
    before = timedelta(hours=limits.punitive_hours + limits.punitive_removals_hours)
    objected = (
        select(reports.c.requester_id)
        .where(
            reports.c.category.in_(limits.objection_categories),
            reports.c.created_at >= context.window.start - before,
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
    events, limits, start = tables["household_events"], context.limits, context.window.start
    patterns, harassment = timedelta(days=limits.pattern_lookback_days + 1), timedelta(days=limits.harassment_days)
    removed, rejected = (tables.event_is(f"household_{what}") for what in ("member_removed", "join_request_rejected"))
    member, requester = (tables.user_key(json_text(events.c.metadata, key)) for key in ("member_id", "requester_id"))
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
            _during(tables, context, max(patterns, harassment)),
            or_(of_households(tables, scope, events.c.household_id), of_users(tables, scope, events.c.user_id)),
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


def _struck(tables: Tables, scope: Scope | None, context: Context, acts: Select[Any]) -> Select[Any]:
    """Each target of `acts` and of reports to support, with the number of others behind them."""
    if "support_requests" in tables:
        reports, limits, start = tables["support_requests"], context.limits, context.window.start
        words = select(
            reports.c.subject_user_id, reports.c.requester_id, reports.c.household_id, reports.c.created_at, true()
        ).where(
            reports.c.category.in_(limits.objection_categories),
            reports.c.created_at >= start - timedelta(days=limits.harassment_days),
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
    events = tables["household_events"]
    return (
        select(events.c.household_id.label("handed_over_household"))
        .where(
            tables.event_is(EventType.LEADERSHIP_TRANSFERRED),
            _during(tables, context),
            of_households(tables, scope, events.c.household_id),
        )
        .subquery("hand_over")
    )


def _code_uses(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each household with the people who asked to join it in the last days."""
    requests = tables["household_join_requests"]
    before = timedelta(days=context.limits.sharing_days)
    return (
        select(requests.c.household_id, func.count(requests.c.user_id.distinct()).label("people"))
        .where(
            requests.c.requested_at >= context.window.start - before,
            requests.c.requested_at < context.window.end,
            of_households(tables, scope, requests.c.household_id),
        )
        .group_by(requests.c.household_id)
        .subquery("code_use")
    )


def _columns(table: str, *columns: str) -> frozenset[str]:
    return frozenset(f"{table}.{column}" for column in columns)


_EVENTS = _columns("household_events", "event_type", "household_id", "user_id", "event_timestamp", "metadata")
_MEMBERS = _columns("household_members", "household_id", "user_id", "role", "status", "joined_at")
_SUPPORT = _columns("support_requests", "id", "created_at", "requester_id", "category", "status")
_ABOUT = _columns("support_requests", "household_id", "subject_user_id")

PASSES: tuple[Pass, ...] = (
    Pass("support", "support requests", "support_id", _SUPPORT, _support),
    Pass(
        "features",
        "requests for features",
        "support_id",
        _SUPPORT | {"support_requests.feature"},
        _features,
    ),
    Pass("conduct", "the window's events by actor", "actor", _EVENTS, _conduct, reach="whole"),
    Pass(
        "access-anomalies",
        "networks and devices of who changed a household",
        "anomaly",
        _EVENTS,
        _access_anomalies,
        reach="whole",
    ),
    Pass(
        "retaliation", "removals beside objections", "retaliation_household", _EVENTS | _SUPPORT | _ABOUT, _retaliation
    ),
    Pass("acts", "creations, removals and rejections by actor and by target", "user_id", EVENTS, _acts),
    Pass(
        "hand-overs",
        "transfers of leadership",
        "handed_over_household",
        _EVENTS,
        _hand_overs,
    ),
    Pass(
        "code-uses",
        "join requests by household",
        "household_id",
        _MEMBERS | _columns("household_join_requests", "household_id", "user_id", "requested_at"),
        _code_uses,
    ),
)
