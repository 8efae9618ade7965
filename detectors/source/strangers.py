"""People whom the audit table's metadata names and of whom nobody is known: their ids were masked, or are of another kind.

Such a removal meets no member, and such a hand-over no leader: what rests on them would be silent, or call the leader a stranger.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Text, and_, cast, func, select, true

from detectors.events import EventType
from detectors.source.base import Notice, Source
from detectors.source.filled import is_big
from detectors.source.ids import PLAIN_UUID
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
_REMOVED = f"{EventType.MEMBER_REMOVED}.member_id"
_OF_EACH = 50
_ACTORS = 2
"""What one actor makes up, such as removals of people who never were, is no other notation."""
_RECENT = timedelta(days=8)
_FEW_ROWS = 500
Actors = dict[str, set[str]]
"""People, with the actors that name them."""


def strangers_in_metadata(source: Source, tables: Tables, as_of: datetime, *, limited: bool) -> frozenset[str]:
    """The elements (type.key) of the trail that name several people and nobody whom another table knows. Raises QueryError.

    A `limited` scan reads few rows for it. Of an element the rows of the last days answer for all where they name enough people: an app may begin to write otherwise.
    """
    if EVENTS not in source.tables or not source.schema.has(f"{EVENTS}.metadata"):
        return frozenset()
    most = _FEW_ROWS if limited else FIRST
    named = {(element, ""): people for element, people in _told(_named_people(source, tables, true(), most)).items()}
    if not is_big(source, EVENTS) or is_indexed(source, "event_timestamp"):
        at = tables[EVENTS].c.event_timestamp
        recent = _named_people(source, tables, and_(at > as_of - _RECENT, at <= as_of), most, newest=True)
        for element, people in _told(recent).items():
            if len(people) >= ENOUGH:
                named.pop((element, ""), None)
                named |= {(element, how): theirs for how, theirs in _by_notation(recent[element]).items()}
    if not _keeps_the_removed(source, tables):
        named = {which: theirs for which, theirs in named.items() if which[0] != _REMOVED}
    for side in PEOPLE:
        people = set[str]().union(*named.values())
        if len(people) < ENOUGH:
            return frozenset()
        if present(source, *side):
            known = _known_in(source, tables, side, people)
            named = {which: theirs for which, theirs in named.items() if not theirs & known}
    enough = len(set[str]().union(*named.values())) >= ENOUGH
    return frozenset(element for element, _ in named) if enough else frozenset()


def _told(named: Mapping[str, Actors]) -> dict[str, set[str]]:
    """Whom several actors name, by element."""
    return {element: set(people) for element, people in named.items() if len(set().union(*people.values())) >= _ACTORS}


def _by_notation(people: Actors) -> dict[str, set[str]]:
    """The people of the last days apart by how their ids are written, where several are many: an app may have changed it in between."""
    apart = defaultdict[str, Actors](dict)
    for who, actors in people.items():
        apart[_notation(who)][who] = actors
    many = {how: theirs for how, theirs in _told(apart).items() if len(theirs) >= ENOUGH}
    return many if len(many) > 1 else {"": set(people)}


def _notation(plain: str) -> str:
    if re.fullmatch(PLAIN_UUID, plain):
        return "uuid"
    if plain.isdigit():
        return "number"
    if re.fullmatch("[0-9a-fA-F]{32,}", plain):
        return f"hash of {len(plain)}"
    return "text " + re.split("[^A-Za-z]", plain, maxsplit=1)[0] if re.match("[A-Za-z]+[^A-Za-z0-9]", plain) else "text"


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


def _named_people(
    source: Source, tables: Tables, which: ColumnElement[bool], most: int, *, newest: bool = False
) -> dict[str, Actors]:
    """Whom the first, or the newest, of these audit rows of each type name, by element, and by which actors."""
    events = tables[EVENTS].c
    actor = func.coalesce(cast(events.user_id, Text), cast(events.household_id, Text)).label("actor")
    some = select(events.event_type, events.metadata, events.event_timestamp, actor).where(which).limit(most)
    first = (some.order_by(events.event_timestamp.desc()) if newest else some).subquery("first_rows").c
    spelled = {name: kind for kind in _NAMED for name in tables.spelled(kind)}
    keys = sorted({key for each in _NAMED.values() for key in each})
    order = first.event_timestamp.desc() if newest else None
    place = func.row_number().over(partition_by=first.event_type, order_by=order).label("place")
    each = (
        select(
            cast(first.event_type, Text).label("name"),
            place,
            first.actor,
            *(json_text(first.metadata, key).label(key) for key in keys),
        )
        .where(cast(first.event_type, Text).in_(list(spelled)))
        .subquery("some")
    )
    named = defaultdict[str, Actors](dict)
    for row in source.rows(select(each).where(each.c.place <= _OF_EACH), "agreement"):
        kind = spelled[row["name"]]
        for key in _NAMED[kind]:
            if row[key]:
                named[f"{kind}.{key}"].setdefault(tables.plain_user_id(row[key]), set()).add(row["actor"])
    return named


def _known_in(source: Source, tables: Tables, side: Side, people: set[str]) -> set[str]:
    """Those of `people` who are in a column."""
    theirs = tables[side[0]].c[side[1]]
    some = select(cast(theirs, Text).label("who")).where(tables.users_in(theirs, sorted(people))).distinct()
    return {row["who"] for row in source.rows(some, "agreement")}
