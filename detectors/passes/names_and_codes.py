"""The passes over what households are called, the codes that they have, and who founded them."""

from __future__ import annotations

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
    false,
    func,
    not_,
    or_,
    select,
    true,
    union,
)

from detectors.contract import Context
from detectors.events import EventType
from detectors.limits import Limits
from detectors.passes.base import EVENTS, HOUSEHOLDS, Pass, Scope, of_households, of_users
from detectors.source import Tables
from detectors.source.sql import Listed, byte_length, json_text, like_any, matches
from detectors.text.markup import MARKUP_PREFILTER
from detectors.text.reading import (
    BREAKS,
    DISGUISED,
    DISGUISED_IN_BYTES,
    IRREGULAR,
    index_words,
    only_marks,
    vocabulary_patterns,
)


def code_key(code: ColumnElement[Any]) -> ColumnElement[Any]:
    """A code as it is compared: without blanks around it, in upper case; null for a blank one."""
    # Nearly every code is written like that already, and seeing it is cheaper than writing it anew.
    folded = case((matches(code, "[^A-Z0-9-]"), func.upper(func.trim(code))), else_=code)
    return func.nullif(folded, "", type_=Text())


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


def _odd(tables: Tables, code: ColumnElement[Any], limits: Limits) -> ColumnElement[bool]:
    """Whether a code is worth a look: malformed, or in an app that writes them another way, of signs that no code needs."""
    if not tables.schema.has("households.invite_code"):
        return false()
    if "other_codes" in tables.schema.otherwise:
        return func.coalesce(matches(code, "[^A-Za-z0-9_-]"), False)
    return malformed(code, limits)


def _texts(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Households whose name, description or code is worth a closer look: markup, listed words, escapes, odd codes."""
    # A fence: what a condition asks is asked of these few, and not of each row on the way to them.
    worth = union(*_worth_a_look(tables, scope, context.limits)).offset(0).subquery("worth")
    odd = _odd(tables, worth.c.invite_code, context.limits)
    return select(*worth.c, cast(odd, Boolean).label("odd_code"), _text_of(worth).label("text")).subquery("texts")


READ_CHARACTERS = 2_000
"""Of a name with its description: many times what the app takes. A single huge text must not hold up all others."""


def _text_of(households: FromClause) -> ColumnElement[str]:
    # Not concat(): that one looks up each argument's type anew for every row.
    name, description = (func.coalesce(households.c[column], "") for column in ("name", "description"))
    text = name + " " + description
    # What is short enough in bytes is not counted by characters.
    short = byte_length(name) + byte_length(description) < READ_CHARACTERS
    return case((short, text), else_=func.substr(text, 1, READ_CHARACTERS, type_=Text()))


def _beginning(column: ColumnElement[str]) -> ColumnElement[str]:
    return func.substr(column, 1, READ_CHARACTERS).label(column.name)


def _worth_a_look(tables: Tables, scope: Scope | None, limits: Limits) -> tuple[Select[Any], Select[Any]]:
    """The households with an odd code or an irregular text that tells, and those with a telling word."""
    households = tables["households"]
    shown = ("leader_id", "invite_code", "created_at", "name", "description")
    columns = [households.c.id.label("household_id"), *(households.c[name] for name in shown)]
    *others, name, description = columns
    mine, text = of_households(tables, scope, households.c.id), _text_of(households)
    commercial = (*limits.commercial_words, *limits.commercial_rates, *limits.company_words)
    words = [*limits.off_topic_words, *limits.competitor_names, *commercial]
    # The cheap test first: elaborate expressions are affordable for the few texts that pass it.
    irregular = true() if only_marks(words) else matches(text, IRREGULAR)
    patterns = vocabulary_patterns(words)
    tells = or_(
        matches(text, DISGUISED if tables.schema.holds_unicode else DISGUISED_IN_BYTES),
        matches(text, MARKUP_PREFILTER, any_case=True),
        like_any(func.lower(text), patterns) if patterns else false(),
    )
    odd = or_(_odd(tables, households.c.invite_code, limits), and_(irregular, tells))
    strange = select(*others, _beginning(name), _beginning(description)).where(mine, odd)
    plain: ColumnElement[str] = text
    for mark in BREAKS:
        plain = func.replace(plain, mark, " ")
    # Spread out and joined to a short list, words are looked up in a hash table; the overlap of arrays is not.
    held = [one for one in columns if one.name not in tables.schema.tables["households"].computed]
    each = select(*held, func.unnest(func.string_to_array(plain, " ")).label("word")).where(mine).subquery("each")
    said = Listed.of(index_words(words), "said", "word", "pattern")
    carried = [
        each.c[one.name] if one.name in each.c else tables.worked_out("households", one.name, each.c.household_id)
        for one in others
    ]
    worded = (
        select(*carried, _beginning(each.c.name), _beginning(each.c.description))
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


def _failed_codes(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each audit row that says that no free code was found, from a day before the window on, for the sake of retries."""
    events = tables["household_events"]
    text = {key: json_text(events.c.metadata, key).label(key) for key in ("correlation_id", "error_code")}
    return (
        select(events.c.household_id, events.c.user_id, events.c.event_timestamp, *text.values())
        .where(
            tables.event_is(EventType.INVITE_CODE_FAILED),
            events.c.event_timestamp >= context.window.start - timedelta(days=1),
            events.c.event_timestamp < context.window.end,
            events.c.event_timestamp <= context.watermark,
            of_households(tables, scope, events.c.household_id),
        )
        .subquery("failed_code")
    )


def _creators(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each user whom several households name as their leader, of those whose whole life the audit table has seen."""
    households, began = tables["households"], context.audit_began
    watched = false() if began is None else households.c.created_at >= began
    return (
        select(households.c.leader_id.label("creator"), func.count().label("households"))
        .where(households.c.leader_id.is_not(None), watched, of_users(tables, scope, households.c.leader_id))
        .group_by(households.c.leader_id)
        .having(func.count() >= context.limits.fake_households)
        .subquery("creator")
    )


_CODES = frozenset({"households.invite_code"})

PASSES = (
    Pass("texts", "texts and codes of households", "household_id", HOUSEHOLDS, _texts, reach="whole", by_rows=True),
    Pass("prefixes", "prefixes of invite codes", "prefix", HOUSEHOLDS | _CODES, _prefixes, reach="whole"),
    Pass("failed-codes", "failures to find a free code", "household_id", EVENTS, _failed_codes),
    Pass(
        "creators",
        "households by creator",
        "creator",
        HOUSEHOLDS,
        _creators,
        reach="grouped",
        found_by=("households", "leader_id"),
    ),
)

__all__ = ["PASSES", "code_key", "malformed"]
