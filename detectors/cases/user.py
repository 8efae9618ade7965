"""A user with their memberships and what they did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement

from detectors.cases.audit_rows import read_lifecycle_events
from detectors.cases.rows import batches, deleted_accounts, grouped, read_memberships
from detectors.domain.records import Event, Membership
from detectors.domain.retries import without_retries
from detectors.source import Source


@dataclass(frozen=True, slots=True)
class UserCase:
    """One user: their memberships in every household, and what they did (as actor) in the look-back."""

    user_id: str
    memberships: tuple[Membership, ...]
    events: tuple[Event, ...]
    deleted_at: datetime | None = None
    """When their account was deleted."""

    @property
    def affected(self) -> int:
        """How many users are affected by what is wrong with their rows: nobody stands behind a deleted account."""
        return 0 if self.deleted_at else 1

    @property
    def key(self) -> str:
        return self.user_id

    def events_of(self, *types: str) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.type in types)


def user_cases(source: Source, ids: Sequence[str], watermark: datetime) -> Iterator[UserCase]:
    """The cases of the users `ids`, in their order; one statement a table for each CASES_AT_ONCE of them."""
    for some in batches(ids):
        table = source.tables["household_members"]
        members = grouped(read_memberships(source, source.tables.users_in(table.c.user_id, some)), "user_id")
        events: dict[str, list[Event]] = defaultdict(list)
        if "household_events" in source.tables:
            condition = source.tables.users_in(source.tables["household_events"].c.user_id, some)
            events = grouped(read_lifecycle_events(source, condition), "user_id")
        gone = deleted_accounts(source, partial(_is_one_of, source, some), watermark)
        for user_id in some:
            yield UserCase(
                user_id,
                tuple(sorted(members[user_id], key=lambda member: (member.joined_at, member.household_id))),
                without_retries(events[user_id]),
                gone.get(user_id),
            )


def _is_one_of(source: Source, users: Sequence[str], column: ColumnElement[Any]) -> ColumnElement[bool]:
    return source.tables.users_in(column, users)
