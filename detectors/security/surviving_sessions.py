"""Which sessions survived the removal of their user, from the rows of the pass `sessions`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from detectors.contract import Context, Row
from detectors.facts import moment, text_of, utc

COLUMNS = (
    "household_id",
    "changed_by",
    "changed_at",
    "change",
    "correlation_id",
    "session_id",
    "created_at",
    "used_at",
    "joined_at",
)
"""The pass's columns that `survivals_of` reads, besides its key."""


@dataclass(frozen=True, slots=True)
class Survival:
    """One session with the removal that it survived and its latest use in the window."""

    user_id: str
    session_id: str
    household_id: str
    removed_by: str
    began: datetime
    removed_at: datetime
    used_at: datetime


def survivals_of(rows: Iterable[Row], context: Context) -> list[Survival]:
    """Each surviving session once, with its latest use and the latest removal before that, by user and session."""
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[text_of(row["user_id"]), text_of(row["session_id"])].append(row)
    found = []
    for _, changes in sorted(grouped.items()):
        ways = [survival for row in changes if (survival := _survival(row, changes, context))]
        if ways:
            found.append(max(ways, key=lambda way: (way.used_at, way.removed_at, way.household_id)))
    return found


def _survival(row: Row, changes: list[Row], context: Context) -> Survival | None:
    user_id = text_of(row["user_id"])
    began, removed_at, used_at = moment(row["created_at"]), moment(row["changed_at"]), moment(row["used_at"])
    by_themself = text_of(row["changed_by"]) == user_id
    if row["change"] != "removed" or by_themself or not began < removed_at:
        return None
    late = used_at - removed_at > timedelta(minutes=context.limits.session_grace_minutes)
    if not late or used_at > context.settled or _is_retry(row, changes) or _was_let_in_again(row, changes, used_at):
        return None
    return Survival(
        user_id=user_id,
        session_id=text_of(row["session_id"]),
        household_id=text_of(row["household_id"]),
        removed_by=text_of(row["changed_by"]),
        began=began,
        removed_at=removed_at,
        used_at=used_at,
    )


def _is_retry(removal: Row, changes: list[Row]) -> bool:
    told = [(change["correlation_id"], change["household_id"], change["change"]) for change in changes]
    this = (removal["correlation_id"], removal["household_id"], removal["change"])
    earlier = (
        change["changed_at"] < removal["changed_at"] for change, one in zip(changes, told, strict=True) if one == this
    )
    return removal["correlation_id"] is not None and any(earlier)


def _was_let_in_again(removal: Row, changes: list[Row], used_at: datetime) -> bool:
    removed_at, joined_at = moment(removal["changed_at"]), utc(removal["joined_at"])
    if joined_at is not None and removed_at < joined_at <= used_at:
        return True
    return any(
        change["change"] == "approved"
        and change["household_id"] == removal["household_id"]
        and removed_at < moment(change["changed_at"]) <= used_at
        for change in changes
    )
