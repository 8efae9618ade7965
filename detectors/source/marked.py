"""What the columns that mark rows say of a table: asked in one statement, and judged alike on all engines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnClause, ColumnElement, Text, and_, cast, func, literal, not_, or_, select
from sqlalchemy.sql.functions import FunctionElement

from detectors.source.base import Notice, Source, SourceError
from detectors.source.gone_rows import (
    ENDED,
    KEYS,
    TIMES,
    counts_as,
    distinct_keys,
    is_gone,
    is_hard,
    is_time,
    plain_name,
    versions,
)
from detectors.source.mapping import SourceMapping
from detectors.source.soft_marks import (
    ENVIRONMENTS,
    TENANTS,
    are_several_environments,
    as_compared,
    bears_it_out,
    is_before,
    is_other_environment,
    is_out_of_use,
    is_production,
    may_be_time,
)

Columns = Mapping[str, ColumnElement[Any]]
_ASKED = ("status", "joined_at", "deleted_at", "revoked_at")
"""The columns of ours beside the keys by which a marked row is judged, where its table has them."""
_LOOKED_AT = 100_000
"""Where all rows would be too many, the first ones answer for the others."""
_STATE = frozenset({"households", "household_members", "household_join_requests"})


def counts(table: str, marks: Columns, columns: Columns, mapping: SourceMapping) -> dict[str, ColumnElement[Any]]:
    """What to count, by name, for `judged`; `marks` are columns by their own names, `columns` ours by ours."""
    lives = counts_as(table, columns, mapping, sure=False)
    asked: dict[str, ColumnElement[Any]] = {"rows": func.count(), "live": _number(lives)}
    for place, (name, value) in enumerate(marks.items()):
        plain = plain_name(name)
        if is_hard(plain):
            key = [columns[column] for column in KEYS.get(table, ()) if column in columns]
            sure = counts_as(table, columns, mapping, sure=True)
            each = {"gone": _number(is_gone(value, name), sure), "kept": versions(name, key)}
        elif plain in ENVIRONMENTS:
            each = {"production": _number(is_production(value)), "others": _number(is_other_environment(value))}
        elif plain in TENANTS:
            each = _of_tenants(table, value, columns, lives)
        else:
            out = _is_out(plain, value, columns)
            ended = literal(0) if lives is None else _number(out, not_(lives))
            each = {"gone": _number(out, lives), "ended": ended}
        asked |= {f"{what}_{place}": one for what, one in each.items()}
    return asked


def _number(*conditions: ColumnElement[bool] | None) -> ColumnElement[int]:
    real = [one for one in conditions if one is not None]
    return func.count().filter(and_(*real)) if real else func.count()


def _is_out(plain: str, value: ColumnElement[Any], columns: Columns) -> ColumnElement[bool]:
    out = is_out_of_use(value, plain)
    if not may_be_time(plain):
        return out
    came = is_time(as_compared(value))
    return or_(out, and_(came, not_(is_before(value, columns["joined_at"]))) if "joined_at" in columns else came)


def _of_tenants(
    table: str, value: ColumnElement[Any], columns: Columns, lives: ColumnElement[bool] | None
) -> dict[str, ColumnElement[Any]]:
    text = cast(value, Text)
    told: dict[str, ColumnElement[Any]] = {
        "filled": func.count(value),
        "least": func.min(text),
        "most": func.max(text),
    }
    # Whoever is a member in two tenants now is there two people, or one whom no rule about one household each fits.
    named = ("user_id",) if table == "household_members" else KEYS.get(table, ())
    key = [columns[column] for column in named if column in columns]
    if key:
        told["shared"] = _counted(distinct_keys([*key, value]), lives) - _counted(distinct_keys(key), lives)
    return told


def _counted(count: FunctionElement[int], lives: ColumnElement[bool] | None) -> ColumnElement[int]:
    return count if lives is None else count.filter(lives)


def judged(table: str, names: Sequence[str], row: Mapping[str, Any]) -> Iterator[str | Notice]:
    """What to say of a table by these counts: a text is why nothing of it can be believed, and the last."""
    for place, name in enumerate(names):
        own = {
            what: number
            for what, _, nth in (key.rpartition("_") for key in row)
            if nth == str(place)
            for number in (row[f"{what}_{nth}"],)
        }
        said = _judged(table, name, row, own)
        if said is not None:
            yield said
            if isinstance(said, str):
                return


def judged_folders(table: str, key: str, words: Collection[str]) -> str | Notice | None:
    """What to say of a table whose files lie in folders named `key=word`."""
    plain = plain_name(key)
    if plain in ENVIRONMENTS and are_several_environments(words):
        return _several(table, key, "several environments")
    if plain in TENANTS and len(words) > 1 and table == "households":
        return _told_of_tenants(key)
    return None


def _judged(table: str, name: str, row: Mapping[str, Any], own: Mapping[str, Any]) -> str | Notice | None:
    plain, rows = plain_name(name), row["rows"]
    if is_hard(plain):
        return fault_of(table, name, own["gone"], rows) if own["gone"] and own["kept"] < rows else None
    if plain in ENVIRONMENTS:
        several = own["production"] and own["others"]
        what = f"{own['production']:,} rows of production and {own['others']:,} of others"
        return _several(table, name, f"several environments, {what}") if several else None
    if plain in TENANTS:
        return _tenants(table, name, own, rows)
    if not bears_it_out(table, rows, own["gone"], row["live"], own["ended"]):
        return None
    if table == "users":
        # Where accounts are deleted otherwise, these are suspended, or never confirmed.
        if row["live"] < rows:
            return None
        return Notice(
            table,
            f"users has {own['gone']:,} of {rows:,} accounts that are marked by its column {name}; they are read like the others",
            remedy=f"if such an account is deleted, map users.deleted_at to a column, or a view, that says so; if not, {_nothing(table, name)}",
        )
    return fault_of(table, name, own["gone"], rows, sure=False)


def _tenants(table: str, name: str, own: Mapping[str, Any], rows: int) -> str | Notice | None:
    if own["filled"] < rows or own["least"] == own["most"]:
        return None
    if own.get("shared"):
        what = "people" if table == "household_members" else "ids"
        return _several(table, name, f"several tenants, and {own['shared']:,} {what} in more than one of them")
    return _told_of_tenants(name) if table == "households" else None


def _told_of_tenants(name: str) -> Notice:
    table = "households"
    return Notice(
        table,
        f"households holds rows of several tenants, by its column {name}: they are scanned as one town",
        remedy=f"to scan one alone, name views of its tables, [source.tables.households] name; if that is right, {_nothing(table, name)}",
    )


def _several(table: str, name: str, what: str) -> str:
    return (
        f"{table} holds rows of {what}, by its column {name}: name views of one, [source.tables.{table}] name, or export one alone; "
        f"if they are one town, {_nothing(table, name)}"
    )


def fault_of(table: str, column: str, gone: int, rows: int, *, sure: bool = True) -> str:
    """What to say of a table that holds so many rows that are gone, of those that were looked at."""
    remedy = f"Export the others alone, or name a view of them, [source.tables.{table}] name"
    if table == "households":
        remedy += ", and those of their members alone"
    if table == "users":
        remedy = "Name a view in which they have a deleted_at, [source.tables.users] name"
    if table in ENDED and plain_name(column) in TIMES:
        remedy = f'Say so in the policy, [source.tables.{table}.columns] {ENDED[table]} = "{column}"'
    what = "deleted or outdated" if sure else "no longer in use"
    return (
        f"{table} holds rows that are {what}, by its column {column}: {gone:,} of {rows:,}. {remedy}; "
        f"if the column says something else, {_nothing(table, column)}"
    )


def _nothing(table: str, column: str) -> str:
    return f'[source.tables.{table}] says_nothing = ["{column}"]'


def refuse_gone_rows(source: Source) -> None:
    """Raise SourceError for a server with rows that are gone, as far as its first rows tell."""
    for said in gone_rows(source, limited=True):
        if isinstance(said, str):
            raise SourceError(f"{source.label}: {said}")


def gone_rows(source: Source, *, limited: bool) -> Iterator[str | Notice]:
    """What to say of each table of a server with marked rows; a `limited` scan looks at some. Raises QueryError."""
    mapping = source.tables.mapping
    for table, found in source.schema.tables.items():
        if not found.marking:
            continue
        schema, name = found.place or (None, found.name)
        ours = [one for one in (*_ASKED, *KEYS.get(table, ())) if one in found.columns]
        theirs = {one: mapping.column_name(table, one) for one in ours}
        names = list(dict.fromkeys([*found.marking, *theirs.values()]))
        columns: list[ColumnClause[Any]] = [sqlalchemy.column(one) for one in names]
        most = _LOOKED_AT if limited or table not in _STATE else None
        some = select(*columns).select_from(sqlalchemy.table(name, *columns, schema=schema)).limit(most).subquery()
        asked = counts(
            table,
            {one: some.c[one] for one in found.marking},
            {one: some.c[own] for one, own in theirs.items()},
            mapping,
        )
        (row,) = source.rows(select(*(one.label(what) for what, one in asked.items())).select_from(some), "words")
        yield from judged(table, found.marking, row)
