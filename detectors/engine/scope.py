"""A scan of named households or users: what must be read for it, and which findings concern them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select

from detectors.cases.household import text_of
from detectors.findings import Found
from detectors.passes.base import Scope
from detectors.source import Source


def scope_of(source: Source, households: Sequence[str], users: Sequence[str]) -> Scope:
    """The named households and users, with the users' households and the households' users.

    Raises SubjectError for an id that the source cannot hold.
    """
    tables = source.tables
    for household in households:
        tables.check_household(household)
    for user in users:
        tables.check_user(user)
    members, led, requests = tables["household_members"], tables["households"], tables["household_join_requests"]
    their_households = set(households)
    if users:
        for column, user_column in (
            (members.c.household_id, members.c.user_id),
            (led.c.id, led.c.leader_id),
            (requests.c.household_id, requests.c.user_id),
        ):
            their_households |= _keys(source, column, tables.users_in(user_column, users))
    their_users = set(users)
    if households:
        their_users |= _keys(source, members.c.user_id, tables.households_in(members.c.household_id, households))
        their_users |= _keys(source, led.c.leader_id, tables.households_in(led.c.id, households))
    return Scope(tuple(sorted(their_households)), tuple(sorted(their_users)))


def _keys(source: Source, column: ColumnElement[Any], condition: ColumnElement[bool]) -> set[str]:
    rows = source.rows(select(column.label("key")).where(condition, column.is_not(None)).distinct(), "scope")
    return {text_of(row["key"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The households and users that were asked for, and the households of those users."""

    households: frozenset[str]
    users: frozenset[str]
    of_users: frozenset[str]

    def concerns(self, finding: Found) -> bool:
        """Whether it names one of them; states of a user's household concern the user too."""
        mentioned = set(finding.households).union(*(member.households for member in finding.members))
        people = set(finding.users).union(*(member.users for member in finding.members))
        if self.households & mentioned or self.users & people:
            return True
        return bool(self.users) and finding.kind == "state" and bool(self.of_users & mentioned)
