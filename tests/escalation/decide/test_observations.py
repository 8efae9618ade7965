"""What an entry keeps of a finding, and what a night changes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from detectors.contract import Finding, Impact
from escalation.decide.observations import claims_of, dated, first_entry, first_seen, observe
from escalation.ledger.records import Entry
from escalation.policy.policy import load_policy
from tests.escalation.findings import NOON, finding

NIGHTS = load_policy().nights
DAY = timedelta(days=1)
STATE = finding("no-leader", household="h1", impact=Impact(users=20, households=1))
HAPPENED = finding("mass-creation", user="u1", impact=Impact(users=20, households=1))


def entry(of: Finding = STATE, **changes: Any) -> Entry:
    return replace(first_entry(of, NOON - DAY), **changes)


def changed(of: Finding, **changes: Any) -> Finding:
    return of.model_copy(update=changes)


def test_an_entry_keeps_fifty_ids_and_no_longer_lists() -> None:
    ids = tuple(f"h{number:02}" for number in range(60))
    of = changed(
        STATE, households=ids, users=ids, evidence={"fifty": list(ids[:50]), "more": list(ids[:51]), "rows": 7}
    )
    assert (entry(of).households, entry(of).users) == (ids[:50], ids[:50])
    assert claims_of(of) == {"fifty": list(ids[:50]), "rows": 7}
    after = observe(entry(), "seen", of, NIGHTS, NOON)
    assert (after.households, after.users, after.claims) == (ids[:50], ids[:50], claims_of(of))


@pytest.mark.parametrize(
    ("before", "expected"),
    [(None, NOON), (entry(present=False), NOON), (entry(), NOON - DAY)],
    ids=["new", "back", "there"],
)
def test_what_comes_back_is_first_seen_anew(before: Entry | None, expected: datetime) -> None:
    assert first_seen(before, NOON) == expected


@pytest.mark.parametrize(
    ("of", "last_look", "observed"),
    [
        (STATE, NOON - 2 * DAY, "Not found at the look of 2026-01-31 12:00:00 UTC, found at 2026-02-01 12:00:00 UTC"),
        (STATE, None, "Found at the first look for it, 2026-02-01 12:00:00 UTC"),
        (
            changed(STATE, occurred_at=None),
            None,
            "Found at the first look for it, 2026-02-01 12:00:00 UTC; since when is not known",
        ),
    ],
)
def test_a_state_says_between_which_looks_it_began(of: Finding, last_look: datetime | None, observed: str) -> None:
    told = dated(of, entry(), last_look, NOON)
    assert (told.first_seen, told.story.observed) == (NOON - DAY, observed)


def test_what_happened_once_is_dated_by_its_own_events() -> None:
    assert dated(HAPPENED, None, None, NOON) == HAPPENED


def test_of_what_is_found_again_no_look_is_named_that_had_found_it() -> None:
    told = dated(STATE, entry(present=False), NOON - DAY, NOON, again=True).story.observed
    assert told == "Found again at 2026-02-02 12:00:00 UTC, after it had gone"


@pytest.mark.parametrize(
    ("before", "seen", "returns"),
    [(entry(), True, ()), (entry(present=False), True, (NOON,)), (entry(present=False), False, ())],
    ids=["still there", "back", "still gone"],
)
def test_only_coming_back_is_counted_as_a_return(before: Entry, seen: bool, returns: tuple[datetime, ...]) -> None:
    after = observe(before, "seen" if seen else "absent", STATE if seen else None, NIGHTS, NOON)
    assert after.returns == returns


def test_an_effect_keeps_what_was_known_of_it_and_its_cause() -> None:
    worse = changed(STATE, impact=Impact(users=99, households=1))
    effect = observe(entry(), "explained", worse, NIGHTS, NOON, cause="x")
    assert (effect.size, effect.explained_by) == (20, "x")
    assert observe(effect, "seen", worse, NIGHTS, NOON, cause="x").explained_by is None


@pytest.mark.parametrize(
    ("again", "title"),
    [
        ({}, "Anew"),
        ({"severity": "Next-day"}, HAPPENED.title),
        ({"impact": Impact(users=19, households=1)}, HAPPENED.title),
    ],
    ids=["the same", "less urgent", "smaller"],
)
def test_what_is_met_in_part_stays_as_it_was(again: dict[str, Any], title: str) -> None:
    after = observe(entry(HAPPENED), "seen", changed(HAPPENED, title="Anew", **again), NIGHTS, NOON)
    assert (after.title, after.status) == (title, "still-there")


def test_the_latest_time_at_which_it_happened_is_kept() -> None:
    earlier, later = (changed(HAPPENED, occurred_at=NOON + days * DAY) for days in (-3, 3))
    times = [observe(entry(HAPPENED), "seen", of, NIGHTS, NOON).happened_at for of in (earlier, HAPPENED, later)]
    assert times == [NOON, NOON, NOON + 3 * DAY]
