"""One household as support sees it, found by whatever the customer can name: statements by key alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Text, cast, func, select

from detectors.cases.household import household_cases
from detectors.cases.rows import read_join_requests
from detectors.contract import Context
from detectors.domain.household import HouseholdCase
from detectors.domain.leadership import active_leaders, longest_standing
from detectors.domain.membership import is_creator
from detectors.domain.records import Membership
from detectors.engine.homes import homes_to_show, keys_where
from detectors.events import EventType
from detectors.rules.integrity.no_leader import why_leaderless
from detectors.source import Source, SubjectError
from detectors.source.marked import refuse_gone_rows
from detectors.source.spelling import expected

Kind = Literal["household", "user", "invite code", "e-mail address"]
HOUSEHOLDS_MOST = 20
"""Of somebody who is in more households so many are shown."""
AT_LOOKED_FOR = 1_000
"""In so many ids of a table an @ is looked for."""
Found = tuple[str, list[str]]
"""The person who was named, if one was, and the households."""
Ways = tuple[tuple[Kind, Callable[[Source, str], Found]], ...]
_CODE = re.compile(r"[A-Za-z]{3,6}-[A-Za-z]+-[A-Za-z]+")
_OTHER_CODE = re.compile(r"[A-Za-z0-9_-]{3,64}")


@dataclass(frozen=True, slots=True)
class Person:
    """An active member: since when, and what is special about them."""

    user_id: str
    leads: bool
    joined_at: datetime
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody who waits to be let in."""

    request_id: str
    user_id: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class HouseholdView:
    """A household now. `leaderless` says in words why nobody leads it; empty where somebody does."""

    household_id: str
    name: str
    created_at: datetime | None
    leader_id: str | None
    leads_since: datetime | None
    leaderless: str
    next_leader: str
    members: tuple[Person, ...]
    former: int
    pending: tuple[Pending, ...]
    code_expires_at: datetime | None
    has_code: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """What was asked for, as which kind of thing it is known, and the households that it leads to."""

    kind: Kind | None
    """None where nobody has it."""
    user_id: str
    """Whom it names, where it names a person."""
    households: tuple[HouseholdView, ...]
    further: int = 0
    """How many more households that person is in."""


def look(source: Source, named: str, context: Context) -> Looked:
    """The household that `named` stands for, or the households of the person: an id, an invite code or an e-mail address.

    Raises SubjectError where the source has no column to look for it in, SourceError where it cannot be read.
    """
    refuse_gone_rows(source)
    source.tables = source.tables.respelled(expected(source.tables.mapping))
    context = replace(context, otherwise=source.schema.otherwise)
    named = named.strip()
    by_id: Ways = (("household", _as_household), ("user", _as_user), ("invite code", _as_code))
    if "@" not in named:
        return _by(by_id, source, named, context)
    try:
        found = _by((("e-mail address", _as_address),), source, named, context)
    except SubjectError:
        if not _ids_have_at(source):
            raise
        found = Looked(None, "", ())
    # An address is looked for as nothing else where ids have no such sign: a server may log what other statements look for.
    return _by(by_id, source, named, context) if found.kind is None and _ids_have_at(source) else found


def _by(ways: Ways, source: Source, named: str, context: Context) -> Looked:
    for kind, way in ways:
        user, found = way(source, named)
        if user or found:
            return _looked(source, kind, user, found, context)
    return Looked(None, "", ())


def _ids_have_at(source: Source) -> bool:
    """Whether ids hold an @ here: of a server a part of them is seen, and files keep no log."""
    if source.engine == "duckdb":
        return True
    tables = source.tables
    columns = (tables["households"].c.id, tables["household_members"].c.user_id)
    some = (select(cast(column, Text).label("key")).limit(AT_LOOKED_FOR).subquery() for column in columns)
    return any(source.rows(select(few.c.key).where(few.c.key.contains("@")).limit(1), "lookup") for few in some)


def _looked(source: Source, kind: Kind, user: str, found: Sequence[str], context: Context) -> Looked:
    cases = household_cases(source, found[:HOUSEHOLDS_MOST], context.watermark)
    views = tuple(_view(_told_once(case), context) for case in cases)
    return Looked(kind, user, views, max(0, len(found) - HOUSEHOLDS_MOST))


def _told_once(case: HouseholdCase) -> HouseholdCase:
    """The case without what a table without a key says again: equal rows of members, and earlier states of a request."""
    answered = sorted(
        case.requests, key=lambda one: (one.responded_at is not None, one.responded_at or one.requested_at)
    )
    latest = {(one.id, one.user_id): one for one in answered}
    kept = tuple(one for one in case.requests if not one.id or latest[one.id, one.user_id] is one)
    return replace(case, members=tuple(dict.fromkeys(case.members)), requests=kept)


def _as_household(source: Source, named: str) -> Found:
    tables = source.tables
    try:
        tables.check_household(named)
    except SubjectError:
        return "", []
    plain = tables.plain_household_id(named)
    households, members = tables["households"].c, tables["household_members"].c
    return "", _keys(source, households.id, tables.households_in(households.id, [plain])) or _keys(
        source, members.household_id, tables.households_in(members.household_id, [plain])
    )


def _as_user(source: Source, named: str) -> Found:
    tables = source.tables
    try:
        tables.check_user(named)
    except SubjectError:
        return "", []
    plain = tables.plain_user_id(named)
    homes = homes_to_show(source, plain)
    if homes or (
        "users" in tables and _keys(source, tables["users"].c.id, tables.users_in(tables["users"].c.id, [plain]))
    ):
        return plain, homes
    requests = tables["household_join_requests"].c
    asked = read_join_requests(source, tables.users_in(requests.user_id, [plain]))
    return (plain, []) if asked else ("", [])


def _as_code(source: Source, named: str) -> Found:
    form = _OTHER_CODE if "other_codes" in source.schema.otherwise else _CODE
    if not (form.fullmatch(named) and source.schema.has("households.invite_code")):
        return "", []
    households = source.tables["households"].c
    return "", _keys(source, households.id, households.invite_code.in_([named, named.upper()]))


def _as_address(source: Source, named: str) -> Found:
    """By a hash: whatever the server logs, no address is in it. An index on md5(lower(email)) serves."""
    if not source.schema.has("users.email"):
        raise SubjectError("the source has no users.email, so nobody can be found by an e-mail address: name an id")
    hashed = hashlib.md5(named.lower().encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    users = source.tables["users"].c
    found = _keys(source, users.id, func.md5(func.lower(users.email)) == hashed)
    homes = sorted({home for user in found for home in homes_to_show(source, user)})
    return (found[0], homes) if found else ("", [])


def _keys(source: Source, column: ColumnElement[Any], condition: ColumnElement[bool]) -> list[str]:
    return sorted(keys_where(source, column, condition, "lookup"))


def _view(case: HouseholdCase, context: Context) -> HouseholdView:
    household = case.household
    leader_id = household.leader_id if household else None
    leaders = {row.user_id for row in active_leaders(case)}
    members = [Person(row.user_id, row.user_id in leaders, row.joined_at, _notes(case, row)) for row in case.active]
    return HouseholdView(
        household_id=case.household_id,
        name=(household.name or "") if household else "",
        created_at=household.created_at if household else None,
        leader_id=leader_id,
        leads_since=_leads_since(case, leader_id, context),
        leaderless=_leaderless(case, context),
        next_leader=longest_standing(case),
        members=tuple(sorted(members, key=lambda one: (not one.leads, one.joined_at, one.user_id))),
        former=len({row.user_id for row in case.members} - {row.user_id for row in case.active}),
        pending=tuple(
            Pending(one.id, one.user_id, one.requested_at) for one in case.requests if one.status == "pending"
        ),
        code_expires_at=household.invite_code_expires_at if household else None,
        has_code=bool(household and household.invite_code),
    )


def _leaderless(case: HouseholdCase, context: Context) -> str:
    if case.household is None:
        return "the household's own row does not exist"
    if not case.living:
        return "it has no active member"
    return why_leaderless(case, by_role="leaders_by_role" in context.otherwise) or ""


def _notes(case: HouseholdCase, row: Membership) -> tuple[str, ...]:
    def told() -> Iterator[str]:
        if row.user_id in case.gone:
            yield f"deleted {case.gone[row.user_id]:%Y-%m-%d}"
        if row.is_temporary:
            until = f" to {row.temporary_expires_at:%Y-%m-%d}" if row.temporary_expires_at else ""
            yield f"sitter{until}"
        if row.leads and case.household is not None and case.household.leader_id != row.user_id:
            yield "also has the role"

    return tuple(told())


def _leads_since(case: HouseholdCase, leader_id: str | None, context: Context) -> datetime | None:
    """When the present leader began to lead, as far as the data tells."""
    if not leader_id or case.household is None:
        return None
    named = [
        event.at for event in case.events_of(EventType.LEADERSHIP_TRANSFERRED) if event.text("to_user_id") == leader_id
    ]
    if named:
        return named[-1]
    rows: Iterable[Membership] = (row for row in case.members if row.user_id == leader_id)
    return case.household.created_at if any(is_creator(case, row, context) for row in rows) else None
