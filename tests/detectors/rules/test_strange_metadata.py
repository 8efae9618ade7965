"""Metadata that nobody expects: no rule on operations fails over it, and both engines read it alike."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from detectors.limits import Limits
from detectors.registry import BY_ID
from tests.support.effort import tries
from tests.support.towns import HOUR, MINUTE, NOON, Scanner, Town, uid

DETECTORS = [
    BY_ID[name]
    for name in (
        "invite-code-failure",
        "database-errors",
        "api-timeouts",
        "creation-failure-rate",
        "slow-dashboard",
        "member-list-failing",
        "repeated-timeouts",
        "rate-limit-inconsistent",
        "invite-code-collision",
        "legitimate-high-volume",
    )
]
TYPES = (
    "api_request",
    "household_created",
    "household_create_failed",
    "household_dashboard_viewed",
    "household_member_list_viewed",
    "household_invite_code_failed",
    "household_invite_code_regenerated",
    "household_member_removed",
    "lock_acquisition_timeout",
    "rate_limit_exceeded",
)
STRANGE: tuple[Any, ...] = (None, "", " ", True, 0, -1, "é" * 300, [], [45_000], {}, "null", "9e99", "-4.5e4", "NaN")
NUMBERS: tuple[Any, ...] = (1e300, 4.5e16, -0.5, {"a": 1})
"""As texts, the engines write these differently: they stand where a number is read."""
SENSIBLE: dict[str, tuple[Any, ...]] = {
    "correlation_id": ("a", "b", "c", 7),
    "duration_ms": (45_000, "45000", "4.5e4", 30_000, 12_000.5, 10_000),
    "error_code": ("DATABASE_ERROR", "TIMEOUT", "08006", 53300, 57014, "RATE_LIMIT_EXCEEDED"),
    "error_message": ("no",),
    "status": (504, "504", 504.0, 200),
    "route": ("/households",),
    "member_count": (11, "11", 11.0, 4),
    "limit_type": ("household_creation", "member_removal", "invite_regeneration", "join_request"),
    "member_id": (uid("ben"),),
    "request_id": (uid("request"),),
    "ip_address": ("203.0.113.7",),
    "old_invite_code": ("REX-ALPHA-BRAVO", "rex-alpha-bravo", "[REDACTED]"),
}
LIMITS = Limits(
    creation_attempts_least=2, dashboard_views_least=2, member_list_failures_least=1, timeouts_least=1,
    refusal_days_least=1, known_organisations=frozenset({uid("anna")}),
)  # fmt: skip


@st.composite
def strange(draw: st.DrawFn) -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora")
    town.home("elm")["invite_code"] = "REX-ALPHA-BRAVO"
    town.event("pet_activity_logged", "oak", "anna", at=NOON - 72 * HOUR)
    for _ in range(draw(st.integers(1, 12))):
        where, who = draw(st.sampled_from(["oak", "elm", None])), draw(st.sampled_from(["anna", "ben", None]))
        at = NOON + draw(st.integers(-900, 900)) * MINUTE
        town.event(draw(st.sampled_from(TYPES)), where, who, at=at)
        keys = draw(st.sets(st.sampled_from(sorted(SENSIBLE)), max_size=6))
        odd = {key: STRANGE + NUMBERS if key == "duration_ms" else STRANGE for key in keys}
        metadata = {key: draw(st.sampled_from(SENSIBLE[key] * 3 + odd[key])) for key in sorted(keys)}
        town.household_events[-1]["metadata"] = draw(st.sampled_from([*[metadata] * 12, "[45000]", '"text"', "5"]))
    return town


@tries(20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strange())
def test_nothing_fails_and_both_engines_agree(on_duckdb: Scanner, on_postgres: Scanner, town: Town) -> None:
    duck, postgres = (scanner.findings(town, *DETECTORS, limits=LIMITS) for scanner in (on_duckdb, on_postgres))
    assert [finding.model_dump_json() for finding in duck] == [finding.model_dump_json() for finding in postgres]
