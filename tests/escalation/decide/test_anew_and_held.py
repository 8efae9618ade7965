"""When an occurrence has happened anew, and until when silences hold a ticket back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from detectors.contract import Finding
from escalation.decide.decisions import decide, held_until, is_held
from escalation.decide.observations import first_entry
from escalation.ledger.records import Entry, Look, Silence
from tests.escalation.decide.test_decisions import DAY, HAPPENED, HOUR, POLICY, STATE, silence, ticket
from tests.escalation.findings import NOON, finding

BEFORE = replace(first_entry(HAPPENED, NOON + HOUR), ticket_id=1)


@pytest.mark.parametrize(
    ("before", "happened", "on", "look", "expected"),
    [
        (BEFORE, HOUR, {}, "night", False),
        (BEFORE, HOUR, {}, "quick", False),
        (replace(BEFORE, last_seen_at=NOON - DAY), HOUR, {}, "quick", False),
        (replace(BEFORE, last_seen_at=NOON - DAY), HOUR, {}, "night", True),
        (BEFORE, DAY, {}, "night", True),
        (BEFORE, DAY, {}, "quick", True),
        (BEFORE, HOUR, {"ended_at": NOON + DAY, "status": "closed"}, "night", True),
        (BEFORE, HOUR, {"resolved_at": NOON + DAY, "status": "resolved"}, "night", True),
        (BEFORE, HOUR, {"ended_at": NOON, "status": "closed"}, "quick", True),
        (BEFORE, HOUR, {"ended_at": NOON + HOUR, "status": "closed"}, "quick", False),
        (None, HOUR, {}, "quick", True),
        (replace(BEFORE, happened_at=None), HOUR, {}, "quick", True),
        (BEFORE, None, {}, "quick", True),
    ],
)
def test_it_happened_anew_on_a_later_day_or_after_its_ticket_had_ended(
    before: Entry | None, happened: timedelta | None, on: dict[str, Any], look: Look, expected: bool
) -> None:
    """All of it happened on one day at noon and later, and the look before saw it an hour after noon."""
    after = replace(BEFORE, status="back", happened_at=None if happened is None else NOON + happened)
    decision = decide(before, after, "seen", ticket(of=HAPPENED, **on), None, POLICY, NOON + DAY, look=look)
    assert (decision.reason == "happened-again") is expected


OTHER = finding("orphaned-household", household="h1")
THEIRS = finding("mass-creation", user="u1")


def on_ticket(of: Finding, **changes: Any) -> Entry:
    return replace(first_entry(of, NOON - DAY), **changes)


def muted(of: Finding, hours: int) -> Silence:
    return replace(silence(ends=hours * HOUR), fingerprint=of.fingerprint)


@pytest.mark.parametrize(
    ("entries", "silences", "until"),
    [
        ([on_ticket(STATE)], [muted(STATE, 1)], 1),
        ([on_ticket(STATE)], [], None),
        ([on_ticket(STATE)], [muted(STATE, 0)], None),
        ([on_ticket(STATE), on_ticket(OTHER)], [muted(STATE, 1)], None),
        ([on_ticket(STATE), on_ticket(OTHER)], [muted(STATE, 2), muted(OTHER, 1)], 1),
        ([on_ticket(STATE), on_ticket(THEIRS)], [muted(STATE, 1)], 1),
        ([on_ticket(STATE), on_ticket(OTHER, explained_by="x")], [muted(STATE, 1)], 1),
        ([on_ticket(STATE), on_ticket(OTHER, present=False)], [muted(STATE, 1)], 1),
        ([on_ticket(STATE, present=False), on_ticket(OTHER)], [muted(STATE, 1)], None),
        ([on_ticket(STATE, present=False), on_ticket(OTHER, present=False)], [muted(STATE, 1)], 1),
        ([on_ticket(OTHER)], [muted(OTHER, 1)], 1),
        ([], [], None),
    ],
    ids=[
        "one, muted",
        "one",
        "one, its silence is over",
        "two, one muted",
        "two, both muted",
        "another team's is not asked",
        "an effect is not asked",
        "what is gone is not asked",
        "what is there decides",
        "nothing is there: the first one decides",
        "the first one is on it no more",
        "nothing is known of it",
    ],
)
def test_a_ticket_is_held_until_the_first_silence_ends(
    entries: list[Entry], silences: list[Silence], until: int | None
) -> None:
    by_finding = {one.fingerprint: one for one in silences}
    held: datetime | None = None if until is None else NOON + until * HOUR
    assert held_until(STATE.fingerprint, entries, by_finding, NOON) == held
    assert is_held(STATE.fingerprint, entries, by_finding, NOON) is (held is not None)
