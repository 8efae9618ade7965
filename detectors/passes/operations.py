"""The passes over operations: what the app limits, what went wrong in the window, and how long the dashboard took."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Double,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from detectors.contract import Context
from detectors.domain.retries import RETRY_MARGIN, operation
from detectors.events import EventType
from detectors.passes.base import EVENTS, METADATA, Pass, Scope, any_of, between, meta
from detectors.source import Tables
from detectors.source.sql import json_text

OPERATIONS = {
    EventType.CREATED: "household_creation",
    EventType.MEMBER_REMOVED: "member_removal",
    EventType.INVITE_CODE_REGENERATED: "invite_regeneration",
    EventType.INVITE_CODE_VALIDATED: "invite_validation",
    EventType.JOIN_REQUEST_SUBMITTED: "join_request",
}
"""The event that each limited operation writes, and the limit's name as rate_limit_exceeded has it."""

_BY_USER = ("household_creation", "join_request")
_BY_HOUSEHOLD = ("member_removal", "invite_regeneration")


_TOLD_APART = (
    EventType.CREATED,
    EventType.CREATE_FAILED,
    EventType.INVITE_CODE_FAILED,
    EventType.MEMBER_LIST_VIEWED,
    EventType.API_REQUEST,
    EventType.LOCK_ACQUISITION_TIMEOUT,
)
"""The types of events that the rules on troubles compare with."""


def _number(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """The number that stands as text in metadata; null where it is none, or negative."""
    # Files keep 3.1e4 as it was written, where PostgreSQL's jsonb writes it out; what has more digits is no duration.
    plain = and_(text.regexp_match(r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"), func.length(text) <= 100)
    return case((plain, cast(text, Double)))


def _concerns(tables: Tables, scope: Scope | None, rows: FromClause) -> ColumnElement[bool]:
    if scope is None:
        return true()
    return or_(
        tables.households_in(rows.c.household_id, scope.households), tables.users_in(rows.c.user_id, scope.users)
    )


def _limited(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each operation that the app limits and each refusal, with how many there are of its limit and actor.

    Operations reach a day (and the retry margin) before the window, refusals as far as patterns do. `kind` is "done" or
    "refused" for an event and "row" for a join request's own row. Retries are still in the counts, so these are never
    too low. A `scope` sees its own validations alone, not those of everybody else behind an address.
    """
    done = union_all(_limited_events(tables, scope, context), _limited_requests(tables, scope, context)).subquery()
    counter = (done.c.limit_name, done.c.actor)
    refused_now = and_(done.c.kind == "refused", done.c.at >= context.window.start)
    counted = select(
        *done.c,
        func.count().filter(done.c.kind == "done").over(partition_by=counter).label("events_done"),
        func.count().filter(done.c.kind == "row").over(partition_by=counter).label("rows_done"),
        func.count().filter(refused_now).over(partition_by=counter).label("refusals"),
    ).subquery("counted")
    return _with_leader(tables, counted, context)


def _limited_events(tables: Tables, scope: Scope | None, context: Context) -> Select[Any] | CompoundSelect[Any]:
    events, window = tables["household_events"], context.window
    limit = case(
        *((tables.event_is(event), literal(name)) for event, name in OPERATIONS.items()),
        else_=func.lower(func.trim(json_text(events.c.metadata, "limit_type"))),
    )
    actor = case(
        (limit.in_(_BY_USER), cast(events.c.user_id, Text)),
        (limit.in_(_BY_HOUSEHOLD), cast(events.c.household_id, Text)),
        else_=meta(events, "ip_address"),
    )
    refused = tables.event_is(EventType.RATE_LIMIT_EXCEEDED)
    told = select(
        case((refused, literal("refused")), else_=literal("done")).label("kind"),
        limit.label("limit_name"),
        actor.label("actor"),
        events.c.household_id,
        events.c.user_id,
        events.c.event_timestamp.label("at"),
        meta(events, "correlation_id").label("correlation_id"),
        meta(events, "member_id").label("member_id"),
        meta(events, "request_id").label("request_id"),
        meta(events, "error_code").label("error_code"),
    ).where(_concerns(tables, scope, events))
    refusals = and_(refused, between(events.c.event_timestamp, window.start - context.back("refusals"), window.end))
    start = window.start - timedelta(days=1) - RETRY_MARGIN
    if context.news_from is None:
        done = and_(tables.event_is(*OPERATIONS), between(events.c.event_timestamp, start, window.end))
        return told.where(or_(done, refusals))
    # Each by an index of its own.
    return union_all(
        told.where(refusals), *(told.where(each) for each in _counted_with_the_news(tables, context, start))
    )


def _counted_with_the_news(tables: Tables, context: Context, start: datetime) -> Iterator[ColumnElement[bool]]:
    """The operations that are counted with one that has come since the last look: of the same hour, by the same user, in the same household."""
    events, window = tables["household_events"], context.window
    lately = context.news_since(start, timedelta(hours=1) + RETRY_MARGIN)
    yield and_(tables.event_is(*OPERATIONS, common=True), between(events.c.event_timestamp, lately, window.end))
    news = (
        select(events.c.user_id, events.c.household_id)
        .where(
            tables.event_is(*OPERATIONS, common=True),
            between(events.c.event_timestamp, context.news_since(start), window.end),
        )
        .cte("news")
    )
    earlier = between(events.c.event_timestamp, start, lately)
    created = tables.event_is(EventType.CREATED, common=True)
    yield and_(created, earlier, events.c.user_id == any_of(select(news.c.user_id)))
    changed = tables.event_is(EventType.MEMBER_REMOVED, EventType.INVITE_CODE_REGENERATED, common=True)
    yield and_(changed, earlier, events.c.household_id == any_of(select(news.c.household_id)))


def _limited_requests(tables: Tables, scope: Scope | None, context: Context) -> Select[Any]:
    requests, window = tables["household_join_requests"], context.window
    whose = _concerns(tables, scope, requests)
    if context.news_from is not None:
        # Whoever asked lately: their household's rows were written.
        lately = select(requests.c.user_id).where(tables.households_in(requests.c.household_id, context.rewritten))
        whose = or_(requests.c.user_id == any_of(lately), tables.users_in(requests.c.user_id, context.again))
    return select(
        literal("row").label("kind"),
        literal("join_request").label("limit_name"),
        cast(requests.c.user_id, Text).label("actor"),
        requests.c.household_id,
        requests.c.user_id,
        requests.c.requested_at.label("at"),
        cast(null(), Text).label("correlation_id"),
        cast(null(), Text).label("member_id"),
        cast(requests.c.id, Text).label("request_id"),
        cast(null(), Text).label("error_code"),
    ).where(
        between(requests.c.requested_at, window.start - timedelta(days=1) - RETRY_MARGIN, window.end),
        whose,
    )


def _with_leader(tables: Tables, counted: FromClause, context: Context) -> FromClause:
    """Who leads the household of a refusal: only a policy that names organisations asks for it."""
    if not context.limits.known_organisations:
        return select(*counted.c, cast(null(), Text).label("leader_id")).subquery("limited")
    households = tables["households"]
    pair = and_(counted.c.kind == "refused", households.c.id == counted.c.household_id)
    return (
        select(*counted.c, cast(households.c.leader_id, Text).label("leader_id"))
        .select_from(counted.outerjoin(households, pair))
        .subquery("limited")
    )


def _error_events(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """The window's events that carry an error or a time-out, and the successful creations that failures compare with.

    `active_members` is filled in for households whose member list failed often enough to matter.
    """
    events, limits = tables["household_events"], context.limits
    called, listed = tables.event_is(EventType.API_REQUEST), tables.event_is(EventType.MEMBER_LIST_VIEWED)
    error, creation = meta(events, "error_code"), tables.event_is(EventType.CREATED, EventType.CREATE_FAILED)
    duration = case((or_(called, listed), _number(meta(events, "duration_ms"))))
    status = case((called, meta(events, "status")))
    timed_out = or_(
        duration > limits.call_timeout_ms,
        status.in_([f"{number}{end}" for number in limits.timeout_statuses for end in ("", ".0")]),
        tables.event_is(EventType.LOCK_ACQUISITION_TIMEOUT),
    )
    found = (
        select(
            cast(events.c.id, Text).label("event_id"),
            case(*((tables.event_is(name), literal(name)) for name in _TOLD_APART), else_=events.c.event_type).label(
                "event_type"
            ),
            events.c.household_id,
            events.c.user_id,
            events.c.event_timestamp.label("at"),
            meta(events, "correlation_id").label("correlation_id"),
            error.label("error_code"),
            func.substr(meta(events, "error_message"), 1, 200).label("error_message"),
            duration.label("duration_ms"),
            status.label("status"),
            func.substr(meta(events, "route"), 1, 200).label("route"),
            meta(events, "member_count").label("member_count"),
        )
        .where(
            between(
                events.c.event_timestamp,
                context.news_since(context.window.start - RETRY_MARGIN, RETRY_MARGIN),
                context.window.end,
            ),
            or_(error.is_not(None), creation, timed_out),
            _concerns(tables, scope, events),
        )
        .cte("found")
    )
    return _with_members(tables, found)


def _with_members(tables: Tables, found: FromClause) -> FromClause:
    members = tables["household_members"]
    listing = select(found.c.household_id).where(
        found.c.event_type == EventType.MEMBER_LIST_VIEWED, found.c.household_id.is_not(None)
    )
    sizes = (
        select(members.c.household_id, func.count(members.c.user_id.distinct()).label("active_members"))
        .where(members.c.status == "active", members.c.household_id.in_(listing))
        .group_by(members.c.household_id)
        .subquery("size")
    )
    return (
        select(*found.c, cast(func.coalesce(sizes.c.active_members, 0), Integer).label("active_members"))
        .select_from(found.outerjoin(sizes, sizes.c.household_id == found.c.household_id))
        .subquery("error_event")
    )


def _dashboards(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each view of a dashboard whose duration is known, retries as one, with the number of all such views."""
    events = tables["household_events"]
    # A fence: each text is taken out of the metadata once, and not wherever it is named below.
    told = (
        select(
            events.c.user_id,
            events.c.household_id,
            events.c.event_timestamp,
            operation(events).label("once"),
            meta(events, "duration_ms").label("duration"),
        )
        .where(
            tables.event_is(EventType.DASHBOARD_VIEWED),
            between(events.c.event_timestamp, context.window.start - RETRY_MARGIN, context.window.end),
            _concerns(tables, scope, events),
        )
        .offset(0)
        .subquery("told")
    )
    timed = (
        select(told, _number(told.c.duration).label("duration_ms"))
        .where(told.c.duration.is_not(None))
        .offset(0)
        .subquery("timed")
    )
    views = (
        select(
            timed.c.once,
            func.min(cast(timed.c.user_id, Text)).label("user_id"),
            func.min(cast(timed.c.household_id, Text)).label("household_id"),
            func.min(timed.c.event_timestamp).label("at"),
            func.max(timed.c.duration_ms).label("duration_ms"),
        )
        .where(timed.c.duration_ms.is_not(None))
        .group_by(timed.c.once)
        .subquery("view")
    )
    return (
        select(
            views.c.user_id,
            views.c.household_id,
            views.c.at,
            views.c.duration_ms,
            func.count().over().label("views"),
        )
        .where(views.c.at >= context.window.start, views.c.at <= context.watermark)
        .subquery("dashboard")
    )


PASSES = (
    Pass("limited", "limited operations and refusals by actor", "user_id", EVENTS, _limited),
    Pass(
        "error-events",
        "errors and time-outs of the window",
        "user_id",
        EVENTS | METADATA,
        _error_events,
        reach="days",
    ),
    Pass("dashboards", "dashboard views of the window", "user_id", EVENTS | METADATA, _dashboards, reach="days"),
)
