"""How many rows stand behind what is known of a household, so that one of them that is lost does not read as a repair."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, literal, select

from detectors.contract import Detector
from detectors.engine.applicability import tables_of
from detectors.events import LIFECYCLE
from detectors.findings import Found
from detectors.source import QueryError, Source
from detectors.source.erased import is_anonymised_row
from detectors.source.sql import json_text
from detectors.source.trail import EVENTS

Rows = Mapping[str, int]
"""By table: how many people, their accounts, requests or audit rows; of the audit rows also how many of each type, how many of the keys that
rules conclude from are named (METADATA), and how many are of people who had their data erased (ANONYMISED). Of people also how many
are active members now (ACTIVE), and of how many of these the account is deleted (DELETED)."""
METADATA = f"{EVENTS}.metadata"
ANONYMISED = f"{EVENTS}.anonymised"
ACTIVE, DELETED = "household_members.active", "users.deleted"
NO_EVIDENCE = frozenset({ANONYMISED, ACTIVE, DELETED})
"""Numbers that say something else than how many rows there are: fewer of them are no loss."""
KEYS = (
    "member_id",
    "new_member_id",
    "requester_id",
    "from_user_id",
    "to_user_id",
    "request_id",
    "was_leader",
    "correlation_id",
)
_TIMES = {"household_members": "joined_at", "household_join_requests": "requested_at", EVENTS: "event_timestamp"}
_ACCOUNTS = "users"
_ASKED, _PEOPLE = ("household_join_requests",), ("household_members", _ACCOUNTS)
_BESIDE = {EVENTS: (METADATA, ANONYMISED), "household_members": (ACTIVE,), _ACCOUNTS: (DELETED,)}
_AT_ONCE = 500


def rows_behind(
    source: Source, households: Collection[str], until: datetime, watermark: datetime
) -> dict[str, dict[str, int]]:
    """Of each household, by table, how many people, requests and audit rows on its life there are up to `until`.

    People are counted, not their rows: whoever deletes a duplicate row has repaired something. What cannot be asked is left
    out, for every household. An account is deleted if it was by the moment `watermark`.
    """
    found: dict[str, dict[str, int]] = {household: {} for household in households}
    # Where rows are deleted when somebody leaves, and with them what they did, fewer of them are how things are put right.
    deleted = "rows_are_deleted" in source.schema.otherwise
    for table in (*_ASKED, *_PEOPLE) if deleted else (*_TIMES, _ACCOUNTS):
        try:
            there = table in source.tables
            counted = _counted(source, table, sorted(households), until, watermark) if there else None
        except (QueryError, ValueError):
            # A table that cannot be asked, or an id that the source cannot hold: nothing is known of them.
            counted = None
        if counted is not None:
            for household, rows in found.items():
                own = counted.get(household, dict.fromkeys(_always(table), 0))
                rows.update({key: number for key, number in own.items() if not deleted or key not in _PEOPLE})
    return found


def _always(table: str) -> tuple[str, ...]:
    return (table, *_BESIDE.get(table, ()))


def _counted(
    source: Source, table: str, households: Sequence[str], until: datetime, watermark: datetime
) -> dict[str, dict[str, int]]:
    if table == EVENTS:
        return _counted_events(source, households, until)
    if table == _ACCOUNTS:
        return _counted_accounts(source, households, until, watermark)
    rows = source.tables[table]
    early = rows.c[_TIMES[table]] <= until
    numbers = {table: func.count().filter(early)}
    if table == "household_members":
        people = func.count(func.distinct(rows.c.user_id))
        numbers = {table: people.filter(early), ACTIVE: people.filter(rows.c.status == "active")}
    return _by_home(source, rows, rows.c.household_id, numbers, households)


def _by_home(
    source: Source,
    rows: FromClause,
    home: ColumnElement[Any],
    numbers: Mapping[str, ColumnElement[int]],
    households: Sequence[str],
) -> dict[str, dict[str, int]]:
    """The `numbers` of each household, as they are called."""
    found: dict[str, dict[str, int]] = {}
    each = [number.label(f"n{place}") for place, number in enumerate(numbers.values())]
    for mine in _some(source, home, households):
        counted = select(home.label("home"), *each).select_from(rows).where(mine).group_by(home)
        for row in source.rows(counted, "rows behind"):
            found[str(row["home"])] = {name: int(row[f"n{place}"]) for place, name in enumerate(numbers)}
    return found


def _counted_events(source: Source, households: Sequence[str], until: datetime) -> dict[str, dict[str, int]]:
    """Of each household the audit rows on its life, all and by type, and how many known keys their metadata name."""
    rows = source.tables[EVENTS]
    home, kind = rows.c.household_id, rows.c.event_type
    named: ColumnElement[int] = literal(0)
    erased: ColumnElement[int] = literal(0)
    if source.schema.has(METADATA):
        named = sum((func.count(json_text(rows.c.metadata, key)) for key in KEYS), literal(0))
        erased = func.count().filter(is_anonymised_row(rows))
    life = source.tables.event_is(*LIFECYCLE, common=True)
    found: dict[str, dict[str, int]] = {}
    for mine in _some(source, home, households):
        numbers = (func.count().label("number"), named.label("named"), erased.label("erased"))
        counted = select(home.label("home"), kind.label("kind"), *numbers)
        for row in source.rows(
            counted.where(mine, life, rows.c.event_timestamp <= until).group_by(home, kind), "rows behind"
        ):
            own = found.setdefault(str(row["home"]), dict.fromkeys(_always(EVENTS), 0))
            each = f"{EVENTS}:{source.tables.canonical_event(str(row['kind']))}"
            told = {EVENTS: row["number"], METADATA: row["named"], ANONYMISED: row["erased"], each: row["number"]}
            for key, number in told.items():
                own[key] = own.get(key, 0) + int(number)
    return found


def _counted_accounts(
    source: Source, households: Sequence[str], until: datetime, watermark: datetime
) -> dict[str, dict[str, int]]:
    """Of each household how many of its people have an account's row: a deleted one is purged some day, and the person seems alive."""
    members, users = source.tables["household_members"], source.tables[_ACCOUNTS]
    people = func.count(func.distinct(members.c.user_id))
    numbers: dict[str, ColumnElement[int]] = {
        _ACCOUNTS: people.filter(members.c.joined_at <= until),
        DELETED: literal(0),
    }
    if source.schema.has("users.deleted_at"):
        numbers[DELETED] = people.filter(members.c.status == "active", users.c.deleted_at <= watermark)
    both = members.join(users, users.c.id == members.c.user_id)
    return _by_home(source, both, members.c.household_id, numbers, households)


def _some(source: Source, home: ColumnElement[Any], households: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    for start in range(0, len(households), _AT_ONCE):
        yield source.tables.households_in(home, households[start : start + _AT_ONCE])


def behind_each(
    source: Source,
    findings: Collection[Found],
    detectors: Mapping[str, Detector],
    until: datetime,
    watermark: datetime,
    most: int,
) -> dict[str, dict[str, int]]:
    """By fingerprint the rows behind each state finding that names up to `most` households, in the tables it rests on."""
    states = [one for one in findings if one.kind == "state" and 0 < len(one.households) <= most]
    counted = rows_behind(source, {home for one in states for home in one.households}, until, watermark)
    return {one.fingerprint: added_up(counted, one.households, detectors[one.detector]) for one in states}


def added_up(counted: Mapping[str, Rows], households: Collection[str], detector: Detector) -> dict[str, int]:
    """The rows of some households together, in the tables on which a detector's verdict rests."""
    rests_on = tables_of(detector)
    known = {table for home in households for table in counted.get(home, {})}
    return {
        table: sum(counted[home].get(table, 0) for home in households if home in counted)
        for table in sorted(known)
        if re.split("[.:]", table)[0] in rests_on
    }
