"""Whose rows a limited scan may read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_

from detectors.source.base import Source
from detectors.source.trail import EVENTS

OWN_HOUSEHOLD = {"household_members": "household_id", "household_join_requests": "household_id"}


@dataclass(frozen=True, slots=True)
class Own:
    """The rows that a limited scan may read: those of these households and users."""

    households: Sequence[str]
    users: Sequence[str]
    words_alone: bool = False
    """Whether only the words of big tables are read of these rows, and all else as a whole scan does it."""


def own_rows(source: Source, table: str, own: Own | None) -> ColumnElement[bool] | None:
    """The condition on the rows of `table` that are of these households and users; None where all are read."""
    if own is None:
        return None
    columns, tables = source.tables[table].c, source.tables
    conditions = [tables.households_in(columns.household_id, own.households)]
    if table not in OWN_HOUSEHOLD:
        who = columns.user_id if table == EVENTS else columns.requester_id
        conditions.append(tables.users_in(who, own.users))
    return or_(*conditions)
