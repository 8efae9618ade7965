"""Which sessions survived the removal of their user, from the rows of the pass `presence`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from detectors.contract import Row
from detectors.domain.values import moment, text_of, utc

COLUMNS = (
    "user_id",
    "changed_by",
    "changed_at",
    "session_id",
    "created_at",
    "used_at",
    "let_in_at",
    "joined_at",
    "active_rows",
)


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


def survivals_of(rows: Iterable[Row]) -> list[Survival]:
    """Each surviving session once, with its latest use and the latest removal before that, by user and session."""
    grouped: dict[tuple[str, str], list[Survival]] = defaultdict(list)
    for row in rows:
        survival = _survival(row)
        if survival:
            grouped[survival.user_id, survival.session_id].append(survival)
    return [
        max(ways, key=lambda way: (way.used_at, way.removed_at, way.household_id))
        for _, ways in sorted(grouped.items())
    ]


def _survival(row: Row) -> Survival | None:
    removed_at, used_at = moment(row["changed_at"]), moment(row["used_at"])
    let_in_at, joined_at = utc(row["let_in_at"]), utc(row["joined_at"])
    # An approval alone lets nobody in: where the old row blocks a new one, the person stays out for good.
    if joined_at is None and not row["active_rows"]:
        let_in_at = None
    if any(back is not None and removed_at < back <= used_at for back in (let_in_at, joined_at)):
        return None
    return Survival(
        user_id=text_of(row["user_id"]),
        session_id=text_of(row["session_id"]),
        household_id=text_of(row["household_id"]),
        removed_by=text_of(row["changed_by"]),
        began=moment(row["created_at"]),
        removed_at=removed_at,
        used_at=used_at,
    )
