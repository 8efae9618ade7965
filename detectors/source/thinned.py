"""Tables that lost rows all over on the way: sampled, filtered, or delivered in part.

A fault takes the leader's row, or somebody's who was let in, or all rows of a household. In a thinned table all of these
are gone, and several in one household.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Text, cast, select

from detectors.events import EventType
from detectors.source.base import Source
from detectors.source.sampled_homes import MEMBERS, Home
from detectors.source.sql import json_text
from detectors.source.tables import Tables
from detectors.source.trail import EVENTS

SEVERAL = 4
"""In so many households the leader's row and one of somebody who was let in are gone, and others are there."""
LEAST = 0.05
"""And in so large a share of them: some of very many may lack several."""
OF_EACH = 5
"""So many households lack the leader's row alone, so many that of somebody who was let in, and so many all rows."""
MOST = 0.6
"""A larger share of households with a fault of each of these kinds is no town."""


def thinned_members(source: Source, spelled: Tables, homes: Mapping[str, Home]) -> Iterator[str]:
    """A line where rows of household_members are gone as no fault takes them. Raises QueryError."""
    lacking = {key: _lacking(home) for key, home in homes.items() if home.leader is not None and home.approved}
    if not _suspicious(homes, lacking):
        return
    gone = _gone(source, spelled, [key for key, lack in lacking.items() if lack])
    if gone is None:
        return
    lacking = {key: lack - gone.get(key, set()) for key, lack in lacking.items()}
    if _suspicious(homes, lacking):
        lack = sum(bool(each) for each in lacking.values())
        yield (
            f"{MEMBERS} lacks rows all over: in {lack:,} of {len(homes):,} households the leader, somebody who was let in, or both "
            "have none, though nothing tells that they left; the table was sampled, filtered or cut, or rows were deleted: "
            "deliver it whole"
        )


def _lacking(home: Home) -> set[str]:
    """Who must have a row in a household, and has none."""
    return ({who for who, _ in home.approved} | {home.leader or ""}) - home.there.keys()


def _suspicious(homes: Mapping[str, Home], lacking: Mapping[str, set[str]]) -> bool:
    """Whether so much lacks; nothing is told where all rows of a household lack, but that these do."""
    here = [
        (homes[key].leader in lack, bool(lack - {homes[key].leader}))
        for key, lack in lacking.items()
        if homes[key].rows
    ]
    both = sum(leader and others for leader, others in here)
    leaders = sum(leader and not others for leader, others in here)
    others = sum(others and not leader for leader, others in here)
    if both >= max(SEVERAL, LEAST * len(here)) and others:
        return True
    empty = len(lacking) - len(here)
    return min(leaders, others, empty) >= OF_EACH and leaders + others + empty + both > MOST * len(lacking)


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
