"""Invite codes that two households have, or one has and another had: part of the pass over join requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    func,
    null,
    or_,
    select,
    true,
    union,
    union_all,
)

from detectors.contract import Context
from detectors.events import EventType
from detectors.passes.base import Scope, of_households, since
from detectors.passes.names_and_codes import code_key
from detectors.source import Tables
from detectors.source.sql import json_text, matches


def colliding(tables: Tables, scope: Scope | None, context: Context, asked: FromClause) -> CompoundSelect[Any]:
    """Each household whose code another household has, or had by a request to join that one or by its audit trail.

    Columns: household_id, colliding_code, earlier_household_id (null for who has it now), had_at (when it was last seen
    there, or the household's creation), created_at. `asked` are the join requests with another code than their household
    has now, beside that `current_code`: a scan of everything reads them anyway.

    Nearly all codes are stored as they are compared, so these are compared as they are; only the `oddly` written ones
    are written anew.
    """
    households = tables["households"]
    wanted = _codes_near(tables, scope)
    key = code_key(households.c.invite_code)
    oddly = (
        select(households.c.id, households.c.created_at, key.label("code"))
        .where(
            matches(households.c.invite_code, "[^A-Z0-9-]"),
            key != households.c.invite_code,
            wanted(households.c.invite_code),
        )
        .cte("oddly")
    )
    shared = union(*_shared_codes(tables, wanted, oddly)).subquery("shared")
    now = (
        select(
            holder.c.id.label("household_id"),
            shared.c.code.label("colliding_code"),
            cast(null(), Text).label("earlier_household_id"),
            holder.c.created_at.label("had_at"),
            holder.c.created_at,
        ).select_from(holder.join(shared, code == shared.c.code))
        for holder, code in ((households, households.c.invite_code), (oddly, oddly.c.code))
    )
    near = asked if scope is None else _asked_near(tables, wanted, scope)
    told = _codes_told(tables, wanted, context) if scope is None or tables.finds("household_events") else ()
    theirs = union_all(_codes_used(near, context), *told).cte("theirs")
    # Named on its own, so that the index on codes serves for the few that there are.
    foreign = select(theirs.c.code)
    earlier = (
        select(
            holder.c.id,
            theirs.c.code,
            cast(theirs.c.household_id, Text),
            theirs.c.at,
            holder.c.created_at,
        )
        .select_from(holder.join(theirs, and_(code == theirs.c.code, theirs.c.household_id != holder.c.id)))
        .where(code.in_(foreign))
        for holder, code in ((households, households.c.invite_code), (oddly, oddly.c.code))
    )
    return union_all(*now, *earlier)


def _codes_near(tables: Tables, scope: Scope | None) -> Callable[[ColumnElement[Any]], ColumnElement[bool]]:
    """Whether a code is one that a household of the scope has or was asked for with."""
    if scope is None:
        return lambda _: true()
    households, asked = tables["households"], tables["household_join_requests"]
    # As they are written, so that the index on codes serves; an app that writes upper case needs no more.
    theirs = select(households.c.invite_code).where(of_households(tables, scope, households.c.id))
    used = [select(asked.c.invite_code).where(of_households(tables, scope, asked.c.household_id))]
    if "household_events" in tables:
        regenerated = tables.event_is(EventType.INVITE_CODE_REGENERATED, common=True)
        mine = of_households(tables, scope, tables["household_events"].c.household_id)
        used += [select(code).where(regenerated, mine) for code in _told(tables)]
    # Named, as it is asked for several times.
    near = theirs.union(*used).cte("near")
    return lambda code: code.in_(select(near.c.invite_code))


def _shared_codes(
    tables: Tables, wanted: Callable[[ColumnElement[Any]], ColumnElement[bool]], oddly: FromClause
) -> Iterator[Select[Any]]:
    """The codes that several households have."""
    households = tables["households"]
    yield select(oddly.c.code).group_by(oddly.c.code).having(func.count() > 1)
    yield select(oddly.c.code).select_from(oddly.join(households, households.c.invite_code == oddly.c.code))
    if not tables.schema.unique_on("households", "invite_code"):
        code = households.c.invite_code
        yield select(code_key(code)).where(wanted(code)).group_by(code).having(func.count() > 1)


def _asked_near(
    tables: Tables, wanted: Callable[[ColumnElement[Any]], ColumnElement[bool]], scope: Scope
) -> FromClause:
    """The join requests with the codes of a scope, beside their household's code: of all households, if they can be found."""
    asked, own = tables["household_join_requests"], tables["households"].alias("own")
    mine = (
        true()
        if tables.finds("household_join_requests", "invite_code")
        else of_households(tables, scope, asked.c.household_id)
    )
    return (
        select(asked.c.household_id, asked.c.invite_code, asked.c.requested_at, own.c.invite_code.label("current_code"))
        .select_from(asked.outerjoin(own, own.c.id == asked.c.household_id))
        .where(wanted(asked.c.invite_code), mine)
        .subquery("asked_near")
    )


def _codes_used(asked: FromClause, context: Context) -> Select[Any]:
    """The codes with which people asked to join each household that it no longer has, and when the last one did."""
    used = code_key(asked.c.invite_code)
    return (
        select(asked.c.household_id, used.label("code"), func.max(asked.c.requested_at).label("at"))
        .where(
            asked.c.invite_code.is_not(None),
            asked.c.invite_code.is_distinct_from(asked.c.current_code),
            asked.c.requested_at <= context.watermark,
        )
        .group_by(asked.c.household_id, used)
    )


def _codes_told(
    tables: Tables, wanted: Callable[[ColumnElement[Any]], ColumnElement[bool]], context: Context
) -> Iterator[Select[Any]]:
    """The codes that the audit trail says each household had; this app redacts them, other deployments write them."""
    if "household_events" not in tables:
        return
    events = tables["household_events"]
    old, new = _told(tables)
    # Read once for both codes.
    told = (
        select(events.c.household_id, events.c.event_timestamp, old.label("old"), new.label("new"))
        .where(
            tables.event_is(EventType.INVITE_CODE_REGENERATED),
            or_(since(events, context.history_start), tables.households_in(events.c.household_id, context.known)),
            events.c.event_timestamp <= context.watermark,
            or_(old.like("%-%"), new.like("%-%")),
        )
        .cte("told")
    )
    for code in (told.c.old, told.c.new):
        key = code_key(code)
        yield (
            select(told.c.household_id, key, func.max(told.c.event_timestamp))
            .where(code.like("%-%"), wanted(code))
            .group_by(told.c.household_id, key)
        )


def _told(tables: Tables) -> Iterator[ColumnElement[Any]]:
    for key in ("old_invite_code", "new_invite_code"):
        yield json_text(tables["household_events"].c.metadata, key)
