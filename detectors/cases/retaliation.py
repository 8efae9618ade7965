"""A household in which members were removed, beside what its people wrote to support."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_

from detectors.cases.household import household_cases_by_id
from detectors.cases.rows import batches, read_support_requests
from detectors.contract import Context
from detectors.domain.household import HouseholdCase
from detectors.domain.records import SupportRequest
from detectors.events import EventType
from detectors.source import Source


@dataclass(frozen=True, slots=True)
class RetaliationCase:
    """A household in which members were removed, with the support requests about it or by its people."""

    key: str
    home: HouseholdCase
    reports: tuple[SupportRequest, ...]


def retaliation_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[RetaliationCase]:
    """The cases of households with removals; reports of the window and the punitive hours before it."""
    known = source.tables.is_user_id
    for some in batches(ids):
        homes = household_cases_by_id(source, some, context)
        people = {home: _people(case) for home, case in homes.items()}
        everyone = sorted({person for some_people in people.values() for person in some_people if known(person)})
        table = source.tables["support_requests"]
        limits = context.limits
        since = context.window.start - context.back("objections")
        reports = read_support_requests(
            source,
            and_(
                table.c.created_at >= since,
                table.c.created_at < context.window.end,
                table.c.category.in_(limits.objection_categories),
                or_(
                    source.tables.households_in(table.c.household_id, some),
                    source.tables.users_in(table.c.requester_id, everyone),
                ),
            ),
        )
        for key in some:
            mine = tuple(r for r in reports if r.household_id == key or r.requester_id in people[key])
            yield RetaliationCase(key, homes[key], mine)


def _people(home: HouseholdCase) -> set[str]:
    removed = {event.member_id for event in home.events_of(EventType.MEMBER_REMOVED)}
    return ({member.user_id for member in home.members} | removed) - {""}
