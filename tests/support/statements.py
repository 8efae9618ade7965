"""Statements of passes for tests: writing them takes a scan of a small town a fifth of its time, and most towns are asked the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Select

from detectors.contract import Context
from detectors.passes import Pass, Subscriber, statement
from detectors.passes.base import Scope
from detectors.source import Tables

_TOLD: WeakKeyDictionary[Tables, str] = WeakKeyDictionary()


class _Asked:
    """Tables that equal all others of which the same can be told."""

    def __init__(self, tables: Tables, told: str) -> None:
        self.tables, self._told = tables, told

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self._told == other._told

    def __hash__(self) -> int:
        return hash(self._told)


def written_once(
    one: Pass, subscribers: Sequence[Subscriber], tables: Tables, scope: Scope | None, context: Context
) -> Select[Any]:
    """`statement`, as it was written for other tables of which everything is alike."""
    if any(table.read_as for table in tables.schema.tables.values()):
        # What reads a column is a function, which may have been made for these tables.
        return statement(one, subscribers, tables, scope, context)
    if tables not in _TOLD:
        _TOLD[tables] = _told_of(tables)
    # Which nearly every town has another value of, and no pass asks for.
    return _written(one, tuple(subscribers), _Asked(tables, _TOLD[tables]), scope, replace(context, audit_reached=None))


@lru_cache(maxsize=500)
def _written(
    one: Pass, subscribers: tuple[Subscriber, ...], asked: _Asked, scope: Scope | None, context: Context
) -> Select[Any]:
    return statement(one, subscribers, asked.tables, scope, context)


def _told_of(tables: Tables) -> str:
    """All that a statement is written by; of its size only what side of the limit a table is on."""
    limit = tables.mapping.look_through_rows
    found = {
        name: replace(table, estimated_rows=((table.estimated_rows or 0) > limit) * (limit + 1))
        for name, table in tables.schema.tables.items()
    }
    return repr(
        (
            replace(tables.schema, tables=found),
            tables.mapping,
            sorted(tables._odd),
            tables._spellings,
            sorted(tables._zeros),
            sorted(tables._once),
        )
    )
