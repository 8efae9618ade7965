"""What was written to a server's state tables since an earlier look, told by the versions of their rows.

PostgreSQL writes each version of a row with the number of its transaction. All transactions below the least one that was
in progress at a look had ended by then, so a version with a lower number was seen by it. Deletions leave no version:
they are seen by counts and checksums over buckets of households.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Function,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
)

from detectors.source.base import Schema
from detectors.source.tables import Tables

BUCKETS = 4_096
"""A row that is lost has so small a part of all households looked at."""
FAR = 2**30
"""Transactions. What lies further apart may have gone round the 32 bits of a row's number."""
_TRIED = 2**14
"""So many combinations are tried to explain what is missing in a bucket; after that its households are looked at."""
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
    """What was seen before: the row versions of all transactions below `least`, and the times up to `young`; now up to `old`."""

    least: int
    young: datetime
    old: datetime


@dataclass(frozen=True, slots=True)
class Sums:
    """How many rows each bucket holds, and a checksum of which."""

    rows: array[int]
    checks: array[int]

    @property
    def total(self) -> int:
        return sum(self.rows)


@dataclass(frozen=True, slots=True)
class Written:
    """What one table holds now, whose rows changed, and the buckets from which rows were lost."""

    sums: Sums
    owners: frozenset[str] = frozenset()
    lost: tuple[int, ...] = ()


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


def statement(tables: Tables, one: Compared, since: Since | None) -> Select[Any]:
    """The sums of a table by bucket, and which of its rows are newer than `since`, or were too young then and are not any more.

    Those are told as "checksum owner", the checksum only of newer ones.
    """
    owner, key = tables.raw(one.table, one.owner), _key(tables, one) or one.key[0]
    bucket, mine = func.coalesce(_bucket(tables, one), 0), cast(_owner_hash(tables, one), BigInteger)
    # With the owner's hash, so that a row that goes over to another household is lost to its first one.
    row = func.coalesce(_hash(_native(tables, one, key), tables.raw(one.table, key), seed=mine), 0)
    sums = [bucket.label("bucket"), func.count().label("rows"), func.bit_xor(row).label("checks")]
    if since is not None:
        # Once, and not for each row.
        oldest = select(func.age(literal_column(f"'{max(since.least & 0xFFFFFFFF, 3)}'::xid"))).scalar_subquery()
        # What was frozen an age ago keeps its number, and may seem to lie ahead.
        newer = Function("age", literal_column("xmin"), type_=Integer()).between(0, oldest)
        told = func.concat(case((newer, row)), " ", owner)
        sums.append(func.array_agg(told).filter(or_(newer, *_due(tables, one, since))).label("changed"))
    found = select(*sums).group_by(bucket)
    return found if one.only is None else found.where(tables.raw(one.table, one.only).is_not(None))


def owners_in(tables: Tables, one: Compared, buckets: Sequence[int]) -> Select[Any]:
    """The households (or users) of some buckets of which a table has rows."""
    return (
        select(cast(tables.raw(one.table, one.owner), Text).label("owner"))
        .where(_bucket(tables, one).in_(buckets))
        .distinct()
    )


def written(rows: Sequence[Mapping[str, Any]], before: Sums | None) -> Written:
    """What the rows of `statement` tell, compared with what there was `before`."""
    now = Sums(array("q", bytes(8 * BUCKETS)), array("q", bytes(8 * BUCKETS)))
    owners: set[str] = set()
    newer: dict[int, list[int]] = {}
    for row in rows:
        bucket = row["bucket"]
        now.rows[bucket], now.checks[bucket] = row["rows"], row["checks"]
        for told in (row["changed"] or ()) if before is not None else ():
            check, _, owner = told.partition(" ")
            if check:
                newer.setdefault(bucket, []).append(int(check))
            owners.add(owner)
    lost = tuple(_lost(now, before, newer)) if before is not None else ()
    return Written(now, frozenset(owners - {""}), lost)


def _lost(now: Sums, before: Sums, newer: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """The buckets in which something is missing that no newer version of a row stands for."""
    for bucket in range(BUCKETS):
        new = newer.get(bucket, ())
        missing = before.rows[bucket] - now.rows[bucket] + len(new)
        check = before.checks[bucket] ^ now.checks[bucket] ^ _xor(new)
        if (missing or check) and not _explained(missing, check, new):
            yield bucket


def _explained(missing: int, check: int, fresh: Sequence[int]) -> bool:
    """Whether `missing` rows with this checksum are among the newer versions, so that they were changed and not deleted."""
    if not 0 < missing <= len(fresh) or math.comb(len(fresh), missing) > _TRIED:
        return False
    return any(_xor(some) == check for some in combinations(fresh, missing))


def _xor(numbers: Sequence[int]) -> int:
    together = 0
    for one in numbers:
        together ^= one
    return together


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
    known = [column for column in one.times if column in tables.schema.tables[one.table].columns]
    times = [tables.stored(one.table, column) for column in known]
    return [and_(time > literal(since.young), time <= literal(since.old)) for time in times]
