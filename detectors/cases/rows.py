"""The rows of each table as records, fetched by key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any

from sqlalchemy import ColumnElement, false, func, select

from detectors.domain.records import Household, JoinRequest, Membership, Session, SupportRequest, User
from detectors.domain.values import moment, optional_text, text_of, utc
from detectors.source import Source
from detectors.source.longest import MOST_CHARACTERS
from detectors.source.sql import columns_to_read

CASES_AT_ONCE = 1000
"""How many households or users one statement fetches the facts of."""


def batches(ids: Sequence[str], at_once: int = CASES_AT_ONCE) -> Iterator[Sequence[str]]:
    """The ids, so many at a time."""
    for start in range(0, len(ids), at_once):
        yield ids[start : start + at_once]


def grouped(rows: Iterable[Any], key: str) -> dict[str, list[Any]]:
    """The records by the value of one attribute."""
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, key)].append(row)
    return groups


def of_households(source: Source, table: str, ids: Sequence[str]) -> ColumnElement[bool]:
    """Whether a row of `table` belongs to one of the households; false where there is no such table."""
    if table not in source.tables:
        return false()
    return source.tables.households_in(source.tables[table].c.household_id, ids)


def read_households(source: Source, condition: ColumnElement[bool]) -> list[Household]:
    """The household rows on which `condition` holds."""
    table = source.tables["households"]
    return [
        Household(
            id=text_of(row["id"]),
            name=row["name"],
            description=row["description"],
            invite_code=row["invite_code"],
            invite_code_expires_at=utc(row["invite_code_expires_at"]),
            leader_id=optional_text(row["leader_id"]),
            created_at=moment(row["created_at"]),
            updated_at=utc(row["updated_at"]),
        )
        for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")
    ]


def read_memberships(source: Source, condition: ColumnElement[bool]) -> list[Membership]:
    """The member rows on which `condition` holds."""
    table = source.tables["household_members"]
    return [
        Membership(
            household_id=text_of(row["household_id"]),
            user_id=text_of(row["user_id"]),
            role=text_of(row["role"]),
            status=text_of(row["status"]),
            is_temporary=bool(row["is_temporary"]),
            temporary_expires_at=utc(row["temporary_expires_at"]),
            invited_by=optional_text(row["invited_by"]),
            joined_at=moment(row["joined_at"]),
        )
        for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")
    ]


def read_join_requests(source: Source, condition: ColumnElement[bool]) -> list[JoinRequest]:
    """The join requests on which `condition` holds."""
    table = source.tables["household_join_requests"]
    return [
        JoinRequest(
            id=text_of(row["id"]),
            household_id=text_of(row["household_id"]),
            user_id=text_of(row["user_id"]),
            invite_code=row["invite_code"],
            status=text_of(row["status"]),
            requested_at=moment(row["requested_at"]),
            responded_at=utc(row["responded_at"]),
            responded_by=optional_text(row["responded_by"]),
        )
        for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")
    ]


def read_support_requests(source: Source, condition: ColumnElement[bool]) -> list[SupportRequest]:
    """The requests to support on which `condition` holds, in order of time; none where there is no such table."""
    if "support_requests" not in source.tables:
        return []
    table = source.tables["support_requests"]
    return sorted(
        (_support_request(row) for row in source.rows(select(*columns_to_read(table)).where(condition), "facts")),
        key=lambda request: (request.created_at, request.id),
    )


def _support_request(row: Mapping[str, Any]) -> SupportRequest:
    return SupportRequest(
        text_of(row["id"]),
        moment(row["created_at"]),
        text_of(row["requester_id"]),
        text_of(row["household_id"]),
        text_of(row["subject_user_id"]),
        text_of(row["category"]),
        row["feature"] or "",
        row["body"] or "",
        text_of(row["status"]),
    )


def _read_sessions(source: Source, condition: ColumnElement[bool]) -> list[Session]:
    table = source.tables["sessions"]
    columns = (
        table.c.id,
        table.c.user_id,
        table.c.created_at,
        table.c.revoked_at,
        table.c.ip_address,
        func.substr(table.c.user_agent, 1, MOST_CHARACTERS).label("user_agent"),
    )
    return [
        Session(
            text_of(row["id"]),
            text_of(row["user_id"]),
            moment(row["created_at"]),
            utc(row["revoked_at"]),
            optional_text(row["ip_address"]) or "",
            optional_text(row["user_agent"]) or "",
        )
        for row in source.rows(select(*columns).where(condition), "facts")
    ]


def sessions_of(source: Source, users: Sequence[str]) -> dict[str, tuple[Session, ...]]:
    """By user: their sessions in order of time; none where there is no such table."""
    if "sessions" not in source.tables or not users:
        return {}
    found: dict[str, list[Session]] = defaultdict(list)
    for session in _read_sessions(source, source.tables.users_in(source.tables["sessions"].c.user_id, users)):
        found[session.user_id].append(session)
    return {user: tuple(sorted(some, key=lambda one: (one.created_at, one.id))) for user, some in found.items()}


def session_owners(source: Source, ids: Sequence[str]) -> dict[str, str]:
    """By session: whose it is."""
    if "sessions" not in source.tables or not ids:
        return {}
    condition = source.tables.ids_in(source.tables["sessions"].c.id, ids)
    return {session.id: session.user_id for session in _read_sessions(source, condition)}


def users_by_id(source: Source, ids: Sequence[str], *, at_once: int = CASES_AT_ONCE) -> dict[str, User]:
    """The accounts of `ids` that are in the users table, by id; empty where there is no such table."""
    if "users" not in source.tables or not ids:
        return {}
    table = source.tables["users"]
    return {
        text_of(row["id"]): User(
            text_of(row["id"]),
            utc(row["created_at"]),
            utc(row["deleted_at"]),
            row["account_tier"] or "",
            _amount(row["monthly_revenue"]),
        )
        for some in batches(ids, at_once)
        for row in source.rows(select(*columns_to_read(table)).where(source.tables.users_in(table.c.id, some)), "facts")
    }


def _amount(value: Any) -> float | None:
    """An amount of money; None where there is none, or one that is no number."""
    amount = None if value is None else float(value)
    return amount if amount is not None and isfinite(amount) else None


def deleted_accounts(
    source: Source, among: Callable[[ColumnElement[Any]], ColumnElement[bool]], watermark: datetime
) -> dict[str, datetime]:
    """When accounts were deleted that had been by the moment `watermark`; an account that is not in the table lives."""
    if not source.schema.has("users.deleted_at"):
        return {}
    users = source.tables["users"]
    deleted = select(users.c.id, users.c.deleted_at).where(users.c.deleted_at <= watermark, among(users.c.id))
    return {text_of(row["id"]): moment(row["deleted_at"]) for row in source.rows(deleted, "facts")}


def member_user(source: Source) -> ColumnElement[Any]:
    """Whose a member row is."""
    return source.tables["household_members"].c.user_id
