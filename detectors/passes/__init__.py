"""The passes: each is one statement that reads its tables once, however many detectors subscribe to it.

A pass offers rows with columns; a detector contributes a condition on them. `scope` narrows a pass to named households
and users, so that the question about one household touches its rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, True_, false, func, or_, select

from detectors.contract import Context, Subscription
from detectors.passes import (
    acts,
    admissions,
    conduct,
    households,
    memberships,
    names_and_codes,
    operations,
    presence,
    requests,
    support,
    transfers,
)
from detectors.passes.base import Key, Pass, Scope
from detectors.source import QueryError, Tables

__all__ = ["PASSES", "Key", "Pass", "Scope", "Subscriber", "statement"]


PASSES: dict[str, Pass] = {
    one.id: one
    for one in (
        *requests.PASSES,
        *admissions.PASSES,
        *transfers.PASSES,
        # After the joins that need the most memory: where very many households are broken, this one names them all.
        *households.PASSES,
        *memberships.PASSES,
        *presence.PASSES,
        *names_and_codes.PASSES,
        *support.PASSES,
        *conduct.PASSES,
        *acts.PASSES,
        *operations.PASSES,
    )
}
"""Every pass by its id, in the order in which a scan runs them."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One subscription of one detector, with the name of its flag in the pass's result."""

    flag: str
    subscription: Subscription


def _holds(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """False where the condition is unknown. Where it is simply true, the statement need not ask for any of the others."""
    return condition if isinstance(condition, True_) else func.coalesce(condition, false())


def statement(
    one: Pass, subscribers: Sequence[Subscriber], tables: Tables, scope: Scope | None, context: Context
) -> Select[Any]:
    """The pass as one statement: its rows' key, the columns that aggregating subscriptions ask for, and a flag for each subscriber.

    Only rows on which some subscriber's condition holds come back. Raises QueryError for a condition on a column that the pass
    does not have.
    """
    rows = one.rows(tables, scope, context)
    try:
        conditions = {
            subscriber.flag: _holds(subscriber.subscription.condition(rows, context)) for subscriber in subscribers
        }
    except AttributeError as error:
        raise QueryError(f"there is no column {error}: docs/passes.md names those that there are") from error
    collected = sorted({column for subscriber in subscribers for column in subscriber.subscription.columns})
    return select(
        rows.c[one.key],
        *(rows.c[column] for column in collected),
        *(condition.label(flag) for flag, condition in conditions.items()),
    ).where(or_(*conditions.values()))
