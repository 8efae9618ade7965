"""A household with everything that is known of it, fetched by its id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, union_all

from detectors.cases.audit_rows import read_lifecycle_events
from detectors.cases.rows import (
    CASES_AT_ONCE,
    batches,
    deleted_accounts,
    grouped,
    of_households,
    read_households,
    read_join_requests,
    read_memberships,
)
from detectors.contract import Context
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Household, JoinRequest, Membership
from detectors.domain.retries import without_retries
from detectors.domain.values import moment, text_of
from detectors.events import LIVED_IN
from detectors.source import Source
from detectors.source.sql import json_text

HOUSEHOLDS_AT_ONCE = {"duckdb": 4000, "postgresql": CASES_AT_ONCE, "spark": 4000}
"""How many households one statement fetches, by engine: each reads a folder's whole files, where a server has an index."""


def household_cases(source: Source, ids: Sequence[str], watermark: datetime) -> Iterator[HouseholdCase]:
    """The cases of the households `ids`, in their order; one statement a table for each HOUSEHOLDS_AT_ONCE of them.

    Accounts count as deleted if they were by the moment `watermark`.
    """
    for some in batches(ids, HOUSEHOLDS_AT_ONCE[source.engine]):
        condition = source.tables.households_in(source.tables["households"].c.id, some)
        rows = sorted(read_households(source, condition), key=_last_written)
        households = {row.id: row for row in rows}
        members = grouped(read_memberships(source, of_households(source, "household_members", some)), "household_id")
        requests = grouped(
            read_join_requests(source, of_households(source, "household_join_requests", some)), "household_id"
        )
        events = grouped(read_lifecycle_events(source, of_households(source, "household_events", some)), "household_id")
        gone = _deleted_of(source, some, watermark)
        inside = _inside(source, _without_rows(some, members, requests))
        for household_id in some:
            people = {member.user_id for member in members[household_id]}
            if household_id in households:
                people.add(households[household_id].leader_id or "")
            yield HouseholdCase(
                household_id,
                households.get(household_id),
                tuple(sorted(members[household_id], key=lambda member: (member.joined_at, member.user_id))),
                tuple(sorted(requests[household_id], key=lambda request: (request.requested_at, request.id))),
                without_retries(events[household_id]),
                {user: gone[user] for user in people & gone.keys()},
                inside.get(household_id, {}),
            )


def _last_written(row: Household) -> tuple[bool, datetime]:
    """Where a table without a key holds a household twice, the row that was written last counts."""
    return row.updated_at is not None, row.updated_at or row.created_at


def household_cases_by_id(source: Source, ids: Iterable[str], context: Context) -> dict[str, HouseholdCase]:
    """The cases of the households `ids`, each once, whatever their order."""
    wanted = sorted(set(ids) - {""})
    return {case.household_id: case for case in household_cases(source, wanted, context.watermark)}


def _deleted_of(source: Source, homes: Sequence[str], watermark: datetime) -> dict[str, datetime]:
    """When the accounts of those were deleted who have a row in one of `homes` or are named as its leader."""
    households, members = source.tables["households"], source.tables["household_members"]
    people = union_all(
        select(members.c.user_id).where(source.tables.households_in(members.c.household_id, homes)),
        select(households.c.leader_id).where(source.tables.households_in(households.c.id, homes)),
    ).subquery("person")
    return deleted_accounts(source, lambda user: user.in_(select(people.c.user_id)), watermark)


def _without_rows(
    homes: Sequence[str], members: Mapping[str, Sequence[Membership]], requests: Mapping[str, Sequence[JoinRequest]]
) -> list[str]:
    """The households where somebody must have been, or was approved, who has no member row."""
    found = []
    for home in homes:
        here = {member.user_id for member in members.get(home, ())}
        approved = {request.user_id for request in requests.get(home, ()) if request.status == "approved"}
        if not here or approved - here:
            found.append(home)
    return found


def _inside(source: Source, homes: Sequence[str]) -> dict[str, dict[str, datetime]]:
    """By household: when each person last did there what only members do, as far as the lifecycle does not tell."""
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    if homes and "household_events" in source.tables:
        events = source.tables["household_events"]
        last = (
            select(events.c.household_id, events.c.user_id, func.max(events.c.event_timestamp).label("last"))
            .where(
                of_households(source, "household_events", homes),
                source.tables.event_is(*LIVED_IN, common=True),
                events.c.user_id.is_not(None),
                func.coalesce(json_text(events.c.metadata, "error_code"), "") == "",
            )
            .group_by(events.c.household_id, events.c.user_id)
        )
        for row in source.rows(last, "facts"):
            found[text_of(row["household_id"])][text_of(row["user_id"])] = moment(row["last"])
    return found
