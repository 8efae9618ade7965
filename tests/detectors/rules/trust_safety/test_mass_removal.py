"""mass-removal: no family loses twenty-one members in a day."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.contract import Window
from detectors.limits import Limits
from detectors.rules.trust_safety.mass_removal import DETECTOR
from tests.support.effort import tries
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

TICK = timedelta(microseconds=1)


def removed(*per_day: int, last: datetime = NOON) -> Town:
    """A town where anna removed so many members a day; the last number is the day of `last`."""
    town = Town()
    for back, number in enumerate(reversed(per_day)):
        for place in range(number):
            at = last - back * DAY + place * MINUTE
            town.event("household_member_removed", f"h{place}", "anna", at=at, member_id=f"m{back}-{place}")
    return town


def severity(scanner: Scanner, town: Town, **options: object) -> str | None:
    found = scanner.findings(town, DETECTOR, **options)
    assert [finding.subject for finding in found] in ([], [{"user_id": uid("anna")}])
    return found[0].severity if found else None


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner) -> None:
    assert severity(scanner, removed(1)) is None
    assert severity(scanner, Town()) is None


@pytest.mark.parametrize(
    ("per_day", "expected"),
    [
        ((20,), None),
        ((21,), "Next-day"),
        ((21, 0, 0, 21), "Same-day"),
        ((15, 15, 14), None),
        ((10, 15, 20), "Same-day"),
        ((20, 20, 0, 20), None),
        ((21, 0, 0, 20), None),
    ],
)
def test_days_and_three_days(scanner: Scanner, per_day: tuple[int, ...], expected: str | None) -> None:
    assert severity(scanner, removed(*per_day)) == expected


@pytest.mark.parametrize(("back", "fires"), [(0, True), (1, False)])
def test_fires_on_the_night_of_the_last_day(scanner: Scanner, back: int, fires: bool) -> None:
    assert (severity(scanner, removed(15, 15, 15, last=NOON - back * DAY)) is not None) == fires


@pytest.mark.parametrize(("last", "fires"), [(YESTERDAY.end - 21 * MINUTE, True), (YESTERDAY.end - 20 * MINUTE, False)])
def test_the_windows_end_is_outside(scanner: Scanner, last: datetime, fires: bool) -> None:
    assert (severity(scanner, removed(21, last=last)) is not None) == fires


def test_who_leaves_is_not_removed(scanner: Scanner) -> None:
    town = removed(20)
    town.event("household_member_removed", "h0", "anna", member_id="anna")
    for place in range(30):
        town.event("household_left", f"h{place}", "anna")
        town.event("household_left", "oak", f"m{place}")
        town.event("household_member_removed", "oak", None, member_id=f"m{place}")
    assert severity(scanner, town) is None


def test_member_rows_alone_prove_nothing(scanner: Scanner) -> None:
    town = Town()
    town.family("oak", "anna")
    for place in range(50):
        town.member("oak", f"m{place}", status="removed")
    assert severity(scanner, town) is None


@pytest.mark.parametrize(("seconds", "fires"), [(10, False), (11, True)])
def test_a_double_click_has_two_correlation_ids(scanner: Scanner, seconds: int, fires: bool) -> None:
    town = removed(20)
    town.household_events[0]["metadata"]["correlation_id"] = "c"
    again = NOON + timedelta(seconds=seconds)
    town.event("household_member_removed", "h0", "anna", at=again, member_id="m0-0", correlation_id="d")
    assert (severity(scanner, town) is not None) == fires


@pytest.mark.parametrize(
    ("later", "correlation", "fires"),
    [(HOUR, None, False), (HOUR + TICK, None, True), (3 * HOUR, "c", False), (MINUTE, "d", True)],
)
def test_one_removal_logged_twice(scanner: Scanner, later: timedelta, correlation: str | None, fires: bool) -> None:
    town = removed(20)
    first = town.household_events[0]
    if correlation:
        first["metadata"]["correlation_id"] = "c"
    more = {"correlation_id": correlation} if correlation else {}
    town.event("household_member_removed", "h0", "anna", at=NOON + later, member_id="m0-0", **more)
    assert (severity(scanner, town) is not None) == fires


def test_every_removal_logged_twice(scanner: Scanner) -> None:
    town = removed(20)
    for row in list(town.household_events):
        again = row["event_timestamp"] + timedelta(seconds=2)
        town.household_events.append({**row, "id": row["id"] + 100, "event_timestamp": again})
    assert severity(scanner, town) is None
    for row in town.household_events:
        row["metadata"] = {**row["metadata"], "correlation_id": f"c{row['id'] % 100}"}
    assert severity(scanner, town) is None


def test_one_correlation_id_for_several_members_is_several_removals(scanner: Scanner) -> None:
    town = removed(21)
    for event in town.household_events:
        event["metadata"]["correlation_id"] = "batch"
    assert severity(scanner, town) == "Next-day"


def test_missing_and_malformed_members_count(scanner: Scanner) -> None:
    town = removed(19)
    town.event("household_member_removed", "oak", "anna")
    town.event("household_member_removed", "oak", "anna", correlation_id="c")
    town.household_events[-1]["metadata"]["member_id"] = "no uuid"
    assert severity(scanner, town) == "Next-day"


def test_days_are_the_policys(scanner: Scanner) -> None:
    town = removed(21, last=YESTERDAY.start + 5 * HOUR - 5 * MINUTE)
    assert severity(scanner, town) == "Next-day"
    assert severity(scanner, town, limits=Limits(time_zone="America/New_York")) is None


def test_silent_on_service_accounts(scanner: Scanner) -> None:
    assert severity(scanner, removed(21), limits=Limits(service_accounts=(uid("anna"),))) is None


@pytest.mark.parametrize(
    ("start", "hours"),
    [(datetime(2026, 3, 28, 23, tzinfo=UTC), 23), (datetime(2026, 10, 24, 22, tzinfo=UTC), 25)],
    ids=["spring", "autumn"],
)
def test_a_day_may_have_23_or_25_hours(scanner: Scanner, start: datetime, hours: int) -> None:
    end = start + hours * HOUR
    berlin = {"limits": Limits(time_zone="Europe/Berlin"), "as_of": end + 3 * HOUR, "window": Window(start, end)}
    town = removed(21, last=start)
    for event, back in zip(town.household_events[1:4], (1, 2, 3), strict=True):
        event["event_timestamp"] = end - back * MINUTE
    assert severity(scanner, town, **berlin) == "Next-day"
    town.household_events[0]["event_timestamp"] = start - TICK
    assert severity(scanner, town, **berlin) is None
    town.household_events[0]["event_timestamp"] = end
    assert severity(scanner, town, **berlin) is None


def test_waits_for_the_grace_period(scanner: Scanner) -> None:
    window = Window(AS_OF - DAY, AS_OF)
    assert severity(scanner, removed(21, last=AS_OF - 22 * MINUTE), window=window) == "Next-day"
    assert severity(scanner, removed(21, last=AS_OF - 22 * MINUTE + TICK), window=window) is None


removals = st.tuples(st.sampled_from(["anna", "ben"]), st.integers(0, 7 * 24), st.sampled_from([None, "c", "d", "e"]))


def oracle(actions: list[tuple[str, int, str | None]]) -> dict[str, str]:
    """More than 3 in a day, or 5 or more in three days, retries once; the last such day is yesterday."""
    expected = {}
    for user in ("anna", "ben"):
        times: dict[object, datetime] = {}
        for place, (who, hours, correlation) in enumerate(actions):
            if who == user and hours:
                key, at = correlation or place, YESTERDAY.end - hours * HOUR
                times[key] = min(at, times.get(key, at))
        days = Counter(at.date() for at in times.values())
        bad = {day for day, number in days.items() if number > 3}
        for day in days:
            three = [day - timedelta(days=back) for back in range(3)]
            if sum(days[other] for other in three) >= 5:
                bad |= {other for other in three if days[other]}
        if bad and max(bad) == date(2026, 2, 2):
            expected[uid(user)] = "Same-day" if len(bad) > 1 else "Next-day"
    return expected


@tries(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(removals, max_size=40))
def test_agrees_with_the_catalogue_read_plainly(
    on_duckdb: Scanner, on_postgres: Scanner, actions: list[tuple[str, int, str | None]]
) -> None:
    town = Town()
    for place, (user, hours, correlation) in enumerate(actions):
        more = {"correlation_id": user + correlation} if correlation else {}
        member = f"{user}{correlation or place}"
        town.event("household_member_removed", "oak", user, at=YESTERDAY.end - hours * HOUR, member_id=member, **more)
    limits = Limits(removals_per_day=3, removals_per_three_days=5)
    for scanner in (on_duckdb, on_postgres):
        findings = scanner.findings(town, DETECTOR, limits=limits)
        assert {finding.subject["user_id"]: finding.severity for finding in findings} == oracle(actions)
