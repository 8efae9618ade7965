"""Tables that were not found by their names, and that may be there in another schema, or under a name in another style."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import text

from detectors.source.base import and_others
from detectors.source.quoting import quoted

_MOST_NAMED = 3
_PIECES = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")
"""What a name is made of, in whatever style it is joined."""
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


def files_elsewhere(names: Collection[str], missing: Mapping[str, str]) -> dict[str, str]:
    """By a table of `missing`, those of a folder's file `names` that end like the file it should have, as "public_users.csv".

    Programs name files by schema and table, and models in the singular.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        stem, *ending = name.split(".csv", 1) if ".csv" in name else name.rsplit(".", 1)
        pieces = [piece.lower() for piece in _PIECES.findall(stem)]
        ends = {"".join(pieces[place:]).rstrip("s") for place in range(len(pieces))}
        for table, wanted in missing.items():
            if ending and _letters(wanted) in ends:
                found.setdefault(table, []).append(name)
    return {table: and_others(files, _MOST_NAMED) for table, files in found.items()}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).rstrip("s")
