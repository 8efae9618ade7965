"""Columns that hold one another's values, or ids that lost digits: what the first rows of each table show by themselves.

Real faults don't look like that. Who joins was let in by somebody else, few let many in, and nobody asks to be let into the
household that they lead.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

Rows = Sequence[Mapping[str, Any]]
ENOUGH = 5
"""Of fewer rows nothing is concluded."""
_CODE = re.compile(r"[A-Z0-9]{2,6}(-[A-Z0-9]+){1,2}")
_EXACT = 2**53
"""The whole numbers from which on a double no longer holds each."""
_FEWEST, _BITS = 4, 10
"""So many numbers, and so many bits that are zero in all of them together, are no accident."""
_PAIRS = (("household_members", "user_id", "invited_by"), ("household_join_requests", "user_id", "responded_by"))
_IDS = {
    "households": ("id", "leader_id"),
    "household_members": ("household_id", "user_id", "invited_by"),
    "household_join_requests": ("household_id", "user_id", "responded_by"),
    "household_events": ("household_id", "user_id"),
    "users": ("id",),
    "sessions": ("user_id",),
    "support_requests": ("household_id", "requester_id", "subject_user_id"),
}
SHOWN: Mapping[str, tuple[str, ...]] = {
    **_IDS,
    "households": (*_IDS["households"], "name", "invite_code"),
    "household_join_requests": (*_IDS["household_join_requests"], "invite_code"),
    "household_members": (*_IDS["household_members"], "is_temporary"),
    "users": (*_IDS.get("users", ()), "deleted_at"),
    "sessions": (*_IDS["sessions"], "last_activity_at"),
}
"""The columns that are asked for of the first rows, for whatever question."""


def mixed_up(first: Mapping[str, Rows]) -> Iterator[str]:
    """A line for each two columns that hold one another's values, and for each column of ids that lost digits."""
    homes = first.get("households", ())
    for table, who, by in _PAIRS:
        rows = first.get(table, ())
        if _few_for_many(rows, who, by):
            why = "who let somebody in is somebody else each time, and who came is the same one"
            yield _swapped(table, who, by, why)
        elif table == "household_join_requests" and _asked_by_leaders(rows, homes, first.get("household_members", ())):
            yield _swapped(table, who, by, "nearly everybody asks to be let into the household that they lead")
    if _codes_in(homes, "name") > 0.8 and _codes_in(homes, "invite_code") < 0.1:
        yield _swapped("households", "name", "invite_code", "the names look like invite codes, and these do not")
    for table, columns in _IDS.items():
        for column in columns:
            if has_lost_digits(row.get(column) for row in first.get(table, ())):
                yield (
                    f"the ids in {table}.{column} lost digits on their way: all are whole numbers that a double holds, so two "
                    "of them may have become one; export them as text or as whole numbers"
                )


def _swapped(table: str, one: str, other: str, why: str) -> str:
    return (
        f"{table}.{one} and {table}.{other} stand in each other's place ({why}): map them, "
        f'[source.tables.{table}.columns] {one} = "…", {other} = "…", or export it again'
    )


def _few_for_many(rows: Rows, who: str, by: str) -> bool:
    """Whether in the rows' households fewer people came than let them in."""
    told = [row for row in rows if row.get(who) is not None and row.get(by) is not None]
    came = {(row["household_id"], row[who]) for row in told}
    let_in = {(row["household_id"], row[by]) for row in told}
    return len(let_in) - len(came) >= ENOUGH and len(let_in) > 1.1 * len(came)


def _asked_by_leaders(requests: Rows, homes: Rows, members: Rows) -> bool:
    """Whether who asked leads, and who answered does not; where creators answered, leadership has moved since."""
    leads: dict[Hashable, Any] = {row["id"]: row.get("leader_id") for row in homes}
    answered = [row for row in requests if row.get("responded_by") is not None and leads.get(row["household_id"])]
    asked = sum(row["user_id"] == leads[row["household_id"]] for row in answered)
    answering = sum(row["responded_by"] == leads[row["household_id"]] for row in answered)
    creators = {(row["household_id"], row["user_id"]) for row in members if row.get("invited_by") is None}
    told = any(row.get("invited_by") is not None for row in members)
    moved = sum((row["household_id"], row["responded_by"]) in creators for row in answered) if told else 0
    few = 0.1 * len(answered)
    return len(answered) >= ENOUGH and asked >= 0.8 * len(answered) and answering <= few and moved <= few


def _codes_in(rows: Rows, column: str) -> float:
    """The share of values that look like invite codes; none where there are few."""
    told = [str(row[column]) for row in rows if row.get(column)]
    return sum(_CODE.fullmatch(one) is not None for one in told) / len(told) if len(told) >= ENOUGH else 0.5


def has_lost_digits(values: Iterable[Any]) -> bool:
    """Whether whole numbers of so many digits that a double cannot hold each are all such as one holds.

    Ids that are multiples of a higher power of two, as some generators make, are none of these.
    """
    whole = (number for value in values if (number := _whole(value)) is not None and abs(number) > _EXACT)
    # With fewer digits before its zeros a number stays what it is on every way, and shows nothing.
    large = {number for number in whole if len(str(abs(number)).rstrip("0")) > sys.float_info.dig}
    if len(large) < _FEWEST or sum(_spacing(one).bit_length() - 1 for one in large) < _BITS:
        return False
    if all(int(float(one)) == one for one in large):
        return any(one % (2 * _spacing(one)) for one in large)
    # JavaScript writes as few digits as tell the double apart from others, and zeros behind them.
    return all(int(Decimal(repr(float(one)))) == one for one in large)


def _whole(value: Any) -> int | None:
    if isinstance(value, int | Decimal):
        return int(value)
    text = str(value)
    return int(text) if text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) <= 40 else None


def _spacing(number: int) -> int:
    """How far apart doubles are at this size."""
    return 1 << max(abs(number).bit_length() - 53, 0)
