"""What was written to a server's state tables since an earlier look, told by the versions of their rows.

PostgreSQL writes each version of a row with the number of its transaction. All transactions below the least one that was
in progress at a look had ended by then, so a version with a lower number was seen by it. Deletions leave no version:
they are seen by counts and checksums over buckets of households.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Function,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    extract,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
)

from detectors.source.base import Schema
from detectors.source.bucket_sums import BUCKETS
from detectors.source.tables import Tables

FAR = 2**30
"""Transactions. What lies further apart may have gone round the 32 bits of a row's number."""
_IN_FLIGHT, _STARTING = timedelta(seconds=5), timedelta(seconds=10)
"""A row that says that it began so shortly before a look, or after it, may have been seen by it or not."""
_HASHES = {
    "uuid": ("uuid_hash", "uuid_hash_extended", None),
    "text": ("hashtext", "hashtextextended", Text()),
    "integer": ("hashint8", "hashint8extended", BigInteger()),
}

SERVER = text(
    "SELECT (SELECT system_identifier FROM pg_control_system())::text AS system, "
    "(SELECT timeline_id FROM pg_control_checkpoint())::text AS timeline, "
    "pg_postmaster_start_time()::text AS started, pg_is_in_recovery()::text AS standby, "
    "(SELECT oid FROM pg_database WHERE datname = current_database())::text AS database, "
    "pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS least, "
    "pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next"
)
"""Which server this is, since when it runs, and which transactions its snapshot has seen the end of."""
RELATIONS = text(
    "SELECT w.schema_name, w.name, c.oid::bigint AS oid, "
    "CASE WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) THEN 'inherited' ELSE c.relkind::text END AS kind, "
    "ARRAY(SELECT concat(a.attnum, ' ', a.attname) FROM pg_attribute a "
    "WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns, "
    "(SELECT md5(string_agg(concat(e.oid, ' ', e.enumlabel), ',' ORDER BY e.oid)) FROM pg_enum e) AS labels "
    "FROM unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS w (schema_name, name) "
    "JOIN pg_namespace n ON n.nspname = w.schema_name JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name"
)
"""What the tables are. A column made anew, or a label renamed, changes what rows say and leaves their versions."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A table whose rows are compared: what names their household (or user), what tells them apart, and their times."""

    table: str
    owner: str
    key: tuple[str, ...]
    times: tuple[str, ...]
    only: str | None = None
    """Where it is null nothing rests on the row."""

    @property
    def names(self) -> Literal["users", "households"]:
        return "users" if self.table == "users" else "households"


COMPARED = (
    Compared("household_members", "household_id", ("id", "user_id"), ("joined_at", "temporary_expires_at")),
    Compared("households", "id", ("id",), ("created_at", "updated_at")),
    Compared("household_join_requests", "household_id", ("id", "user_id"), ("requested_at", "responded_at")),
    Compared("users", "id", ("id",), ("deleted_at",), only="deleted_at"),
)
"""The rows from which state rules conclude. Of accounts only that they are deleted."""


@dataclass(frozen=True, slots=True)
class Since:
    """What was seen before, at `seen`: the row versions of all transactions below `least`, and the times up to `young`; now up to `old`.

    Where `foreseen`, the last look knows of the rows that it saw which times have passed since then.
    """

    least: int
    seen: datetime
    young: datetime
    old: datetime
    foreseen: bool = False


@dataclass(frozen=True, slots=True)
class Coming:
    """The times of rows that are asked for because they will pass: those after `old`, up to `until`."""

    old: datetime
    until: datetime


def compared_in(schema: Schema) -> list[Compared]:
    """The tables to compare of those that the source has."""
    return [
        one
        for one in COMPARED
        if one.table in schema.tables and (one.only is None or one.only in schema.tables[one.table].columns)
    ]


def incomparable(tables: Tables, kinds: Mapping[str, str]) -> str | None:
    """Why row versions can't tell what changed here, or None. `kinds` are those of the tables' relations in the catalog."""
    for one in compared_in(tables.schema):
        found = tables.schema.tables[one.table]
        if kinds.get(one.table) != "r":
            return f"{found.name} is no plain table, so its rows have no versions"
        plain = found.columns[one.owner] in _HASHES and one.owner not in found.read_as
        if not plain or _key(tables, one) is None or tables.is_odd(one.table, one.owner):
            return f"the ids of {found.name} are of a type, or written in a way, that cannot be compared"
        if any(found.columns.get(column, "time") != "time" for column in one.times):
            return f"the times of {found.name} are of another type than a time"
    owners = {tables.schema.tables[one.table].columns[one.owner] for one in COMPARED if one.names == "households"}
    return None if len(owners) == 1 else "the ids of households are not of one type"


def statement(
    tables: Tables, one: Compared, since: Since | None, coming: Coming, *, by_bucket: bool = True
) -> Select[Any]:
    """The sums of a table, by bucket or of all together, and which of its rows are newer than `since`, or were too young then and are not any more.

    Those are told as "checksum bucket age owner", the checksum only of newer ones; see `_age`. Where the others are `foreseen`,
    only newer ones are told. The times that are `coming`, of all these or else of the newer ones, are told as "time time owner".
    """
    if since is not None and since.foreseen and not by_bucket:
        return _glance(tables, one, since, coming)
    bucket, row = _bucket_of(tables, one), _checksum(tables, one)
    ahead, sums = _is_ahead(tables, one, coming), [func.count().label("rows"), func.bit_xor(row).label("checks")]
    if since is not None:
        newer, told = newer_than(since.least), _told(tables, one, since)
        due = [] if since.foreseen else _due(tables, one, since)
        sums.append(func.array_agg(told).filter(or_(newer, *due)).label("changed"))
        ahead = and_(newer, ahead) if since.foreseen else ahead
    sums.append(func.array_agg(_times(tables, one, coming)).filter(ahead).label("ahead"))
    found = select(bucket.label("bucket"), *sums).group_by(bucket) if by_bucket else select(*sums)
    return found if one.only is None else found.where(tables.raw(one.table, one.only).is_not(None))


def _glance(tables: Tables, one: Compared, since: Since, coming: Coming) -> Select[Any]:
    """The sums of all rows together, and what the newer ones tell, who are looked up by their places.

    Whatever a statement tells of some rows of a table it takes out of each: times stand far behind in a row, and the sums need
    but the ids at its beginning.
    """
    newer: ColumnElement[Any] = func.array_agg(literal_column("ctid")).filter(newer_than(since.least))
    checks = func.bit_xor(_checksum(tables, one)).label("checks")
    sums = select(func.count().label("rows"), checks, newer.label("places"))
    if one.only is not None:
        sums = sums.where(tables.raw(one.table, one.only).is_not(None))
    seen = sums.cte("seen")
    told = func.array_agg(_told(tables, one, since)).label("changed")
    ahead = func.array_agg(_times(tables, one, coming)).filter(_is_ahead(tables, one, coming)).label("ahead")
    placed = literal_column("ctid = ANY (CAST((SELECT places FROM seen) AS tid[]))", Boolean())
    news = select(told, ahead).select_from(tables.source_table(one.table)).where(placed).subquery("news")
    return select(seen.c.rows, seen.c.checks, news.c.changed, news.c.ahead).select_from(seen.join(news, true()))


def _told(tables: Tables, one: Compared, since: Since) -> ColumnElement[str]:
    check = case((newer_than(since.least), _checksum(tables, one)))
    owner = tables.raw(one.table, one.owner)
    return func.concat(check, " ", _bucket_of(tables, one), " ", _age(tables, one, since), " ", owner)


def _bucket_of(tables: Tables, one: Compared) -> ColumnElement[int]:
    return func.coalesce(_bucket(tables, one), 0)


def _checksum(tables: Tables, one: Compared) -> ColumnElement[int]:
    key, mine = _key(tables, one) or one.key[0], cast(_owner_hash(tables, one), BigInteger)
    # With the owner's hash, so that a row that goes over to another household is lost to its first one.
    return func.coalesce(_hash(_native(tables, one, key), tables.raw(one.table, key), seed=mine), 0)


def _is_ahead(tables: Tables, one: Compared, coming: Coming) -> ColumnElement[bool]:
    return or_(false(), *(_between(time, coming.old, coming.until) for time in _times_of(tables, one)))


def _times(tables: Tables, one: Compared, coming: Coming) -> ColumnElement[str]:
    """Those times of a row that are `coming`, in microseconds, and whose it is."""
    parts: list[Any] = []
    for name in one.times:
        if name in tables.schema.tables[one.table].columns:
            time = tables.stored(one.table, name)
            moment = cast(extract("epoch", time) * 1_000_000, BigInteger)
            parts.append(case((_between(time, coming.old, coming.until), moment)))
        parts.append(" ")
    return func.concat(*parts, tables.raw(one.table, one.owner))


def has_versions(tables: Tables, kinds: Mapping[str, str], table: str, owner: str, at: str) -> bool:
    """Whether a table's rows have versions, and its `owner` and time `at` are stored as they are read."""
    found = tables.schema.tables[table]
    return (
        kinds.get(table) == "r"
        and found.columns.get(owner) in _HASHES
        and found.columns.get(at) == "time"
        and not {owner, at} & found.read_as.keys()
    )


def newer_than(least: int) -> ColumnElement[bool]:
    """Whether a row's version is of a transaction that a look had not seen the end of; `least` is the first of them."""
    # Once, and not for each row.
    oldest = select(func.age(literal_column(f"'{max(least & 0xFFFFFFFF, 3)}'::xid"))).scalar_subquery()
    age = Function("age", literal_column("xmin"), type_=Integer())
    # What was frozen an age ago keeps its number, and may seem to lie ahead.
    return and_(age <= oldest, age >= 0)


def _age(tables: Tables, one: Compared, since: Since) -> ColumnElement[str]:
    """Whether a newer row was there before, by the time at which it says that it began: "old", "new", or "" where nobody knows."""
    if one.times[0] not in tables.schema.tables[one.table].columns:
        return literal("")
    began = tables.stored(one.table, one.times[0])
    return case(
        (began > literal(since.seen + _STARTING), "new"), (began < literal(since.seen - _IN_FLIGHT), "old"), else_=""
    )


def owners_in(tables: Tables, one: Compared, buckets: Sequence[int]) -> Select[Any]:
    """The households (or users) of some buckets of which a table has rows."""
    return (
        select(cast(tables.raw(one.table, one.owner), Text).label("owner"))
        .where(_bucket(tables, one).in_(buckets))
        .distinct()
    )


def _key(tables: Tables, one: Compared) -> str | None:
    columns = tables.schema.tables[one.table].columns
    return next((key for key in one.key if columns.get(key) in _HASHES), None)


def _native(tables: Tables, one: Compared, column: str) -> str:
    return tables.schema.tables[one.table].columns[column]


def _owner_hash(tables: Tables, one: Compared) -> ColumnElement[Any]:
    return _hash(_native(tables, one, one.owner), tables.raw(one.table, one.owner))


def _bucket(tables: Tables, one: Compared) -> ColumnElement[Any]:
    return _owner_hash(tables, one).op("&")(literal_column(str(BUCKETS - 1)))


def _hash(native: str, column: ColumnElement[Any], seed: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
    short, extended, kind = _HASHES[native]
    value = column if kind is None else cast(column, kind)
    if seed is None:
        return Function(short, value, type_=Integer())
    return Function(extended, value, seed, type_=BigInteger())


def _due(tables: Tables, one: Compared, since: Since) -> list[ColumnElement[bool]]:
    """For each of a row's times whether it was too young at the last look and is not any more."""
    return [_between(time, since.young, since.old) for time in _times_of(tables, one)]


def _times_of(tables: Tables, one: Compared) -> list[ColumnElement[Any]]:
    known = [column for column in one.times if column in tables.schema.tables[one.table].columns]
    return [tables.stored(one.table, column) for column in known]


def _between(time: ColumnElement[Any], after: datetime, until: datetime) -> ColumnElement[bool]:
    return and_(time > literal(after), time <= literal(until))
