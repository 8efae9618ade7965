"""What several clients write to a small town's audit table: patterns of a day, each in one write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.support.town_life import MINUTE, uid

HOMES = ("oak", "elm", "ash", "fir", "yew", "bay")
Event = tuple[str, UUID | None, UUID, datetime, dict[str, Any]]
Acts = Callable[[str, str, str, datetime], list[Event]]
"""Of a household, one of its people and what is new with this write, at a time."""


def _visited(home: str, person: str, new: str, at: datetime) -> list[Event]:
    """Somebody looks at their household, and at another one."""
    user, elsewhere = uid(f"{home} {person}"), uid("home 1")
    return [("household_dashboard_viewed", place, user, at, {}) for place in (uid(home), elsewhere)]


def _guessed(home: str, person: str, new: str, at: datetime) -> list[Event]:
    user = uid(f"{home} {person}")
    failed: list[Event] = [("login_failed", None, user, at - number * MINUTE, {}) for number in range(3, 10)]
    changed: Event = ("household_updated", uid(home), user, at, {})
    return [*failed, ("login_succeeded", None, user, at - MINUTE, {}), changed]


def _from_everywhere(home: str, person: str, new: str, at: datetime) -> list[Event]:
    user = uid(f"{home} {person}")
    return [
        ("household_updated", uid(home), user, at - number * MINUTE, {"ip_address": f"203.{number}.113.9"})
        for number in range(4)
    ]


def _cleared(home: str, person: str, new: str, at: datetime) -> list[Event]:
    """More members are removed than the app allows in a day, and than a family has."""
    user = uid(f"{home} {person}")
    return [
        ("household_member_removed", uid(home), user, at - number * MINUTE, {"member_id": uid(f"{new} {number}")})
        for number in range(24)
    ]


def _struck(home: str, person: str, new: str, at: datetime) -> list[Event]:
    """One of a household is removed there, or rejected where they asked to join, by one of a third household."""
    target, by = uid(f"{home} two"), uid(f"home 1 {person}")
    if person == "one":
        return [("household_member_removed", uid(home), by, at, {"member_id": target})]
    elsewhere = uid(HOMES[(HOMES.index(home) + 1) % len(HOMES)])
    return [("household_join_request_rejected", elsewhere, by, at, {"requester_id": target})]


def _timed_out(home: str, person: str, new: str, at: datetime) -> list[Event]:
    return [("api_request", uid(home), uid(f"{home} {person}"), at, {"route": "/homes", "status": "504"})]


def _tried(home: str, person: str, new: str, at: datetime) -> list[Event]:
    """More codes are tried from one address than the app allows in an hour."""
    user, told = uid(f"{home} {person}"), {"ip_address": "198.51.100.7"}
    return [("household_invite_code_validated", None, user, at - number * MINUTE / 3, told) for number in range(52)]


ACTS: dict[str, Acts] = {
    function.__name__.strip("_").replace("_", " "): function
    for function in (_visited, _guessed, _from_everywhere, _cleared, _struck, _timed_out, _tried)
}
