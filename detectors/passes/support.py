"""The passes over what people wrote to support."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Numeric,
    Text,
    cast,
    func,
    null,
    or_,
    select,
    true,
)

from detectors.contract import Context
from detectors.passes.base import (
    SUPPORT,
    Pass,
    Scope,
)
from detectors.source import Tables
from detectors.source.longest import MOST_CHARACTERS


def _support(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each support request that is out of its first two minutes."""
    table = tables["support_requests"]
    return (
        select(
            cast(table.c.id, Text).label("support_id"),
            table.c.created_at,
            table.c.category,
            func.lower(func.trim(table.c.status)).label("status"),
        )
        .where(table.c.created_at <= context.watermark, _of_parties(tables, scope, table))
        .subquery("support_request")
    )


def _of_parties(tables: Tables, scope: Scope | None, table: FromClause) -> ColumnElement[bool]:
    if scope is None:
        return true()
    return or_(
        tables.households_in(table.c.household_id, scope.households),
        tables.users_in(table.c.requester_id, scope.users),
        tables.users_in(table.c.subject_user_id, scope.users),
    )


def _features(tables: Tables, scope: Scope | None, context: Context) -> FromClause:
    """Each request for a feature of the last days, with the account of who asked."""
    table, limits = tables["support_requests"], context.limits
    asked = (
        select(
            table.c.id,
            table.c.created_at,
            table.c.requester_id,
            table.c.household_id,
            func.substr(table.c.feature, 1, MOST_CHARACTERS).label("feature"),
        )
        .where(
            table.c.category.in_(limits.feature_categories),
            table.c.feature.is_not(None),
            table.c.created_at > context.window.start - context.back("feature requests"),
            table.c.created_at < context.window.end,
            table.c.created_at <= context.watermark,
            _of_parties(tables, scope, table),
        )
        .subquery("asked")
    )
    columns = (
        cast(asked.c.id, Text).label("support_id"),
        asked.c.created_at,
        cast(asked.c.requester_id, Text).label("requester_id"),
        cast(asked.c.household_id, Text).label("household_id"),
        asked.c.feature,
    )
    if "users" not in tables:
        return select(*columns, cast(null(), Numeric).label("monthly_revenue")).subquery("feature_request")
    users = tables["users"]
    return (
        select(*columns, users.c.monthly_revenue)
        .select_from(asked.outerjoin(users, users.c.id == asked.c.requester_id))
        .subquery("feature_request")
    )


PASSES = (
    Pass("support", "support requests", "support_id", SUPPORT, _support),
    Pass("features", "requests for features", "support_id", SUPPORT | {"support_requests.feature"}, _features),
)
