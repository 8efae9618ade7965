"""mass-removal: no family loses twenty-one members in a day."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.limits import Limits
from detectors.rules.trust_safety.mass_removal import DETECTOR
from tests.support.daily_deeds import REMOVAL
from tests.support.effort import tries
from tests.support.towns import HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

TICK = timedelta(microseconds=1)


def removed(*per_day: int) -> Town:
    return REMOVAL.town(*per_day)


def severity(scanner: Scanner, town: Town, **options: object) -> str | None:
    return REMOVAL.severity(scanner, town, **options)


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
