"""The pass over members beside the join requests that let them in."""

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
    func,
    or_,
    select,
)

from detectors.contract import Context
from detectors.events import EventType
from detectors.passes.base import HOUSEHOLDS, MEMBERS, Pass, Scope, nothing, of_households, since
from detectors.source import Tables
from detectors.source.sql import json_text


def _admissions(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each member row and each answered join request of one person in one household that do not explain each other.

    That is an approved request beside no row, or beside one that ended before it was made; a rejected request beside an active
    row, or beside one that was written after it was made; and an active row beside neither, unless it is that of the household's creation, or a leader's or a sitter's: the
    passes over households and over requests look at those.

    `first_approved` is known for rejected requests: when the first approved request of the same person
    was made. `refused_at` is the time of the last event that says that the request was rejected.
    """
    left = _unmatched(tables, scope, context).cte("left_over")
    approved = _first_approved(tables, select(left.c.household_id).where(left.c.request_status == "rejected"))
    refused = _refused(tables, scope, context)
    let_in = and_(approved.c.household_id == left.c.household_id, approved.c.user_id == left.c.user_id)
    return (
        select(
            *left.c,
            approved.c.requested_at.label("first_approved"),
            refused.c.event_timestamp.label("refused_at"),
        )
        .select_from(
            left.outerjoin(approved, let_in).outerjoin(refused, refused.c.request_id == cast(left.c.rejected_id, Text))
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
    beside = timedelta(seconds=context.limits.creator_seconds)
    # Looked up for the few that remain, and not beside every row. Where two rows have one id, the member came beside both.
    own = households.c.id == odd.c.household_id
    first, last = (
        select(which(households.c.created_at)).where(own).scalar_subquery() for which in (func.min, func.max)
    )
    founded = odd.c.joined_at.between(last - beside, first + beside)
    found = (
        select(
            odd.c.household_id,
            odd.c.user_id,
            func.coalesce(other.c.status, odd.c.member_status).label("member_status"),
            func.coalesce(other.c.joined_at, odd.c.joined_at).label("joined_at"),
            odd.c.request_status,
            odd.c.requested_at,
            odd.c.rejected_id,
            case((odd.c.request_status.is_(None), func.coalesce(founded, True))).label("founded"),
        )
        .select_from(odd.outerjoin(other, pair))
        .subquery("found")
    )
    active = func.coalesce(found.c.member_status == "active", False)
    applied = or_(active, found.c.joined_at >= found.c.requested_at)
    return select(*(column for column in found.c if column.name != "founded")).where(
        case(
            (found.c.request_status == "approved", func.coalesce(applied, False).is_(False)),
            (found.c.request_status == "rejected", func.coalesce(applied, False)),
            else_=found.c.founded.is_(False),
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
        return nothing(request_id=cast(asked.c.id, Text), event_timestamp=asked.c.requested_at).subquery("refused")
    events = tables["household_events"]
    request_id = tables.id_text(json_text(events.c.metadata, "request_id"))
    return (
        select(request_id.label("request_id"), func.max(events.c.event_timestamp).label("event_timestamp"))
        .where(
            tables.event_is(EventType.JOIN_REQUEST_REJECTED),
            since(events, context.history_start),
            request_id.is_not(None),
            of_households(tables, scope, events.c.household_id),
        )
        .group_by(request_id)
        .subquery("refused")
    )


PASSES = (
    Pass(
        "admissions",
        "members and what let them in",
        "household_id",
        HOUSEHOLDS | MEMBERS,
        _admissions,
        "grouped",
        by_rows=True,
        history=True,
    ),
)
