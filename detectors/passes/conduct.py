"""The passes over what somebody did in the window, and from where."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
)

from detectors.contract import Context
from detectors.domain.actors import IP_ACTOR
from detectors.domain.retries import RETRY_MARGIN
from detectors.events import CHANGES, DEEDS, GUESS, LOGINS, VIEWS, EventType
from detectors.passes.base import (
    EVENTS,
    METADATA,
    Pass,
    Scope,
    between,
    during,
    of_users,
)
from detectors.source import Tables
from detectors.source.sql import json_text


def _conduct(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each actor of the window, a user or where none is known an IP address, with totals of what they did.

    Totals over a little more than the rules' spans are never less than what any of their spans holds.
    """
    events = tables["household_events"]
    day_begins = context.window.start - context.day_start(context.day(context.window.start))
    before = max(day_begins, context.back("failed logins"), RETRY_MARGIN)
    named = tables.user_key(json_text(events.c.metadata, "user_id"))
    by_login = and_(events.c.user_id.is_(None), tables.event_is(*LOGINS))
    address = literal(IP_ACTOR).concat(json_text(events.c.metadata, "ip_address"))
    nameless = and_(events.c.user_id.is_(None), tables.event_is(*VIEWS, GUESS))
    mine: ColumnElement[bool] = true()
    if scope is not None:
        failed = and_(events.c.user_id.is_(None), tables.event_is(EventType.LOGIN_FAILED))
        theirs = of_users(tables, scope, events.c.user_id)
        mine = or_(theirs, and_(failed, of_users(tables, scope, named))) if tables.finds("household_events") else theirs
    # Whatever is asked before the window has closed lies within so short a time.
    from_when = context.news_since(context.window.start - before, context.back("failed logins"))
    when = between(events.c.event_timestamp, from_when, context.window.end)
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
            when,
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
    before = context.back("accesses")
    at = func.timezone("UTC", events.c.event_timestamp, type_=DateTime())
    hour = func.date_trunc("hour", at, type_=DateTime())
    changed = (
        select(events.c.user_id, hour.label("hour"))
        .where(
            tables.event_is(*CHANGES, common=True),
            # The change comes last: older ones have been judged with all that came before them.
            between(events.c.event_timestamp, context.news_since(context.window.start), context.window.end),
            of_users(tables, scope, events.c.user_id),
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
        .where(during(tables, context, max(timedelta(days=1), before)), events.c.household_id.is_not(None))
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


PASSES = (
    Pass("conduct", "the window's events by actor", "actor", EVENTS | METADATA, _conduct, reach="whole"),
    Pass(
        "access-anomalies",
        "networks and devices of who changed a household",
        "anomaly",
        EVENTS | METADATA,
        _access_anomalies,
        reach="whole",
    ),
)
