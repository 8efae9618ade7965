"""Columns of people's ids that name nobody, as where one column alone was masked or hashed on the way.

Strangers ask, answer and act in real towns, too. So many of them, and nobody else, don't; nor does the audit table name
somebody else as the one who did it, each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Text, and_, cast, literal, select, union_all

from detectors.events import EventType
from detectors.source.base import Notice, Source
from detectors.source.looking_up import SAMPLE, Side, counting_known, known_of, named, present
from detectors.source.sql import json_text
from detectors.source.tables import Tables
from detectors.source.trail import EVENTS

ENOUGH = 5
"""So many rows of which the audit table tells otherwise, and none of which it tells the same, are no accident."""
FEW = 10
"""Of fewer people it says nothing that none is known."""
MANY = 30
"""So many different people, of whom not one is anywhere else, are no strangers."""
REQUESTS = "household_join_requests"
PEOPLE: tuple[Side, ...] = (
    ("users", "id"),
    ("household_members", "user_id"),
    ("households", "leader_id"),
    (REQUESTS, "user_id"),
    (REQUESTS, "responded_by"),
    (EVENTS, "user_id"),
)
"""Where an id of somebody may be known from."""
_LESS: tuple[Side, ...] = (
    ("sessions", "user_id"),
    ("support_requests", "requester_id"),
    ("household_members", "invited_by"),
)
_TOLD_BY = {
    "user_id": (EventType.JOIN_REQUEST_SUBMITTED,),
    "responded_by": (EventType.JOIN_REQUEST_APPROVED, EventType.JOIN_REQUEST_REJECTED),
    "household_id": (EventType.JOIN_REQUEST_SUBMITTED, EventType.JOIN_REQUEST_APPROVED),
}
"""The events whose actor, or household, is in the column of a request."""
FIRST = 20_000


def names_nobody(source: Source, tables: Tables, side: Side, number: int) -> str | None:
    """What to say of a column with `number` different ids in a sample, of whom none is a member; `tables` know the spellings.

    Raises QueryError.
    """
    others = tuple(one for one in PEOPLE if one != side and present(source, *one))
    if known_of(source, side, others)[1]:
        return None
    if side == (EVENTS, "user_id"):
        return _line(source, side) if _nobody_acts(source, tables, others) else None
    rows = told_otherwise(source, tables, side[1])
    if rows is None:
        return _line(source, side) if number >= MANY else None
    return _line(source, side, f", and {EVENTS} names others in {rows:,} of {rows:,} rows") if rows else None


def told_otherwise(source: Source, tables: Tables, column: str) -> int | None:
    """In how many requests the audit table names somebody else than `column` of the requests; 0 if it agrees in any, or in few.

    None where it tells of no request.
    """
    agree, told = told_by_trail(source, tables, column)
    if not told:
        return None
    return 0 if agree or told < ENOUGH else told


def told_by_trail(source: Source, tables: Tables, column: str) -> tuple[int, int]:
    """In how many requests the audit table agrees with `column`, and of how many it tells. Raises QueryError."""
    if EVENTS not in source.tables or not source.schema.has(f"{EVENTS}.metadata"):
        return 0, 0
    events = tables[EVENTS].c
    request = json_text(events.metadata, "request_id").label("request")
    value = cast(events.household_id if column == "household_id" else events.user_id, Text).label("value")
    told = select(request, value).where(tables.event_is(*_TOLD_BY[column]), request.is_not(None)).limit(SAMPLE)
    said = {
        tables.plain_user_id(row["request"]): row["value"] for row in source.rows(told, "agreement") if row["value"]
    }
    asked = tables[REQUESTS].c
    theirs = select(cast(asked.id, Text).label("request"), cast(asked[column], Text).label("value"))
    rows = source.rows(theirs.where(tables.ids_in(asked.id, sorted(said)), asked[column].is_not(None)), "agreement")
    same = [row["value"] == said[row["request"]] for row in rows if row["request"] in said]
    return sum(same), len(same)


def _nobody_acts(source: Source, tables: Tables, others: Sequence[Side]) -> bool:
    """Whether of those who created households that are there, or did what requests tell of, several people, nobody is known."""
    events, homes = tables[EVENTS].c, tables["households"].c
    created = and_(tables.event_is(EventType.CREATED), events.user_id.is_not(None), events.household_id == homes.id)
    creators = source.rows(select(events.user_id.label("who")).where(created).limit(SAMPLE), "agreement")
    who = {str(row["who"]) for row in creators}
    if len(who) >= ENOUGH and not _known(source, tables, who, others):
        return True
    return any(
        present(source, REQUESTS, column) and told_otherwise(source, tables, column)
        for column in ("user_id", "responded_by")
    )


def _known(source: Source, tables: Tables, people: set[str], others: Sequence[Side]) -> bool:
    for table, column in others:
        theirs = tables[table].c[column]
        if source.rows(select(theirs).where(tables.users_in(theirs, sorted(people))).limit(1), "agreement"):
            return True
    return False


def nobody_elsewhere(source: Source) -> Iterator[Notice]:
    """A notice on each column of people from which little is concluded, and of whom nobody is known. Raises QueryError."""
    others = tuple(one for one in PEOPLE if present(source, *one))
    sides = [side for side in _LESS if present(source, *side)]
    each = [
        counting_known(source, side, others).add_columns(literal(place).label("place"))
        for place, side in enumerate(sides)
    ]
    for row in source.rows(union_all(*each), "agreement") if each else ():
        table, column = sides[row["place"]]
        if row["number"] >= FEW and not row["known"]:
            yield Notice(
                table,
                f"{named(source, (table, column))} names nobody whom another table knows: its ids were masked, or are of another kind",
                frozenset({f"{table}.{column}"}),
                "export it with the ids that the other tables have",
            )


def _line(source: Source, side: Side, more: str = "") -> str:
    return (
        f"{named(source, side)} names nobody whom another table knows{more}: its ids were masked, or are of another kind; "
        "export it with the ids that the other tables have"
    )
