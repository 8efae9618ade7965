"""mass-creation: no family needs fifteen households in three days."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.limits import Limits
from detectors.rules.trust_safety.mass_creation import DETECTOR
from tests.support.daily_deeds import CREATION
from tests.support.effort import tries
from tests.support.towns import DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

TICK = timedelta(microseconds=1)


def created(*per_day: int) -> Town:
    return CREATION.town(*per_day)


def severity(scanner: Scanner, town: Town, **options: object) -> str | None:
    return CREATION.severity(scanner, town, **options)


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


def test_limits_come_from_the_policy(scanner: Scanner) -> None:
    assert severity(scanner, created(4), limits=Limits(creations_per_day=3)) == "Next-day"
    assert severity(scanner, created(2, 1), limits=Limits(creations_per_three_days=3)) == "Same-day"


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
