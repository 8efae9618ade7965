"""Planted faults are in the rows as the truth list says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from benchmarks.town import generate, preset
from benchmarks.town.faults import EVERYONE_LEFT

SPEC = replace(preset("tiny"), plant=3, duplicates=True)
TOWN = generate(SPEC)


@cache
def tables() -> dict[str, list[dict[str, Any]]]:
    """The town's rows. Not made at import, as each worker of a run imports every file."""
    return TOWN.tables()


def active() -> list[dict[str, Any]]:
    return [row for row in tables()["household_members"] if row["status"] == "active"]


def events() -> list[dict[str, Any]]:
    return tables()["household_events"]


def expected(detector: str, key: str) -> set[str]:
    return {subject[key] for subject in TOWN.truth[detector]}


def counted(kind: str) -> Counter[tuple[str, Any]]:
    unique = {event["metadata"]["correlation_id"]: event for event in events() if event["event_type"] == kind}
    return Counter((event["user_id"], event["event_timestamp"].date()) for event in unique.values())


def test_every_case_is_in_the_truth() -> None:
    assert {name: len(subjects) for name, subjects in TOWN.truth.items() if name != EVERYONE_LEFT} == {
        "approval-not-applied": 6,
        "duplicate-member": 3,
        "mass-creation": 6,
        "mass-removal": 6,
        "member-of-many-households": 3,
        "multiple-leaders": 6,
        "no-leader": 9,
        "orphaned-household": 3,
        "removal-not-applied": 3,
        "transfer-failed": 15,
    }


def test_leaders() -> None:
    leading = Counter(row["household_id"] for row in active() if row["role"] == "leader")
    assert {household for household, count in leading.items() if count > 1} == expected(
        "multiple-leaders", "household_id"
    )
    inhabited = {row["household_id"] for row in active()}
    there = {(row["household_id"], row["user_id"]) for row in active()}
    without = {
        row["id"]
        for row in tables()["households"]
        if row["id"] in inhabited and (not leading[row["id"]] or (row["id"], row["leader_id"]) not in there)
    }
    assert without == expected("no-leader", "household_id")


def test_orphans() -> None:
    inhabited = {row["household_id"] for row in active()}
    ever = {row["household_id"] for row in tables()["household_members"]}
    households = {row["id"] for row in tables()["households"]}
    assert households - ever == expected("orphaned-household", "household_id")
    assert ever - inhabited == expected(EVERYONE_LEFT, "household_id")


def test_members() -> None:
    places = Counter((row["household_id"], row["user_id"]) for row in active())
    twice = {pair for pair, count in places.items() if count > 1}
    assert twice == {(subject["household_id"], subject["user_id"]) for subject in TOWN.truth["duplicate-member"]}
    homes = {(row["household_id"], row["user_id"]) for row in active() if not row["is_temporary"]}
    many = {user for user, count in Counter(user for _, user in homes).items() if count > 1}
    assert many == expected("member-of-many-households", "user_id")


def test_approvals_and_removals() -> None:
    rows = tables()["household_members"]
    applied = {
        request["id"]
        for request in tables()["household_join_requests"]
        for row in rows
        if (row["household_id"], row["user_id"]) == (request["household_id"], request["user_id"])
        and (row["status"] == "active" or row["joined_at"] > request["requested_at"])
    }
    approved = {request["id"] for request in tables()["household_join_requests"] if request["status"] == "approved"}
    assert approved - applied == expected("approval-not-applied", "request_id")
    gone = {
        (event["household_id"], event["metadata"].get("member_id", event["user_id"]))
        for event in events()
        if event["event_type"] in ("household_member_removed", "household_left")
    }
    still = gone & {(row["household_id"], row["user_id"]) for row in active()}
    assert still == {(subject["household_id"], subject["user_id"]) for subject in TOWN.truth["removal-not-applied"]}


@pytest.mark.parametrize(
    ("kind", "detector", "template"),
    [("household_created", "mass-creation", [5, 5, 5]), ("household_member_removed", "mass-removal", [10, 15, 20])],
)
def test_masses(kind: str, detector: str, template: list[int]) -> None:
    days: dict[str, list[int]] = {}
    for (user, _), count in counted(kind).items():
        days.setdefault(user, []).append(count)
    masses = expected(detector, "user_id")
    assert {
        user for user, counts in days.items() if sum(counts) > 20 or (sum(counts) > 10 and detector == "mass-creation")
    } == masses
    assert sum(sorted(days[user]) == template for user in masses) == SPEC.plant


def test_duplicates_cannot_be_loaded_under_the_constraint() -> None:
    with pytest.raises(ValueError, match="unique"):
        TOWN.load_postgres("", unique=True)
