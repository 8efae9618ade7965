"""Whether a table is believed: pure, on its volumes; and what is made of a scan that rests on one that is not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from detectors.contract import Coverage, Detector
from detectors.engine.applicability import tables_of
from detectors.engine.belief import disbelieve
from detectors.engine.result import ScanResult
from detectors.registry import DETECTORS
from detectors.source import SourceMapping
from escalation.decide.audience import audience_of, widest
from escalation.decide.volume import baseline_of, doubts, recorded
from escalation.ledger.records import Volume
from escalation.ledger.volumes import EVENTS
from escalation.policy.policy import load_policy
from escalation.policy.process import VolumeRules
from tests.escalation.findings import finding

NIGHT = datetime(2026, 2, 3, 3, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = VolumeRules()
TODAY = date(2026, 2, 3)


def rows(number: int | None, *, accepted: bool = False, table: str = "users") -> Volume:
    return Volume(table, number, accepted=accepted)


def audit(*of_days: int, oldest: datetime | None = NIGHT - 90 * DAY, day: date = TODAY) -> Volume:
    days = {day - back * DAY: number for back, number in enumerate(of_days)}
    return Volume(EVENTS, sum(of_days), days, oldest)


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        ([rows(40)], rows(40), None),
        ([rows(60)], rows(57), None),
        ([rows(60)], rows(56), "users lost 4 of 60 rows since the run of 2026-02-03 03:00:00 UTC (more than 5 %)"),
        # What is purged may lose more at once.
        ([rows(40, table="sessions")], rows(32, table="sessions"), None),
        ([rows(40, table="sessions")], rows(31, table="sessions"), "sessions lost 9 of 40 rows since"),
        ([rows(9)], rows(7), None),
        ([rows(9)], rows(6), "lost 3 of 9 rows"),
        ([rows(2)], rows(0), "came empty"),
        ([rows(0)], rows(0), None),
        ([rows(2)], rows(None), "is missing"),
        ([rows(None)], rows(None), None),
        ([rows(None)], rows(0), None),
        # Newest first: the most of late counts, until somebody takes a drop.
        ([rows(80), rows(100)], rows(69), "lost 31 of 100 rows since the run of 2026-02-02"),
        ([rows(80, accepted=True), rows(100)], rows(76), None),
        ([rows(80), rows(80, accepted=True), rows(100)], rows(55), "lost 25 of 80"),
        ([audit(9, 9, 9)], audit(9, 9, 9), None),
        ([audit(9, 9, 9)], audit(30, 9, 4), None),
        ([audit(9, 9, 9)], audit(90, 9, 0), "lost 9 of 27 rows of 2026-02-01 to 2026-02-03"),
        ([audit(50, 50, 5)], audit(90, 90, 0), "has none of the 5 rows of 2026-02-01 any more"),
        ([audit(0, 0, 0)], audit(0, 0, 0), None),
        ([audit(0, 0, 0)], audit(0, 0, 0, oldest=None), "household_events came empty, although it had rows"),
    ],
)
def test_what_is_believed(before: list[Volume], now: Volume, says: str | None) -> None:
    baseline = baseline_of([(NIGHT - back * DAY, one) for back, one in enumerate(before)])
    found = doubts({now.table: baseline} if baseline else {}, {now.table: now}, RULES)
    assert (now.table in found) == (says is not None), found
    if says is not None:
        assert says in found[now.table]
        assert found[now.table].endswith(": not believed")


def test_a_table_that_could_not_be_counted_is_not_doubted() -> None:
    baseline = baseline_of([(NIGHT, rows(40))])
    assert baseline is not None
    assert doubts({"users": baseline}, {}, RULES) == {}


@pytest.mark.parametrize(("keeps", "believed"), [(8, True), (6, True), (5, False), (1, False)])
def test_a_retention_of_days_is_no_loss(keeps: int, believed: bool) -> None:
    """Each night the rows before a moment are gone, the moment's own day in part: days of late must be whole."""
    nights = [(NIGHT - back * DAY, audit(*[50] * 8, day=TODAY - back * DAY)) for back in range(1, 8)]
    now = audit(*[50] * keeps, 20, *[0] * (14 - keeps), oldest=NIGHT - keeps * DAY)
    baseline = baseline_of(nights)
    assert baseline is not None
    assert (doubts({EVENTS: baseline}, {EVENTS: now}, RULES) == {}) is believed


def test_what_was_purged_during_a_long_outage_is_no_loss() -> None:
    baseline = baseline_of([(NIGHT, audit(50, 50, 50))])
    assert baseline is not None
    now = audit(0, 0, 0, oldest=NIGHT + 30 * DAY)
    assert doubts({EVENTS: baseline}, {EVENTS: now}, RULES, outage=True) == {}
    assert EVENTS in doubts({EVENTS: baseline}, {EVENTS: now}, RULES)


@pytest.mark.parametrize(
    ("before", "now", "believed"),
    [
        (rows(97, table="household_members"), rows(80, table="household_members"), True),
        (rows(97, table="household_members"), rows(77, table="household_members"), False),
        (audit(50, 50, 5), audit(90, 90, 0), True),
        (audit(10, 10, 10), audit(5, 10, 0), True),
        (audit(10, 10, 10), audit(4, 10, 0), False),
        (audit(9, 9, 9), audit(0, 0, 0, oldest=None), False),
        (rows(60), rows(56), False),
    ],
)
def test_where_rows_go_with_members_fewer_are_ordinary(before: Volume, now: Volume, believed: bool) -> None:
    baseline = baseline_of([(NIGHT, before)])
    assert baseline is not None
    shrinking = SourceMapping.model_validate({"preset": "petforce-2"}).app.shrinking
    assert (doubts({now.table: baseline}, {now.table: now}, RULES, shrinking=shrinking) == {}) is believed


@pytest.mark.parametrize("accept", [True, False])
def test_what_is_not_believed_is_compared_with_nothing_until_it_is_taken(accept: bool) -> None:
    (kept, doubted) = recorded({"a": Volume("a", 1), "users": rows(2)}, {"users": "x"}, accept=accept)
    assert (kept.believed, kept.accepted) == (True, False)
    assert (doubted.believed, doubted.accepted) == (accept, accept)


@pytest.mark.parametrize("table", ["household_members", "household_events", "support_requests", "users", "sessions"])
def test_who_rests_on_a_table_that_is_not_believed_has_seen_nothing(table: str) -> None:
    coverage = tuple(Coverage(detector=one.id, status="ran", findings=1) for one in DETECTORS)
    found = tuple(
        finding(one.id, household="h1", user="u1")
        for one in DETECTORS
        if one.id in ("no-leader", "removal-not-applied")
    )
    result = ScanResult(found, coverage, {}, tables=frozenset({table}))
    after = disbelieve(result, {table: "why: not believed"}, DETECTORS)
    for one, entry in zip(DETECTORS, after.coverage, strict=True):
        rests = table in tables_of(one)
        assert (entry.status, entry.reason) == (("failed", "why: not believed") if rests else ("ran", None))
        assert not (rests and any(each.detector == one.id for each in after.findings))
    assert len(after.findings) == sum(table not in tables_of(_detector(one.detector)) for one in found)
    assert after.disbelieved == {table: "why: not believed"}
    assert disbelieve(result, {}, DETECTORS) is result


@pytest.mark.parametrize(
    ("status", "reason", "becomes"),
    [
        ("not_applicable", "needs household_events", "failed"),
        ("not_applicable", "the policy allows several", "not_applicable"),
        ("proved", "made impossible by x", "failed"),
        ("failed", "pass x: y", "failed"),
    ],
)
def test_how_else_a_detector_may_have_ended(status: str, reason: str, becomes: str) -> None:
    entry = Coverage(detector="removal-not-applied", status=status, reason=reason)  # type: ignore[arg-type]  # parametrised
    (after,) = disbelieve(ScanResult((), (entry,), {}), {EVENTS: "gone"}, DETECTORS).coverage
    assert after.status == becomes
    assert ("gone" in (after.reason or "")) == (becomes == "failed")


def _detector(name: str) -> Detector:
    return next(one for one in DETECTORS if one.id == name)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.id)
def test_the_actor_is_never_told_and_an_alert_is_told_no_customer(detector: Detector) -> None:
    subject = dict.fromkeys(detector.meta.subject, "x")
    audience = audience_of(detector.meta.team, detector.id, subject, load_policy())
    security = any(word in detector.meta.process for word in ("XSS", "Session", "Unauthorized access", "Rate limiting"))
    if detector.meta.team in ("trust-safety", "legal") or security:
        assert audience == "reporter"
    elif detector.id in ("missing-index", "database-errors", "api-timeouts", "slow-dashboard", "creation-failure-rate"):
        assert audience == "nobody"
    else:
        assert audience == ("nobody" if detector.id == "invite-code-failure" else "affected")


def test_of_one_ticket_the_narrowest_holds() -> None:
    assert widest(["affected", "reporter"]) == "reporter"
    assert widest(["nobody", "affected"]) == "affected"
    assert widest(["nobody"]) == "nobody"
