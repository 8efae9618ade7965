"""Statements with their values written into them.

Whenever a value is bound DuckDB imports pandas, to see whether the value is a table of it. That takes a fifth of a second,
for which a customer waits.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, DateTime, Executable, cast
from sqlalchemy.sql import visitors

_PLAIN = (str, int)


def spelled_out(statement: Executable) -> Executable:
    """`statement` with its texts, numbers and times as literals, as far as it has no other values.

    SQLAlchemy writes them when the statement is run. In a text DuckDB gives no character a meaning but the quote, which is doubled.
    """
    spelled: Executable = visitors.replacement_traverse(statement, {}, _literal)  # type: ignore[type-var]
    return spelled


def _literal(element: Any, **_: Any) -> Any:
    if not isinstance(element, BindParameter):
        return None
    value = element.effective_value
    if isinstance(value, datetime):
        return cast(element.render_literal_execute(), DateTime(timezone=True))
    values = value if isinstance(value, list | tuple) else [value]
    return element.render_literal_execute() if all(isinstance(one, _PLAIN) for one in values) else None
