"""Statements with their values written into them.

Whenever a value is bound DuckDB imports pandas, to see whether the value is a table of it. That takes a fifth of a second,
for which a customer waits.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, DateTime, Executable, Integer, String, cast
from sqlalchemy.sql import visitors


def spelled_out(statement: Executable) -> Executable:
    """`statement` with its texts, numbers and times as literals; whatever else it has stays bound.

    SQLAlchemy writes them when the statement is run. In a text DuckDB gives no character a meaning but the quote, which is doubled.
    """
    traversable: Any = statement
    spelled: Executable = visitors.replacement_traverse(traversable, {}, _literal)
    return spelled


def _literal(element: Any, **_: Any) -> Any:
    if not isinstance(element, BindParameter):
        return None
    if isinstance(element.type, DateTime):
        return cast(element.render_literal_execute(), DateTime(timezone=True))
    return element.render_literal_execute() if isinstance(element.type, String | Integer) else None
