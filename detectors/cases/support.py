"""A request to support, with who asked and what else the parties wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, false, or_

from detectors.cases.household import household_cases_by_id
from detectors.cases.rows import (
    batches,
    grouped,
    member_user,
    read_memberships,
    read_support_requests,
    sessions_of,
    users_by_id,
)
from detectors.contract import Context
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Membership, Session, SupportRequest, User
from detectors.source import Source


@dataclass(frozen=True, slots=True)
class SupportCase:
    """A support request with its household, the requester's account, and what else was written by or about the parties."""

    key: str
    request: SupportRequest
    household: HouseholdCase | None
    requester: User | None
    others: tuple[SupportRequest, ...]
    memberships: tuple[Membership, ...]
    """The requester's, in every household."""
    sessions: tuple[Session, ...]
    """The requester's."""
    accounts_known: bool = True
    """Whether the source has accounts, so that a missing one is missing."""


def support_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[SupportCase]:
    """The cases of the support requests `ids`."""
    table = source.tables["support_requests"]
    for some in batches(ids):
        requests = read_support_requests(source, source.tables.ids_in(table.c.id, some))
        homes = household_cases_by_id(source, {request.household_id for request in requests}, context)
        requesters = sorted({request.requester_id for request in requests} - {""})
        parties = sorted({request.subject_user_id for request in requests}.union(requesters) - {""})
        accounts = users_by_id(source, requesters)
        others = read_support_requests(source, _by_or_about(source, parties))
        rows = grouped(read_memberships(source, source.tables.users_in(member_user(source), requesters)), "user_id")
        sessions = sessions_of(source, requesters)
        for request in sorted(requests, key=lambda request: request.id):
            who = {request.requester_id, request.subject_user_id} - {""}
            yield SupportCase(
                request.id,
                request,
                homes.get(request.household_id),
                accounts.get(request.requester_id),
                tuple(o for o in others if o.id != request.id and who & {o.requester_id, o.subject_user_id}),
                tuple(rows.get(request.requester_id, ())),
                sessions.get(request.requester_id, ()),
                "users" in source.tables,
            )


def _by_or_about(source: Source, people: Sequence[str]) -> ColumnElement[bool]:
    if "support_requests" not in source.tables:
        return false()
    table = source.tables["support_requests"]
    return or_(
        source.tables.users_in(table.c.requester_id, people), source.tables.users_in(table.c.subject_user_id, people)
    )
