"""The passes over what the state tables hold: requests beside members, texts and codes, founders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    column,
    false,
    func,
    not_,
    null,
    or_,
    select,
    true,
    union,
    union_all,
    values,
)

from detectors.contract import Context
from detectors.limits import Limits
from detectors.passes.base import EVENTS, HOUSEHOLDS, MEMBERS, Pass, Scope, of_households, of_users, since
from detectors.source import Tables
from detectors.source.sql import json_text, like_any, matches
from detectors.texts import (
    BREAKS,
    DISGUISED,
    IRREGULAR,
    MARKUP_PREFILTER,
    only_marks,
    telling,
    vocabulary_patterns,
)


def requests(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each join request beside the member rows of its person in its household; what is not there is null.

    Ordinary requests are left out before anything else is looked up for them: who leads now approved somebody else who is a
    member now, with the code that the household has now.

    `first_approved` is known for rejected requests of active members: when the first approved request of the same person
    was made. `refused_at` is the time of the last event that says that the request was rejected.
    """
    asked, members, households = (
        tables[name] for name in ("household_join_requests", "household_members", "households")
    )
    row = select(members).where(of_households(tables, scope, members.c.household_id)).subquery("row")
    led = _once_leaders(tables, scope)
    twice = _pending_twice(tables, scope)
    changed = _last_regenerated(tables, scope, context)
    approved = _first_approved(tables, scope)
    refused = _refused(tables, scope, context)
    pair = and_(row.c.household_id == asked.c.household_id, row.c.user_id == asked.c.user_id)
    ordinary = and_(
        asked.c.status == "approved",
        asked.c.responded_by == households.c.leader_id,
        asked.c.responded_by != asked.c.user_id,
        asked.c.invite_code == households.c.invite_code,
        row.c.status == "active",
    )
    request = (
        select(
            asked.c.id,
            asked.c.household_id,
            asked.c.user_id,
            asked.c.status,
            asked.c.requested_at,
            asked.c.responded_by,
            asked.c.invite_code,
            row.c.status.label("member_status"),
            row.c.joined_at,
            households.c.leader_id,
            households.c.invite_code.label("current_code"),
        )
        .select_from(asked.outerjoin(row, pair).outerjoin(households, households.c.id == asked.c.household_id))
        .where(func.coalesce(ordinary, False).is_(False), of_households(tables, scope, asked.c.household_id))
        .subquery("asked")
    )
    # A null is not looked up in a hash table, and most rows have nothing to look up here.
    stranger = case((request.c.responded_by.is_distinct_from(request.c.leader_id), request.c.responded_by))
    rejected = request.c.status == "rejected"
    let_in = and_(
        approved.c.household_id == request.c.household_id,
        approved.c.user_id == case((and_(rejected, request.c.member_status == "active"), request.c.user_id)),
    )
    twice_too = and_(twice.c.household_id == request.c.household_id, twice.c.user_id == request.c.user_id)
    return (
        select(
            *(column for column in request.c if column.name != "id"),
            led.c.user_id.label("once_leader"),
            twice.c.requests.label("pending_requests"),
            changed.c.event_timestamp.label("regenerated_at"),
            approved.c.requested_at.label("first_approved"),
            refused.c.event_timestamp.label("refused_at"),
        )
        .select_from(
            request.outerjoin(led, and_(led.c.household_id == request.c.household_id, led.c.user_id == stranger))
            .outerjoin(twice, twice_too)
            .outerjoin(changed, changed.c.household_id == request.c.household_id)
            .outerjoin(approved, let_in)
            .outerjoin(refused, refused.c.request_id == case((rejected, cast(request.c.id, Text))))
        )
        .subquery("request")
    )


def _newcomers(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each active member row that neither its household's creation nor an approved request nor its leader explains.

    `inviter_id` is null where the inviter of a sitter never led the household.
    """
    asked, members, households = (
        tables[name] for name in ("household_join_requests", "household_members", "households")
    )
    beside = timedelta(seconds=context.limits.creator_seconds)
    row = (
        select(members)
        .where(members.c.status == "active", of_households(tables, scope, members.c.household_id))
        .subquery("row")
    )
    approved = (
        select(asked.c.household_id, asked.c.user_id)
        .where(asked.c.status == "approved", of_households(tables, scope, asked.c.household_id))
        .subquery("approved")
    )
    asked_too = and_(approved.c.household_id == row.c.household_id, approved.c.user_id == row.c.user_id)
    beside_creation = row.c.joined_at.between(households.c.created_at - beside, households.c.created_at + beside)
    leaders_own = and_(row.c.is_temporary, row.c.invited_by == households.c.leader_id)
    unexplained = (
        select(row.c.household_id, row.c.user_id, row.c.is_temporary, row.c.invited_by)
        .select_from(row.join(households, households.c.id == row.c.household_id).outerjoin(approved, asked_too))
        .where(
            not_(beside_creation),
            func.coalesce(leaders_own, False).is_(False),
            approved.c.user_id.is_(None),
        )
        # Worked out first, as it leaves few: whoever leads now or was approved needs no look at former leaders.
        .cte("unexplained")
    )
    led = _once_leaders(tables, scope, select(unexplained.c.household_id))
    inviter = case((unexplained.c.is_temporary, unexplained.c.invited_by))
    invited = and_(led.c.household_id == unexplained.c.household_id, led.c.user_id == inviter)
    return (
        select(*unexplained.c, led.c.user_id.label("inviter_id"))
        .select_from(unexplained.outerjoin(led, invited))
        .subquery("newcomer")
    )


def _once_leaders(tables: Tables, scope: Scope | None, homes: Select[Any] | None = None) -> FromClause:
    """Who leads or has led each household (of `homes`, if given): every past leader's row keeps the role."""
    members = tables["household_members"]
    mine = of_households(tables, scope, members.c.household_id)
    return (
        select(members.c.household_id, members.c.user_id)
        .where(members.c.role == "leader", mine, true() if homes is None else members.c.household_id.in_(homes))
        .subquery("once_leader")
    )


def _pending_twice(tables: Tables, scope: Scope | None) -> FromClause:
    asked = tables["household_join_requests"]
    return (
        select(asked.c.household_id, asked.c.user_id, func.count().label("requests"))
        .where(asked.c.status == "pending", of_households(tables, scope, asked.c.household_id))
        .group_by(asked.c.household_id, asked.c.user_id)
        .having(func.count() > 1)
        .subquery("pending_twice")
    )


def _first_approved(tables: Tables, scope: Scope | None) -> FromClause:
    """When each person who was rejected and approved in one household made the first of the approved requests there."""
    asked = tables["household_join_requests"]
    rejected = (
        select(asked.c.household_id, asked.c.user_id)
        .where(asked.c.status == "rejected", of_households(tables, scope, asked.c.household_id))
        .distinct()
        .subquery("rejected")
    )
    pair = and_(asked.c.household_id == rejected.c.household_id, asked.c.user_id == rejected.c.user_id)
    return (
        select(asked.c.household_id, asked.c.user_id, func.min(asked.c.requested_at).label("requested_at"))
        .select_from(asked.join(rejected, pair))
        .where(asked.c.status == "approved")
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
    # A retry repeats the correlation_id; the operation's time is that of its first row.
    operation = func.coalesce(json_text(events.c.metadata, "correlation_id"), cast(events.c.id, Text))
    each = (
        select(events.c.household_id, func.min(events.c.event_timestamp).label("event_timestamp"))
        .where(
            tables.event_is("household_invite_code_regenerated"),
            since(events, context.history_start),
            of_households(tables, scope, events.c.household_id),
        )
        .group_by(events.c.household_id, operation)
        .subquery("regeneration")
    )
    return (
        select(each.c.household_id, func.max(each.c.event_timestamp).label("event_timestamp"))
        .group_by(each.c.household_id)
        .subquery("regenerated")
    )


def code_key(code: ColumnElement[Any]) -> ColumnElement[Any]:
    """A code as it is compared: without blanks around it, in upper case; null for a blank one."""
    # Nearly every code is written like that already, and seeing it is cheaper than writing it anew.
    folded = case((matches(code, "[^A-Z0-9-]"), func.upper(func.trim(code))), else_=code)
    return func.nullif(folded, "")


def malformed(code: ColumnElement[Any], limits: Limits) -> ColumnElement[bool]:
    """Whether a code is null or not PREFIX-WORD-WORD. Cheaper than one expression that names all words twice."""
    prefix, *words = [func.split_part(code, "-", place) for place in (1, 2, 3)]
    known = [word.upper() for word in limits.invite_code_words]
    well_formed = and_(
        code.not_like("%-%-%-%"),
        *(word.in_(known) for word in words),
        func.length(prefix).between(limits.invite_code_prefix_least, limits.invite_code_prefix_most),
        not_(matches(prefix, "[^A-Z]")),
    )
    return func.coalesce(well_formed, False).is_(False)


def _texts(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Households whose name, description or code is worth a closer look: markup, listed words, escapes, odd codes."""
    worth = union(*_worth_a_look(tables, scope, context.limits)).subquery("worth")
    odd = malformed(worth.c.invite_code, context.limits)
    return select(*worth.c, cast(odd, Boolean).label("odd_code"), _text_of(worth).label("text")).subquery("texts")


def _text_of(households: FromClause) -> ColumnElement[str]:
    # Not concat(): that one looks up each argument's type anew for every row.
    return func.coalesce(households.c.name, "") + " " + func.coalesce(households.c.description, "")


def _worth_a_look(tables: Tables, scope: Scope | None, limits: Limits) -> tuple[Select[Any], Select[Any]]:
    """The households with an odd code or an irregular text that tells, and those with a telling word."""
    households = tables["households"]
    shown = ("leader_id", "name", "description", "invite_code", "created_at")
    columns = [households.c.id.label("household_id"), *(households.c[name] for name in shown)]
    mine, text = of_households(tables, scope, households.c.id), _text_of(households)
    words = [*limits.off_topic_words, *limits.competitor_names, *limits.commercial_words]
    # The cheap test first: elaborate expressions are affordable for the few texts that pass it.
    irregular = true() if only_marks(words) else matches(text, IRREGULAR)
    tells = or_(
        matches(text, DISGUISED),
        matches(text, MARKUP_PREFILTER, any_case=True),
        like_any(func.lower(text), vocabulary_patterns(words)),
    )
    strange = select(*columns).where(mine, or_(malformed(households.c.invite_code, limits), and_(irregular, tells)))
    plain: ColumnElement[str] = text
    for mark in BREAKS:
        plain = func.replace(plain, mark, " ")
    # Spread out and joined to a short list, words are looked up in a hash table; the overlap of arrays is not.
    each = select(*columns, func.unnest(func.string_to_array(plain, " ")).label("word")).where(mine).subquery("each")
    said = values(column("word", Text), column("pattern", Text), name="said").data(telling(words))
    worded = (
        select(*(each.c[one.name] for one in columns))
        .select_from(each.join(said, said.c.word == each.c.word))
        .where(func.lower(_text_of(each)).like(said.c.pattern))
    )
    return strange, worded


def _prefixes(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each prefix with the number of codes that use it, by stored row: never less than the distinct codes."""
    households = tables["households"]
    written = func.split_part(households.c.invite_code, "-", 1)
    prefix = func.upper(func.trim(written))
    few = context.limits.invite_code_prefix_codes
    # Counted as they are written first, as there are far fewer prefixes than codes.
    as_written = (
        select(written.label("written"), func.count().label("rows"))
        # The warning concerns no household, so a scan of some does not ask for it.
        .where(households.c.invite_code.is_not(None), true() if scope is None else false())
        .group_by(written)
        .subquery("as_written")
    )
    shared = func.upper(func.trim(as_written.c.written))
    counted = (
        select(shared.label("prefix")).group_by(shared).having(func.sum(as_written.c.rows) > few).subquery("counted")
    )
    key = code_key(households.c.invite_code)
    return (
        select(
            counted.c.prefix,
            func.count(func.distinct(key)).filter(not_(malformed(key, context.limits))).label("codes"),
        )
        .select_from(households.join(counted, counted.c.prefix == prefix))
        .group_by(counted.c.prefix)
        .subquery("prefix")
    )


def _codes(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each household whose code another household has, or had when somebody asked to join that one.

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
            shared.c.code.label("invite_code"),
            holder.c.id.label("household_id"),
            cast(null(), Text).label("earlier_household_id"),
            holder.c.created_at.label("at"),
            holder.c.created_at,
        ).select_from(holder.join(shared, code == shared.c.code))
        for holder, code in ((households, households.c.invite_code), (oddly, oddly.c.code))
    )
    theirs = _codes_used(tables, scope, context, wanted)
    earlier = (
        select(
            theirs.c.code,
            holder.c.id,
            cast(theirs.c.household_id, Text),
            theirs.c.at,
            holder.c.created_at,
        ).select_from(holder.join(theirs, and_(code == theirs.c.code, theirs.c.household_id != holder.c.id)))
        for holder, code in ((households, households.c.invite_code), (oddly, oddly.c.code))
    )
    return union_all(*now, *earlier).subquery("code")


def _codes_near(tables: Tables, scope: Scope | None) -> Callable[[ColumnElement[Any]], ColumnElement[bool]]:
    """Whether a code is one that a household of the scope has or was asked for with."""
    if scope is None:
        return lambda _: true()
    households, asked = tables["households"], tables["household_join_requests"]
    # As they are written, so that the index on codes serves; an app that writes upper case needs no more.
    theirs = select(households.c.invite_code).where(of_households(tables, scope, households.c.id))
    used = select(asked.c.invite_code).where(of_households(tables, scope, asked.c.household_id))
    return lambda code: code.in_(theirs.union(used))


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


def _codes_used(
    tables: Tables,
    scope: Scope | None,
    context: Context,
    wanted: Callable[[ColumnElement[Any]], ColumnElement[bool]],
) -> FromClause:
    """The codes with which people asked to join each household that it no longer has, and when the last one did."""
    asked, own = tables["household_join_requests"], tables["households"].alias("own")
    used = code_key(asked.c.invite_code)
    return (
        select(asked.c.household_id, used.label("code"), func.max(asked.c.requested_at).label("at"))
        .select_from(asked.outerjoin(own, own.c.id == asked.c.household_id))
        .where(
            # Most requests used the code that their household still has: they are out before anything is written anew.
            asked.c.invite_code.is_distinct_from(own.c.invite_code),
            wanted(asked.c.invite_code),
            asked.c.requested_at <= context.settled,
        )
        .group_by(asked.c.household_id, used)
        .cte("theirs")
    )


def _failed_codes(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each audit row that says that no free code was found, from a day before the window on, for the sake of retries."""
    events = tables["household_events"]
    text = {key: json_text(events.c.metadata, key).label(key) for key in ("correlation_id", "error_code")}
    return (
        select(events.c.household_id, events.c.user_id, events.c.event_timestamp, *text.values())
        .where(
            tables.event_is("household_invite_code_failed"),
            events.c.event_timestamp >= context.window.start - timedelta(days=1),
            events.c.event_timestamp < context.window.end,
            events.c.event_timestamp <= context.settled,
            of_households(tables, scope, events.c.household_id),
        )
        .subquery("failed_code")
    )


def _founders(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each user whom several households name as their leader."""
    households = tables["households"]
    return (
        select(households.c.leader_id.label("founder"), func.count().label("households"))
        .where(households.c.leader_id.is_not(None), of_users(tables, scope, households.c.leader_id))
        .group_by(households.c.leader_id)
        .having(func.count() >= context.limits.fake_households)
        .subquery("founder")
    )


_CODES = frozenset({"households.invite_code"})

PASSES = (
    Pass("newcomers", "members and what let them in", "household_id", HOUSEHOLDS | MEMBERS, _newcomers, reach="whole"),
    Pass("texts", "texts and codes of households", "household_id", HOUSEHOLDS, _texts, reach="whole"),
    Pass("prefixes", "prefixes of invite codes", "prefix", HOUSEHOLDS | _CODES, _prefixes, reach="whole"),
    Pass("codes", "invite codes in use and used", "invite_code", HOUSEHOLDS | _CODES, _codes, reach="whole"),
    Pass("failed-codes", "failures to find a free code", "household_id", EVENTS, _failed_codes),
    Pass("founders", "households by founder", "founder", HOUSEHOLDS, _founders, reach="whole"),
)

__all__ = ["PASSES", "code_key", "malformed", "requests"]
