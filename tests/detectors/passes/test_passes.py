"""The passes of all modules together."""

from __future__ import annotations

import gc
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

from sqlalchemy import false

from detectors import passes
from detectors.contract import Subscription
from detectors.passes import PASSES
from detectors.registry import DETECTORS
from detectors.rules.integrity.no_leader import DETECTOR
from tests.support.towns import Scanner, Town


def test_every_module_of_passes_is_known_and_no_two_share_an_id() -> None:
    modules = [import_module(f"{passes.__name__}.{found.name}") for found in iter_modules(passes.__path__)]
    added = [one for module in modules for one in getattr(module, "PASSES", ())]
    assert sorted(one.id for one in added) == sorted(PASSES)
    assert all(PASSES[one.id] is one for one in added)


def test_every_subscription_is_on_a_pass() -> None:
    assert {subscription.on for detector in DETECTORS for subscription in detector.subscriptions} <= set(PASSES)


def test_a_detector_waits_for_one_kind_of_case() -> None:
    """Kinds are evaluated as they become complete, at the same time: a rule with two would be asked twice at once."""
    for detector in DETECTORS:
        assert (
            len(
                {
                    subscription.opens or PASSES[subscription.on].key
                    for subscription in detector.subscriptions
                    if not subscription.aggregate
                }
            )
            <= 1
        ), detector.id


def sound_town() -> Town:
    town = Town()
    town.family("oak", "anna")
    return town


def test_a_column_that_a_pass_does_not_have_is_named(on_duckdb: Scanner) -> None:
    wrong = replace(
        DETECTOR, subscriptions=(Subscription("households", lambda household, _: household.c.colour == "green"),)
    )
    (entry,) = on_duckdb(sound_town(), wrong).coverage
    assert entry.status == "failed"
    assert "no column colour" in (entry.reason or "")


def test_a_scan_leaves_the_collection_of_garbage_as_it_was(on_duckdb: Scanner) -> None:
    seen = []
    before, usual = gc.get_threshold(), (700, 10, 10)
    watching = replace(
        DETECTOR,
        subscriptions=(
            Subscription("households", lambda *_: seen.append(gc.get_threshold()) or false()),  # type: ignore[func-returns-value]
        ),
    )
    gc.set_threshold(*usual)
    try:
        on_duckdb(sound_town(), watching)
        assert gc.get_threshold() == usual != seen[0]
    finally:
        gc.set_threshold(*before)
