"""Asking a server which of its columns hold several notations, so that those alone are read carefully."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Select

from detectors.source.base import LostError, Schema, SourceError
from detectors.source.mapping import SourceMapping
from detectors.source.tables import Glance, Tables

logger = logging.getLogger("hearthwatch.source")


def oddly_written(
    schema: Schema, mapping: SourceMapping, ask: Callable[[Select[Any]], Sequence[Any]], glance: Glance
) -> frozenset[str]:
    """The columns, as `table.column`, that `ask` finds to hold several notations: see `Tables.oddities`. Raises LostError."""
    odd: set[str] = set()
    for question in Tables(schema, mapping).oddities(glance):
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
    return frozenset(odd)
