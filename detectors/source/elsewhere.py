"""Tables of a PostgreSQL that were not found by their names, and that may be there in another schema or under a name in another style."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import text

from detectors.source.base import and_others
from detectors.source.quoting import quoted

_MOST_NAMED = 3
_ALIKE = text(
    """
    SELECT w.canonical, n.nspname AS schema_name, c.relname AS table_name
      FROM unnest(CAST(:canonical AS text[]), CAST(:letters AS text[])) AS w(canonical, letters)
      JOIN pg_class c ON c.relkind IN ('r', 'p', 'v', 'm', 'f')
           AND rtrim(regexp_replace(lower(c.relname), '[^a-z0-9]', '', 'g'), 's') = w.letters
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
     ORDER BY w.canonical, n.nspname, c.relname
    """
)


def elsewhere(ask: Callable[..., Sequence[Any]], missing: Collection[str]) -> dict[str, str]:
    """By a name of `missing`, the tables of the server whose names are written alike, as "app.households"."""
    if not missing:
        return {}
    wanted = {"canonical": list(missing), "letters": [_letters(name) for name in missing]}
    found: dict[str, list[str]] = {}
    for row in ask(_ALIKE, wanted):
        found.setdefault(row["canonical"], []).append(quoted(row["schema_name"], row["table_name"]))
    return {name: and_others(places, _MOST_NAMED) for name, places in found.items()}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).rstrip("s")
