"""Tables that lost rows all over on the way: sampled, filtered, or delivered in part.

A fault takes the leader's row, or somebody's who was let in, or all rows of a household. In a thinned table all of these
are gone, and several in one household.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, literal, select, union_all

from detectors.events import EventType
from detectors.source.base import Source
from detectors.source.looking_up import SAMPLE
from detectors.source.sql import json_text
from detectors.source.tables import Tables
from detectors.source.trail import EVENTS

MEMBERS, REQUESTS = "household_members", "household_join_requests"
SEVERAL = 4
"""In so many households the leader's row and one of somebody who was let in are gone, and others are there."""
OF_EACH = 5
"""So many households lack the leader's row alone, so many that of somebody who was let in, and so many all rows."""
MOST = 0.6
"""A larger share of households with a fault of each of these kinds is no town."""


@dataclass(slots=True)
class _Home:
    """Whose rows a household must have, and whose it has."""

    leader: str | None
    let_in: set[str] = field(default_factory=set)
    there: set[str] = field(default_factory=set)

    @property
    def leader_lacks(self) -> bool:
        return self.leader is not None and self.leader not in self.there

    @property
    def others_lack(self) -> set[str]:
        return self.let_in - self.there - {self.leader or ""}


def thinned_members(source: Source, spelled: Tables) -> Iterator[str]:
    """A line where rows of household_members are gone as no fault takes them. Raises QueryError."""
    homes = _homes(source, spelled)
    if not _suspicious(homes.values()):
        return
    gone = _gone(source, spelled, [key for key, home in homes.items() if home.leader_lacks or home.others_lack])
    if gone is None:
        return
    for key, home in homes.items():
        home.there |= gone.get(key, set())
    if _suspicious(homes.values()):
        lack = sum(home.leader_lacks or bool(home.others_lack) for home in homes.values())
        yield (
            f"{MEMBERS} lacks rows all over: in {lack:,} of {len(homes):,} households the leader, somebody who was let in, or both "
            "have none, though nothing tells that they left; the table was sampled, filtered or cut, or rows were deleted: "
            "deliver it whole"
        )


def _homes(source: Source, spelled: Tables) -> dict[str, _Home]:
    """Some households with the people whose rows are looked for, and whose are there."""
    households, members, requests = (spelled[name].c for name in ("households", MEMBERS, REQUESTS))
    some = select(households.id, households.leader_id).order_by(households.id.desc()).limit(SAMPLE).cte("some").c
    approved = _people("let_in", some.id, requests).where(requests.status == "approved")
    leads = select(literal("leads").label("what"), some.id.label("home"), some.leader_id.label("who"))
    rows = source.rows(union_all(leads, _people("there", some.id, members), approved), "agreement")
    homes = {str(row["home"]): _Home(row["who"] and str(row["who"])) for row in rows if row["what"] == "leads"}
    for row in rows:
        if row["what"] != "leads":
            getattr(homes[str(row["home"])], row["what"]).add(str(row["who"]))
    return homes


def _people(what: str, homes: ColumnElement[Any], rows: Any) -> Select[str, Any, Any]:
    own = select(literal(what).label("what"), rows.household_id.label("home"), rows.user_id.label("who"))
    return own.where(rows.household_id == homes, rows.user_id.is_not(None))


def _suspicious(homes: Collection[_Home]) -> bool:
    told = [home for home in homes if home.leader is not None and home.let_in]
    here = [home for home in told if home.there]
    both = sum(home.leader_lacks and bool(home.others_lack) for home in here)
    leaders = sum(home.leader_lacks and not home.others_lack for home in here)
    others = sum(bool(home.others_lack) and not home.leader_lacks for home in here)
    if both >= SEVERAL and others:
        return True
    empty = len(told) - len(here)
    return min(leaders, others, empty) >= OF_EACH and leaders + others + empty + both > MOST * len(told)


def _gone(source: Source, spelled: Tables, homes: Sequence[str]) -> Mapping[str, set[str]] | None:
    """By household who left it or was removed; None where nobody can tell."""
    if EVENTS not in source.tables or not source.schema.has(f"{EVENTS}.metadata"):
        # Where rows stay, who is gone has one.
        members = spelled[MEMBERS].c
        stay = source.rows(select(members.status).where(members.status == "removed").limit(1), "agreement")
        return {} if stay else None
    events, gone = spelled[EVENTS].c, defaultdict[str, set[str]](set)
    told = select(
        events.household_id.label("home"),
        cast(events.user_id, Text).label("actor"),
        json_text(events.metadata, "member_id").label("removed"),
    ).where(
        spelled.event_is(EventType.LEFT, EventType.MEMBER_REMOVED), spelled.households_in(events.household_id, homes)
    )
    for row in source.rows(told, "agreement"):
        who = row["removed"] or row["actor"]
        if who:
            gone[str(row["home"])].add(spelled.plain_user_id(who))
    return gone
