"""bot-cadence: people are irregular, and need a second for a change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from detectors.limits import Limits
from detectors.rules.trust_safety.bot_cadence import DETECTOR
from tests.support.towns import NOON, YESTERDAY, Scanner, Town, uid

SECOND = timedelta(seconds=1)
VIEW, CHANGE, FEED = "household_dashboard_viewed", "household_updated", "pet_activity_logged"


def acting(gaps: Iterable[float], kind: str = VIEW) -> Town:
    """anna acts at noon, and again after each of `gaps` (in seconds)."""
    town = Town()
    town.family("oak", "anna", "ben")
    at = NOON
    town.event(kind, "oak", "anna", at=at)
    for gap in gaps:
        at += gap * SECOND
        town.event(kind, "oak", "anna", at=at)
    return town


def fires(scanner: Scanner, town: Town, limits: Limits | None = None) -> bool:
    found = scanner.subjects(town, DETECTOR, limits=limits)
    assert found in ([], [{"user_id": uid("anna")}])
    return bool(found)


def test_silent_on_an_empty_town(scanner: Scanner) -> None:
    assert not fires(scanner, Town())


@pytest.mark.parametrize(("actions", "expected"), [(29, False), (30, True)])
@pytest.mark.parametrize("kind", [VIEW, CHANGE, FEED])
def test_thirty_actions_like_a_clock(scanner: Scanner, kind: str, actions: int, expected: bool) -> None:
    assert fires(scanner, acting([60] * (actions - 1), kind)) == expected


@pytest.mark.parametrize(("spread", "expected"), [(5.9, True), (6, False), (30, False)])
def test_a_variation_of_a_tenth_is_human(scanner: Scanner, spread: float, expected: bool) -> None:
    # Of 30 gaps around 60 seconds, half `spread` shorter and half longer, the coefficient of variation is spread / 60.
    assert fires(scanner, acting([60 - spread, 60 + spread] * 15)) == expected


@pytest.mark.parametrize(("gap", "expected"), [(0.999, True), (1, False)])
def test_changes_under_a_second(scanner: Scanner, gap: float, expected: bool) -> None:
    assert fires(scanner, acting([gap] * 20 + [1000, 50, 400, 7, 90, 3, 3000, 12, 55], CHANGE)) == expected


def test_twenty_nine_fast_changes_are_few(scanner: Scanner) -> None:
    assert not fires(scanner, acting([0.5] * 20 + [1000, 50, 400, 7, 90, 3, 3000, 12], CHANGE))


def test_a_batch_of_feedings_is_no_change(scanner: Scanner) -> None:
    assert not fires(scanner, acting([0, 0.1, 0.2, 0.7, 0] * 10, FEED))
    assert not fires(scanner, acting([0] * 40, FEED))


@pytest.mark.parametrize(("gap", "expected"), [(2, False), (2.001, True)])
def test_views_of_one_screen_are_one_action(scanner: Scanner, gap: float, expected: bool) -> None:
    # 20 screens, a minute apart, of two views each: 20 actions, or 40 where the second view comes later.
    assert not fires(scanner, acting([gap, 60 - gap] * 20))
    burst = Town()
    for number in range(20):
        burst.event(VIEW, "oak", "anna", at=NOON + 2 * number * gap * SECOND)
        burst.event(VIEW, "oak", "anna", at=NOON + (2 * number + 1) * gap * SECOND)
    assert fires(scanner, burst) == expected


@pytest.mark.parametrize("gap", [0.5, 1.5, 2])
def test_a_long_burst_of_views_is_one_action_too(scanner: Scanner, gap: float) -> None:
    assert not fires(scanner, acting([gap] * 200))


@pytest.mark.parametrize(("actions", "expected"), [(29, False), (30, True)])
@pytest.mark.parametrize("kind", [VIEW, CHANGE])
def test_a_program_beside_the_persons_own_day(scanner: Scanner, kind: str, actions: int, expected: bool) -> None:
    own = [4000, 300, 900, 65]
    assert fires(scanner, acting([*own, 7200, *[60] * (actions - 1), 5000, *own], kind)) == expected


def test_short_regular_stretches_are_not_added_up(scanner: Scanner) -> None:
    assert not fires(scanner, acting(([60] * 28 + [3600]) * 3, CHANGE))


@pytest.mark.parametrize(("changes", "expected"), [(29, False), (30, True)])
def test_changes_like_a_clock_among_views(scanner: Scanner, changes: int, expected: bool) -> None:
    town = acting([60] * (changes - 1), CHANGE)
    for seconds in (7, 199, 345, 700, 701, 1012, 1400):
        town.event(VIEW, "oak", "anna", at=NOON + seconds * SECOND)
    assert fires(scanner, town) == expected


def test_the_rows_of_one_operation_are_one_action(scanner: Scanner) -> None:
    def leaving(times: Iterable[float]) -> Town:
        town = Town()
        for number, seconds in enumerate(times):
            rows = ("household_leave_started", "household_leadership_transferred", "household_left")
            for place, kind in enumerate(rows):
                at = NOON + (seconds + place / 10) * SECOND
                town.event(kind, f"h{number}", "anna", at=at, correlation_id=f"c{number}")
        return town

    assert not fires(scanner, leaving(number * (number + 40) for number in range(29)))
    assert fires(scanner, leaving(number * 60 for number in range(30)))
    assert not fires(scanner, leaving(number * 60 for number in range(29)))


def test_silent_on_page_bursts_at_human_times(scanner: Scanner) -> None:
    assert not fires(scanner, acting([0.1, 0.2, 700, 0.1, 0.3, 45, 0.1, 0.2, 3000] * 6))


def test_retries_count_once(scanner: Scanner) -> None:
    town = acting([60] * 28)
    town.event(VIEW, "oak", "anna", at=NOON + 29 * 60 * SECOND, correlation_id="c")
    assert fires(scanner, town)
    town = acting([60] * 27)
    for number in (28, 29):
        town.event(VIEW, "oak", "anna", at=NOON + number * 60 * SECOND, correlation_id="c")
    assert not fires(scanner, town)


def test_what_lies_outside_the_window_or_has_no_actor_does_not_count(scanner: Scanner) -> None:
    town = acting([60] * 20)
    for number in range(1, 20):
        town.event(VIEW, "oak", "anna", at=YESTERDAY.start - 60 * number * SECOND)
    for number in range(40):
        town.event(VIEW, "oak", None, at=NOON + 60 * number * SECOND, ip_address="6.6.6.6")
    assert not fires(scanner, town)


def test_silent_on_service_accounts(scanner: Scanner) -> None:
    assert not fires(scanner, acting([60] * 40), Limits(service_accounts=(uid("anna"),)))
