"""A period in numbers, against numbers worked out by hand."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from escalation.ledger.records import Ticket, TicketOutcome
from escalation.policy.policy import load_policy
from escalation.views.history import History
from reports.statistics import Part, statistics
from reports.statistics_formats import to_csv, to_json, to_markdown, to_table

POLICY = load_policy()
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def ticket(number: int, opened: datetime, **more: Any) -> Ticket:
    """A P1 ticket: acknowledged within two hours and resolved within three days, it keeps its promises."""
    plain = Ticket(
        id=number,
        external_id=f"hw-{number}",
        fingerprint=f"{number:032}",
        detector="removal-not-applied",
        team="engineering",
        severity="P1",
        title="Some title",
        status="open",
        opened_at=opened,
        clock_began_at=opened,
        acknowledge_due=opened + 2 * HOUR,
        investigate_due=opened + 4 * HOUR,
        resolve_due=opened + 3 * DAY,
    )
    return replace(plain, **more)


def verified(number: int, opened: datetime, *, after: timedelta, acknowledged: timedelta | None = None) -> Ticket:
    return ticket(
        number,
        opened,
        status="verified",
        ended_at=opened + after,
        acknowledged_at=opened + acknowledged if acknowledged else None,
    )


def history(*tickets: Ticket, **more: Any) -> History:
    plain = History(since=START, until=END, nights=31, incomplete=1, tickets=tickets, reopened={}, outcomes=())
    return replace(plain, **more)


def parts(of: History, now: datetime = END) -> dict[str, Part]:
    return {part.name: part for part in statistics(of, POLICY, now).parts}


def rows(of: History, name: str, now: datetime = END) -> list[dict[str, Any]]:
    part = parts(of, now)[name]
    return [dict(zip(part.columns, row, strict=True)) for row in part.rows]


def test_what_happened_in_the_period_is_counted_and_nothing_else() -> None:
    before, within = START - DAY, START + DAY
    of = history(
        ticket(1, before),
        verified(2, before, after=2 * DAY),
        verified(3, before, after=HOUR),
        verified(4, within, after=DAY),
        ticket(5, within, status="closed", ended_at=within + DAY, closed_as="false-positive"),
        ticket(6, within, status="closed", ended_at=END, closed_as="false-positive"),
        ticket(7, START, status="resolved", resolved_at=within, detector="person", team="csm", severity="Next-day"),
        reopened={1: 2},
    )
    assert rows(of, "teams") == [
        {
            "team": "csm",
            "opened": 1,
            "verified": 0,
            "closed": 0,
            "reopened": 0,
            "false_positives": 0,
            "false_positive_share": None,
        },
        {
            "team": "engineering",
            "opened": 3,
            "verified": 2,
            "closed": 1,
            "reopened": 2,
            "false_positives": 1,
            "false_positive_share": 0.333,
        },
    ]
    assert [row["detector"] for row in rows(of, "detectors")] == ["person", "removal-not-applied"]


def test_how_long_it_took_and_which_promises_were_kept() -> None:
    of = history(
        *(verified(number, START, after=number * DAY, acknowledged=number * HOUR) for number in (1, 2, 3, 4)),
        ticket(5, START - DAY, acknowledged_at=START),
        # Not over yet, and not due yet at the period's end.
        ticket(6, END - HOUR),
    )
    acknowledge, resolve = rows(of, "acknowledge_promises"), rows(of, "resolve_promises")
    assert acknowledge == [
        {
            "team": "engineering",
            "severity": "P1",
            "promised": "2 hours",
            "tickets": 5,
            "median_hours": 2.5,
            "p90_hours": 3.7,
            "kept": 2,
            "broken": 2,
            "share_kept": 0.5,
        }
    ]
    assert (resolve[0]["median_hours"], resolve[0]["p90_hours"]) == (60.0, 88.8)
    assert (resolve[0]["promised"], resolve[0]["kept"], resolve[0]["broken"]) == ("1-3 days", 3, 1)


@pytest.mark.parametrize(
    ("one", "kept", "broken"),
    [
        (verified(1, START, after=DAY, acknowledged=2 * HOUR), 1, 0),
        (verified(1, START, after=DAY, acknowledged=2 * HOUR + timedelta(seconds=1)), 0, 1),
        (verified(1, START, after=HOUR), 1, 0),
        (verified(1, START, after=3 * HOUR), 0, 1),
        (ticket(1, END - 2 * HOUR), 0, 0),
        (ticket(1, END - 2 * HOUR - timedelta(seconds=1)), 0, 1),
        (ticket(1, END - 2 * HOUR, acknowledged_at=END + HOUR), 0, 0),
        (ticket(1, START, acknowledge_due=None), 0, 0),
    ],
)
def test_when_an_acknowledgement_is_kept_or_broken(one: Ticket, kept: int, broken: int) -> None:
    (row,) = rows(history(one), "acknowledge_promises")
    assert (row["kept"], row["broken"]) == (kept, broken)


def test_a_period_that_is_not_over_is_judged_as_of_now() -> None:
    of = history(ticket(1, START))
    assert rows(of, "acknowledge_promises", START + HOUR)[0]["broken"] == 0
    assert rows(of, "acknowledge_promises", START + 3 * HOUR)[0]["broken"] == 1
    assert rows(of, "open_tickets", START + 12 * HOUR)[0]["oldest_days"] == 0.5


def test_the_ages_of_what_is_open_at_the_end() -> None:
    of = history(
        ticket(1, END - 10 * DAY),
        ticket(2, END - 2 * DAY),
        verified(3, END - 20 * DAY, after=DAY),
        verified(4, END - DAY, after=2 * DAY),
    )
    assert rows(of, "open_tickets") == [
        {"team": "engineering", "open": 3, "median_days": 2.0, "oldest_days": 10.0},
    ]


def test_outcomes_and_actions() -> None:
    def said(number: int, action: str | None) -> tuple[Ticket, TicketOutcome]:
        one = ticket(number, START, team="trust-safety", detector="abuse-report")
        at = END - number * HOUR
        return one, TicketOutcome(number, f"outcome {number}", action, "lesson", "kim", at)

    of = history(outcomes=(said(1, "No action"), said(2, "Account warning"), said(3, None), said(4, "No action")))
    assert rows(of, "actions") == [{"action": "Account warning", "tickets": 1}, {"action": "No action", "tickets": 2}]
    assert [row["outcome"] for row in rows(of, "outcomes")] == ["outcome 4", "outcome 3", "outcome 2", "outcome 1"]
    assert "kim" not in to_json(statistics(of, POLICY, END))


def test_an_empty_period_says_so() -> None:
    numbers = statistics(history(), POLICY, END)
    assert all(part.rows == () for part in numbers.parts)
    assert "2026-01-01 00:00 to 2026-02-01 00:00 UTC: 31 nights, 1 of them incomplete" in to_table(numbers)
    assert to_table(numbers).count(": none") == len(numbers.parts)
    assert to_csv(numbers).count("\n") == 1


def test_every_format_holds_the_same_values_and_nothing_hostile() -> None:
    evil = "=cmd() <!channel> https://evil.com \x1b[31m | `x`"
    outcome = TicketOutcome(1, evil, None, None, "kim", START)
    numbers = statistics(history(verified(1, START, after=DAY), outcomes=((ticket(1, START), outcome),)), POLICY, END)
    plain = json.loads(to_json(numbers))
    assert plain["report"] == {
        "version": 1,
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-02-01T00:00:00Z",
        "nights": 31,
        "incomplete_nights": 1,
    }
    assert plain["outcomes"][0]["outcome"] == evil
    assert plain["teams"][0]["verified"] == 1
    lines = {row["part"]: row for row in csv.DictReader(io.StringIO(to_csv(numbers)))}
    assert lines.keys() == {part.name for part in numbers.parts if part.rows}
    assert (lines["teams"]["verified"], lines["teams"]["team"], lines["teams"]["promised"]) == ("1", "engineering", "")
    assert lines["resolve_promises"]["share_kept"] == "100%"
    assert lines["outcomes"]["outcome"].startswith("'=cmd()")
    for shown in (to_table(numbers), to_markdown(numbers)):
        for live in ("<!channel>", "https://", "\x1b"):
            assert live not in shown
    assert "engineering  1" in to_table(numbers)
    assert "| engineering | 1 |" in to_markdown(numbers)


def test_how_the_numbers_went_is_a_line_of_blocks() -> None:
    of = history(*(ticket(number, START + number * DAY) for number in range(9)), verified(10, START, after=DAY))
    made, ended, waiting = statistics(of, POLICY, END).series
    assert (made.days, len(made.values), made.values[:2], made.values[-1]) == (1, 31, (2, 1), 0)
    assert (sum(ended.values), ended.values[1]) == (1, 1)
    assert (waiting.values[0], waiting.values[-1]) == (2, 9)
    assert "made        █▅▅▅▅▅▅▅▅▁" in to_table(statistics(of, POLICY, END))
    long = statistics(replace(of, since=START - 90 * DAY), POLICY, END).series[0]
    assert (long.days, len(long.values), sum(long.values)) == (3, 41, 10)
    assert statistics(replace(of, until=START + HOUR), POLICY, END).series == ()
