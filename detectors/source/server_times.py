"""Columns of a server whose type is not that of what they hold: times as numbers, and flags as texts. Their values are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Text, cast, func, select

from detectors.source.base import LostError, SourceError
from detectors.source.canonical import CANONICAL
from detectors.source.epochs import since_1970, unit_of
from detectors.source.flags import NO, YES
from detectors.source.mapping import SourceMapping
from detectors.source.server_types import NUMBERS, Reading, is_yes

_TEXTS = {"text", "varchar", "bpchar", "citext"}


def told_by_values(
    ask: Callable[..., Sequence[Any]],
    mapping: SourceMapping,
    found: Mapping[str, Any],
    columns: Mapping[str, Sequence[Any]],
) -> dict[tuple[str, str], Reading]:
    """How such columns are read, by table and the source's name; one statement for each table that has any. Raises LostError."""
    readings: dict[tuple[str, str], Reading] = {}
    for table, rows in columns.items():
        ours = {mapping.column_name(table, one): mapping.holds(table, one).kind for one in CANONICAL[table].columns}
        known = [row for row in rows if row["readable"] and row["column_name"] in ours]
        times = [r["column_name"] for r in known if ours[r["column_name"]] == "time" and r["type_name"] in NUMBERS]
        flags = [r["column_name"] for r in known if ours[r["column_name"]] == "flag" and _is_text(r)]
        if (times or flags) and found[table]["usable"]:
            readings |= {(table, name): how for name, how in _of_table(ask, found[table], times, flags).items()}
    return readings


def _is_text(row: Any) -> bool:
    return row["type_name"] in _TEXTS or row["type_kind"] == "e"


def _of_table(
    ask: Callable[..., Sequence[Any]], found: Any, times: Sequence[str], flags: Sequence[str]
) -> dict[str, Reading]:
    named: list[sqlalchemy.ColumnClause[Any]] = [sqlalchemy.column(name) for name in (*times, *flags)]
    table = sqlalchemy.table(found["table_name"], *named, schema=found["schema_name"])
    asked: list[ColumnElement[Any]] = []
    for place, name in enumerate(times):
        counted = table.c[name] != 0
        asked += [
            func.min(table.c[name]).filter(counted).label(f"least{place}"),
            func.max(table.c[name]).filter(counted).label(f"most{place}"),
        ]
    for place, name in enumerate(flags):
        text = func.lower(func.btrim(cast(table.c[name], Text)))
        asked.append(func.bool_and(text.in_((*YES, *NO, ""))).label(f"flag{place}"))
    try:
        (row,) = ask(select(*asked).select_from(table), {})
    except SourceError as error:
        if isinstance(error, LostError):
            raise
        return {}
    units = {name: unit_of(row[f"least{place}"], row[f"most{place}"]) for place, name in enumerate(times)}
    told = {name: since_1970(unit) for name, unit in units.items() if unit is not None}
    return told | {name: is_yes for place, name in enumerate(flags) if row[f"flag{place}"] is not False}
