"""mass-creation: no family needs fifteen households in three days."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.contract import Window
from detectors.limits import Limits
from detectors.rules.trust_safety.mass_creation import DETECTOR
from tests.support.effort import tries
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

TICK = timedelta(microseconds=1)


def created(*per_day: int, last: datetime = NOON) -> Town:
    """A town where anna created so many households a day; the last number is the day of `last`."""
    town = Town()
    for back, number in enumerate(reversed(per_day)):
        for place in range(number):
            town.event("household_created", f"h{back}-{place}", "anna", at=last - back * DAY + place * MINUTE)
    return town


def severity(scanner: Scanner, town: Town, **options: object) -> str | None:
    found = scanner.findings(town, DETECTOR, **options)
    assert [finding.subject for finding in found] in ([], [{"user_id": uid("anna")}])
    return found[0].severity if found else None


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner) -> None:
    assert severity(scanner, created(1)) is None
    assert severity(scanner, Town()) is None


@pytest.mark.parametrize(
    ("per_day", "expected"),
    [
        ((10,), None),
        ((11,), "Next-day"),
        ((11, 0, 0, 11), "Same-day"),
        ((11, 0, 0, 10), None),
        ((4, 5, 5), None),
        ((5, 5, 5), "Same-day"),
        ((7, 0, 7), None),
        ((7, 0, 8), "Same-day"),
        ((5, 5, 0, 5), None),
        ((0, 0, 15), "Next-day"),
        ((11, 0, 0, 0, 0, 0, 11), "Same-day"),
        ((11, 0, 0, 0, 0, 0, 0, 11), "Next-day"),
    ],
)
def test_days_and_three_days(scanner: Scanner, per_day: tuple[int, ...], expected: str | None) -> None:
    assert severity(scanner, created(*per_day)) == expected


def test_the_process_documents_example(scanner: Scanner) -> None:
    town = created(5, 5, 5)
    for back, number in enumerate((20, 15, 10)):
        for place in range(number):
            town.event(
                "household_member_removed", f"h{back}-0", "anna", at=NOON - back * DAY, member_id=f"m{back}-{place}"
            )
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.story.pattern == "User has created 15 households in 3 days, removed 45 members total"
    assert finding.story.evidence == (
        "2026-02-02: Created 5 households, removed 20 members",
        "2026-02-01: Created 5 households, removed 15 members",
        "2026-01-31: Created 5 households, removed 10 members",
    )
    assert finding.severity == "Same-day"


def test_silent_on_the_nights_after_although_life_goes_on(scanner: Scanner) -> None:
    for later in range(1, 5):
        town = created(5, 5, 5, *[0] * (later - 1), 1)
        assert severity(scanner, town) is None


@pytest.mark.parametrize(("back", "fires"), [(0, True), (1, False), (2, False)])
def test_fires_on_the_night_of_the_last_day(scanner: Scanner, back: int, fires: bool) -> None:
    assert (severity(scanner, created(5, 5, 5, last=NOON - back * DAY)) is not None) == fires


@pytest.mark.parametrize(
    ("last", "fires"),
    [(YESTERDAY.end - 11 * MINUTE, True), (YESTERDAY.end - 10 * MINUTE, False), (YESTERDAY.end, False)],
)
def test_the_windows_end_is_outside(scanner: Scanner, last: datetime, fires: bool) -> None:
    assert (severity(scanner, created(11, last=last)) is not None) == fires


def test_retries_and_one_household_twice_count_once(scanner: Scanner) -> None:
    town = created(10)
    town.event("household_created", "h0-0", "anna", at=NOON + HOUR)
    assert severity(scanner, town) is None
    for place in range(2):
        town.event("household_created", None, "anna", at=NOON + place * MINUTE, correlation_id="c")
    assert severity(scanner, town) == "Next-day"
    town.household_events.pop(0)
    assert severity(scanner, town) == "Next-day"
    town.household_events.pop()
    town.household_events.pop()
    assert severity(scanner, town) is None


def test_a_retry_counts_at_its_earliest_time(scanner: Scanner) -> None:
    town = created(10)
    town.event("household_created", None, "anna", at=YESTERDAY.start + MINUTE, correlation_id="c")
    town.event("household_created", None, "anna", at=YESTERDAY.start - MINUTE, correlation_id="c")
    assert severity(scanner, town) is None


def test_failures_and_null_actors_do_not_count(scanner: Scanner) -> None:
    town = created(10)
    town.event("household_create_failed", None, "anna", error_code="DATABASE_ERROR")
    for place in range(30):
        town.event("household_created", f"n{place}", None)
    assert severity(scanner, town) is None


def test_late_rows_belong_to_their_event_time(scanner: Scanner) -> None:
    town = created(5, 5, 5)
    town.household_events.reverse()
    for number, event in enumerate(town.household_events):
        event["id"] = number + 1
    assert severity(scanner, town) == "Same-day"


def test_days_are_the_policys(scanner: Scanner) -> None:
    town = created(11, last=YESTERDAY.start + 5 * HOUR - 5 * MINUTE)
    assert severity(scanner, town) == "Next-day"
    assert severity(scanner, town, limits=Limits(time_zone="America/New_York")) is None


def test_limits_come_from_the_policy(scanner: Scanner) -> None:
    assert severity(scanner, created(4), limits=Limits(creations_per_day=3)) == "Next-day"
    assert severity(scanner, created(2, 1), limits=Limits(creations_per_three_days=3)) == "Same-day"


def test_silent_on_service_accounts(scanner: Scanner) -> None:
    assert severity(scanner, created(11), limits=Limits(service_accounts=(uid("anna"),))) is None


@pytest.mark.parametrize(
    ("start", "hours"),
    [(datetime(2026, 3, 28, 23, tzinfo=UTC), 23), (datetime(2026, 10, 24, 22, tzinfo=UTC), 25)],
    ids=["spring", "autumn"],
)
def test_a_day_may_have_23_or_25_hours(scanner: Scanner, start: datetime, hours: int) -> None:
    end = start + hours * HOUR
    berlin = {"limits": Limits(time_zone="Europe/Berlin"), "as_of": end + 3 * HOUR, "window": Window(start, end)}
    town = created(11, last=start)
    for event, back in zip(town.household_events[1:4], (1, 2, 3), strict=True):
        event["event_timestamp"] = end - back * MINUTE
    assert severity(scanner, town, **berlin) == "Next-day"
    town.household_events[0]["event_timestamp"] = start - TICK
    assert severity(scanner, town, **berlin) is None
    town.household_events[0]["event_timestamp"] = end
    assert severity(scanner, town, **berlin) is None


def test_waits_for_the_grace_period(scanner: Scanner) -> None:
    window = Window(AS_OF - DAY, AS_OF)
    assert severity(scanner, created(11, last=AS_OF - 12 * MINUTE), window=window) == "Next-day"
    assert severity(scanner, created(11, last=AS_OF - 12 * MINUTE + TICK), window=window) is None


deeds = st.tuples(st.sampled_from(["anna", "ben"]), st.integers(0, 7 * 24 * 60), st.integers(0, 12))


def oracle(actions: list[tuple[str, int, int]]) -> dict[str, str]:
    """More than 3 in a day, or 5 or more in three days, each household once; the last such day is yesterday."""
    expected = {}
    for user in ("anna", "ben"):
        first: dict[int, datetime] = {}
        for who, minutes, household in actions:
            at = YESTERDAY.end - timedelta(minutes=minutes)
            if who == user and at < YESTERDAY.end:
                first[household] = min(at, first.get(household, at))
        days = Counter(at.date() for at in first.values())
        bad = {day for day, number in days.items() if number > 3}
        for day in days:
            three = [day - timedelta(days=back) for back in range(3)]
            if sum(days[other] for other in three) >= 5:
                bad |= {other for other in three if days[other]}
        if bad and max(bad) == date(2026, 2, 2):
            expected[uid(user)] = "Same-day" if len(bad) > 1 else "Next-day"
    return expected


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(deeds, max_size=40))
def test_agrees_with_the_catalogue_read_plainly(
    on_duckdb: Scanner, on_postgres: Scanner, actions: list[tuple[str, int, int]]
) -> None:
    town = Town()
    for user, minutes, household in actions:
        town.event("household_created", f"{user}{household}", user, at=YESTERDAY.end - timedelta(minutes=minutes))
    limits = Limits(creations_per_day=3, creations_per_three_days=5)
    for scanner in (on_duckdb, on_postgres):
        findings = scanner.findings(town, DETECTOR, limits=limits)
        assert {finding.subject["user_id"]: finding.severity for finding in findings} == oracle(actions)
