"""What the source says of the people and households that somebody escalates, looked up by key: a handful of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detectors.cases.household import household_cases
from detectors.cases.rows import read_join_requests, read_memberships, users_by_id
from detectors.cases.timeline import timeline
from detectors.contract import Context, TimelineEntry
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Membership, User
from detectors.rules._support import customer_value, household_state
from detectors.rules.customer_success.vip_affected import META as VIP
from detectors.rules.customer_success.vip_affected import is_vip
from detectors.source import Source
from detectors.source.marked import refuse_gone_rows
from detectors.source.spelling import expected

HOUSEHOLDS_MOST = 20
"""Of somebody who is in many households so many are looked up; the others are counted."""
CUSTOMERS_MOST = 50
"""Of so many members the value is looked up where nobody is named."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The state now, in ids, numbers and times.

    `values` are lines about what each named customer (else each member) is worth, None where the source has no accounts to tell it.
    """

    named_users: tuple[str, ...]
    """The ids that were asked for, written as the source writes them; so are all others."""
    named_households: tuple[str, ...]
    households: tuple[str, ...]
    """The named households; without one, those in which the named users are active."""
    members: tuple[str, ...]
    """The active members of `households`."""
    states: tuple[dict[str, Any], ...]
    """One row for each household that the source holds."""
    member_rows: tuple[dict[str, Any], ...]
    timeline: tuple[TimelineEntry, ...]
    values: tuple[str, ...] | None
    marks: tuple[str, ...]
    unknown: tuple[str, ...]
    """Named ids of which the source holds nothing."""
    not_looked_up: int = 0
    """How many more households the named users are in."""


def look_up(source: Source, households: Sequence[str], users: Sequence[str], context: Context) -> Lookup:
    """What is known of the named `households` and `users` (source ids).

    Raises SubjectError for an id that the source cannot hold, SourceError where it cannot be read.
    """
    refuse_gone_rows(source)
    source.tables = source.tables.respelled(expected(source.tables.mapping))
    for household in households:
        source.tables.check_household(household)
    for user in users:
        source.tables.check_user(user)
    users = tuple(source.tables.plain_user_id(user) for user in users)
    households = tuple(source.tables.plain_household_id(household) for household in households)
    rows = read_memberships(source, source.tables.users_in(source.tables["household_members"].c.user_id, users))
    theirs = sorted({row.household_id for row in rows if row.active})
    wanted = households or tuple(theirs[:HOUSEHOLDS_MOST])
    cases = household_cases(source, wanted, context.watermark)
    homes = [home for home in cases if home.household or home.members or home.events]
    members = tuple(sorted({member.user_id for home in homes for member in home.active}))
    customers = users or members[:CUSTOMERS_MOST]
    accounts = users_by_id(source, customers)
    return Lookup(
        named_users=users,
        named_households=households,
        households=wanted,
        members=members,
        states=tuple(state for home in homes if (state := household_state(home))),
        member_rows=tuple(_member_row(member) for home in homes for member in home.members),
        timeline=timeline(event for home in homes for event in home.events),
        values=_values(customers, accounts, context) if source.schema.has("users.account_tier") else None,
        marks=(VIP.id,) if any(is_vip(account, context) for account in accounts.values()) else (),
        unknown=tuple(_unknown(source, households, users, homes, rows, accounts)),
        not_looked_up=0 if households else max(0, len(theirs) - HOUSEHOLDS_MOST),
    )


def _values(users: Sequence[str], accounts: dict[str, User], context: Context) -> tuple[str, ...]:
    known = ((user, customer_value(accounts.get(user), context.as_of)) for user in users)
    return tuple(f"{user}: {value or 'no account of this id in the users table'}" for user, value in known)


def _member_row(member: Membership) -> dict[str, Any]:
    return {
        "household_id": member.household_id,
        "user_id": member.user_id,
        "role": member.role,
        "status": member.status,
        "temporary": member.is_temporary,
        "joined_at": member.joined_at,
    }


def _unknown(
    source: Source,
    households: Sequence[str],
    users: Sequence[str],
    homes: Sequence[HouseholdCase],
    rows: Sequence[Membership],
    accounts: dict[str, User],
) -> list[str]:
    held = {home.household_id for home in homes}
    seen = {row.user_id for row in rows} | accounts.keys()
    missing = [user for user in users if user not in seen]
    if missing:
        requests = source.tables["household_join_requests"]
        asked = read_join_requests(source, source.tables.users_in(requests.c.user_id, missing))
        seen |= {request.user_id for request in asked}
    return [*(one for one in households if one not in held), *(one for one in missing if one not in seen)]
