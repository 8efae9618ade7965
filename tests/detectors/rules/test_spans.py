"""A span that the policy makes longer reaches everything that reads for its rule: no pass and no fetcher cuts it off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.limits import Limits
from detectors.rules.trust_safety import failed_logins_then_changes, suspicious_access
from tests.support.towns import DAY, HOUR, MINUTE, NOON, Scanner, Town, uid


@pytest.mark.parametrize("hours", [1, 23, 37, 71, 331])
def test_a_change_long_after_failed_logins(scanner: Scanner, hours: int) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    last = NOON - timedelta(hours=hours)
    for number in range(5):
        town.event("login_failed", None, "anna", at=last - number * 6 * MINUTE, ip_address="6.6.6.6")
    town.event("login_succeeded", None, "anna", at=last + MINUTE)
    town.event("household_updated", "oak", "anna", at=NOON)
    rule = failed_logins_then_changes.DETECTOR
    longer = Limits(change_after_failures_minutes=hours * 60 + 1)
    assert scanner.subjects(town, rule, limits=longer) == [{"user_id": uid("anna")}]
    assert scanner.findings(town, rule, limits=Limits(change_after_failures_minutes=hours * 60)) == []


@pytest.mark.parametrize("hours", [1, 25, 49, 401])
def test_networks_far_apart(scanner: Scanner, hours: int) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    town.event("household_dashboard_viewed", "oak", "anna", at=NOON - 60 * DAY, ip_address="9.9.9.9")
    for place, before in enumerate((hours * HOUR, hours * HOUR / 2, timedelta(0))):
        town.event("household_updated", "oak", "anna", at=NOON - before, ip_address=f"10.{place}.0.1")
    rule = suspicious_access.DETECTOR
    assert scanner.subjects(town, rule, limits=Limits(access_minutes=hours * 60 + 1)) == [{"user_id": uid("anna")}]
    assert scanner.findings(town, rule, limits=Limits(access_minutes=hours * 60 - 1)) == []
