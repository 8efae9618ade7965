"""The defaults are those of the process document and of the catalogue; what no rule could compare with is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from detectors.limits import Limits

LEAST: dict[str, tuple[float, float]] = {
    "grace_seconds": (120, 0),
    "state_lookback_days": (3650, 1),
    "pattern_lookback_days": (7, 2),
    "creations_per_day": (10, 1),
    "creations_per_three_days": (15, 1),
    "removals_per_day": (20, 1),
    "removals_per_three_days": (45, 1),
    "incident_size": (25, 1),
    "incident_members_most": (1000, 1),
    "household_capacity": (15, 1),
    "app_creations_per_day": (5, 1),
    "app_join_requests_per_hour": (5, 1),
    "app_removals_per_day": (20, 1),
    "app_regenerations_per_day": (10, 1),
    "app_validations_per_hour": (100, 1),
    "session_grace_minutes": (15, 0),
    "surviving_sessions_most": (10, 1),
    "call_timeout_ms": (30000, 1),
    "creation_attempts_least": (20, 1),
    "creation_attempts_plenty": (200, 1),
    "dashboard_slow_ms": (10000, 1),
    "dashboard_views_least": (100, 1),
    "member_list_big": (10, 1),
    "member_list_failures_least": (3, 1),
    "timeouts_least": (3, 1),
    "refusal_days_least": (3, 1),
    "creator_seconds": (60, 1),
    "old_code_minutes": (5, 0),
    "invite_code_prefix_least": (3, 1),
    "invite_code_prefix_most": (6, 1),
    "invite_code_prefix_codes": (400, 1),
    "fake_households": (3, 2),
    "commercial_sittings": (10, 1),
    "commercial_sitting_households": (5, 1),
    "commercial_sitting_days": (30, 1),
    "people_most": (25, 1),
    "people_findings_most": (50, 0),
    "people_history_days": (90, 1),
    "ties_most": (20, 1),
    "common_address_people": (10, 2),
    "deletion_days": (30, 1),
    "feature_people": (5, 1),
    "feature_days": (30, 1),
    "vip_monthly_revenue": (100, 0),
    "punitive_removals": (3, 1),
    "harassment_people": (2, 2),
    "harassment_days": (7, 1),
    "failed_logins_before_transfer": (2, 1),
    "failed_logins": (5, 1),
    "access_networks": (3, 2),
    "access_new_agents": (2, 1),
    "habit_days": (7, 1),
    "habit_lookback_days": (14, 2),
    "sharing_people": (10, 1),
    "sharing_days": (7, 1),
    "bot_actions": (30, 3),
    "burst_seconds": (2, 0),
    "scraped_households": (200, 1),
    "guessed_codes_per_hour": (100, 1),
    "guessed_codes_per_day": (200, 1),
}
"""Each limit that may be its least value: its default, and that value."""
ABOVE: dict[str, tuple[float, float]] = {
    "creation_failures_most": (0.05, 0),
    "dashboard_slow_most": (0.01, 0),
    "fake_households_hours": (48, 0),
    "fake_households_likeness": (0.8, 0),
    "punitive_hours": (24, 0),
    "punitive_removals_hours": (1, 0),
    "clearing_hours": (24, 0),
    "leave_explains_minutes": (60, 0),
    "transfer_after_failures_minutes": (60, 0),
    "failed_logins_minutes": (30, 0),
    "change_after_failures_minutes": (60, 0),
    "access_minutes": (60, 0),
    "sharing_removed_within_hours": (24, 0),
    "bot_variation": (0.1, 0),
    "bot_pause": (3, 1),
    "bot_median_gap_seconds": (1, 0),
}
"""Each limit that must be above a value: its default, and that value."""
PREFIXES = {"invite_code_prefix_least", "invite_code_prefix_most"}
MOST = 2**31 - 1


def accepted(**limits: object) -> Limits:
    return Limits.model_validate(limits)


def refused(said: str = "", **limits: object) -> None:
    with pytest.raises(ValidationError, match=said):
        Limits.model_validate(limits)


def test_each_number_is_the_documents() -> None:
    numbers = {
        name: value for name, value in Limits() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    assert numbers == {name: default for name, (default, _) in (LEAST | ABOVE).items()}
    assert Limits().one_household_per_user
    assert Limits().timeout_statuses == {408, 504}


def test_the_least_value_of_each_is_accepted_and_no_lesser_one() -> None:
    for name, (_, least) in LEAST.items():
        beside = dict.fromkeys(PREFIXES, least) if name in PREFIXES else {}
        assert getattr(accepted(**{**beside, name: least}), name) == least
        refused(name, **{**beside, name: least - 1})
    for name, (_, bound) in ABOVE.items():
        assert getattr(accepted(**{name: bound + 1e-9}), name) > bound
        refused(name, **{name: bound})


def test_shares_are_shares() -> None:
    for name in ("creation_failures_most", "dashboard_slow_most"):
        accepted(**{name: 0.999})
        refused(name, **{name: 1})
    accepted(fake_households_likeness=1)
    refused("fake_households_likeness", fake_households_likeness=1.001)


def test_no_span_is_longer_than_a_hundred_years() -> None:
    for name, most in (("deletion_days", 36_500), ("punitive_hours", 876_000), ("access_minutes", 52_560_000)):
        assert getattr(accepted(**{name: most}), name) == most
        refused(f"{name} is more than a hundred years", **{name: most + 1})
    refused("burst_seconds is more than 2,147", burst_seconds=3_153_600_000)
    refused("burst_seconds is more than a hundred years", burst_seconds=3_153_600_001)


def test_a_number_by_days_is_no_span() -> None:
    assert accepted(creations_per_three_days=36_501).creations_per_three_days == 36_501


def test_every_database_can_compare_with_it() -> None:
    assert accepted(incident_size=MOST).incident_size == MOST
    refused(f"incident_size is more than {MOST:,}", incident_size=MOST + 1)
    refused("vip_monthly_revenue is more than", vip_monthly_revenue=float("inf"))
    refused("punitive_hours", punitive_hours=float("nan"))


def test_a_prefix_has_a_length() -> None:
    assert accepted(invite_code_prefix_least=4, invite_code_prefix_most=4).invite_code_prefix_least == 4
    refused("above invite_code_prefix_most", invite_code_prefix_least=5, invite_code_prefix_most=4)


def test_one_empty_word_is_enough_to_be_refused() -> None:
    assert accepted(commercial_words=("sale", "offer")).commercial_words == ("sale", "offer")
    refused("a word is empty", commercial_words=("sale", " "))


def test_limits_do_not_change_while_rules_compare() -> None:
    with pytest.raises(ValidationError):
        Limits().incident_size = 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
def test_a_known_zone_is_accepted(zone: str) -> None:
    assert accepted(time_zone=zone).time_zone == zone
    refused("is no time zone", time_zone=f"{zone}x")
    refused(f"'{40 * 'x'}' is no time zone", time_zone=50 * "x")
