"""The pass over join requests beside their households, and what else that join tells."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    null,
    or_,
    select,
    true,
    union_all,
)

from detectors.contract import Context
from detectors.domain.retries import operation
from detectors.events import EventType
from detectors.passes.base import (
    EVENTS,
    HOUSEHOLDS,
    MEMBERS,
    METADATA,
    Pass,
    Scope,
    any_of,
    either,
    meta,
    not_refused,
    nothing,
    of_households,
    since,
)
from detectors.passes.codes import colliding
from detectors.source import Tables


def _requests(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each join request that is not plainly in order, beside its household and who led it once; what is not there is null.

    In order is what the present leader approved or rejected for somebody else, with the code that the household has now.
    `pending_requests` is how many one person has there, where there are several.

    And, as the join with all households is what costs here, two things more: active sitters whom somebody else than the
    present leader added (`is_sitter`, with `responded_by` for who did, `requested_at` for when, and no status), and the
    codes that households have in common: rows with a `colliding_code` (see codes.py) and nothing of a request.
    """
    request = _asked_or_sitting(tables, scope, context).cte("asked")
    led = _leaders_once(tables, request)
    twice = _pending_twice(request)
    changed = _last_regenerated(tables, None if scope is None else request, context)
    # A null is not looked up in a hash table, and most rows have nothing to look up here.
    stranger = case((request.c.responded_by.is_distinct_from(request.c.leader_id), request.c.responded_by))
    twice_too = and_(twice.c.household_id == request.c.household_id, twice.c.user_id == request.c.user_id)
    asked = tables["household_join_requests"]
    approved_too = and_(asked.c.household_id == request.c.household_id, asked.c.user_id == request.c.user_id)
    # Looked up for the few sitters whom no leader added.
    approved = select(func.count()).select_from(asked).where(approved_too, asked.c.status == "approved")
    beside = select(
        *request.c,
        led.c.user_id.label("once_leader"),
        twice.c.requests.label("pending_requests"),
        changed.c.event_timestamp.label("regenerated_at"),
        case((and_(request.c.is_sitter, led.c.user_id.is_(None)), approved.scalar_subquery())).label(
            "approved_requests"
        ),
    ).select_from(
        request.outerjoin(led, and_(led.c.household_id == request.c.household_id, led.c.user_id == stranger))
        .outerjoin(twice, twice_too)
        .outerjoin(changed, changed.c.household_id == request.c.household_id)
    )
    if context.so_far:
        # Codes in common can wait for the night.
        return beside.subquery("request")
    return either(beside, select(colliding(tables, scope, context, request).subquery("code")), "request")


def _asked_or_sitting(tables: Tables, scope: Scope | None, context: Context) -> Select[Any]:
    """The join requests and the active sitters that are not plainly in order, beside their households."""
    asked, members, households = (
        tables[name] for name in ("household_join_requests", "household_members", "households")
    )
    requests = select(
        asked.c.household_id,
        asked.c.user_id,
        asked.c.status,
        asked.c.requested_at,
        asked.c.responded_by,
        asked.c.invite_code,
        false().label("is_sitter"),
    ).where(of_households(tables, scope, asked.c.household_id))
    sitters = select(
        members.c.household_id,
        members.c.user_id,
        cast(null(), Text),
        members.c.joined_at,
        members.c.invited_by,
        cast(null(), Text),
        true(),
    ).where(
        members.c.status == "active",
        members.c.is_temporary.is_(True),
        # Without these nothing is proved.
        members.c.invited_by.is_not(None),
        members.c.joined_at.is_not(None),
        of_households(tables, scope, members.c.household_id),
    )
    entry = union_all(requests, sitters).subquery("entry")
    by_the_leader = entry.c.responded_by == households.c.leader_id
    approved = and_(
        by_the_leader,
        entry.c.responded_by != entry.c.user_id,
        # Who asked without a code has asked with no other one.
        or_(entry.c.invite_code == households.c.invite_code, entry.c.invite_code.is_(None)),
        entry.c.status.in_(["approved", "rejected"]),
    )
    its_own = and_(households.c.id == entry.c.household_id, of_households(tables, scope, households.c.id))
    in_order = case((entry.c.is_sitter, by_the_leader), else_=approved)
    return (
        select(*entry.c, households.c.leader_id, households.c.invite_code.label("current_code"))
        .select_from(entry.outerjoin(households, its_own))
        .where(func.coalesce(in_order, False).is_(False))
    )


def _leaders_once(tables: Tables, asked: FromClause) -> FromClause:
    """Who has led each household and is no member any more: a past leader's row keeps the role.

    Where no rows of the past are kept it is each other member: no more is known of who has led.
    """
    members = tables["household_members"]
    once = and_(members.c.role == "leader", members.c.status != "active")
    if "rows_are_deleted" in tables.schema.otherwise:
        once = members.c.status == "active"
    strangers = select(asked.c.responded_by).where(asked.c.responded_by.is_distinct_from(asked.c.leader_id))
    return (
        select(members.c.household_id, members.c.user_id)
        .where(once, members.c.user_id.in_(strangers))
        .subquery("once_leader")
    )


def _pending_twice(asked: FromClause) -> FromClause:
    return (
        select(asked.c.household_id, asked.c.user_id, func.count().label("requests"))
        .where(asked.c.status == "pending")
        .group_by(asked.c.household_id, asked.c.user_id)
        .having(func.count() > 1)
        .subquery("pending_twice")
    )


def _last_regenerated(tables: Tables, asked: FromClause | None, context: Context) -> FromClause:
    """When each household's code was last regenerated, or of those alone that are in `asked`."""
    if "household_events" not in tables:
        households = tables["households"]
        return nothing(household_id=households.c.id, event_timestamp=households.c.created_at).subquery("regenerated")
    events = tables["household_events"]
    # A retried operation's time is that of its first row.
    each = (
        select(events.c.household_id, func.min(events.c.event_timestamp).label("event_timestamp"))
        .where(
            tables.event_is(
                EventType.INVITE_CODE_REGENERATED,
                common=asked is not None and (context.changed is None or context.few_changed),
            ),
            not_refused(events, context),
            since(events, context.history_start),
            true() if asked is None else events.c.household_id == any_of(select(asked.c.household_id)),
        )
        .group_by(events.c.household_id, operation(events))
        .subquery("regeneration")
    )
    return (
        select(each.c.household_id, func.max(each.c.event_timestamp).label("event_timestamp"))
        .group_by(each.c.household_id)
        .subquery("regenerated")
    )


def _answers(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each household in which one join request was answered both ways: by two events, or by an event and its own row."""
    asked = tables["household_join_requests"]
    rejected, approved = (_told(tables, scope, context, answer) for answer in ("rejected", "approved"))
    # Not by =, which would write the id of every approval anew to find the few that share a household with a rejection.
    named = [tables.id_text(told.c.request_id) for told in (approved, rejected)]
    # Asked of both together: of each alone a planner takes it that hardly any event passes, and looks up every household.
    both_hold = func.coalesce(approved.c.error_code, rejected.c.error_code).is_(None)
    same = and_(approved.c.household_id == rejected.c.household_id, named[0].is_not_distinct_from(named[1]), both_hold)
    stored = and_(
        asked.c.household_id == rejected.c.household_id,
        cast(asked.c.id, Text) == tables.id_text(rejected.c.request_id),
        asked.c.status == "approved",
        rejected.c.error_code.is_(None),
    )
    by_events = select(rejected.c.household_id).select_from(rejected.join(approved, same))
    by_row = select(rejected.c.household_id).select_from(rejected.join(asked, stored))
    return by_events.union(by_row).subquery("answer")


def _told(tables: Tables, scope: Scope | None, context: Context, answer: str) -> FromClause:
    """The events that tell of one kind of answer, with the request that each names."""
    events = tables["household_events"]
    return (
        select(
            events.c.household_id,
            meta(events, "request_id").label("request_id"),
            meta(events, "error_code").label("error_code"),
        )
        .where(
            tables.event_is(f"household_join_request_{answer}"),
            meta(events, "request_id").is_not(None),
            since(events, context.history_start),
            of_households(tables, scope, events.c.household_id),
        )
        .subquery(answer)
    )


PASSES = (
    Pass(
        "requests",
        "join requests, their households and their codes",
        "household_id",
        HOUSEHOLDS | MEMBERS,
        _requests,
        "grouped",
        by_rows=True,
        history=True,
    ),
    Pass(
        "answers",
        "answers to join requests",
        "household_id",
        EVENTS | METADATA,
        _answers,
        by_rows=True,
        history=True,
    ),
)
