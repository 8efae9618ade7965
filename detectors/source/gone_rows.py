"""Rows that the app has no more: what copies them keeps deleted and outdated ones, and marks them in a column of its own.

Read like the others they would be members who left long ago, and leaders of deleted households.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnClause, ColumnElement, Text, and_, cast, func, literal, or_, select, true

from detectors.source.base import Source, SourceError
from detectors.source.mapping import CANONICAL, SourceMapping

_TRUE, _FALSE = ("true", "t", "1", "1.0", "yes", "y"), ("false", "f", "0", "0.0", "no", "n")
_FLAGS = frozenset(
    [
        *("deleted", "isdeleted", "softdeleted", "issoftdeleted", "markeddeleted"),
        *("fivetrandeleted", "peerdbisdeleted", "hoodieisdeleted", "dbtisdeleted", "hevomarkeddeleted"),
        *("datastreammetadataisdeleted", "artiedelete", "deletedflag", "deleteflag", "delflag", "isdel"),
        *("tombstone", "istombstone", "trashed", "istrashed"),
    ]
)
"""Names of columns as `_plain` writes them: their letters and digits, in whatever style an ORM or a loader joins them."""
_CURRENT = frozenset({"iscurrent", "dbtiscurrent", "fivetranactive"})
_TIMES = frozenset(
    [
        *("deletedat", "deletedon", "deleteddate", "datedeleted", "softdeletedat", "discardedat", "trashedat"),
        *("deletetime", "deletedtime", "deletiontime", "deletiondate", "deletets", "deletedts"),
        *("abcdcdeletedat", "sdcdeletedat", "slingdeletedat", "dbtvalidto", "dltvalidto", "fivetranend"),
    ]
)
_ENDS = {
    "validto": "validfrom",
    "validuntil": "validfrom",
    "effectiveto": "effectivefrom",
    "rowend": "rowstart",
    "sysend": "sysstart",
    "systemtimeend": "systemtimestart",
}
"""When a version of a row ended, with when it began. A sitter's stay may be named so, too: there no row has versions."""
_ENDED = ("d", "delete", "deleted", "update_preimage", "-d", "-u")
_OPERATIONS = {
    **dict.fromkeys(("op", "cdcoperation", "changetype", "optype", "metadataaction", "rowkind"), _ENDED),
    **dict.fromkeys(("cdcop", "recordstatus", "recordstate", "rowstatus", "rowstate"), _ENDED),
    "headerchangeoper": ("d", "b"),
    "$operation": ("1", "3"),
    "_sign": ("-1",),
    "mzdiff": ("-1",),
}
"""What was done to a row, and the words by which that ended it: SQL Server's, Qlik's and ClickHouse's are their own."""
_COPYING = frozenset(
    [
        *("fivetransynced", "airbyterawid", "airbyteemittedat", "airbyteextractedat", "sdcextractedat", "sdcbatchedat"),
        *("sdcreceivedat", "dltloadid", "dltid", "peerdbsyncedat", "slingloadedat", "hevoingestedat", "hevoloadedat"),
        *("flowpublishedat", "artieupdatedat", "rivtimestamp", "riveryrunid", "hoodiecommittime", "etlloadedat"),
    ]
)
"""Names of the columns in which a tool that copies tables keeps when it did."""
_CENTURY = ("200", "201", "202", "203", "204", "205")
"""How a time begins that has come; what ends never is written as a later one, or as a clock's zero."""
_EPOCHS = (10, 13, 16, 19)
"""So many digits has a time that is counted in seconds, or in thousandths and smaller parts of them."""
_LOOKED_AT = 100_000
"""Where all rows would be too many, the first ones answer for the others."""
_STATE = frozenset({"households", "household_members", "household_join_requests"})
_KEYS = {
    "households": ("id",),
    "household_members": ("household_id", "user_id"),
    "household_join_requests": ("id",),
    "users": ("id",),
}
"""What several versions of one row have in common."""


def marking(table: str, names: Iterable[str], mapping: SourceMapping) -> tuple[str, ...]:
    """Those of the source's columns of `table` that say which rows are gone. A column that is mapped says something else."""
    mapped = {mapping.column_name(table, column).casefold() for column in CANONICAL[table].columns}
    names = list(names)
    plain = {_plain(name) for name in names}
    ends = {end for end, begin in _ENDS.items() if begin in plain and table in _KEYS}
    known = _FLAGS | _CURRENT | _TIMES | _OPERATIONS.keys() | ends
    return tuple(name for name in names if _plain(name) in known and name.strip().casefold() not in mapped)


def is_copied(names: Iterable[str]) -> bool:
    """Whether the columns of these `names` are those of a table that a tool copies from another database."""
    return not _COPYING.isdisjoint(map(_plain, names))


def versions(table: str, name: str, columns: Mapping[str, ColumnElement[Any]]) -> ColumnElement[int]:
    """How many different rows of `table` there are, if the column `name` tells only of versions; else none."""
    if _plain(name) not in _ENDS:
        return literal(0)
    key = [cast(columns[column], Text) for column in _KEYS[table]]
    return func.count(func.distinct(func.concat(*(part for each in key for part in (each, "/")))))


def is_gone(value: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Whether the column `name` with this `value` says that its row is gone."""
    text, plain = func.lower(func.trim(cast(value, Text))), _plain(name)
    if plain in _TIMES or plain in _ENDS:
        return _is_time(text)
    if plain in _FLAGS:
        # Some write when it was deleted in the place of "yes".
        return or_(text.in_(_TRUE), _is_time(text))
    return text.in_(_FALSE if plain in _CURRENT else _OPERATIONS[plain])


def _is_time(text: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a text is a time that has come, as such or as a number of seconds."""
    # A day before its month may begin and be as long as one: what never ends is written as 12/31/9999, too.
    digits = and_(*(text.not_like(f"%{sign}%") for sign in "-:/."))
    number = and_(func.length(text).in_(_EPOCHS), func.substr(text, 1, 1).in_(("1", "2")), digits)
    return or_(func.substr(text, 1, 3).in_(_CENTURY), number)


def counts_as(table: str, statuses: Mapping[str, ColumnElement[str]], mapping: SourceMapping) -> ColumnElement[bool]:
    """Whether a row would be taken for one that lives: a member's by its status, any other in any case."""
    if table != "household_members" or "status" not in statuses:
        return true()
    words = mapping.words.get(table, {}).get("status", {})
    active = ["active", *(word for word, ours in words.items() if ours == "active")]
    return func.lower(func.trim(cast(statuses["status"], Text))).in_([word.lower() for word in active])


def fault_of(table: str, column: str, gone: int, rows: int) -> str:
    """What to say of a table that holds so many rows that are gone, of those that were looked at."""
    remedy = f"Export the others alone, or name a view of them, [source.tables.{table}] name"
    if table == "users" and _plain(column) in _TIMES:
        remedy = f'Say so in the policy, [source.tables.users.columns] deleted_at = "{column}"'
    return f"{table} holds rows that are deleted or outdated, by its column {column}: {gone:,} of {rows:,}. {remedy}"


def refuse_gone_rows(source: Source) -> None:
    """Raise SourceError for a server with rows that are gone, as far as its first rows tell."""
    for said in gone_rows(source, limited=True):
        raise SourceError(f"{source.label}: {said}")


def gone_rows(source: Source, *, limited: bool) -> Iterator[str]:
    """A line for each table of a server that holds rows that are gone; a `limited` scan looks at some. Raises QueryError."""
    for table, found in source.schema.tables.items():
        if not found.marking:
            continue
        schema, name = found.place or (None, found.name)
        status = source.tables.mapping.column_name(table, "status") if "status" in found.columns else None
        keys = {key: source.tables.mapping.column_name(table, key) for key in _KEYS.get(table, ())}
        names = list(dict.fromkeys([*found.marking, *([status] if status else []), *keys.values()]))
        columns: list[ColumnClause[Any]] = [sqlalchemy.column(one) for one in names]
        most = _LOOKED_AT if limited or table not in _STATE else None
        some = select(*columns).select_from(sqlalchemy.table(name, *columns, schema=schema)).limit(most).subquery()
        lives = counts_as(table, {"status": some.c[status]} if status else {}, source.tables.mapping)
        counts = [
            func.count().filter(and_(is_gone(some.c[one], one), lives)).label(f"n{place}")
            for place, one in enumerate(found.marking)
        ]
        own = {key: some.c[name] for key, name in keys.items()}
        counts += [versions(table, one, own).label(f"v{place}") for place, one in enumerate(found.marking)]
        (row,) = source.rows(select(*counts, func.count().label("rows")).select_from(some), "words")
        for place, one in enumerate(found.marking):
            if row[f"n{place}"] and row[f"v{place}"] < row["rows"]:
                yield fault_of(table, one, row[f"n{place}"], row["rows"])
                break


def _plain(name: str) -> str:
    """A column's name as it is looked for. Two would be too ordinary without the signs before them."""
    plain = "".join(letter for letter in name.casefold() if letter.isalnum())
    return {"__$operation": "$operation", "_sign": "_sign"}.get(name.strip().casefold(), plain)
