"""suspicious-access: one person is not in three places at once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.trust_safety.suspicious_access import DETECTOR, network_of
from tests.support.towns import DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

TICK = timedelta(microseconds=1)
VIEW, CHANGE = "household_dashboard_viewed", "household_updated"


@pytest.fixture
def town() -> Town:
    """anna acts from two networks and with a phone and a laptop, which ten days of history know."""
    town = Town()
    town.family("oak", "anna", "ben")
    for number in range(10, 0, -1):
        agent = "phone" if number % 2 else "laptop"
        town.event(VIEW, "oak", "anna", at=NOON - number * DAY, ip_address="10.1.0.1", user_agent=agent)
    act(town, 0, "10.1.0.1", "phone")
    act(town, 1, "10.2.0.1", "laptop")
    return town


def act(town: Town, minutes: float, address: str | None, agent: str | None = "phone", deed: str = VIEW) -> None:
    facts = {"ip_address": address, "user_agent": agent}
    town.event(deed, "oak", "anna", at=NOON + minutes * MINUTE, **{k: v for k, v in facts.items() if v})


def fires(scanner: Scanner, town: Town) -> bool:
    found = scanner.subjects(town, DETECTOR)
    assert found in ([], [{"user_id": uid("anna")}])
    return bool(found)


def test_silent_on_a_phone_and_a_laptop(scanner: Scanner, town: Town) -> None:
    act(town, 5, "10.2.0.1", deed=CHANGE)
    assert not fires(scanner, town)
    assert not fires(scanner, Town())


def test_fires_on_three_networks_and_a_change(scanner: Scanner, town: Town) -> None:
    act(town, 2, "10.3.0.1")
    assert not fires(scanner, town)
    act(town, 5, None, deed=CHANGE)
    assert fires(scanner, town)


@pytest.mark.parametrize("address", ["10.1.77.7", "::ffff:10.2.3.4", "somewhere", ""])
def test_silent_on_what_is_no_third_network(scanner: Scanner, town: Town, address: str) -> None:
    act(town, 2, address)
    act(town, 5, None, deed=CHANGE)
    assert not fires(scanner, town)


def test_ipv6_networks_have_48_bits(scanner: Scanner, town: Town) -> None:
    act(town, 5, "2001:db8:1::1", deed=CHANGE)
    assert fires(scanner, town)
    assert network_of("2001:db8:1:2::1") == network_of("2001:0db8:0001:ffff::9") != network_of("2001:db8:2::1")


@pytest.mark.parametrize(("minutes", "expected"), [(60 - 1e-6, True), (60, False)])
def test_the_networks_lie_within_an_hour(scanner: Scanner, town: Town, minutes: float, expected: bool) -> None:
    town.household_events.pop()
    act(town, 30, "10.2.0.1")
    act(town, minutes, "10.3.0.1", deed=CHANGE)
    assert fires(scanner, town) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(61 - 1e-6, True), (61, False)])
def test_the_change_follows_within_an_hour(scanner: Scanner, town: Town, minutes: float, expected: bool) -> None:
    act(town, 1, "10.3.0.1")
    act(town, minutes, None, None, deed=CHANGE)
    assert fires(scanner, town) == expected


def test_silent_when_the_change_came_first(scanner: Scanner, town: Town) -> None:
    act(town, -1, "10.1.0.1", deed=CHANGE)
    act(town, 2, "10.3.0.1")
    assert not fires(scanner, town)


def test_fires_on_two_user_agents_never_seen(scanner: Scanner, town: Town) -> None:
    act(town, 2, "10.1.0.1", "curl")
    act(town, 5, "10.1.0.1", deed=CHANGE)
    assert not fires(scanner, town)
    act(town, 3, "10.1.0.1", "wget")
    assert fires(scanner, town)


def test_an_agent_used_a_week_ago_is_not_new(scanner: Scanner, town: Town) -> None:
    town.event("login_succeeded", None, "anna", at=NOON - 6 * DAY, user_agent="curl")
    act(town, 2, "10.1.0.1", "curl")
    act(town, 3, "10.1.0.1", "wget", deed=CHANGE)
    assert not fires(scanner, town)


@pytest.mark.parametrize(("history", "expected"), [(7 * DAY + HOUR, True), (7 * DAY + HOUR - TICK, False)])
def test_new_needs_a_week_of_history(scanner: Scanner, history: timedelta, expected: bool) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.event(VIEW, "oak", "anna", at=NOON - history, user_agent="phone")
    act(town, -1, None, "curl")
    act(town, 0, None, "wget", deed=CHANGE)
    assert fires(scanner, town) == expected


def test_what_is_outside_every_household_does_not_count(scanner: Scanner, town: Town) -> None:
    town.event("login_succeeded", None, "anna", at=NOON + 2 * MINUTE, ip_address="10.3.0.1")
    act(town, 5, None, deed=CHANGE)
    assert not fires(scanner, town)


@pytest.mark.parametrize(
    ("at", "expected"),
    [(YESTERDAY.start - TICK, False), (YESTERDAY.start, True), (YESTERDAY.end - TICK, True), (YESTERDAY.end, False)],
)
def test_the_change_lies_in_the_window(scanner: Scanner, at: datetime, expected: bool) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    for number in range(3):
        town.event(VIEW, "oak", "anna", at=at - number * MINUTE, ip_address=f"10.{number}.0.1")
    town.event(CHANGE, "oak", "anna", at=at)
    assert fires(scanner, town) == expected
