"""The passes of all modules together."""

from __future__ import annotations

import gc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules

from sqlalchemy import false, select, true
from sqlalchemy.dialects.postgresql import dialect

from detectors import passes
from detectors.context import FEW_CHANGED
from detectors.contract import Context, Subscription, Window
from detectors.passes import PASSES, Subscriber, statement
from detectors.registry import DETECTORS
from detectors.rules.integrity.no_leader import DETECTOR
from detectors.source import SourceMapping, open_source
from tests.support.towns import AS_OF, DAY, Scanner, Town


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


def test_conditions_are_not_asked_twice_where_all_rows_come_anyway(on_duckdb: Scanner) -> None:
    some = Subscription("households", lambda household, _: household.c.active_members > 7)
    whole = Subscription("households", lambda household, _: true())
    context = Context(AS_OF, Window(AS_OF - DAY, AS_OF))
    with open_source(on_duckdb.open_town(sound_town().tables()), SourceMapping()) as source:
        asked = [
            statement(
                PASSES["households"],
                [Subscriber(f"flag_{place}", one) for place, one in enumerate(each)],
                source.tables,
                None,
                context,
            )
            for each in ((some,), (some, whole))
        ]
        times = [str(one.compile(dialect=dialect())).count("active_members > ") for one in asked]  # type: ignore[no-untyped-call]  # untyped in the library
        rows = [len(source.rows(one, "test")) for one in asked]
    assert times[0] - times[1] == 1
    assert rows[0] <= rows[1]


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


def test_few_changed_households_are_not_looked_for_by_the_types_of_their_events(on_duckdb: Scanner) -> None:
    """An index on the types names the departures of all households there ever were; PostgreSQL takes it where it can."""
    with open_source(on_duckdb.open_town(sound_town().tables()), SourceMapping()) as source:
        at = datetime(2026, 1, 2, tzinfo=UTC)

        def looked_through(changed: int) -> int:
            homes = frozenset(f"home-{number}" for number in range(changed))
            context = Context(as_of=at, window=Window(at - timedelta(days=1), at), changed=homes, news_from=at)
            asked = select(PASSES["presence"].rows(source.tables, None, context)).compile(dialect=dialect())  # type: ignore[no-untyped-call]  # untyped in the library
            return str(asked).count("coalesce(household_events.event_type, ")

        assert looked_through(FEW_CHANGED) == looked_through(FEW_CHANGED + 1) + 1
