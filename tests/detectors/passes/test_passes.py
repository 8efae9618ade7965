"""The passes of all modules together."""

from __future__ import annotations

import gc
from dataclasses import replace

from sqlalchemy import false

from detectors.contract import Subscription
from detectors.passes import PASSES, admissions, households, names_and_codes, operations, people, presence, requests
from detectors.registry import DETECTORS
from detectors.rules.integrity.no_leader import DETECTOR
from tests.support.towns import Scanner, Town


def test_no_two_passes_share_an_id() -> None:
    added = [
        one
        for module in (admissions, households, operations, people, presence, requests, names_and_codes)
        for one in module.PASSES
    ]
    assert all(PASSES[one.id] is one for one in added)


def test_every_ride_is_on_a_pass() -> None:
    assert {subscription.on for detector in DETECTORS for subscription in detector.subscriptions} <= set(PASSES)


def test_a_detector_waits_for_one_kind_of_case() -> None:
    """Kinds are judged as they become complete, at the same time: a rule with two would be asked twice at once."""
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
    before = gc.get_threshold()
    watching = replace(
        DETECTOR,
        subscriptions=(
            Subscription("households", lambda *_: seen.append(gc.get_threshold()) or false()),  # type: ignore[func-returns-value]
        ),
    )
    on_duckdb(sound_town(), watching)
    assert gc.get_threshold() == before != seen[0]
