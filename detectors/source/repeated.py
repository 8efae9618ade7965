"""Rows that a server's table holds several times under one id, as no key forbids it: each is read once, and a line says so."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Text, cast, func, select

from detectors.source.base import Notice, Source
from detectors.source.copies import APART, BORN, FEW, Repeats

ACT = {
    "household_events": ("event_type", "household_id", "user_id", "event_timestamp"),
    "household_members": ("household_id", "user_id"),
    "household_join_requests": ("household_id", "user_id"),
}
"""What makes two rows of one id two things nonetheless: acts, memberships and requests never become another's."""
LATEST = {"households": "updated_at", "household_join_requests": "responded_at", "sessions": "last_activity_at"}
"""The time that tells which of several rows of one id was written last; an answer is never taken back."""
MOST_DOUBTED = 10_000
_LOOKED_AT = ("households", "household_members", "household_join_requests", "users", "support_requests")
_MOST = 500_000


def repeated(
    source: Source, counted: Mapping[str, int], most: int | None = None
) -> dict[str, tuple[int, Notice | str]]:
    """The tables of state with several rows of one id, how many too many, and what to say; `counted` are rows that are known.

    A line of text says why nothing of the source can be believed.

    Tables with a key, and those of more than `most` rows, are not asked. Raises QueryError.
    """
    found = {}
    for table in _LOOKED_AT:
        if source.engine == "duckdb" or table not in source.tables or not _is_asked(source, table, counted, most):
            continue
        rows = source.tables[table]
        keys = key_of(table)
        every = select(func.count(rows.c.id)).scalar_subquery()
        different = select(func.count()).select_from(
            select(*(rows.c[key] for key in keys)).where(rows.c.id.is_not(None)).distinct().subquery("different")
        )
        (row,) = source.rows(select((every - different.scalar_subquery()).label("more")), "words")
        if row["more"]:
            more = int(row["more"])
            found[table] = more, (_fault(source, table) if more >= FEW else None) or _notice(source, table, more)
    return found


def key_of(table: str) -> tuple[str, ...]:
    """What tells one thing of a table from another."""
    return ("id", *ACT.get(table, ()))


def _is_asked(source: Source, table: str, counted: Mapping[str, int], most: int | None) -> bool:
    found = source.schema.tables[table]
    # A view tells no number; a town has about as many households and people as members.
    rows = found.estimated_rows if found.estimated_rows is not None else counted.get("household_members", _MOST + 1)
    return (
        "id" in found.columns
        and source.schema.unique_on(table, "id") is None
        and max(rows, 0) <= (_MOST if most is None else most)
    )


def _fault(source: Source, table: str) -> str | None:
    """Why the rows are more than single ones that were written twice: copies of several times, or of several databases."""
    rows, keys = source.tables[table], key_of(table)
    columns = [column for column in source.schema.tables[table].columns if column != "metadata"]
    versions = select(*(cast(rows.c[name], Text).label(name) for name in columns)).where(rows.c.id.is_not(None))
    several, things = (
        versions.distinct().subquery("several"),
        select(*(rows.c[key] for key in keys)).distinct().subquery("things"),
    )
    # An id of several memberships tells nothing of any of them.
    of_one = select(things.c.id).group_by(things.c.id).having(func.count() == 1)
    texts = select(cast(of_one.subquery("of_one").c.id, Text))
    born = rows.c[BORN[table]] if BORN.get(table) in columns else None
    counted = {
        "ids": select(rows.c.id).where(rows.c.id.is_not(None)).distinct(),
        "repeated": select(rows.c.id).where(rows.c.id.in_(of_one)).group_by(rows.c.id).having(func.count() > 1),
        "differing": select(several.c.id)
        .where(several.c.id.in_(texts))
        .group_by(several.c.id)
        .having(func.count() > 1),
    }
    if born is not None:
        counted["reborn"] = select(rows.c.id).group_by(rows.c.id).having(func.max(born) > func.min(born) + APART)
    asked = (
        select(func.count()).select_from(each.subquery(name)).scalar_subquery().label(name)
        for name, each in counted.items()
    )
    (row,) = source.rows(select(*asked), "words")
    repeats = Repeats(**{name: int(number) for name, number in row.items()})
    return repeats.of_others(table) or repeats.of_times(table)


def _notice(source: Source, table: str, more: int) -> Notice:
    rows, keys, columns = source.tables[table], key_of(table), source.schema.tables[table].columns
    said = (
        f"{more:,} row{'s' if more > 1 else ''} of {table} repeat{'s' if more == 1 else ''} another row's id: read once"
    )
    remedy = f"remove them, and give {table} a primary key"
    own = [column for column in columns if column != "metadata"]
    told = rows.c[LATEST[table]] if LATEST.get(table) in columns else None
    different = select(*(cast(rows.c[name], Text).label(name) for name in own)).where(rows.c.id.is_not(None))
    if told is not None:
        latest = func.rank().over(partition_by=[rows.c[key] for key in keys], order_by=told.desc().nulls_last())
        different = different.add_columns(latest.label("nth"))
    versions = different.distinct().subquery("versions")
    whose = "id" if table in {"households", "users"} else "household_id"
    if whose not in own:
        return Notice(table, said, remedy=remedy)
    unsure = select(versions.c[whose].label("whose")).group_by(*(versions.c[key] for key in keys), versions.c[whose])
    unsure = unsure.where(versions.c[whose].is_not(None)).having(func.count() > 1)
    if told is not None:
        unsure = unsure.where(versions.c.nth == 1)
    doubted = frozenset(row["whose"] for row in source.rows(unsure.distinct().limit(MOST_DOUBTED), "words"))
    if not doubted:
        return Notice(table, said, remedy=remedy)
    said += "; some differ, and which of them is the later one is not known"
    homes, people = (frozenset[str](), doubted) if table == "users" else (doubted, frozenset[str]())
    return Notice(table, said, frozenset(f"{table}.{name}" for name in columns), remedy, households=homes, users=people)
