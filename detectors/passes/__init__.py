"""The passes: each is one statement that reads its tables once, whatever the number of detectors that ride on it.

A pass offers rows with columns; a detector contributes a condition on them. `scope` narrows a pass to named households
and users, so that the question about one household touches its rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, false, func, or_, select

from detectors.contract import Context, Ride
from detectors.passes import admissions, leading, operations, people, presence, requests, state
from detectors.passes.base import Key, Pass, Scope
from detectors.source import QueryError, Tables

__all__ = ["PASSES", "Key", "Pass", "Rider", "Scope", "statement"]


PASSES: dict[str, Pass] = {
    one.id: one
    for one in (
        *leading.PASSES,
        *requests.PASSES,
        *admissions.PASSES,
        *presence.PASSES,
        *state.PASSES,
        *people.PASSES,
        *operations.PASSES,
    )
}
"""Every pass by its id, in the order in which a scan runs them."""


@dataclass(frozen=True, slots=True)
class Rider:
    """One ride of one detector, with the name of its flag in the pass's result."""

    flag: str
    ride: Ride


def statement(one: Pass, riders: Sequence[Rider], tables: Tables, scope: Scope | None, context: Context) -> Select[Any]:
    """The pass as one statement: its rows' key, the columns that collecting rides ask for, and a flag for each rider.

    Only rows on which some rider's condition holds come back. Raises QueryError for a condition on a column that the pass
    does not have.
    """
    rows = one.rows(tables, scope, context)
    try:
        conditions = {rider.flag: func.coalesce(rider.ride.condition(rows, context), false()) for rider in riders}
    except AttributeError as error:
        raise QueryError(f"there is no column {error}: docs/passes.md names those that there are") from error
    collected = sorted({column for rider in riders for column in rider.ride.columns})
    return select(
        rows.c[one.key],
        *(rows.c[column] for column in collected),
        *(condition.label(flag) for flag, condition in conditions.items()),
    ).where(or_(*conditions.values()))
