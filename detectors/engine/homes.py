"""Which households a person's id leads to. There are three questions, and each has an answer of its own.

What rests on a person's rows is where a row or `leader_id` names them. Where support finds a person is where they belong now,
or else where they once did. What a scan of a person must read is what `scope.scope_of` asks for: their join requests too, and
no more than an index finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, select, union

from detectors.cases.rows import batches, member_user, read_memberships
from detectors.domain.values import text_of
from detectors.source import QueryError, Source

_AT_ONCE = 500


def homes_resting_on(source: Source, users: Sequence[str]) -> frozenset[str]:
    """The households that have a member row of one of `users`, or name one as the leader, whatever the cost."""
    members, led = source.tables["household_members"], source.tables["households"]
    homes: set[str] = set()
    for some in batches(users, _AT_ONCE):
        theirs = union(
            select(cast(members.c.household_id, Text).label("home")).where(
                source.tables.users_in(members.c.user_id, some)
            ),
            select(cast(led.c.id, Text).label("home")).where(source.tables.users_in(led.c.leader_id, some)),
        )
        try:
            homes.update(row["home"] for row in source.rows(theirs, "doubts") if row["home"] is not None)
        except QueryError:
            # What fails here fails for the rules too, which say so.
            continue
    return frozenset(homes)


def homes_to_show(source: Source, user_id: str) -> list[str]:
    """Where the person is active or named as the leader, else where they once were."""
    rows = read_memberships(source, source.tables.users_in(member_user(source), [user_id]))
    households = source.tables["households"].c
    led = keys_where(source, households.id, source.tables.users_in(households.leader_id, [user_id]), "lookup")
    active = {row.household_id for row in rows if row.active}
    return sorted(active | led) or sorted({row.household_id for row in rows})


def keys_where(source: Source, column: ColumnElement[Any], condition: ColumnElement[bool], purpose: str) -> set[str]:
    """The ids in `column` of the rows on which `condition` holds."""
    rows = source.rows(select(column.label("key")).where(condition, column.is_not(None)).distinct(), purpose)
    return {text_of(row["key"]) for row in rows}
