"""Rows that the app has no more: what copies them keeps deleted and outdated ones, and marks them in a column of its own.

Read like the others they would be members who left long ago, and leaders of deleted households.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, func, literal, or_
from sqlalchemy.sql.functions import FunctionElement

from detectors.source.canonical import CANONICAL, SUPPORT_OPEN
from detectors.source.flags import NO, YES
from detectors.source.mapping import SourceMapping
from detectors.source.soft_marks import as_compared, softly_marking

_FLAGS = frozenset(
    [
        *("deleted", "isdeleted", "softdeleted", "issoftdeleted", "markeddeleted"),
        *("fivetrandeleted", "peerdbisdeleted", "hoodieisdeleted", "dbtisdeleted", "hevomarkeddeleted"),
        *("datastreammetadataisdeleted", "artiedelete", "deletedflag", "deleteflag", "delflag", "isdel"),
        *("tombstone", "istombstone", "trashed", "istrashed"),
    ]
)
"""Names of columns as `plain_name` writes them: their letters and digits, in whatever style an ORM or a loader joins them."""
_CURRENT = frozenset({"iscurrent", "dbtiscurrent", "fivetranactive"})
TIMES = frozenset(
    [
        *("deletedat", "deletedon", "deleteddate", "datedeleted", "softdeletedat", "discardedat", "trashedat"),
        *("deletetime", "deletedtime", "deletiontime", "deletiondate", "deletets", "deletedts"),
        *("abcdcdeletedat", "sdcdeletedat", "slingdeletedat", "dbtvalidto", "dltvalidto", "fivetranend"),
    ]
)
_ENDS = {
    "validto": "validfrom",
    "validuntil": "validfrom",
    "validtodate": "validfromdate",
    "effectiveend": "effectivestart",
    "effectiveenddate": "effectivestartdate",
    "effectivetodate": "effectivefromdate",
    "enddate": "startdate",
    "endat": "startat",
    "versionend": "versionstart",
    "recordend": "recordstart",
    "effectiveto": "effectivefrom",
    "rowend": "rowstart",
    "sysend": "sysstart",
    "systemtimeend": "systemtimestart",
}
"""When a version of a row ended, with when it began. A sitter's stay may be named so, too: there no row has versions."""
_LATEST = frozenset(
    {"islatest", "islatestversion", "currentflag", "currentrow", "iscurrentrecord", "iscurrentrow", "iscurrentversion"}
)
"""Of versions, too; an app may call something else so."""
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
_ALIVE: dict[str, Sequence[str]] = {
    "household_members": ("active",),
    "household_join_requests": ("pending",),
    "support_requests": sorted(SUPPORT_OPEN),
}
"""The words of their status by which rows are not over; of the others a mark is no news."""
ENDED = {"users": "deleted_at", "sessions": "revoked_at"}
"""The column of ours that says of a row that it has ended."""
KEYS = {
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
    plain = {plain_name(name) for name in names}
    versioned = {end for end, begin in _ENDS.items() if begin in plain} | _LATEST if table in KEYS else set()
    known = _FLAGS | _CURRENT | TIMES | _OPERATIONS.keys() | versioned | softly_marking(table)
    nothing = {name.strip().casefold() for name in mapping.says_nothing(table)}
    return tuple(
        name for name in names if plain_name(name) in known and name.strip().casefold() not in mapped | nothing
    )


def is_copied(names: Iterable[str]) -> bool:
    """Whether the columns of these `names` are those of a table that a tool copies from another database."""
    return not _COPYING.isdisjoint(map(plain_name, names))


def is_hard(plain: str) -> bool:
    """Whether a column of this plain name marks rows that are gone by its name alone, whatever else it holds."""
    return plain in _FLAGS | _CURRENT | TIMES or plain in _OPERATIONS or plain in _ENDS or plain in _LATEST


def versions(name: str, key: Sequence[ColumnElement[Any]]) -> ColumnElement[int]:
    """How many different rows there are by their `key`, if the column `name` tells only of versions; else none."""
    return distinct_keys(key) if plain_name(name) in _ENDS or plain_name(name) in _LATEST else literal(0)


def distinct_keys(key: Sequence[ColumnElement[Any]]) -> FunctionElement[int]:
    return func.count(func.distinct(func.concat(*(part for each in key for part in (cast(each, Text), "/")))))


def is_gone(value: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Whether the column `name` with this `value` says that its row is gone."""
    text, plain = as_compared(value), plain_name(name)
    if plain in TIMES or plain in _ENDS:
        return is_time(text)
    if plain in _LATEST:
        return text.in_(NO)
    if plain in _FLAGS:
        # Some write when it was deleted in the place of "yes".
        return or_(text.in_(YES), is_time(text))
    return text.in_(NO if plain in _CURRENT else _OPERATIONS[plain])


def is_time(text: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a text is a time that has come, as such or as a number of seconds."""
    # A day before its month may begin and be as long as one: what never ends is written as 12/31/9999, too.
    digits = and_(*(text.not_like(f"%{sign}%") for sign in "-:/."))
    number = and_(func.length(text).in_(_EPOCHS), func.substr(text, 1, 1).in_(("1", "2")), digits)
    return or_(func.substr(text, 1, 3).in_(_CENTURY), number)


def counts_as(
    table: str, columns: Mapping[str, ColumnElement[Any]], mapping: SourceMapping, *, sure: bool
) -> ColumnElement[bool] | None:
    """Whether a row would be taken for one that lives, by our `columns`; None where each is.

    A member is by the status, an account unless it is known to be deleted. Where a mark is `sure`, a request that was answered counts, too.
    """
    if ENDED.get(table) in columns:
        return columns[ENDED[table]].is_(None)
    if table not in _ALIVE or "status" not in columns or (sure and table != "household_members"):
        return None
    words = mapping.words.get(table, {}).get("status", {})
    live = [*_ALIVE[table], *(word for word, ours in words.items() if ours in _ALIVE[table])]
    return as_compared(columns["status"]).in_([word.lower() for word in live])


def plain_name(name: str) -> str:
    """A column's name as it is looked for. Two would be too ordinary without the signs before them."""
    plain = "".join(letter for letter in name.casefold() if letter.isalnum())
    return {"__$operation": "$operation", "_sign": "_sign"}.get(name.strip().casefold(), plain)
