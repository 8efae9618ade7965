"""Columns in each other's place and ids that lost digits, by the first rows of the tables alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from detectors.source.mixed_up import Rows, has_lost_digits, mixed_up

HOMES = range(6)


def town() -> dict[str, list[dict[str, Any]]]:
    """Households of three: the leader let the two others in."""
    guests = [(home, f"{name}{home}") for home in HOMES for name in "bc"]
    return {
        "households": [
            {"id": home, "leader_id": f"a{home}", "name": "Rex House", "invite_code": f"REX{home}-ECHO-ZULU"}
            for home in HOMES
        ],
        "household_members": [
            {"household_id": home, "user_id": user, "invited_by": f"a{home}"} for home, user in guests
        ],
        "household_join_requests": [
            {"household_id": home, "user_id": user, "responded_by": f"a{home}"} for home, user in guests
        ],
    }


def swapped(rows: Rows, one: str, other: str) -> Rows:
    return [{**row, one: row[other], other: row[one]} for row in rows]


@pytest.mark.parametrize(
    ("table", "one", "other"),
    [
        ("household_members", "user_id", "invited_by"),
        ("household_join_requests", "user_id", "responded_by"),
        ("households", "name", "invite_code"),
    ],
)
@pytest.mark.parametrize("couples", [False, True])
def test_columns_in_each_others_place(table: str, one: str, other: str, couples: bool) -> None:
    tables: dict[str, Rows] = dict(town())
    if couples:
        tables["household_join_requests"] = tables["household_join_requests"][::2]
    assert list(mixed_up(tables)) == []
    tables[table] = swapped(tables[table], one, other)
    (said,) = mixed_up(tables)
    assert f"{table}.{one} and {table}.{other} stand in each other's place" in said


@pytest.mark.parametrize("by", ["b", "z"])
def test_real_faults_are_none(by: str) -> None:
    """Each person twice in a household, and each asked for again by somebody who is no leader."""
    tables: dict[str, Rows] = dict(town())
    tables["household_members"] = [*tables["household_members"], *tables["household_members"]]
    tables["household_join_requests"] = [
        {**row, "responded_by": f"{by}{row['household_id']}"} for row in tables["household_join_requests"]
    ]
    assert list(mixed_up(tables)) == []


def test_leadership_that_moved_everywhere_is_a_fault_of_the_app() -> None:
    """Whoever was let in leads by leader_id, and who let them in is the creator."""
    tables: dict[str, Rows] = dict(town())
    tables["households"] = [{**row, "leader_id": f"b{row['id']}"} for row in tables["households"]]
    tables["household_join_requests"] = tables["household_join_requests"][::2]
    creators = [{"household_id": home, "user_id": f"a{home}", "invited_by": None} for home in HOMES]
    tables["household_members"] = [*tables["household_members"], *creators]
    assert list(mixed_up(tables)) == []


BIG = [4611686018427390903 + 7919 * place for place in range(12)]


@pytest.mark.parametrize(
    ("ids", "lost"),
    [
        (BIG, False),
        ([int(float(one * place)) for place, one in enumerate(BIG, start=1)], True),
        ([str(int(float(one * place))) for place, one in enumerate(BIG, start=1)], True),
        ([int(Decimal(repr(float(one)))) for one in BIG], True),  # as JavaScript writes them
        ([place << 22 for place in range(2**38, 2**38 + 40)], False),  # as their generator made them
        (
            [1_700_000_000_123_000_000 + 17_000_000 * place for place in range(40)],
            False,
        ),  # milliseconds, in nanoseconds
        ([72_057_594_037_927_000 + 7_000 * place for place in range(40)], False),
        (range(100, 200), False),
        ([f"user_{place}" for place in range(50)], False),
        ([2**53 + 2, 2**53 + 4, 2**53 + 6], False),
    ],
)
def test_ids_that_lost_digits(ids: list[Any], lost: bool) -> None:
    assert has_lost_digits(ids) == lost
    assert any("lost digits" in said for said in mixed_up({"users": [{"id": one} for one in ids]})) == lost
