"""Deadlines, on the absolute and the business clock, and the ladder of follow-ups."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Severity, Team
from escalation.decide.clocks import (
    Deadlines,
    after,
    deadlines,
    due_next,
    ladder_step,
    next_update,
    overdue,
    overdue_with_team,
    restarted,
    sooner,
)
from escalation.ledger.records import Ticket, TicketStatus
from escalation.policy.policy import load_policy
from escalation.policy.process import BusinessHours

POLICY = load_policy()
MONDAY = datetime(2026, 2, 2, 9, tzinfo=UTC)
MIN, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TINY = timedelta(microseconds=1)
HOURS = BusinessHours()
BERLIN = BusinessHours(time_zone="Europe/Berlin")


def ticket(
    team: Team = "engineering",
    severity: Severity = "P0",
    detector: str = "no-leader",
    status: TicketStatus = "open",
    **changes: Any,
) -> Ticket:
    due = deadlines(MONDAY, POLICY.sla(team, severity, detector), HOURS)
    made = Ticket(
        id=1,
        external_id="hw-1",
        fingerprint="f",
        detector=detector,
        team=team,
        severity=severity,
        title="t",
        status=status,
        opened_at=MONDAY,
        clock_began_at=MONDAY,
        acknowledge_due=due.acknowledge,
        investigate_due=due.investigate,
        resolve_due=due.resolve,
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("team", "severity", "detector", "acknowledge", "investigate", "resolve"),
    [
        ("engineering", "P0", "no-leader", 30 * MIN, HOUR, 8 * HOUR),
        ("engineering", "P0", "stored-markup", 30 * MIN, HOUR, 0 * HOUR),
        ("engineering", "P1", "removal-not-applied", 2 * HOUR, 4 * HOUR, 3 * DAY),
        ("engineering", "P2", "missing-index", 4 * HOUR, DAY, 14 * DAY),
        ("trust-safety", "Immediate", "abuse-report", HOUR, 4 * HOUR, DAY),
        ("trust-safety", "Same-day", "mass-creation", 4 * HOUR, DAY, 3 * DAY),
        ("trust-safety", "Next-day", "scraping", DAY, 3 * DAY, 7 * DAY),
        ("csm", "Next-day", "over-capacity", DAY, 3 * DAY, 5 * DAY),
        ("product", "P2", "feature-gap", 2 * DAY, 14 * DAY, None),
        ("legal", "Immediate", "legal-matter", None, None, None),
    ],
)
def test_deadlines_are_the_promises_upper_ends(
    team: Team,
    severity: Severity,
    detector: str,
    acknowledge: timedelta | None,
    investigate: timedelta | None,
    resolve: timedelta | None,
) -> None:
    made = deadlines(MONDAY, POLICY.sla(team, severity, detector), HOURS)
    expected = [None if span is None else MONDAY + span for span in (acknowledge, investigate, resolve)]
    assert [made.acknowledge, made.investigate, made.resolve] == expected


@pytest.mark.parametrize(
    ("began", "allowed", "hours", "expected"),
    [
        ("02 09:00", 30 * MIN, HOURS, "02 09:30"),
        ("02 16:45", 30 * MIN, HOURS, "03 09:15"),
        ("02 16:30", 30 * MIN, HOURS, "02 17:00"),
        ("02 17:00", 30 * MIN, HOURS, "03 09:30"),
        ("02 17:00", DAY, HOURS, "04 09:00"),
        ("02 03:00", 30 * MIN, HOURS, "02 09:30"),
        ("06 16:45", 30 * MIN, HOURS, "09 09:15"),
        ("07 12:00", 4 * HOUR, HOURS, "09 13:00"),
        ("02 09:00", 8 * HOUR, HOURS, "02 17:00"),
        ("02 10:00", DAY, HOURS, "03 10:00"),
        ("06 10:00", DAY, HOURS, "09 10:00"),
        ("02 10:00", timedelta(weeks=1), HOURS, "09 10:00"),
        ("02 10:00", 6 * DAY, HOURS, "09 10:00"),
        ("02 10:00", 4 * DAY, HOURS, "06 10:00"),
        ("02 10:00", DAY + 2 * HOUR, HOURS, "03 12:00"),
        ("02 10:00", 0 * HOUR, HOURS, "02 10:00"),
        ("02 07:00", HOUR, BERLIN, "02 09:00"),
        ("02 15:30", HOUR, BERLIN, "03 08:30"),
    ],
)
def test_the_business_clock(began: str, allowed: timedelta, hours: BusinessHours, expected: str) -> None:
    begun, ends = (datetime.strptime(f"2026-02-{text} +0000", "%Y-%m-%d %H:%M %z") for text in (began, expected))
    assert after(begun, allowed, hours) == ends


NIGHTLY = BusinessHours(
    time_zone="Europe/Berlin", days=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), start=time(0), end=time(6)
)
IN_THE_GAP = NIGHTLY.model_copy(update={"start": time(2, 30)})


@pytest.mark.parametrize(
    ("began", "allowed", "hours", "expected"),
    [
        # On 29 March 2026 the clocks of Berlin go from 02:00 to 03:00: those six hours are five.
        ("2026-03-28 23:00", 2 * HOUR, NIGHTLY, "2026-03-29 01:00"),
        ("2026-03-28 23:00", 5 * HOUR, NIGHTLY, "2026-03-29 04:00"),
        ("2026-03-28 23:00", 5 * HOUR + MIN, NIGHTLY, "2026-03-29 22:01"),
        ("2026-03-28 01:30", DAY + MIN, NIGHTLY, "2026-03-29 01:31"),
        ("2026-03-28 22:00", HOUR, IN_THE_GAP, "2026-03-29 02:30"),
        # On 25 October they have an hour twice: seven.
        ("2026-10-24 22:00", 7 * HOUR, NIGHTLY, "2026-10-25 05:00"),
    ],
)
def test_the_business_clock_where_the_clocks_change(
    began: str, allowed: timedelta, hours: BusinessHours, expected: str
) -> None:
    begun, ends = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (began, expected))
    assert after(begun, allowed, hours) == ends


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is beside it
spans = st.timedeltas(timedelta(0), timedelta(days=20))


@given(moments, spans, spans)
def test_more_time_is_never_over_sooner(began: datetime, one: timedelta, more: timedelta) -> None:
    # Days count as business days whole, so only spans of the same kind can be compared.
    shorter, longer = sorted([timedelta(seconds=one.seconds), timedelta(seconds=more.seconds)])
    assert began <= after(began, shorter, HOURS) <= after(began, longer, HOURS)
    assert after(began, timedelta(days=one.days), HOURS) <= after(began, timedelta(days=one.days + more.days), HOURS)


def test_of_two_deadlines_the_sooner_holds() -> None:
    one, other = Deadlines(MONDAY, None, MONDAY + DAY), Deadlines(MONDAY + DAY, MONDAY, None)
    assert sooner(one, other) == Deadlines(MONDAY, MONDAY, MONDAY + DAY)


@pytest.mark.parametrize(
    ("on", "at", "broken"),
    [
        (ticket(), 30 * MIN, []),
        (ticket(), 30 * MIN + TINY, ["acknowledge"]),
        (ticket(), HOUR, ["acknowledge"]),
        (ticket(), HOUR + TINY, ["acknowledge", "investigate"]),
        (ticket(), 8 * HOUR + TINY, ["acknowledge", "investigate", "resolve"]),
        (ticket(status="acknowledged", acknowledged_at=MONDAY), 8 * HOUR, []),
        (ticket(status="acknowledged", acknowledged_at=MONDAY), 8 * HOUR + TINY, ["resolve"]),
        (ticket(status="resolved"), 90 * DAY, []),
        (ticket(status="verified"), 90 * DAY, []),
        (ticket(status="closed"), 90 * DAY, []),
        (ticket(detector="stored-markup"), TINY, ["resolve"]),
        (ticket("legal", "Immediate", "legal-matter"), 90 * DAY, []),
    ],
)
def test_overdue(on: Ticket, at: timedelta, broken: list[str]) -> None:
    assert [late.promise for late in overdue(on, MONDAY + at)] == broken


def test_no_promise_is_broken_of_what_the_queue_has_not_confirmed() -> None:
    assert overdue_with_team(ticket(), MONDAY + DAY) == ()
    assert overdue_with_team(ticket(ref_id="7"), MONDAY + DAY) == overdue(ticket(), MONDAY + DAY) != ()


@pytest.mark.parametrize(
    ("on", "at", "step"),
    [
        (ticket(), 30 * MIN, 0),
        (ticket(), 30 * MIN + TINY, 1),
        (ticket(), HOUR, 1),
        (ticket(), HOUR + TINY, 2),
        (ticket(), 2 * HOUR, 2),
        (ticket(), 2 * HOUR + TINY, 3),
        (ticket(), 90 * DAY, 3),
        (ticket(status="acknowledged", acknowledged_at=MONDAY), 90 * DAY, 0),
        (ticket(status="resolved"), 90 * DAY, 0),
        (ticket(status="missing"), 90 * DAY, 0),
        (ticket("legal", "Immediate", "legal-matter"), 90 * DAY, 0),
        # The policy promises nothing any more.
        (ticket("legal", "Immediate", "legal-matter", acknowledge_due=MONDAY), 90 * DAY, 0),
        (ticket(acknowledge_due=MONDAY + DAY), DAY, 0),
    ],
)
def test_the_ladder(on: Ticket, at: timedelta, step: int) -> None:
    assert ladder_step(on, POLICY, MONDAY + at) == step


def test_the_ladder_on_the_business_clock(tmp_path: Any) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[teams.engineering.sla.P1]\nclock = "business"\n')
    policy = load_policy(path)
    friday = datetime(2026, 2, 6, 16, tzinfo=UTC)
    due = deadlines(friday, policy.sla("engineering", "P1"), policy.business_hours)
    on = ticket(severity="P1", detector="x", clock_began_at=friday, acknowledge_due=due.acknowledge)
    monday_ten = datetime(2026, 2, 9, 10, tzinfo=UTC)
    assert due.acknowledge == monday_ten
    assert [ladder_step(on, policy, monday_ten + at) for at in (0 * HOUR, TINY, 2 * HOUR, 2 * HOUR + TINY)] == [
        0,
        1,
        1,
        2,
    ]
    # Its second step is on Monday at ten.
    assert ladder_step(replace(on, acknowledge_due=friday), policy, friday + DAY) == 1
    assert next_update(on, policy, friday) == datetime(2026, 2, 9, 16, tzinfo=UTC)


def test_a_ladder_needs_a_promise_with_an_end(tmp_path: Any) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[teams.engineering.sla.P1]\nacknowledge = "Varies"\n')
    on = ticket(severity="P1", detector="x", acknowledge_due=MONDAY)
    assert ladder_step(on, load_policy(path), MONDAY + 90 * DAY) == 0


def test_the_next_update_on_the_business_clock_is_after_now(tmp_path: Any) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[teams.engineering.sla.P1]\nclock = "business"\n')
    assert next_update(ticket(severity="P1", detector="x"), load_policy(path), MONDAY + DAY) == MONDAY + 2 * DAY


def test_a_clock_that_is_begun_anew_has_its_own_deadlines() -> None:
    late = MONDAY + 5 * HOUR
    again = restarted(ticket(), POLICY, late)
    assert (again.clock_began_at, again.acknowledge_due, again.resolve_due) == (late, late + 30 * MIN, late + 8 * HOUR)
    sooner_than_that = ticket(clock_began_at=late, acknowledge_due=late)
    assert restarted(sooner_than_that, POLICY, late) == sooner_than_that


@pytest.mark.parametrize(
    ("on", "at", "expected"),
    [
        (ticket("legal", "Immediate", "legal-matter"), HOUR, None),
        (ticket(), 0 * HOUR, HOUR),
        (ticket(), HOUR - TINY, HOUR),
        (ticket(), HOUR, 2 * HOUR),
        (ticket("csm", "Next-day", "over-capacity"), HOUR, 3 * DAY),
        (ticket(status="verified"), HOUR, None),
        (ticket(clock_began_at=MONDAY + 2 * HOUR), 0 * HOUR, 3 * HOUR),
        (ticket("product", "P2", "feature-gap"), HOUR, None),
    ],
)
def test_the_next_customer_update(on: Ticket, at: timedelta, expected: timedelta | None) -> None:
    assert next_update(on, POLICY, MONDAY + at) == (None if expected is None else MONDAY + expected)


@pytest.mark.parametrize(
    ("on", "at", "expected"),
    [
        (ticket(), 0 * MIN, ("acknowledge", 30 * MIN)),
        (ticket(), 30 * MIN, ("acknowledge", 30 * MIN)),
        (ticket(), 31 * MIN, ("investigate", HOUR)),
        (ticket(status="acknowledged", acknowledged_at=MONDAY), 7 * HOUR + MIN, ("resolve", 8 * HOUR)),
        (ticket(status="acknowledged", acknowledged_at=MONDAY), 9 * HOUR + MIN, ("communicate", 10 * HOUR)),
        (ticket(status="resolved"), HOUR, None),
        (ticket(status="verified"), HOUR, None),
        (ticket("legal", "Immediate", "legal-matter"), HOUR, None),
    ],
)
def test_what_is_due_next(on: Ticket, at: timedelta, expected: tuple[str, timedelta] | None) -> None:
    assert due_next(on, POLICY, MONDAY + at) == (None if expected is None else (expected[0], MONDAY + expected[1]))
