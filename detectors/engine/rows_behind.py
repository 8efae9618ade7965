"""How many rows stand behind what is known of a household, so that one of them that is lost does not read as a repair."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, true

from detectors.cases.household import LIFECYCLE
from detectors.contract import Detector
from detectors.engine.applicability import tables_of
from detectors.findings import Found
from detectors.source import QueryError, Source
from detectors.source.trail import EVENTS

Rows = Mapping[str, int]
"""By table: how many people, requests or audit rows."""
_TIMES = {"household_members": "joined_at", "household_join_requests": "requested_at", EVENTS: "event_timestamp"}
_AT_ONCE = 500


def rows_behind(source: Source, households: Collection[str], until: datetime) -> dict[str, dict[str, int]]:
    """Of each household, by table, how many people, requests and audit rows on its life there are up to `until`.

    People are counted, not their rows: whoever deletes a duplicate row has repaired something. What cannot be asked is left
    out, for every household.
    """
    found: dict[str, dict[str, int]] = {household: {} for household in households}
    for table in _TIMES:
        try:
            counted = dict(_counted(source, table, sorted(households), until)) if table in source.tables else None
        except (QueryError, ValueError):
            # A table that cannot be asked, or an id that the source cannot hold: nothing is known of them.
            counted = None
        if counted is not None:
            for household, rows in found.items():
                rows[table] = counted.get(household, 0)
    return found


def _counted(source: Source, table: str, households: Sequence[str], until: datetime) -> Iterator[tuple[str, int]]:
    rows = source.tables[table]
    kinds: ColumnElement[bool] = source.tables.event_is(*LIFECYCLE, common=True) if table == EVENTS else true()
    number = func.count(func.distinct(rows.c.user_id)) if table == "household_members" else func.count()
    for start in range(0, len(households), _AT_ONCE):
        home = rows.c.household_id
        mine = source.tables.households_in(home, households[start : start + _AT_ONCE])
        statement = (
            select(home.label("home"), number.label("number"))
            .where(mine, kinds, rows.c[_TIMES[table]] <= until)
            .group_by(home)
        )
        for row in source.rows(statement, "rows behind"):
            yield str(row["home"]), int(row["number"])


def behind_each(
    source: Source, findings: Collection[Found], detectors: Mapping[str, Detector], until: datetime, most: int
) -> dict[str, dict[str, int]]:
    """By fingerprint the rows behind each state finding that names up to `most` households, in the tables it rests on."""
    states = [one for one in findings if one.kind == "state" and 0 < len(one.households) <= most]
    counted = rows_behind(source, {home for one in states for home in one.households}, until)
    return {one.fingerprint: added_up(counted, one.households, detectors[one.detector]) for one in states}


def added_up(counted: Mapping[str, Rows], households: Collection[str], detector: Detector) -> dict[str, int]:
    """The rows of some households together, in the tables on which a detector's verdict rests."""
    known = {table for home in households for table in counted.get(home, {})}
    return {
        table: sum(counted[home].get(table, 0) for home in households if home in counted)
        for table in sorted(known & tables_of(detector))
    }
