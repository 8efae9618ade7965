"""The newest rows of each table and a sample of its households: by them a later scan tells an older copy, and another town."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Text, cast, func, select

from detectors.domain.values import text_of
from detectors.source import QueryError, Source
from detectors.source.ids import plain_id
from detectors.source.outdated import TIMES as WRITTEN
from detectors.source.trail import EVENTS

logger = logging.getLogger("hearthwatch.scan")
Marks = tuple[tuple[datetime, str], ...]
"""Times of rows, each with whom the row is about."""
TIMES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "households": ("id", WRITTEN["households"]),
    "household_members": ("household_id", WRITTEN["household_members"]),
    "household_join_requests": ("household_id", WRITTEN["household_join_requests"]),
    "users": ("id", ("created_at",)),
    "support_requests": ("requester_id", ("created_at",)),
    "sessions": ("user_id", ("created_at", "last_activity_at")),
    EVENTS: ("household_id", ("event_timestamp",)),
}
"""By table, whom its rows are about, and the times of which the latest only goes forward while the app is at work."""
KEPT = 8
"""So many different households or users: one that leaves takes all of its rows along."""
LEAST = 24
"""Households of the least ids, which an index finds: of some kinds of ids those that began first, of others any."""
_ROWS, _AUDIT_ROWS = 64, 400
"""So many rows are read for them: one household writes many audit rows in a minute."""
_HOMES = {"households": "id", "household_members": "household_id", "household_join_requests": "household_id"}
_PEOPLE = {"household_members": "user_id", "household_join_requests": "user_id", "sessions": "user_id"}
_ZONES = timedelta(hours=15)
"""By more than this no two zones read one time differently."""
_COUNTED = 16
"""Ids with fewer digits are counted up from one in every database."""


@dataclass(frozen=True, slots=True)
class Newest:
    """What a later scan of the same source must find again, or newer."""

    rows: Mapping[str, Mapping[str, Marks]] = field(default_factory=dict)
    """By table and the name of its times; of a table that could not be asked there are none."""
    sample: Marks = ()
    """Households with when they began."""


NOTHING_NEW = Newest()


def newest_of(source: Source, as_of: datetime, tables: Collection[str]) -> Newest:
    """The newest rows of `tables` up to `as_of`. What cannot be asked is left out."""
    rows = {name: dict(_of_table(source, name, as_of)) for name in TIMES if name in tables and name in source.tables}
    return Newest(rows, _sample(source, rows["households"]) if "households" in rows else ())


def _of_table(source: Source, name: str, as_of: datetime) -> Iterator[tuple[str, Marks]]:
    """The last rows by the latest of their times, each of somebody else, with the name of these times. It reads a table once."""
    table, (whom, times) = source.tables[name], TIMES[name]
    there = [column for column in times if column in source.schema.tables[name].columns]
    if not there:
        return
    at = func.greatest(*(table.c[column] for column in there)) if len(there) > 1 else table.c[there[0]]
    each = (table.c[column].label(column) for column in there)
    rows = select(at.label("at"), table.c[whom].label("whom"), *each).where(at <= as_of, table.c[whom].is_not(None))
    few, limit = name == EVENTS, _AUDIT_ROWS if name == EVENTS else _ROWS
    found, filled = dict[str, datetime](), set[str]()
    try:
        for row in source.rows(
            rows.order_by(at.desc()).limit(limit), "newest rows", reach="picked" if few else "whole"
        ):
            found.setdefault(text_of(row["whom"]), row["at"].astimezone(UTC))
            filled.update(column for column in there if row[column] is not None)
    except QueryError:
        logger.debug("asking for the newest rows of %s failed", name, exc_info=True)
        return
    if found:
        # What is no longer filled in makes no older copy.
        yield (
            " or ".join(column for column in there if column in filled),
            tuple((at, whom) for whom, at in list(found.items())[:KEPT]),
        )


def _sample(source: Source, newest: Mapping[str, Marks]) -> Marks:
    """The households of the least ids, which an index finds, and those that were written last."""
    homes = source.tables["households"]
    columns = homes.c.id.label("id"), homes.c.created_at.label("at")
    some = select(*columns).order_by(homes.c.id).limit(LEAST)
    last = {whom for marks in newest.values() for _, whom in marks}
    try:
        rows = [*source.rows(some, "newest rows")]
        rows += source.rows(select(*columns).where(source.tables.households_in(homes.c.id, last)), "newest rows")
    except QueryError:
        logger.debug("asking for some households failed", exc_info=True)
        return ()
    return tuple(
        {text_of(row["id"]): (row["at"].astimezone(UTC), text_of(row["id"])) for row in rows if row["at"]}.values()
    )


def left_of(source: Source, table: str, subjects: Collection[str]) -> frozenset[str] | None:
    """Those of the households (of `users`: the people) of whom any other table holds a row; None if that cannot be asked."""
    left: set[str] = set()
    for name, column in (_PEOPLE if table == "users" else _HOMES).items():
        if name not in source.tables:
            continue
        own = source.tables[name].c[column]
        statement = select(cast(own, Text).label("id")).where(source.tables.ids_in(own, subjects)).distinct()
        try:
            left |= {plain_id(text_of(row["id"])) for row in source.rows(statement, "rows still there")}
        except (QueryError, ValueError):
            return None
    return frozenset(left)


def known_again(source: Source, sample: Marks) -> int | None:
    """How many households of a `sample` the source holds; None if that cannot be asked, or if it holds no household at all."""
    if "households" not in source.tables or not sample:
        return None
    homes = source.tables["households"]
    named = source.tables.households_in(homes.c.id, [one for _, one in sample])
    asked = select(cast(homes.c.id, Text).label("id"), homes.c.created_at.label("at"))
    try:
        found = {plain_id(text_of(row["id"])): row["at"] for row in source.rows(asked.where(named), "rows still there")}
        if not found and not source.rows(asked.limit(1), "rows still there"):
            return None
    except (QueryError, ValueError):
        return None
    return sum(one in found and _same(one, at, found[one]) for at, one in sample)


def _same(home: str, then: datetime, now: datetime | None) -> bool:
    """Whether a household of the same id is the same one: of numbers that are counted up, if it began at the same time."""
    if now is None or not home.isdigit() or len(home) >= _COUNTED:
        return True
    return abs(now.astimezone(UTC) - then) <= _ZONES
