"""suspicious-access: one person is not in three places at once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.rules.trust_safety.suspicious_access import DETECTOR
from detectors.text.addresses import network_of
from tests.support.towns import DAY, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

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


@pytest.mark.parametrize(("history", "expected"), [(7 * DAY, True), (7 * DAY - TICK, False)])
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


def test_silent_on_a_phone_that_moves_within_two_networks(scanner: Scanner, town: Town) -> None:
    for minute in range(2, 20):
        act(town, minute, f"10.{1 + minute % 2}.{minute}.77")
    act(town, 20, None, deed=CHANGE)
    assert not fires(scanner, town)


@pytest.mark.parametrize("before", [15 * DAY, 200 * DAY])
def test_silent_on_a_laptop_that_was_last_used_long_ago(scanner: Scanner, town: Town, before: timedelta) -> None:
    act(town, 2, "10.1.0.1", "old laptop")
    act(town, 3, "10.1.0.1", "new phone")
    act(town, 5, "10.1.0.1", deed=CHANGE)
    assert fires(scanner, town)
    town.event(VIEW, "oak", "anna", at=NOON - before, user_agent="old laptop")
    assert not fires(scanner, town)


@pytest.mark.parametrize(("began", "expected"), [(NOON - 3 * DAY, False), (NOON - MINUTE, True)])
def test_a_session_shows_a_user_agent_too(scanner: Scanner, town: Town, began: datetime, expected: bool) -> None:
    act(town, 2, "10.1.0.1", "old laptop")
    act(town, 3, "10.1.0.1", "new phone")
    act(town, 5, "10.1.0.1", deed=CHANGE)
    town.session("s", "anna", at=began, user_agent="old laptop")
    assert fires(scanner, town) == expected


def test_history_may_lie_before_the_look_back(scanner: Scanner) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.event(VIEW, "oak", "anna", at=NOON - 40 * DAY, user_agent="phone")
    act(town, -1, None, "curl")
    act(town, 0, None, "wget", deed=CHANGE)
    assert fires(scanner, town)


@pytest.mark.parametrize(("login", "expected"), [("login_failed", True), ("login_succeeded", False)])
def test_a_failed_login_makes_no_user_agent_known(scanner: Scanner, town: Town, login: str, expected: bool) -> None:
    for before in (DAY, 20 * DAY):
        town.event(login, None, "anna", at=NOON - before, user_agent="curl")
    act(town, 2, "10.1.0.1", "curl")
    act(town, 3, "10.1.0.1", "wget", deed=CHANGE)
    assert fires(scanner, town) == expected


@pytest.mark.parametrize(
    "places",
    [
        ("::ffff:0a01:1", "::ffff:0a02:1", "::ffff:0a03:1"),
        ("10.1.0.1:4000", "10.2.0.1:4000", "10.3.0.1:4000"),
        ("2001:db8:1::1", "[2001:db8:2::1]:443", "2001:DB8:0003::/64"),
        ("2001:db8::1", "2001:db8:0:1::1", "2001:0db8:1::1", "2001:db8:2::1"),
    ],
)
def test_a_network_in_any_notation(scanner: Scanner, places: tuple[str, ...]) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    for minute, place in enumerate(places[:-1]):
        act(town, minute, place)
    act(town, 9, None, deed=CHANGE)
    assert not fires(scanner, town)
    act(town, 8, places[-1])
    assert fires(scanner, town)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10.1.0.1", "::ffff:10.1.9.9"),
        ("10.1.0.1", "10.1.2.3:8080"),
        ("10.1.0.1", "10.1.0.0/24"),
        ("2001:db8:1::1", "[2001:DB8:0001:2::9]:443"),
        ("fe80::1%eth0", "FE80::2"),
        ("127.0.0.1", "::1"),
        ("::", "unknown"),
    ],
)
def test_two_ways_to_write_one_network(one: str, other: str) -> None:
    assert network_of(one) == network_of(other)


def test_a_retry_from_another_network_is_the_same_action(scanner: Scanner, town: Town) -> None:
    for minute, place in ((2, "10.2.0.1"), (3, "10.3.0.1")):
        town.event(VIEW, "oak", "anna", at=NOON + minute * MINUTE, ip_address=place, correlation_id="c")
    act(town, 5, None, deed=CHANGE)
    assert not fires(scanner, town)


def test_the_apps_own_account_and_two_people_are_nobody_suspicious(scanner: Scanner, town: Town) -> None:
    town.event(VIEW, "oak", "ben", at=NOON + 2 * MINUTE, ip_address="10.3.0.1")
    act(town, 5, None, deed=CHANGE)
    for minute in range(4):
        town.event(CHANGE, "oak", None, at=NOON + minute * MINUTE, ip_address=f"10.{minute}.0.1")
        town.household_events[-1]["user_id"] = "00000000-0000-0000-0000-000000000000"
    assert not fires(scanner, town)
