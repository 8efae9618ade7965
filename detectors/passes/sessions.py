"""The pass over the sessions of people whom somebody removed from a household."""

from __future__ import annotations

from sqlalchemy import FromClause, Text, and_, case, cast, func, literal, select, union_all

from detectors.contract import Context
from detectors.passes.base import EVENTS, MEMBERS, METADATA, Pass, Scope, between, meta, of_users, since
from detectors.source import Tables


def _sessions(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each use of a session in the window beside the changes of its user's memberships.

    Only users whom somebody removed; a change is "removed" or "approved" (let into the household again). `joined_at` is
    that of the user's active row in the change's household.
    """
    events, members = tables["household_events"], tables["household_members"]
    removed = tables.event_is("household_member_removed")
    person = case((removed, meta(events, "member_id")), else_=meta(events, "new_member_id"))
    changes = (
        select(
            tables.user_key(person).label("user_id"),
            events.c.household_id,
            events.c.user_id.label("changed_by"),
            events.c.event_timestamp.label("changed_at"),
            case((removed, literal("removed")), else_=literal("approved")).label("change"),
            meta(events, "correlation_id").label("correlation_id"),
        )
        .where(
            tables.event_is("household_member_removed", "household_join_request_approved"),
            since(events, context.history_start),
            events.c.event_timestamp < context.window.end,
        )
        .subquery("change")
    )
    removals = func.count().filter(changes.c.change == "removed").over(partition_by=changes.c.user_id)
    affected = select(*changes.c, removals.label("removals")).subquery("affected")
    uses = _uses(tables, context)
    active = select(members.c.household_id, members.c.user_id, members.c.joined_at).where(members.c.status == "active")
    row = active.subquery("row")
    pair = and_(row.c.household_id == affected.c.household_id, row.c.user_id == affected.c.user_id)
    return (
        select(
            affected.c.user_id,
            affected.c.household_id,
            affected.c.changed_by,
            affected.c.changed_at,
            affected.c.change,
            affected.c.correlation_id,
            uses.c.session_id,
            uses.c.created_at,
            uses.c.used_at,
            row.c.joined_at,
        )
        .select_from(affected.join(uses, uses.c.user_id == affected.c.user_id).outerjoin(row, pair))
        .where(affected.c.removals > 0, of_users(tables, scope, affected.c.user_id))
        .subquery("session")
    )


def _uses(tables: Tables, context: Context) -> FromClause:
    events, sessions, window = tables["household_events"], tables["sessions"], context.window
    session_id = cast(sessions.c.id, Text)
    told = (
        select(meta(events, "session_id").label("session_id"), events.c.event_timestamp.label("used_at"))
        .where(tables.event_is("session_used"), between(events.c.event_timestamp, window.start, window.end))
        .subquery("told")
    )
    by_event = select(
        session_id.label("session_id"), sessions.c.user_id, sessions.c.created_at, told.c.used_at
    ).select_from(sessions.join(told, told.c.session_id == session_id))
    by_row = select(
        session_id.label("session_id"),
        sessions.c.user_id,
        sessions.c.created_at,
        sessions.c.last_activity_at.label("used_at"),
    ).where(between(sessions.c.last_activity_at, window.start, window.end))
    return union_all(by_event, by_row).subquery("use")


_SESSIONS = frozenset({"sessions.id", "sessions.user_id", "sessions.created_at"})

PASSES = (
    Pass("sessions", "sessions of removed members", "user_id", EVENTS | MEMBERS | METADATA | _SESSIONS, _sessions),
)
