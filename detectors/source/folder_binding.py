"""Values for DuckDB's statements, written by us: its driver imports pandas to bind one, which costs a third of a second and 45 MB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb
from sqlalchemy import Engine, event

from detectors.source.folder_values import literal

_PLACE = re.compile(r"""'[^']*'|"[^"]*"|\$(\d+)""")
"""A value's place, or what is quoted. A doubled quote ends one quoted piece and begins the next."""
_BETWEEN = "\x1f"
"""The separator of units, which nobody types."""


def bind_by_ourselves(engine: Engine) -> None:
    """Have the statements of `engine` executed with literals. Where a value has another type, the driver binds all.

    The literals reach the driver alone: SQLAlchemy's messages and logs quote statements, and values are no part of them.
    """
    event.listen(engine, "do_execute", _executed)


def _executed(cursor: Any, statement: str, parameters: object, _: object) -> bool:
    """Whether the statement has been executed here."""
    values = _written(parameters) if isinstance(parameters, tuple) else []
    if values:
        try:
            # Not prepared first: DuckDB plans it then, and anew when it gets the values. Planning is most of what few rows cost.
            cursor.execute(with_values(statement, values))
        except duckdb.Error as error:
            # The text goes on with the line that failed, which has our values.
            raise type(error)(str(error).partition("LINE ")[0].strip()) from None
    return bool(values)


def with_values(statement: str, values: Sequence[str]) -> str:
    """`statement` with an expression of `values` in the place of $1, $2 and so on, wherever they are no part of a text or a name."""
    return _PLACE.sub(lambda found: values[int(found[1]) - 1] if found[1] else found[0], statement)


def _written(parameters: Iterable[object]) -> list[str]:
    """All values as expressions; none where one of them cannot be written."""
    values = []
    for parameter in parameters:
        value = value_of(parameter)
        if value is None:
            return []
        values.append(value)
    return values


def value_of(value: object) -> str | None:
    """`value` as an expression of the type that the driver would bind; None for a type that is not written here."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int():
            # Two hyphens would begin a comment.
            return str(value) if value >= 0 else f"({value})"
        case str() if "\0" not in value:
            return f"CAST({literal(value)} AS VARCHAR)"
        case datetime() if value.tzinfo is not None:
            return f"CAST({literal(value.isoformat())} AS TIMESTAMPTZ)"
        case timedelta():
            return f"to_microseconds({value // timedelta(microseconds=1)})"
        case list() if value and all(isinstance(each, str) for each in value):
            # A hundred thousand literals would be a hundred thousand nodes of a statement.
            together = _BETWEEN.join(value)
            if "\0" not in together and together.count(_BETWEEN) == len(value) - 1:
                return f"string_split({literal(together)}, {literal(_BETWEEN)})"
    return None
