"""The page's lists and figures: what they count, whom they name, and that they agree with one another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from selectolax.lexbor import LexborHTMLParser

from escalation.decide.clocks import Overdue
from escalation.ledger.snapshots import Ending, Said
from escalation.people.outcomes import Settled
from escalation.policy.policy import load_policy
from escalation.views.morning import Change
from reports.page.hiding import Hiding
from reports.page.render import render
from reports.page.trends import trends
from reports.page.week import week
from reports.page.words import beside
from tests.reports.examples import MASS_CREATION, TRANSFER_FAILED
from tests.reports.mornings import DAY, NOW, morning, ticket

POLICY = load_policy()
OPEN = Hiding(POLICY, "personal")


def shown(page: str) -> str:
    return LexborHTMLParser(page).text()


def test_the_first_line_and_coverage_agree_and_are_not_green_where_something_was_not_looked_at() -> None:
    of = morning([])
    *before, last = of.nights
    endings = {
        one.detector: one
        for one in (
            Ending(2, "no-leader", "ran", None, 0),
            Ending(2, "mass-creation", "ran", "no table of users", 0),
            Ending(2, "over-capacity", "not_applicable", "no table of pets", 0),
        )
    }
    failed = replace(before[0], endings={"bot-cadence": Ending(0, "bot-cadence", "failed", "too slow", 0)})
    page = LexborHTMLParser(render(replace(of, nights=(failed, replace(last, endings=endings))), OPEN))
    verdict = page.css_first("p.verdict.part")
    assert verdict is not None
    assert "1 detector looked at everything that they needed; 1 detector looked in part and 1 detector had nothing" in (
        verdict.text()
    )
    assert "1 looked" in [one.text() for one in page.css("#coverage .tile")]
    gaps = [one.text() for one in page.css("#coverage details > ul > li")]
    assert gaps == ["No run on 2026-02-03.", "bot-cadence failed on 2026-02-02."]


def test_a_week_is_held_beside_the_days_that_were_held() -> None:
    of = morning([TRANSFER_FAILED] * 9)
    night = of.nights[-1]
    nights = tuple(
        replace(night, row=replace(night.row, as_of=NOW - place * DAY)) for place in range(13, -1, -1) if place != 10
    )
    opened = [NOW - DAY] * 5 + [NOW - 8 * DAY] * 2 + [NOW - 12 * DAY, NOW - 40 * DAY]
    tickets = tuple(replace(one, opened_at=at) for one, at in zip(of.history.tickets, opened, strict=True))
    progress = of.cards[0].progress
    assert progress is not None
    late = replace(progress, overdue=(Overdue("acknowledge", NOW - DAY),), next=None)
    told = week(
        replace(
            of,
            nights=nights,
            history=replace(of.history, tickets=tickets),
            cards=(replace(of.cards[0], progress=late),),
        )
    )
    assert told.says == (
        "Worse: 5 tickets made and 0 verified as fixed in the last 7 days, beside 3.0 and 0.0 in a week of the 7 days before."
    )
    assert told.table.rows[0] == ("Tickets made", "5", "3.0")
    assert told.table.rows[-1][1] == "0 (and 1 overdue, not acknowledged yet)"
    assert "2026-01-22 to 2026-01-28, 1 of them without a run" in told.table.note
    assert "no day before them is known" in week(of).says


def test_who_is_on_several_tickets_is_told_and_so_is_nobody() -> None:
    of = morning([TRANSFER_FAILED, MASS_CREATION, TRANSFER_FAILED])
    first, other, again = of.cards
    (line,) = LexborHTMLParser(render(of, OPEN)).css("[aria-labelledby=shared] li")
    assert "household household_67890 and user user_12345" in line.text()
    assert [one.text() for one in line.css("a")] == [first.ticket.external_id, again.ticket.external_id]
    assert "user_12345" not in shown(render(of, Hiding(POLICY, "ids", b"key")))
    text = shown(render(replace(of, cards=(first, other)), OPEN))
    assert "on several tickets in progress: none." in text
    assert "Put off: none." in text
    assert text.count("Connected tickets: none.") == 2


def test_what_is_back_says_who_called_it_fixed_and_what_is_new_on_how_many_tickets() -> None:
    of = morning([TRANSFER_FAILED, MASS_CREATION, TRANSFER_FAILED], words="kim")
    first, second, third = of.cards
    told = [
        Said(night, at, "f", 2, "back", *said)
        for night, at, said in (
            (1, NOW - 2 * DAY, ("verify", "fixed")),
            (2, NOW - DAY, ("reopen", "back")),
        )
    ]
    cards = (replace(first, said=tuple(told[1:])), replace(second, said=tuple(told)), third)
    back = [
        Change("back", reason, card.entries[0], card.ticket)
        for card, reason in zip(cards, ("still-seen", "back"), strict=False)
    ]
    new = [Change("new", reason, third.entries[0], third.ticket) for reason in ("new", "same-case")]
    page = LexborHTMLParser(render(replace(of, cards=cards, changes=(*back, *new)), OPEN))
    called, verified = (one.text() for one in page.css("[aria-labelledby=back] .what"))
    assert "called fixed by people (owner: kim); reopened 2026-02-03 03:00" in called
    assert "verified as fixed by the scan of 2026-02-02 03:00; reopened 2026-02-03" in verified
    assert "2 New findings on 1 ticket" in page.css_first("a[href='#new']").text()  # type: ignore[union-attr]  # it has one


def test_a_ticket_that_has_ended_says_whom_to_tell_what_now_and_of_when_its_story_is() -> None:
    of = morning([TRANSFER_FAILED])
    (card,) = of.cards
    over = ticket(1, TRANSFER_FAILED, status="verified")
    tell = Settled(
        over, (), ("user_12345",), ("household_67890",), reporter_only=False, cut=False, words="It is fixed."
    )
    fixed = Change("fixed", "fixed", replace(card.entries[0], title="No leader"), over)
    ended = replace(card, ticket=over, progress=None, settled=tell, told_at=NOW - DAY)
    night = replace(of, cards=(ended,), settled=(tell,), changes=(fixed,))
    text = shown(render(night, OPEN))
    assert text.count("tell user user_12345 · household household_67890: It is fixed.") == 1
    assert "What the customer is told now: Tell user user_12345" in text
    assert "This is a critical issue" not in text
    assert "who leads it, on 2026-02-03 03:00" in text
    line = LexborHTMLParser(render(night, OPEN)).css_first("[aria-labelledby=fixed] .what")
    assert line is not None
    assert [line.css_first("a").text(), "No leader ·" in line.text()] == [over.title, True]  # type: ignore[union-attr]  # it has one
    assert "user_12345" not in shown(render(night, Hiding(POLICY, "ids", b"key")))


def test_charts_say_the_median_beside_its_promise_and_the_most_false_alarms() -> None:
    of = morning([TRANSFER_FAILED, MASS_CREATION])
    acknowledged, false = (replace(one, acknowledged_at=one.opened_at + DAY / 80) for one in of.history.tickets)
    false = replace(false, status="closed", closed_as="false-positive", ended_at=NOW - DAY / 24)
    bars = {
        one.title: one.says
        for one in trends(replace(of, history=replace(of.history, tickets=(acknowledged, false))), POLICY).bars
    }
    said = bars["Acknowledged in time: promises kept and broken"]
    assert (
        said
        == "2 of 2 kept. Median, beside the promise: engineering P0 18 min of 30 min; trust-safety Same-day 0.3 hours of 4 hours."
    )
    assert bars["Was the detector right? Ended tickets"].endswith("Most false alarms: mass-creation, 1 of 1 ended.")


@pytest.mark.parametrize(
    ("promise", "hours", "said"),
    [
        ("30 min", 0.3, "18 min of 30 min"),
        ("1-3 days", 36.0, "1.5 days of 1-3 days"),
        ("1-2 weeks", 84.0, "0.5 weeks of 1-2 weeks"),
        ("4-8 hours", 6.0, "6 hours of 4-8 hours"),
    ],
)
def test_a_median_is_in_its_promises_unit(promise: str, hours: float, said: str) -> None:
    assert beside(promise, hours) == said
