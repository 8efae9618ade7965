"""What a pass is, and what the modules of passes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Subquery,
    and_,
    cast,
    false,
    func,
    null,
    select,
    true,
    union_all,
)

from detectors.contract import CaseKind, Context
from detectors.source import Reach, Tables
from detectors.source.sql import json_text

Key = CaseKind | Literal["prefix"]
"""What a pass's rows name, and with it the kind of case that they open unless a subscription says otherwise.

Of a prefix there are no facts to fetch: only aggregating subscriptions use such a pass.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """The households and users that a scan is limited to."""

    households: tuple[str, ...]
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pass:
    """One statement. `rows` builds what the subscribed conditions see; `key` names the case that a row opens."""

    id: str
    reads: str
    key: Key
    needs: frozenset[str]
    rows: Callable[[Tables, Scope | None, Context], FromClause]
    reach: Reach = "picked"
    """What an unlimited scan reads of big tables: few rows by an index, all, or all grouped by an id."""
    found_by: tuple[str, str] | None = None
    """The table and column by which it finds what a scan of one household asks for, where that is not its key."""
    by_rows: bool = False
    """Whether its rows tell of a household (or a member) by what stands of that household alone: where nothing changed they stay."""
    history: bool = False
    """Whether a fault may last longer than the look-back: cases with open findings are then evaluated again."""


def of_households(tables: Tables, scope: Scope | None, column: ColumnElement[Any]) -> ColumnElement[bool]:
    return true() if scope is None else tables.households_in(column, scope.households)


def of_users(tables: Tables, scope: Scope | None, column: ColumnElement[Any]) -> ColumnElement[bool]:
    return true() if scope is None else tables.users_in(column, scope.users)


def since(events: FromClause, start: datetime | None) -> ColumnElement[bool]:
    return true() if start is None else events.c.event_timestamp >= start


def meta(events: FromClause, key: str) -> ColumnElement[Any]:
    """The text of a metadata key; null where it is missing or empty."""
    return func.nullif(json_text(events.c.metadata, key), "")


def not_refused(events: FromClause, context: Context) -> ColumnElement[bool]:
    """Whether an audit row tells of something that was done, and not of an attempt that the app's limits refused."""
    code = func.upper(func.coalesce(meta(events, "error_code"), ""))
    return code.not_in(sorted(context.limits.refusal_codes))


def between(column: ColumnElement[Any], start: datetime, end: datetime) -> ColumnElement[bool]:
    """Whether `column` lies in [start, end)."""
    return and_(column >= start, column < end)


def during(tables: Tables, context: Context, before: timedelta = timedelta()) -> ColumnElement[bool]:
    """Whether an audit row is of the window, or of so long before it."""
    return between(tables["household_events"].c.event_timestamp, context.window.start - before, context.window.end)


def any_of(keys: Select[Any] | CompoundSelect[Any]) -> ColumnElement[Any]:
    """Any of the keys of a statement, as an array and no join: an index finds the few rows that have one."""
    some = keys.subquery()
    (key,) = some.c
    return func.any(func.array(select(key).where(key.is_not(None)).distinct().scalar_subquery()))


def nothing(**columns: ColumnElement[Any]) -> Select[Any]:
    """No row at all, with columns of these types: stands for what the source does not have."""
    return select(*(column.label(name) for name, column in columns.items())).where(false())


def either(one: Select[Any], other: Select[Any], name: str) -> Subquery:
    """The rows of both, with the columns of both: what one of them does not have is null in its rows."""
    columns = {column.name: column.type for each in (one, other) for column in each.selected_columns}
    return union_all(
        *(
            select(*(rows.c[key] if key in rows.c else cast(null(), kind).label(key) for key, kind in columns.items()))
            for rows in (one.subquery(), other.subquery())
        )
    ).subquery(name)


MEMBERS = frozenset(
    f"household_members.{column}" for column in ("household_id", "user_id", "role", "status", "joined_at")
)
HOUSEHOLDS = frozenset({"households.id", "households.leader_id", "households.created_at"})
EVENTS = frozenset(
    f"household_events.{column}" for column in ("event_type", "household_id", "user_id", "event_timestamp")
)
SUPPORT = frozenset(
    f"support_requests.{column}" for column in ("id", "created_at", "requester_id", "category", "status")
)
METADATA = frozenset({"household_events.metadata"})
