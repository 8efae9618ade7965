"""Some households with their rows of three tables: what they show together tells of the tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, Text, cast, literal, null, select, union_all

from detectors.events import EventType
from detectors.source.base import Source
from detectors.source.nobodys import FIRST
from detectors.source.tables import Tables
from detectors.source.trail import EVENTS

SAMPLE = 400
"""So many households answer for all."""
MEMBERS, REQUESTS = "household_members", "household_join_requests"
Part = Select[str, str, str, str, str, bool]


@dataclass(frozen=True, slots=True)
class Row:
    """A member row."""

    who: str
    leads: bool
    active: bool
    temporary: bool


@dataclass(slots=True)
class Home:
    """Who leads a household by its row, its member rows, and of its approved requests who asked and who answered."""

    leader: str | None
    rows: list[Row] = field(default_factory=list)
    approved: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def there(self) -> Counter[str]:
        """How many rows each of its people has."""
        return Counter(row.who for row in self.rows)


@dataclass(frozen=True, slots=True)
class Sampled:
    """Households by their ids with their rows, and who created which others, as the audit table tells, with the rows of these."""

    homes: Mapping[str, Home]
    created: Sequence[tuple[str, str]]
    people: Mapping[str, Collection[str]]


def sampled_homes(source: Source, spelled: Tables) -> Sampled:
    """Up to SAMPLE households by their ids; `spelled` know the source's words. Raises QueryError.

    Their rows are asked for by the ids, as two columns of a big table are then read and no others.
    """
    households = spelled["households"].c
    known = select(households.id, households.leader_id).where(households.id.is_not(None))
    some = known.order_by(households.id.desc()).limit(SAMPLE).subquery("some").c
    parts = [_part("leads", some.id, some.leader_id), *_creations(source, spelled)]
    told = source.rows(union_all(*parts) if len(parts) > 1 else parts[0], "agreement")
    homes = {row["home"]: Home(row["who"]) for row in told if row["what"] == "leads"}
    created = [(row["home"], row["who"]) for row in told if row["what"] == "created"]
    people = defaultdict[str, set[str]](set)
    for row in source.rows(_rows(spelled, list(homes), sorted({home for home, _ in created})), "agreement"):
        home = homes.get(row["home"])
        if row["what"] == "row":
            people[row["home"]].add(row["who"])
        if home is not None and row["what"] == "row":
            leads, active = row["more"] == "leader", row["status"] == "active"
            home.rows.append(Row(row["who"], leads, active, bool(row["temporary"])))
        elif home is not None:
            home.approved.append((row["who"], row["more"]))
    return Sampled(homes, created, people)


def _creations(source: Source, spelled: Tables) -> Iterator[Part]:
    """Who created which households, of the first audit rows."""
    if EVENTS not in source.tables:
        return
    events = spelled[EVENTS].c
    first = select(events.event_type, events.household_id, events.user_id).limit(FIRST).subquery("first_rows").c
    created = select(first.household_id, first.user_id).where(
        cast(first.event_type, Text).in_(spelled.spelled(EventType.CREATED)),
        first.household_id.is_not(None),
        first.user_id.is_not(None),
    )
    act = created.limit(SAMPLE // 2).subquery("created").c
    yield _part("created", act.household_id, act.user_id)


def _rows(spelled: Tables, homes: list[str], others: list[str]) -> CompoundSelect[Any]:
    members, requests = spelled[MEMBERS].c, spelled[REQUESTS].c
    role, status = cast(members.role, Text), cast(members.status, Text)
    temporary = members.is_temporary.is_(True)
    return union_all(
        _part("row", members.household_id, members.user_id, role, status, temporary).where(
            spelled.households_in(members.household_id, [*homes, *others]), members.user_id.is_not(None)
        ),
        _part("approved", requests.household_id, requests.user_id, requests.responded_by).where(
            spelled.households_in(requests.household_id, homes),
            requests.status == "approved",
            requests.user_id.is_not(None),
        ),
    )


def _part(
    what: str,
    home: ColumnElement[Any],
    who: ColumnElement[Any],
    more: ColumnElement[Any] | None = None,
    status: ColumnElement[Any] | None = None,
    temporary: ColumnElement[bool] | None = None,
) -> Part:
    return select(
        literal(what).label("what"),
        cast(home, Text).label("home"),
        cast(who, Text).label("who"),
        cast(null() if more is None else more, Text).label("more"),
        cast(null() if status is None else status, Text).label("status"),
        (literal(value=False) if temporary is None else temporary).label("temporary"),
    )
