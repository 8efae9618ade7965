"""scraping: nobody reads hundreds of other people's households, or tries hundreds of codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detectors.contract import Window
from detectors.limits import Limits
from detectors.rules.trust_safety.scraping import DETECTOR
from tests.support.towns import DAY, HOUR, NOON, YESTERDAY, Scanner, Town, uid

SECOND = timedelta(seconds=1)
FEW = Limits(scraped_households=20, guessed_codes_per_hour=10, guessed_codes_per_day=20)
"""The rule at a tenth of its size, to keep the tests' towns small."""


def read(town: Town, households: int, user: str | None = "anna", start: datetime = NOON, **metadata: Any) -> None:
    for number in range(households):
        town.event("household_settings_viewed", f"h{number}", user, at=start + 70 * number * SECOND, **metadata)


def guess(town: Town, codes: int, user: str | None = None, start: datetime = NOON, gap: float = 1, **more: Any) -> None:
    facts = {"ip_address": "6.6.6.6", "valid": False, **more}
    for number in range(codes):
        town.event("household_invite_code_validated", None, user, at=start + gap * number * SECOND, **facts)


def subjects(scanner: Scanner, town: Town, limits: Limits = FEW) -> list[dict[str, str]]:
    return scanner.subjects(town, DETECTOR, limits=limits)


def test_silent_on_an_empty_town(scanner: Scanner) -> None:
    assert subjects(scanner, Town()) == []


@pytest.mark.parametrize(("households", "fires"), [(20, False), (21, True)])
def test_more_than_the_limit_of_households(scanner: Scanner, households: int, fires: bool) -> None:
    town = Town()
    read(town, households)
    read(town, households)
    assert subjects(scanner, town) == ([{"user_id": uid("anna")}] if fires else [])


@pytest.mark.parametrize(("households", "fires"), [(200, False), (201, True)])
def test_the_process_documents_limit(scanner: Scanner, households: int, fires: bool) -> None:
    town = Town()
    read(town, households)
    assert bool(subjects(scanner, town, Limits())) == fires


def test_ones_own_households_and_errors_do_not_count(scanner: Scanner) -> None:
    town = Town()
    town.household("h0", "ben")
    town.member("h0", "anna", status="removed")
    read(town, 21)
    assert subjects(scanner, town) == []
    town = Town()
    read(town, 30, error_code="FORBIDDEN")
    assert subjects(scanner, town) == []


def test_readers_without_an_account_are_their_address(scanner: Scanner) -> None:
    town = Town()
    read(town, 21, None, ip_address="6.6.6.6")
    read(town, 21, None)
    assert subjects(scanner, town) == [{"ip_address": "6.6.6.6"}]


def test_silent_on_service_accounts(scanner: Scanner) -> None:
    town = Town()
    read(town, 30)
    assert subjects(scanner, town, FEW.model_copy(update={"service_accounts": (uid("anna"),)})) == []


def test_reads_of_two_days_do_not_add_up(scanner: Scanner) -> None:
    town = Town()
    read(town, 21, start=YESTERDAY.start - 10 * 70 * SECOND)
    assert subjects(scanner, town) == []
    west = FEW.model_copy(update={"time_zone": "America/New_York"})
    assert subjects(scanner, town, west) == [{"user_id": uid("anna")}]


@pytest.mark.parametrize(("codes", "fires"), [(9, False), (10, True)])
@pytest.mark.parametrize("user", [None, "anna"])
def test_a_walk_through_codes_in_an_hour(scanner: Scanner, codes: int, user: str | None, fires: bool) -> None:
    town = Town()
    guess(town, codes, user)
    expected = {"user_id": uid("anna")} if user else {"ip_address": "6.6.6.6"}
    assert subjects(scanner, town) == ([expected] if fires else [])


@pytest.mark.parametrize(("gap", "fires"), [(399, True), (400, False)])
def test_an_hour_is_an_hour(scanner: Scanner, gap: float, fires: bool) -> None:
    town = Town()
    guess(town, 10, gap=gap)
    assert bool(subjects(scanner, town)) == fires


@pytest.mark.parametrize(("codes", "fires"), [(19, False), (20, True)])
def test_a_walk_through_codes_in_a_day(scanner: Scanner, codes: int, fires: bool) -> None:
    town = Town()
    guess(town, codes, gap=1000)
    assert bool(subjects(scanner, town)) == fires


@pytest.mark.parametrize(
    ("valid", "fires"), [("false", True), ("False", True), (0, True), ("true", False), (None, False)]
)
def test_validity_is_written_in_many_ways(scanner: Scanner, valid: object, fires: bool) -> None:
    town = Town()
    guess(town, 10, valid=valid)
    assert bool(subjects(scanner, town)) == fires


def test_the_process_documents_numbers_of_codes(scanner: Scanner) -> None:
    for codes, gap, fires in ((99, 1, False), (100, 1, True), (100, 36.3, True), (100, 36.4, False), (200, 400, True)):
        town = Town()
        guess(town, codes, gap=gap, start=YESTERDAY.start)
        assert bool(subjects(scanner, town, Limits())) == fires, (codes, gap)
    town = Town()
    guess(town, 199, gap=400, start=YESTERDAY.start)
    assert subjects(scanner, town, Limits()) == []


def test_a_day_of_25_hours(scanner: Scanner) -> None:
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)
    window = Window(start, start + 25 * HOUR)
    limits = FEW.model_copy(update={"time_zone": "Europe/Berlin"})
    for gap, fires in ((4730, True), (4740, False)):
        town = Town()
        guess(town, 20, gap=gap, start=start)
        options: dict[str, Any] = {"limits": limits, "window": window, "as_of": window.end + HOUR}
        assert bool(scanner.findings(town, DETECTOR, **options)) == fires


def test_valid_codes_retries_and_guesses_of_nobody_known_do_not_count(scanner: Scanner) -> None:
    town = Town()
    guess(town, 9)
    guess(town, 9, valid=True)
    guess(town, 9, correlation_id="c", ip_address="7.7.7.7")
    guess(town, 2, "anna")
    for _ in range(12):
        town.event("household_invite_code_validated", None, None, valid=False)
    assert subjects(scanner, town) == []


@pytest.mark.parametrize(
    ("start", "fires"),
    [
        (YESTERDAY.start - DAY, False),
        (YESTERDAY.start - 9 * SECOND, True),
        (YESTERDAY.start - 10 * SECOND, False),
        (YESTERDAY.end - HOUR, True),
        (YESTERDAY.end - 9 * SECOND, False),
    ],
)
def test_the_last_guess_lies_in_the_window(scanner: Scanner, start: datetime, fires: bool) -> None:
    town = Town()
    guess(town, 10, start=start)
    assert bool(subjects(scanner, town)) == fires
