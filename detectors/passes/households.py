"""The passes over who belongs to households and leads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    false,
    func,
    not_,
    null,
    or_,
    select,
    true,
    union,
    union_all,
)

from detectors.contract import Context
from detectors.events import BELONGING, LIVED_IN, EventType
from detectors.passes.base import HOUSEHOLDS, MEMBERS, Pass, Scope, any_of, meta, nothing, of_households
from detectors.source import Tables
from detectors.source.sql import json_text


def _households(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each household about whose leaders or sitters something may be wrong, or with more member rows than the capacity.

    Their members are counted; all other households are left out.
    `sole_leader` is the user id (as text) of the active leader, the least where there are several. `leader_unapproved` says
    that one of them joined apart from its creation and has no approved request, `leader_unannounced` that the audit table has
    seen the whole life of the household, that its leader joined after its creation and that no transfer event names them.
    `leader_gone` says that the account of an active leader is deleted; the counts do not ask. `lived_in` says of a household
    without any member row that the audit trail tells of members. A household that has member rows and no row of its own has
    no `created_at` and no `leader_id`, and `is_missing`.
    """
    members = tables["household_members"]
    active = members.c.status == "active"
    leads = and_(active, members.c.role == "leader")
    sits = and_(active, members.c.is_temporary.is_(True))
    overdue = members.c.temporary_expires_at <= context.watermark
    suspected = union_all(
        _in_disorder(tables, scope, context), _by_number(tables, scope, context), _led_by_nobody(tables, scope, context)
    ).subquery()
    # Named twice, so that it is worked out once, before anything is joined to it.
    suspects = (
        select(
            suspected.c.id,
            suspected.c.leader_id,
            suspected.c.created_at,
            func.bool_or(suspected.c.leader_unapproved, type_=Boolean()).label("leader_unapproved"),
            func.bool_or(suspected.c.leader_unannounced, type_=Boolean()).label("leader_unannounced"),
            func.bool_or(suspected.c.leader_gone, type_=Boolean()).label("leader_gone"),
            func.bool_or(suspected.c.is_missing, type_=Boolean()).label("is_missing"),
        )
        .group_by(suspected.c.id, suspected.c.leader_id, suspected.c.created_at)
        .cte("suspect")
    )
    counted = (
        select(
            members.c.household_id,
            func.count().label("member_rows"),
            func.count().filter(active).label("active_members"),
            func.count().filter(leads).label("active_leaders"),
            func.min(cast(members.c.user_id, Text)).filter(leads).label("sole_leader"),
            func.count().filter(sits).label("sitters"),
            func.count().filter(and_(sits, or_(leads, overdue))).label("sitters_beyond_rights"),
        )
        .where(members.c.household_id.in_(select(suspects.c.id)))
        .group_by(members.c.household_id)
        .cte("counted")
    )
    lived_in = _lived_in(tables, suspects, counted)
    return (
        select(
            suspects.c.id.label("household_id"),
            suspects.c.leader_id,
            suspects.c.created_at,
            suspects.c.leader_unapproved,
            suspects.c.leader_unannounced,
            suspects.c.leader_gone,
            lived_in.c.household_id.is_not(None).label("lived_in"),
            suspects.c.is_missing,
            func.coalesce(counted.c.member_rows, 0).label("member_rows"),
            func.coalesce(counted.c.active_members, 0).label("active_members"),
            func.coalesce(counted.c.active_leaders, 0).label("active_leaders"),
            counted.c.sole_leader,
            counted.c.sitters,
            counted.c.sitters_beyond_rights,
        )
        .select_from(
            suspects.outerjoin(counted, counted.c.household_id == suspects.c.id).outerjoin(
                lived_in, lived_in.c.household_id == suspects.c.id
            )
        )
        .subquery("household")
    )


def _in_disorder(tables: Tables, scope: Scope | None, context: Context) -> Select[Any]:
    """The households whose only leading row is not that of their leader_id, or that have a sitter beyond their rights.

    All others are in order but for their number: counting the members of these alone is several times cheaper than
    counting everybody's. Here too, as this is where leaders meet their households: those whose leader nobody let in, or
    whose leadership no transfer tells of.
    """
    households, members, asked = (
        tables[name] for name in ("households", "household_members", "household_join_requests")
    )
    sits = members.c.is_temporary.is_(True)
    row = (
        select(members.c.household_id, members.c.user_id, members.c.joined_at, members.c.role, sits.label("sits"))
        .where(
            members.c.status == "active",
            or_(members.c.role == "leader", and_(sits, members.c.temporary_expires_at <= context.watermark)),
            of_households(tables, scope, members.c.household_id),
        )
        .subquery("row")
    )
    beside = timedelta(seconds=context.limits.creator_seconds)
    came_later = and_(
        row.c.role == "leader",
        not_(row.c.joined_at.between(households.c.created_at - beside, households.c.created_at + beside)),
    )
    promoted = _promoted(row, households, context)
    disorder = or_(row.c.household_id.is_(None), row.c.user_id.is_distinct_from(households.c.leader_id), row.c.sits)
    met = (
        select(
            households.c.id,
            households.c.leader_id,
            households.c.created_at,
            row.c.user_id,
            disorder.label("disorder"),
            func.coalesce(came_later, False).label("came_later"),
            func.coalesce(promoted, False).label("promoted"),
        )
        .select_from(households.outerjoin(row, row.c.household_id == households.c.id))
        .where(or_(disorder, came_later, promoted), of_households(tables, scope, households.c.id))
        .cte("met")
    )
    approved = (
        select(asked.c.household_id, asked.c.user_id)
        .where(asked.c.status == "approved", asked.c.household_id.in_(select(met.c.id).where(met.c.came_later)))
        .distinct()
        .subquery("approved")
    )
    unapproved = and_(met.c.came_later, approved.c.user_id.is_(None))
    let_in = and_(approved.c.household_id == met.c.id, approved.c.user_id == met.c.user_id)
    announced = _announced(tables, scope, context, met)
    unannounced = and_(met.c.promoted, announced.c.user_id.is_(None))
    named = and_(announced.c.household_id == met.c.id, announced.c.user_id == met.c.user_id)
    return (
        select(
            met.c.id,
            met.c.leader_id,
            met.c.created_at,
            unapproved.label("leader_unapproved"),
            unannounced.label("leader_unannounced"),
            false().label("leader_gone"),
            false().label("is_missing"),
        )
        .select_from(met.outerjoin(approved, let_in).outerjoin(announced, named))
        .where(or_(met.c.disorder, unapproved, unannounced))
    )


def _led_by_nobody(tables: Tables, scope: Scope | None, context: Context) -> Select[Any]:
    """The households whose leader_id names an active member whose account is deleted: there are few deleted accounts."""
    households, members = tables["households"], tables["household_members"]
    leads = and_(households.c.id == members.c.household_id, households.c.leader_id == members.c.user_id)
    unsaid = [false().label(name) for name in ("leader_unapproved", "leader_unannounced")]
    led = (
        select(households.c.id, households.c.leader_id, households.c.created_at, *unsaid, true(), false())
        .select_from(members.join(households, leads))
        .where(members.c.status == "active", of_households(tables, scope, members.c.household_id))
    )
    if not tables.schema.has("users.deleted_at"):
        return led.where(false())
    users = tables["users"]
    deleted = select(users.c.id).where(users.c.deleted_at <= context.watermark)
    if scope is not None:
        theirs = select(households.c.leader_id).where(of_households(tables, scope, households.c.id))
        deleted = deleted.where(users.c.id.in_(theirs))
    return led.where(members.c.user_id.in_(deleted))


def _lived_in(tables: Tables, suspects: FromClause, counted: FromClause) -> FromClause:
    """The suspects without any member row of which the audit trail tells what only members do; see `was_lived_in`."""
    households = tables["households"]
    here = select(counted.c.household_id).where(counted.c.household_id == suspects.c.id)
    empty = select(suspects.c.id).where(~here.exists())
    # An array, and no join: an index on households finds the few.
    few = func.any(func.array(empty.scalar_subquery()))
    told: list[Select[Any]] = []
    if "household_events" in tables:
        events = tables["household_events"]
        acts = tables.event_is(*LIVED_IN, *BELONGING, common=True)
        happened = func.coalesce(meta(events, "error_code"), "") == ""
        told.append(select(events.c.household_id).where(events.c.household_id == few, acts, happened))
    if "rows_are_deleted" in tables.schema.otherwise and "household_join_requests" in tables:
        asked = tables["household_join_requests"].c
        told.append(select(asked.household_id).where(asked.household_id == few, asked.status == "approved"))
    if not told:
        return nothing(household_id=households.c.id).subquery("lived_in")
    return (union(*told) if len(told) > 1 else told[0].distinct()).subquery("lived_in")


def _promoted(row: FromClause, households: FromClause, context: Context) -> ColumnElement[bool]:
    """Whether a row is that of a leader who became it while the audit table watched: before it began nothing was written."""
    if context.audit_began is None:
        return false()
    return and_(
        row.c.role == "leader",
        row.c.user_id == households.c.leader_id,
        row.c.joined_at > households.c.created_at + timedelta(seconds=context.limits.creator_seconds),
        households.c.created_at > context.audit_began,
    )


def _announced(tables: Tables, scope: Scope | None, context: Context, met: FromClause) -> FromClause:
    """Whom the audit trail has ever named as the new leader of a household; nobody where there is no trail.

    In a scope of those in `met` who were promoted alone: their whole history is read for it.
    """
    if context.audit_began is None:
        households = tables["households"]
        return nothing(household_id=households.c.id, user_id=households.c.leader_id).subquery("announced")
    events = tables["household_events"]
    promoted = events.c.household_id == any_of(select(met.c.id).where(met.c.promoted))
    return (
        select(events.c.household_id, tables.user_key(json_text(events.c.metadata, "to_user_id")).label("user_id"))
        .where(tables.event_is(EventType.LEADERSHIP_TRANSFERRED), true() if scope is None else promoted)
        .distinct()
        .subquery("announced")
    )


def _by_number(tables: Tables, scope: Scope | None, context: Context) -> CompoundSelect[Any]:
    """The households with more member rows than active members are allowed, or with several leading rows.

    And those that have member rows and no row of their own, as all households with members are counted here.
    """
    households, members = tables["households"], tables["household_members"]
    mine = of_households(tables, scope, members.c.household_id)
    # Whatever their status, and grouped before they are joined: two indexes alone can tell, each read once in its order.
    rows = select(members.c.household_id, func.count().label("number")).group_by(members.c.household_id)
    # Without a scope there is no condition at all, not even a true one: PostgreSQL would no longer merge the indexes.
    each = (rows if scope is None else rows.where(mine)).subquery("each")
    here = and_(households.c.id == each.c.household_id, of_households(tables, scope, households.c.id))
    is_missing = households.c.id.is_(None)
    groups = [
        select(each.c.household_id, is_missing.label("missing"))
        .select_from(each.outerjoin(households, here))
        .where(or_(each.c.number > context.limits.household_capacity, is_missing))
    ]
    if not tables.schema.unique_on("household_members", "household_id", "user_id"):
        # Two leading rows of one person are two leaders too.
        leads = and_(members.c.status == "active", members.c.role == "leader")
        groups.append(
            select(members.c.household_id, false())
            .where(leads, mine)
            .group_by(members.c.household_id)
            .having(func.count() > 1)
        )
    # Worked out first: there are few, whatever the planner expects, and an index finds their households.
    many = union(*groups).cte("many").prefix_with("MATERIALIZED", dialect="postgresql")
    unsaid = [false().label(name) for name in ("leader_unapproved", "leader_unannounced", "leader_gone", "is_missing")]
    present = select(households.c.id, households.c.leader_id, households.c.created_at, *unsaid).where(
        households.c.id.in_(select(many.c.household_id).where(~many.c.missing))
    )
    missing = select(
        many.c.household_id,
        cast(null(), households.c.leader_id.type),
        cast(null(), households.c.created_at.type),
        *unsaid[:-1],
        true(),
    ).where(many.c.missing, many.c.household_id.is_not(None))
    return union_all(present, missing)


PASSES = (
    Pass(
        "households",
        "households and their members",
        "household_id",
        HOUSEHOLDS | MEMBERS,
        _households,
        reach="grouped",
        by_rows=True,
    ),
)
