"""Asking a server which of its columns hold several notations, so that those alone are read carefully."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import FromClause, Select, TableClause, Text, cast, collate, false, func, literal_column, select

from detectors.source.base import FoundTable, LostError, Schema, SourceError
from detectors.source.canonical import CANONICAL
from detectors.source.mapping import SourceMapping
from detectors.source.notations import plain_text
from detectors.source.tables import IDS, Tables

logger = logging.getLogger("hearthwatch.source")


@dataclass(frozen=True, slots=True)
class Glance:
    """How many rows of a bigger audit table, and of a bigger table of state (None: all of them), are looked at for oddly written values."""

    audit: int
    state: int | None = None


WHOLE, NEWS, ONE_HOUSEHOLD = Glance(100_000), Glance(20_000), Glance(5_000, 5_000)
"""For a scan of everything, for a look each few minutes, and where somebody waits for the answer about one household."""


def oddly_written(
    schema: Schema, mapping: SourceMapping, ask: Callable[[Select[Any]], Sequence[Any]], glance: Glance
) -> frozenset[str]:
    """The columns, as `table.column`, that `ask` finds to hold several notations. Raises LostError."""
    odd: set[str] = set()
    for question in _questions(Tables(schema, mapping), glance):
        try:
            (answer,) = ask(question)
        except SourceError as error:
            if isinstance(error, LostError):
                raise
            # Reading carefully is slower and always right. A table that cannot be read at all fails its readers, who say why.
            logger.debug("a table could not be asked how it is written: %s", error)
            odd.update(question.selected_columns.keys())
            continue
        odd.update(column for column, oddly in answer.items() if oddly)
    if "household_members.user_id" in odd:
        # Whoever is worked out is named as the members are.
        odd.update(f"{name}.{column}" for name, found in schema.tables.items() for column in found.computed)
    return frozenset(odd)


def _questions(tables: Tables, glance: Glance) -> Iterator[Select[Any]]:
    """For each table with ids or metadata of a type that allows several notations: which of its columns hold them.

    One row, with a flag for each column by its name `table.column`.
    """
    for name, found in tables.schema.tables.items():
        rows, flags = _looked_at(name, found, tables.source_table(name), glance), []
        for column, canonical in CANONICAL[name].columns.items():
            native = None if column in found.computed else found.columns.get(column)
            if canonical.kind in IDS and native in {"text", "number"}:
                own = tables.value(rows, name, column)
                text = cast(own, Text) if native == "number" else own
                oddly = func.bool_or(func.coalesce(plain_text(text), "?") != collate(text, "C"))
                flags.append(func.coalesce(oddly, false()).label(f"{name}.{column}"))
            elif native == "jsonb":
                wrapped = func.bool_or(func.jsonb_typeof(tables.value(rows, name, column)) == "string")
                flags.append(func.coalesce(wrapped, false()).label(f"{name}.{column}"))
        if flags:
            yield select(*flags).select_from(rows)


def _looked_at(name: str, found: FoundTable, raw: TableClause, glance: Glance) -> FromClause:
    """The rows of a table that are asked for oddly written values: all, as one such row of a state would be taken for a fault.

    Whoever waits for one household sees how the table is written as a rule.
    """
    estimated, most = found.estimated_rows, glance.audit if name == "household_events" else glance.state
    if most is None or (estimated is not None and estimated <= most):
        return raw
    if found.indexable and estimated:
        # The same part each time, so that a scan runs again the same.
        return raw.tablesample(100 * most / estimated, name="sampled", seed=literal_column("0"))
    return select(raw).limit(most).subquery("sampled")
