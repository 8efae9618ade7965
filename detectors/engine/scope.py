"""A scan of named households or users: what must be read for it, and which findings concern them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select

from detectors.contract import Detector
from detectors.domain.values import text_of
from detectors.findings import Found
from detectors.passes import PASSES
from detectors.passes.base import Scope
from detectors.source import Notice, Source, Tables
from detectors.source.quoting import quoted


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
        theirs = [(members.c.household_id, members.c.user_id), (requests.c.household_id, requests.c.user_id)]
        if tables.finds(*_LEADERS):
            theirs.append((led.c.id, led.c.leader_id))
        for column, user_column in theirs:
            their_households |= _keys(source, column, tables.users_in(user_column, users))
    their_users = set(users)
    if households:
        their_users |= _keys(source, members.c.user_id, tables.households_in(members.c.household_id, households))
        their_users |= _keys(source, led.c.leader_id, tables.households_in(led.c.id, households))
    return Scope(tuple(sorted(their_households)), tuple(sorted(their_users)))


_LEADERS = ("households", "leader_id")
_CODES_ASKED = ("household_join_requests", "invite_code")
_LEFT_OUT = {
    _LEADERS: "households that one of them leads without being a member",
    _CODES_ASKED: "requests to other households with this household's codes",
    ("household_events", None): "codes that the audit table tells of, and failed log-ins that name nobody in user_id",
}


def left_out(source: Source, *, for_want_of_an_index: bool = False) -> list[Notice]:
    """What a scan of one household does not look for, as only reading all of a big table would find it; or what an index would."""
    return [
        Notice(table, f"not looked for in {table}, which is big: {what}", remedy=_index_for(source, table, column))
        for (table, column), what in _LEFT_OUT.items()
        if table in source.tables and not source.tables.finds(table, column) and (column or not for_want_of_an_index)
    ]


def _index_for(source: Source, table: str, column: str | None) -> str:
    found = source.schema.tables[table]
    if column is None:
        return "the nightly run looks for them"
    of = quoted(found.column_names[column])
    return (
        f"the nightly run looks for them, and so does this scan after CREATE INDEX CONCURRENTLY ON {found.name} ({of})"
    )


def out_of_reach(detector: Detector, tables: Tables) -> str | None:
    """Why a scan of one household leaves out a detector, or None: none of its rows is found without reading a big table."""
    ways = [PASSES[subscription.on].found_by for subscription in detector.subscriptions]
    missing = [way for way in ways if way is not None and not tables.finds(*way)]
    if not ways or len(missing) < len(ways):
        return None
    table, column = missing[0]
    return f"{table} is too big to be looked through for one household and has no index on {column}"


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
