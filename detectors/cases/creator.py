"""A user who leads households that nobody else has ever joined."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from detectors.cases.rows import batches, grouped, of_households, read_households, read_memberships
from detectors.domain.records import Household
from detectors.domain.values import moment, text_of
from detectors.events import EventType
from detectors.source import Source


@dataclass(frozen=True, slots=True)
class CreatedHousehold:
    """A household that only its creator has ever been a member of, and when a pet's activity was first logged there."""

    household: Household
    first_activity: datetime | None


@dataclass(frozen=True, slots=True)
class CreatorCase:
    """One user who leads households (by leader_id), with those of them that nobody else has ever joined."""

    user_id: str
    lonely: tuple[CreatedHousehold, ...]

    @property
    def key(self) -> str:
        return self.user_id


def creator_cases(source: Source, ids: Sequence[str], least: int) -> Iterator[CreatorCase]:
    """The cases of the creators `ids` with at least so many lonely households, in their order.

    Three statements for each CASES_AT_ONCE of them; of households with a long life the last one reads many rows.
    """
    for some in batches(ids):
        table = source.tables["households"]
        led = read_households(source, source.tables.users_in(table.c.leader_id, some))
        joined: dict[str, set[str]] = defaultdict(set)
        for batch in batches([household.id for household in led]):
            for member in read_memberships(source, of_households(source, "household_members", batch)):
                joined[member.household_id].add(member.user_id)
        alone = [household for household in led if joined[household.id] == {household.leader_id}]
        each = Counter(household.leader_id for household in alone)
        lonely = [household for household in alone if each[household.leader_id] >= least]
        active: dict[str, datetime] = {}
        for batch in batches([household.id for household in lonely]):
            active |= _first_activity(source, batch)
        founded = grouped(lonely, "leader_id")
        for user_id in some:
            mine = sorted(founded[user_id], key=lambda household: (household.created_at, household.id))
            if mine:
                yield CreatorCase(
                    user_id, tuple(CreatedHousehold(household, active.get(household.id)) for household in mine)
                )


def _first_activity(source: Source, ids: Sequence[str]) -> dict[str, datetime]:
    if "household_events" not in source.tables:
        return {}
    events = source.tables["household_events"]
    first = (
        select(events.c.household_id, func.min(events.c.event_timestamp).label("first"))
        .where(
            of_households(source, "household_events", ids),
            source.tables.event_is(EventType.PET_ACTIVITY_LOGGED, common=True),
        )
        .group_by(events.c.household_id)
    )
    return {text_of(row["household_id"]): moment(row["first"]) for row in source.rows(first, "facts")}
