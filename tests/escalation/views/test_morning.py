"""The morning page's figures: what the last night changed, which days nobody looked, what is kept of tickets and how long."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from detectors.contract import PERSON
from escalation.ledger.snapshots import KEPT_AFTER_END, ROWS_KEPT
from escalation.views.morning import Morning, morning
from tests.escalation.findings import finding
from tests.escalation.town import POLICY, Town

OAK, ELM = finding("no-leader", household="oak"), finding("multiple-leaders", household="elm")


def now(town: Town) -> Morning:
    return morning(town.ledger, POLICY, town.now)


def test_the_last_nights_changes_are_told_by_kind(town: Town) -> None:
    town.night(OAK, ELM)
    town.night(OAK)
    of = now(town)
    assert [(one.kind, one.entry.detector) for one in of.changes] == [("fixed", "multiple-leaders")]
    assert of.unchanged == 1
    assert [one.ticket.detector for one in of.settled] == ["multiple-leaders"]
    assert of.cards[-1].settled == of.settled[0]
    assert [(card.told_at, card.settled is None) for card in of.cards] == [
        (of.nights[0].row.as_of, True),
        (of.nights[0].row.as_of, False),
    ]
    town.night(OAK, ELM, finding("mass-removal", user="kim"))
    assert Counter(one.kind for one in now(town).changes) == {"new": 1, "back": 1}
    town.night(status="failed")
    of = now(town)
    assert {one.kind for one in of.changes} == {"not looked at"}
    assert len(of.changes) == 3
    assert of.nights[-1].endings["no-leader"].status == "failed"
    assert [card.ticket.detector for card in of.cards][:2] == ["no-leader", "multiple-leaders"], "the latest first"


def test_days_without_a_run_are_days_on_which_nobody_looked(town: Town) -> None:
    town.night(OAK)
    town.night(OAK, hours=72)
    town.night(OAK, ELM, hours=2)
    of = now(town)
    assert [night is not None for _, night in of.calendar] == [True, False, False, True]
    assert [dict(night.found) for night in of.nights] == [{"no-leader": 1}, {"no-leader": 1, "multiple-leaders": 1}]
    assert [night.open_by_age for night in of.nights] == [(1, 0, 0, 0), (1, 1, 0, 0)]
    assert morning(town.ledger, POLICY, town.now - timedelta(days=9)).calendar == ()


def test_what_a_ticket_was_about_is_kept_in_short_and_not_for_ever(town: Town) -> None:
    rows = [{"place": number} for number in range(ROWS_KEPT + 5)]
    town.night(OAK.model_copy(update={"evidence": {"rows": rows, "name": "Rex"}}))
    town.night()
    (card,) = now(town).cards
    (kept,) = card.findings
    assert (len(kept.evidence["rows"]), kept.evidence["name"]) == (ROWS_KEPT, "[not kept]")
    assert [one.reason for one in card.said] == ["new", "fixed"]
    town.night(hours=KEPT_AFTER_END / timedelta(hours=1))
    of = now(town)
    assert (of.cards, len(of.older)) == ((), 1)
    with town.ledger.begin() as tx:
        assert tx.snapshots() == {}


def test_of_what_is_told_by_email_only_nothing_is_kept(town: Town) -> None:
    town.night(OAK.model_copy(update={"team": "legal", "detector": PERSON, "severity": "P0"}))
    (card,) = now(town).cards
    assert card.findings == ()
