"""What a detector does not look at in a source, spot by spot, so that tonight can be compared with the night that saw a finding."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import ColumnElement, or_, select

from detectors.contract import Detector, Groups
from detectors.engine.applicability import needs_of, sees, tables_of
from detectors.engine.doubts import rests_on
from detectors.engine.row_counts import HOUSEHOLD_COLUMN
from detectors.events import LIFECYCLE
from detectors.source import CANONICAL, Notice, QueryError, Schema, Source
from detectors.source.base import ONLY_TOLD
from detectors.source.filled import TOLERATED
from detectors.source.first_rows import is_column
from detectors.source.health import Health
from detectors.source.moments import EVER
from detectors.source.trail import EVENTS


@dataclass(frozen=True, slots=True)
class Spot:
    """Something that is not looked at, and why."""

    reason: str
    trail: bool = False
    """Whether it is about audit rows alone, of which those behind a finding are counted."""
    column: str = ""
    """The table.column of which some rows could not be read; empty where it is about all rows."""


Spots = Mapping[str, Spot]
NO_SPOTS: Spots = MappingProxyType({})


def blind_spots(
    detectors: Iterable[Detector], schema: Schema, health: Health, notices: Collection[Notice]
) -> dict[str, dict[str, Spot]]:
    """What each detector does not look at, by its id: the same spot has the same name on every night."""
    return {one.id: dict(_spots(one, schema, health, notices)) for one in detectors}


def _spots(
    detector: Detector, schema: Schema, health: Health, notices: Collection[Notice]
) -> Iterator[tuple[str, Spot]]:
    tables = tables_of(detector) & schema.tables.keys()
    for place in sorted(f"{table}.{column}" for table in tables for column in CANONICAL[table].columns):
        if place not in ONLY_TOLD and not schema.has(place):
            yield place, Spot(f"the source has no {place} any more", _of_trail(place))
    for place in sorted(health.bare & needs_of(detector)):
        yield f"empty {place}", Spot(f"{place} is empty in every row")
    parts: dict[str, Groups] = {f"events {n}": (group,) for n, group in enumerate(detector.meta.events)}
    parts |= {f"way {way}": groups for way, groups in detector.meta.ways.items()}
    for name, groups in parts.items():
        if reason := sees(groups, health):
            elements = {element for group in groups for element in group}
            # That rows are as many as they were says nothing where they name nobody any more.
            named = health.trail.strangers if health.trail else frozenset()
            elsewhere = any(is_column(one) or one in CANONICAL or one in named for one in elements)
            yield name, Spot(_by_now(reason), not elsewhere)
    for notice in notices:
        for column in sorted(notice.columns):
            if rests_on(detector, (column,)) or (_of_trail(column) and EVENTS in tables):
                yield f"unread {column}", Spot(notice.said, _of_trail(column), "" if notice.everywhere else column)


def _of_trail(column: str) -> bool:
    return column.startswith(f"{EVENTS}.")


def _by_now(reason: str) -> str:
    """What a scan says was never written, of a source that held it on an earlier night."""
    return reason.replace("never wrote", "no longer writes").replace("never names", "no longer names")


def types_gone(source: Source, types: Collection[str]) -> list[str]:
    """Those of `types` of events of which the source holds not one row; what cannot be asked is not gone."""
    if EVENTS not in source.tables:
        return []
    events = source.tables[EVENTS]
    gone = []
    for one in sorted(types):
        try:
            some = source.rows(select(events.c.event_type).where(source.tables.event_is(one)).limit(1), "words")
        except QueryError:
            continue
        if not some:
            gone.append(one)
    return gone


def types_of(detector: Detector) -> set[str]:
    """The types of events of a household's life that a detector says it concludes from."""
    groups = [group for all_of in (detector.meta.events, *detector.meta.ways.values()) for group in all_of]
    return {element.partition(".")[0] for group in groups for element in group} & set(LIFECYCLE)


def concerns(source: Source, column: str, households: Collection[str], as_of: datetime) -> bool:
    """Whether a column of which some rows could not be read may lack something in the rows of these households."""
    table, _, name = column.partition(".")
    if table not in HOUSEHOLD_COLUMN or not households or CANONICAL[table].columns[name].kind == "text":
        return True
    rows = source.tables[table].c
    mine = source.tables.households_in(rows[HOUSEHOLD_COLUMN[table]], households)
    unread: ColumnElement[bool] = rows[name].is_(None)
    if CANONICAL[table].columns[name].kind == "time":
        unread = or_(unread, rows[name] > as_of + TOLERATED, rows[name] < EVER)
    try:
        return bool(source.rows(select(rows[name]).where(mine, unread).limit(1), "rows behind"))
    except (QueryError, ValueError):
        return True
