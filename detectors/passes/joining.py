"""The passes over how people came in: join requests beside their households, and members beside their requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    not_,
    null,
    or_,
    select,
    true,
    union_all,
)

from detectors.contract import Context
from detectors.passes.base import HOUSEHOLDS, MEMBERS, Pass, Scope, either, not_refused, of_households, operation, since
from detectors.passes.codes import colliding
from detectors.source import Tables
from detectors.source.sql import json_text


def _requests(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each join request that is not plainly in order, beside its household and who led it once; what is not there is null.

    In order is what the present leader approved for somebody else, with the code that the household has now.

    And, as the join with all households is what costs here, two things more: active sitters whom somebody else than the
    present leader added (`is_sitter`, with `responded_by` for who did, `requested_at` for when, and no status), and the
    codes that households have in common: rows with a `colliding_code` (see codes.py) and nothing of a request.
    """
    request = _asked_or_sitting(tables, scope, context).cte("asked")
    led = _once_leaders(tables, request)
    twice = _pending_twice(request)
    changed = _last_regenerated(tables, scope, context)
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
        # Without it nothing is proved.
        members.c.invited_by.is_not(None),
        of_households(tables, scope, members.c.household_id),
    )
    entry = union_all(requests, sitters).subquery("entry")
    by_the_leader = entry.c.responded_by == households.c.leader_id
    approved = and_(
        by_the_leader,
        entry.c.responded_by != entry.c.user_id,
        entry.c.invite_code == households.c.invite_code,
        entry.c.status.in_(["approved", "rejected"]),
    )
    in_order = case((entry.c.is_sitter, by_the_leader), else_=approved)
    return (
        select(*entry.c, households.c.leader_id, households.c.invite_code.label("current_code"))
        .select_from(entry.outerjoin(households, households.c.id == entry.c.household_id))
        .where(func.coalesce(in_order, False).is_(False))
    )


def _once_leaders(tables: Tables, asked: FromClause) -> FromClause:
    """Who has led each household and is no member any more: a past leader's row keeps the role."""
    members = tables["household_members"]
    strangers = select(asked.c.responded_by).where(asked.c.responded_by.is_distinct_from(asked.c.leader_id))
    return (
        select(members.c.household_id, members.c.user_id)
        .where(members.c.role == "leader", members.c.status != "active", members.c.user_id.in_(strangers))
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


def _admissions(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each member row and each answered join request of one person in one household that do not explain each other.

    That is an approved request beside no row, or beside one that ended before it was made; an active row beside a rejected
    request; and an active row beside neither, unless it is a leader's or a sitter's: the passes over households and over
    requests look at those. `explained` says of an active row that it is that of the household's creation or of a sitter
    whom the present leader added. `inviter_id` is null where the inviter of a sitter never led the household.

    `first_approved` is known for rejected requests of active members: when the first approved request of the same person
    was made. `refused_at` is the time of the last event that says that the request was rejected.
    """
    left = _unmatched(tables, scope, context).cte("left_over")
    rejected = left.c.request_status == "rejected"
    led = _leaders_of(tables, select(left.c.household_id).where(left.c.is_temporary))
    approved = _first_approved(tables, select(left.c.household_id).where(rejected))
    refused = _refused(tables, scope, context)
    inviter = case((left.c.is_temporary, left.c.invited_by))
    let_in = and_(approved.c.household_id == left.c.household_id, approved.c.user_id == left.c.user_id)
    return (
        select(
            *left.c,
            led.c.user_id.label("inviter_id"),
            approved.c.requested_at.label("first_approved"),
            refused.c.event_timestamp.label("refused_at"),
        )
        .select_from(
            left.outerjoin(led, and_(led.c.household_id == left.c.household_id, led.c.user_id == inviter))
            .outerjoin(approved, let_in)
            .outerjoin(refused, refused.c.request_id == cast(left.c.rejected_id, Text))
        )
        .subquery("admission")
    )


def _unmatched(tables: Tables, scope: Scope | None, context: Context) -> Select[Any]:
    """The rows and the answered requests that do not explain each other, once leaders and sitters are looked up."""
    members, households = tables["household_members"], tables["households"]
    odd = _odd(tables, scope).cte("odd")
    # Found by an index rather than by reading all members once more.
    asked_alone = select(odd.c.user_id).where(odd.c.is_alone)
    other = select(members).where(_sits_or_leads(members), members.c.user_id.in_(asked_alone)).subquery("other")
    pair = and_(odd.c.is_alone, other.c.household_id == odd.c.household_id, other.c.user_id == odd.c.user_id)
    status = func.coalesce(other.c.status, odd.c.member_status)
    joined_at = func.coalesce(other.c.joined_at, odd.c.joined_at)
    beside = timedelta(seconds=context.limits.creator_seconds)
    beside_creation = joined_at.between(households.c.created_at - beside, households.c.created_at + beside)
    leaders_sitter = and_(other.c.is_temporary, other.c.invited_by == households.c.leader_id)
    # Looked up for the few that remain, and not beside every row.
    explained = (
        select(func.bool_or(func.coalesce(or_(beside_creation, leaders_sitter), False)))
        .where(households.c.id == odd.c.household_id)
        .scalar_subquery()
    )
    found = (
        select(
            odd.c.household_id,
            odd.c.user_id,
            status.label("member_status"),
            joined_at.label("joined_at"),
            other.c.is_temporary,
            other.c.invited_by,
            odd.c.request_status,
            odd.c.requested_at,
            odd.c.rejected_id,
            case((status == "active", func.coalesce(explained, True))).label("explained"),
        )
        .select_from(odd.outerjoin(other, pair))
        .subquery("found")
    )
    active = func.coalesce(found.c.member_status == "active", False)
    applied = or_(active, found.c.joined_at >= found.c.requested_at)
    return select(found).where(
        case(
            (found.c.request_status == "approved", func.coalesce(applied, False).is_(False)),
            (found.c.request_status == "rejected", active),
            else_=found.c.explained.is_(False),
        )
    )


def _sits_or_leads(members: FromClause) -> ColumnElement[bool]:
    return or_(members.c.is_temporary.is_(True), and_(members.c.status == "active", members.c.role == "leader"))


def _odd(tables: Tables, scope: Scope | None) -> Select[Any]:
    """Every member row beside every answered request, seen from both sides at once: that join is what costs here.

    Leaders and sitters, two rows of three, are left out, as few of them ever asked: whose request `is_alone` may be theirs.
    """
    members, asked = tables["household_members"], tables["household_join_requests"]
    row = (
        select(members.c.household_id, members.c.user_id, members.c.status, members.c.joined_at)
        .where(
            func.coalesce(_sits_or_leads(members), False).is_(False),
            of_households(tables, scope, members.c.household_id),
        )
        .subquery("row")
    )
    answered = (
        select(
            asked.c.household_id,
            asked.c.user_id,
            asked.c.status,
            asked.c.requested_at,
            case((asked.c.status == "rejected", asked.c.id)).label("rejected_id"),
        )
        .where(asked.c.status.in_(["approved", "rejected"]), of_households(tables, scope, asked.c.household_id))
        .subquery("answered")
    )
    pair = and_(answered.c.household_id == row.c.household_id, answered.c.user_id == row.c.user_id)
    approved, rejected = answered.c.status == "approved", answered.c.status == "rejected"
    active, ended = row.c.status == "active", row.c.status != "active"
    unmet = and_(approved, ended, row.c.joined_at < answered.c.requested_at)
    uninvited = and_(active, or_(rejected, answered.c.status.is_(None)))
    alone = and_(answered.c.status.is_not(None), or_(row.c.status.is_(None), and_(rejected, ended)))
    return (
        select(
            func.coalesce(row.c.household_id, answered.c.household_id).label("household_id"),
            func.coalesce(row.c.user_id, answered.c.user_id).label("user_id"),
            row.c.status.label("member_status"),
            row.c.joined_at,
            answered.c.status.label("request_status"),
            answered.c.requested_at,
            answered.c.rejected_id,
            func.coalesce(alone, False).label("is_alone"),
        )
        .select_from(row.join(answered, pair, full=True))
        .where(or_(unmet, uninvited, alone))
    )


def _leaders_of(tables: Tables, homes: Select[Any]) -> FromClause:
    """Who leads or has led each of `homes`."""
    members = tables["household_members"]
    return (
        select(members.c.household_id, members.c.user_id)
        .where(members.c.role == "leader", members.c.household_id.in_(homes))
        .subquery("leader")
    )


def _first_approved(tables: Tables, homes: Select[Any]) -> FromClause:
    """When each person whom one of `homes` approved made the first of the approved requests there."""
    asked = tables["household_join_requests"]
    return (
        select(asked.c.household_id, asked.c.user_id, func.min(asked.c.requested_at).label("requested_at"))
        .where(asked.c.status == "approved", asked.c.household_id.in_(homes))
        .group_by(asked.c.household_id, asked.c.user_id)
        .subquery("first_approved")
    )


def _refused(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """When, by the audit trail, each request was rejected last."""
    if "household_events" not in tables:
        asked = tables["household_join_requests"]
        nothing = select(cast(asked.c.id, Text).label("request_id"), asked.c.requested_at.label("event_timestamp"))
        return nothing.where(not_(true())).subquery("refused")
    events = tables["household_events"]
    request_id = json_text(events.c.metadata, "request_id")
    return (
        select(request_id.label("request_id"), func.max(events.c.event_timestamp).label("event_timestamp"))
        .where(
            tables.event_is("household_join_request_rejected"),
            since(events, context.history_start),
            request_id.is_not(None),
            of_households(tables, scope, events.c.household_id),
        )
        .group_by(request_id)
        .subquery("refused")
    )


def _last_regenerated(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    if "household_events" not in tables:
        households = tables["households"]
        nothing = select(households.c.id.label("household_id"), households.c.created_at.label("event_timestamp"))
        return nothing.where(not_(true())).subquery("regenerated")
    events = tables["household_events"]
    # A retried operation's time is that of its first row.
    each = (
        select(events.c.household_id, func.min(events.c.event_timestamp).label("event_timestamp"))
        .where(
            tables.event_is("household_invite_code_regenerated"),
            not_refused(events, context),
            since(events, context.history_start),
            of_households(tables, scope, events.c.household_id),
        )
        .group_by(events.c.household_id, operation(events))
        .subquery("regeneration")
    )
    return (
        select(each.c.household_id, func.max(each.c.event_timestamp).label("event_timestamp"))
        .group_by(each.c.household_id)
        .subquery("regenerated")
    )


PASSES = (
    Pass(
        "requests",
        "join requests, their households and their codes",
        "household_id",
        HOUSEHOLDS | MEMBERS,
        _requests,
        "grouped",
        history=True,
    ),
    Pass(
        "admissions",
        "members and what let them in",
        "household_id",
        HOUSEHOLDS | MEMBERS,
        _admissions,
        "grouped",
        history=True,
    ),
)
