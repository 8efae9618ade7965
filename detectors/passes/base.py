"""What a pass is, and how a scan's scope narrows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, FromClause, true

from detectors.contract import Context
from detectors.source import Tables

Key = Literal[
    "household_id",
    "user_id",
    "support_id",
    "actor",
    "traveller",
    "target",
    "troubled_household",
    "visited_household",
    "handed_over_household",
]
"""What a pass's rows name, and with it the facts that are fetched for them; see facts.py and facts_people.py."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The households and users that a scan is limited to."""

    households: tuple[str, ...]
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pass:
    """One statement. `rows` builds what the riding detectors' conditions see; `key` names the case that a row opens."""

    id: str
    reads: str
    key: Key
    needs: frozenset[str]
    rows: Callable[[Tables, Scope | None, Context], FromClause]
    whole: bool = False
    """Whether an unlimited scan reads big tables from end to end, so that walking an index would only slow it down."""


def of_households(tables: Tables, scope: Scope | None, column: ColumnElement[Any]) -> ColumnElement[bool]:
    return true() if scope is None else tables.households_in(column, scope.households)


def of_users(tables: Tables, scope: Scope | None, column: ColumnElement[Any]) -> ColumnElement[bool]:
    return true() if scope is None else tables.users_in(column, scope.users)


def since(events: FromClause, start: datetime | None) -> ColumnElement[bool]:
    return true() if start is None else events.c.event_timestamp >= start
