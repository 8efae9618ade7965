"""Very many households in the same state: some of them are evaluated, and those that are alike are counted.

A rule whose `by_shape` is set decides about a quiet household by its shape alone: which of its people have a row, who of them is
active, has the role of leader, sits, is named by leader_id or created it. Quiet is one of which neither the clocks nor the audit
trail tell anything else that bears on leadership. Of each shape the first households are evaluated in full; only if all of their
verdicts are the same does the verdict hold for the others. So a count is exact, and the rule stands in one place.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import compress
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from detectors.cases.rows import users_by_id
from detectors.contract import Context, Detector, Finding
from detectors.domain.values import text_of
from detectors.events import LEADERSHIP_EVENTS, EventType
from detectors.findings import Alike, Distinct
from detectors.source import Source
from detectors.source.trail import EVENTS

AT_ONCE = {"duckdb": 30_000, "postgresql": 20_000, "spark": 50_000}
"""Of so many households one statement tells the shapes, by engine: each reads a folder's whole files."""
SHOWN = 10
"""So many an incident's text names, however few it lists."""
SPARE = 200
"""So many more of each shape are evaluated than an incident lists, as some of them may be explained by something else."""

Waiting = tuple[Detector, ...]
Verdict = tuple[tuple[object, ...], ...]


@dataclass(slots=True)
class Group:
    """Households of one shape that wait for the same detectors, in the order of their ids."""

    waiting: Waiting
    width: int
    """How many people each has, with its leader_id."""
    evaluated: int = 0
    """So many of them, the first, are evaluated in full."""
    ids: list[str] = field(default_factory=list)
    people: array[int] = field(default_factory=lambda: array("q"))
    """The hashes of each household's people, one after the other: the ids themselves would be many megabytes."""
    first: tuple[Finding, ...] = ()
    _verdicts: set[Verdict | None] = field(default_factory=set)

    @property
    def rest(self) -> list[str]:
        return self.ids[self.evaluated :]

    @property
    def agreed(self) -> bool:
        """Whether the verdicts on those that were evaluated are the same, so that it is the others', too."""
        return len(self._verdicts) == 1 and None not in self._verdicts

    def note(self, place: int, found: Sequence[Finding]) -> None:
        """What was found in the household at that place."""
        people = self.people[place * self.width : (place + 1) * self.width]
        self.first = self.first or tuple(found)
        told = [_verdict(one, self.ids[place], people) for one in found]
        self._verdicts.add(None if None in told else tuple(one for one in told if one is not None))

    def counted(self) -> Iterator[Alike]:
        """The rest, for each detector that found something in the first of them."""
        begin = self.evaluated * self.width
        known = self.people[: self.width]
        for finding in self.first:
            named = set(map(hash, finding.users))
            chosen = [one in named for one in known] * (len(self.ids) - self.evaluated)
            users = Distinct()
            users.add_hashes(compress(self.people[begin:], chosen))
            yield Alike(finding, len(self.ids) - self.evaluated, users)

    def without(self, households: Collection[str]) -> list[str]:
        """Take these out of the rest; those that were in it."""
        taken = [one for one in self.rest if one in households]
        if taken:
            keep = [place < self.evaluated or one not in households for place, one in enumerate(self.ids)]
            self.people = array("q", compress(self.people, (kept for kept in keep for _ in range(self.width))))
            self.ids = list(compress(self.ids, keep))
        return taken


def _verdict(finding: Finding, household: str, people: Sequence[int]) -> tuple[object, ...] | None:
    """What a finding says of a household, whoever lives there; None where it says more than that."""
    users = set(map(hash, finding.users))
    plain = finding.households == (household,) and finding.subject == {"household_id": household}
    if not plain or finding.occurred_at or finding.first_seen or not users <= set(people):
        return None
    named = tuple(one in users for one in people)
    return (finding.detector, finding.severity, finding.title, finding.kind, finding.marks, str(finding.impact), named)


def groups(
    source: Source,
    wanted: Mapping[str, Waiting],
    context: Context,
    marking: Sequence[Detector],
    closely: Collection[str],
) -> list[Group]:
    """The households of `wanted` that have the shape of very many others; those in `closely` are left out."""
    limits = context.limits
    evaluated = max(limits.incident_members_most, limits.incident_size + 1, SHOWN) + SPARE
    combinations = {id(waiting): waiting for waiting in wanted.values()}
    willing = {key for key, waiting in combinations.items() if all(detector.by_shape for detector in waiting)}
    able = sorted(one for one, waiting in wanted.items() if id(waiting) in willing and one not in closely)
    found: dict[tuple[str, int], Group] = {}
    at_once = AT_ONCE[source.engine]
    for start in range(0, len(able), at_once):
        some = able[start : start + at_once]
        shapes = {text_of(row["household_id"]): row for row in _rows(source, some, context)}
        apart = _remarkable(source, shapes.values(), marking, context)
        for household in some:
            row = shapes.get(household)
            if row is not None and apart.isdisjoint(row["people"]):
                key = f"{row['named']}{row['shape']}", id(wanted[household])
                group = found.get(key)
                if group is None:
                    group = found[key] = Group(wanted[household], len(row["people"]) + 1, evaluated)
                group.ids.append(household)
                group.people.append(hash(text_of(row["leader_id"])))
                group.people.extend(map(hash, row["people"]))
    return [group for group in found.values() if len(group.ids) > 2 * evaluated]


def _remarkable(
    source: Source, rows: Iterable[Mapping[str, Any]], marking: Sequence[Detector], context: Context
) -> set[str]:
    """The people of these households of whom a finding may say more than of others."""
    if not marking:
        return set()
    people = {user for row in rows for user in (text_of(row["leader_id"]), *row["people"])}
    known = [user for user in people if source.tables.is_user_id(user)]
    accounts = users_by_id(source, sorted(known), at_once=AT_ONCE[source.engine])
    return {
        user for user, account in accounts.items() if any(detector.remarkable(account, context) for detector in marking)
    }


def _rows(source: Source, ids: Sequence[str], context: Context) -> list[Mapping[str, Any]]:
    """The quiet ones among some households, with their shapes. An id that two rows have is left out."""
    rows = source.rows(_shapes(source, ids, context), "shapes")
    each = Counter(text_of(row["household_id"]) for row in rows)
    return [row for row in rows if each[text_of(row["household_id"])] == 1]


def _shapes(source: Source, ids: Sequence[str], context: Context) -> Select[Any]:
    tables, settled = source.tables, context.watermark
    told, gone = _told(source, ids, context), _gone(source, context)
    households, rows = tables["households"], tables["household_members"]
    # Beside each row, as not every engine looks it up inside an aggregate.
    deleted = func.coalesce(gone(rows.c.user_id), False).label("is_deleted")
    members = select(*rows.c, deleted).subquery("member")
    user, leader = cast(members.c.user_id, Text), cast(households.c.leader_id, Text)
    beside = timedelta(seconds=context.limits.creator_seconds)
    bits = (
        (members.c.status == "active", "a"),
        (members.c.role == "leader", "l"),
        (members.c.is_temporary.is_(True), "t"),
        (user == leader, "n"),
        (user == told.c.creator, "c"),
        (members.c.joined_at.between(households.c.created_at - beside, households.c.created_at + beside), "b"),
    )
    shape: ColumnElement[str] = literal(".")
    for condition, letter in bits:
        shape = shape + case((condition, letter), else_="")
    in_order = (members.c.joined_at, user)
    changed = households.c.updated_at
    return (
        select(
            households.c.id.label("household_id"),
            leader.label("leader_id"),
            case((leader.is_(None), "-"), else_="+").label("named"),
            func.string_agg(shape, aggregate_order_by(literal(""), *in_order)).label("shape"),
            func.array_agg(aggregate_order_by(user, *in_order)).label("people"),
        )
        .select_from(
            households.join(members, members.c.household_id == households.c.id).outerjoin(
                told, told.c.household_id == households.c.id
            )
        )
        .where(
            tables.households_in(households.c.id, ids),
            households.c.created_at <= settled,
            or_(changed.is_(None), changed <= settled, changed > context.as_of),
            func.coalesce(told.c.quiet, True),
            func.coalesce(gone(households.c.leader_id), False).is_(False),
        )
        .group_by(households.c.id, households.c.leader_id, households.c.created_at, changed)
        .having(
            func.count() == func.count(members.c.user_id.distinct()),
            func.bool_and(func.coalesce(members.c.joined_at <= settled, True)),
            func.bool_or(members.c.is_deleted).is_(False),
        )
    )


def _told(source: Source, ids: Sequence[str], context: Context) -> FromClause:
    """What the audit trail tells of leadership in some households: who created each, and whether that is all."""
    tables = source.tables
    if EVENTS not in tables:
        households = tables["households"]
        nothing = select(households.c.id.label("household_id"), cast(households.c.leader_id, Text).label("creator"))
        return nothing.add_columns(true().label("quiet")).where(false()).subquery("told")
    events = tables[EVENTS]
    creator = cast(events.c.user_id, Text)
    created = func.coalesce(tables.event_is(EventType.CREATED), False)
    quiet = and_(created, func.coalesce(events.c.event_timestamp <= context.watermark, True))
    return (
        select(
            events.c.household_id,
            func.min(creator).label("creator"),
            and_(func.bool_and(quiet), func.count(creator.distinct()) <= 1).label("quiet"),
        )
        .where(tables.households_in(events.c.household_id, ids), tables.event_is(*LEADERSHIP_EVENTS, common=True))
        .group_by(events.c.household_id)
        .subquery("told")
    )


def _gone(source: Source, context: Context) -> Any:
    """The condition that an account is deleted, for a column of user ids."""
    if not source.schema.has("users.deleted_at"):
        return lambda _: false()
    users = source.tables["users"]
    deleted = select(users.c.id).where(users.c.deleted_at <= context.watermark, users.c.id.is_not(None))
    return lambda user: user.in_(deleted)
