"""People whom the audit table's metadata names and of whom nobody is known: their ids were masked, or are of another kind.

Such a removal meets no member, and such a hand-over no leader: what rests on them would be silent, or call the leader a stranger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Text, and_, cast, func, select, true

from detectors.events import EventType
from detectors.source.base import Notice, Source
from detectors.source.filled import is_big
from detectors.source.looking_up import Side, present
from detectors.source.nobodys import ENOUGH, FIRST, PEOPLE
from detectors.source.sql import json_text
from detectors.source.tables import Tables
from detectors.source.trail import EVENTS, is_indexed

_NAMED: Mapping[str, tuple[str, ...]] = {
    EventType.JOIN_REQUEST_APPROVED: ("new_member_id",),
    EventType.JOIN_REQUEST_REJECTED: ("requester_id",),
    EventType.MEMBER_REMOVED: ("member_id",),
    EventType.LEADERSHIP_TRANSFERRED: ("from_user_id", "to_user_id"),
}
"""Under which keys which type of event names people."""
_OF_EACH = 50
_ACTORS = 2
"""What one actor makes up, such as removals of people who never were, is no other notation."""
_RECENT = timedelta(days=8)
_FEW_ROWS = 500


def strangers_in_metadata(source: Source, tables: Tables, as_of: datetime, *, limited: bool) -> frozenset[str]:
    """The elements (type.key) of the trail that name several people and nobody whom another table knows. Raises QueryError.

    A `limited` scan reads few rows for it. Of an element the rows of the last days answer for all where they name enough people: an app may begin to write otherwise.
    """
    if EVENTS not in source.tables or not source.schema.has(f"{EVENTS}.metadata"):
        return frozenset()
    most = _FEW_ROWS if limited else FIRST
    named = _named_people(source, tables, true(), most)
    if not is_big(source, EVENTS) or is_indexed(source, "event_timestamp"):
        at = tables[EVENTS].c.event_timestamp
        recent = _named_people(source, tables, and_(at > as_of - _RECENT, at <= as_of), most)
        named |= {element: people for element, people in recent.items() if len(people) >= ENOUGH}
    if not _keeps_the_removed(source, tables):
        named.pop(f"{EventType.MEMBER_REMOVED}.member_id", None)
    for side in PEOPLE:
        people = set[str]().union(*named.values())
        if len(people) < ENOUGH:
            return frozenset()
        if present(source, *side):
            known = _known_in(source, tables, side, people)
            named = {element: theirs for element, theirs in named.items() if not theirs & known}
    return frozenset(named) if len(set[str]().union(*named.values())) >= ENOUGH else frozenset()


def _keeps_the_removed(source: Source, tables: Tables) -> bool:
    """Whether somebody who was removed is still to be found: some apps delete the rows, and have no users, or a table without rows."""
    members = tables["household_members"].c
    some = [select(members.user_id).where(members.status == "removed")]
    if "users" in source.tables:
        some.append(select(tables["users"].c.id))
    return any(source.rows(each.limit(1), "agreement") for each in reversed(some))


def notice_of_strangers(elements: frozenset[str]) -> Notice:
    """What to say of these elements."""
    keys = ", ".join(sorted({element.partition(".")[2] for element in elements}))
    return Notice(
        EVENTS,
        f"the people whom {EVENTS}.metadata names ({keys}) are in no other table: their ids are masked, or of another kind",
        frozenset({f"{EVENTS}.metadata"}),
        "export metadata with the ids that the other tables have",
    )


def _named_people(source: Source, tables: Tables, which: ColumnElement[bool], most: int) -> dict[str, set[str]]:
    """Whom the first of these audit rows of each type name, by element, where several actors do."""
    events = tables[EVENTS].c
    actor = func.coalesce(cast(events.user_id, Text), cast(events.household_id, Text)).label("actor")
    first = select(events.event_type, events.metadata, actor).where(which).limit(most).subquery("first_rows").c
    spelled = {name: kind for kind in _NAMED for name in tables.spelled(kind)}
    keys = sorted({key for each in _NAMED.values() for key in each})
    place = func.row_number().over(partition_by=first.event_type).label("place")
    some = (
        select(
            cast(first.event_type, Text).label("name"),
            place,
            first.actor,
            *(json_text(first.metadata, key).label(key) for key in keys),
        )
        .where(cast(first.event_type, Text).in_(list(spelled)))
        .subquery("some")
    )
    named, actors = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for row in source.rows(select(some).where(some.c.place <= _OF_EACH), "agreement"):
        kind = spelled[row["name"]]
        for key in _NAMED[kind]:
            if row[key]:
                named[f"{kind}.{key}"].add(tables.plain_user_id(row[key]))
                actors[f"{kind}.{key}"].add(row["actor"])
    return {element: people for element, people in named.items() if len(actors[element]) >= _ACTORS}


def _known_in(source: Source, tables: Tables, side: Side, people: set[str]) -> set[str]:
    """Those of `people` who are in a column."""
    theirs = tables[side[0]].c[side[1]]
    some = select(cast(theirs, Text).label("who")).where(tables.users_in(theirs, sorted(people))).distinct()
    return {row["who"] for row in source.rows(some, "agreement")}
