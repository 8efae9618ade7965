"""Some households with their rows of three tables, read by one statement: what they show together tells of the tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, literal, null, select, union_all

from detectors.source.base import Source
from detectors.source.tables import Tables

SAMPLE = 400
"""So many households answer for all."""
MEMBERS, REQUESTS = "household_members", "household_join_requests"


@dataclass(frozen=True, slots=True)
class Row:
    """A member row."""

    who: str
    leads: bool
    active: bool
    temporary: bool


@dataclass(slots=True)
class Home:
    """Who leads a household by its row, its member rows, and of its approved requests who asked and who answered."""

    leader: str | None
    rows: list[Row] = field(default_factory=list)
    approved: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def there(self) -> Counter[str]:
        """How many rows each of its people has."""
        return Counter(row.who for row in self.rows)


def sampled_homes(source: Source, spelled: Tables) -> dict[str, Home]:
    """Up to SAMPLE households by their ids; `spelled` know the source's words. Raises QueryError."""
    households, members, requests = (spelled[name].c for name in ("households", MEMBERS, REQUESTS))
    some = select(households.id, households.leader_id).order_by(households.id.desc()).limit(SAMPLE).cte("some").c
    role, status = cast(members.role, Text), cast(members.status, Text)
    temporary = members.is_temporary.is_(True)
    parts = (
        _part("leads", some.id, some.leader_id),
        _part("row", some.id, members.user_id, role, status, temporary).where(members.household_id == some.id),
        _part("approved", some.id, requests.user_id, requests.responded_by).where(
            requests.household_id == some.id, requests.status == "approved"
        ),
    )
    told = source.rows(union_all(*parts), "agreement")
    homes = {row["home"]: Home(row["who"]) for row in told if row["what"] == "leads"}
    for row in told:
        if row["what"] == "row" and row["who"]:
            leads, active = row["more"] == "leader", row["status"] == "active"
            homes[row["home"]].rows.append(Row(row["who"], leads, active, bool(row["temporary"])))
        elif row["what"] == "approved" and row["who"]:
            homes[row["home"]].approved.append((row["who"], row["more"]))
    return homes


def _part(
    what: str,
    home: ColumnElement[Any],
    who: ColumnElement[Any],
    more: ColumnElement[Any] | None = None,
    status: ColumnElement[Any] | None = None,
    temporary: ColumnElement[bool] | None = None,
) -> Select[str, str, str, str, str, bool]:
    return select(
        literal(what).label("what"),
        cast(home, Text).label("home"),
        cast(who, Text).label("who"),
        cast(null() if more is None else more, Text).label("more"),
        cast(null() if status is None else status, Text).label("status"),
        (literal(value=False) if temporary is None else temporary).label("temporary"),
    )
