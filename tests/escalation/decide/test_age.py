"""Whether a table is an older copy, and whether a source is another town's: pure, on the rows that a night kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.engine.newest import KEPT
from escalation.decide.age import MOST_KEPT, Older, another_town, left_for_good, older
from escalation.decide.volume import Baseline, baseline_of
from escalation.ledger.records import Marks, Volume
from escalation.ledger.volumes import EVENTS
from escalation.policy.process import VolumeRules
from tests.support.effort import tries

NIGHT = datetime(2026, 2, 3, 3, tzinfo=UTC)
NEXT = NIGHT + timedelta(days=1)
HOUR = timedelta(hours=1)
RULES = VolumeRules()


def marks(*hours: float, who: str = "") -> Marks:
    """The newest rows, of so many hours before the first night, each of somebody else or all of `who`."""
    return tuple((NIGHT - back * HOUR, who or f"h{back}") for back in hours)


def volume(number: int, /, table: str = "households", *, sample: Marks = (), **newest: Marks) -> Volume:
    return Volume(table, number, newest=newest, sample=sample)


def known(before: Volume) -> dict[str, Baseline]:
    baseline = baseline_of([(NIGHT, before)])
    assert baseline is not None
    return {before.table: baseline}


def judged(before: Volume, now: Volume, rules: VolumeRules = RULES, as_of: datetime = NEXT) -> Older | None:
    return older(known(before), {now.table: now}, rules, as_of).get(now.table)


BEFORE = marks(1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("now", "rows", "is_older"),
    [
        (BEFORE, 40, False),
        (marks(-5, 4, 5), 40, False),
        # One or two newest rows leave, as rows do.
        (marks(2, 3, 4), 39, False),
        (marks(3, 4), 38, False),
        (marks(4, 5), 37, True),
        (marks(90), 37, True),
        # As many rows as before: those that lack did not leave.
        (marks(2, 3, 4), 40, False),
        (marks(3, 4), 40, True),
        (marks(3, 4), 39, True),
        # Some exporters leave seconds out.
        (marks(1 + 1 / 90), 40, False),
        ((), 40, False),
    ],
)
def test_the_newest_rows_of_a_copy(now: Marks, rows: int, is_older: bool) -> None:
    found = judged(volume(40, created_at=BEFORE), volume(rows, created_at=now))
    assert (found is not None) == is_older


def test_what_is_said_of_an_older_copy() -> None:
    found = judged(volume(40, created_at=BEFORE), volume(40, created_at=marks(4)))
    assert found == Older(
        "households is an older copy than on the run of 2026-02-03 03:00:00 UTC: its newest created_at is of 2026-02-02 23:00:00 UTC, "
        "and rows of 3 households up to 2026-02-03 02:00:00 UTC are no longer in it: not believed",
        frozenset({"h1", "h2", "h3"}),
    )
    people = judged(volume(40, "users", created_at=BEFORE), volume(40, "users", created_at=marks(4)))
    assert people is not None
    assert "rows of 3 people up to" in people.reason


def test_a_family_that_leaves_is_one_household() -> None:
    before = (*marks(1, who="fox"), *marks(2, who="fox"), *marks(3, who="fox"), *marks(9))
    assert (
        judged(volume(40, "household_members", joined_at=before), volume(37, "household_members", joined_at=marks(9)))
        is None
    )


def test_what_is_taken_back_is_no_older_copy() -> None:
    """Two answers that support undid; three of them, with nothing newer, are an older copy."""
    before = volume(40, "household_join_requests", requested_at=BEFORE, responded_at=BEFORE)
    for left, is_older in ((marks(3, 4), False), (marks(4), True)):
        now = volume(40, "household_join_requests", requested_at=BEFORE, responded_at=left)
        assert (judged(before, now) is not None) == is_older
    gone_on = volume(40, "household_join_requests", requested_at=marks(-2), responded_at=marks(4))
    assert judged(before, gone_on) is None


@pytest.mark.parametrize("table", ["sessions", "support_requests"])
def test_of_what_is_purged_the_newest_rows_may_be_gone(table: str) -> None:
    before = volume(40, table, created_at=BEFORE)
    assert judged(before, volume(37, table, created_at=marks(4))) is None
    assert judged(before, volume(38, table, created_at=marks(3))) is None
    assert judged(before, volume(38, table, created_at=marks(4))) is not None


def test_of_the_audit_table_not_all_rows_are_counted() -> None:
    before = replace(volume(40, EVENTS, event_timestamp=BEFORE), oldest=NIGHT - 90 * HOUR)
    for left, is_older in ((marks(3), False), (marks(4), True)):
        now = replace(volume(4, EVENTS, event_timestamp=left), oldest=NIGHT - 90 * HOUR)
        assert (judged(before, now) is not None) == is_older


def test_a_scan_as_of_an_earlier_time_sees_no_later_rows() -> None:
    assert judged(volume(40, created_at=BEFORE), volume(40, created_at=marks(6)), as_of=NIGHT - 5.5 * HOUR) is None


def test_a_policy_that_takes_more_lost_rows_takes_more_here() -> None:
    rules = VolumeRules(least_rows=5)
    assert judged(volume(40, created_at=BEFORE), volume(36, created_at=marks(5)), rules) is None
    # The ledger keeps eight rows, whatever the policy says.
    rules, eight = VolumeRules(least_rows=100), marks(*range(1, 9))
    assert judged(volume(400, created_at=eight), volume(392, created_at=marks(9)), rules) is not None


def test_a_ledger_of_before_compares_nothing() -> None:
    assert judged(volume(40), volume(40, created_at=marks(9))) is None
    assert judged(volume(40, created_at=BEFORE), volume(40)) is None


@given(
    st.lists(st.integers(1, 200), min_size=9, max_size=30, unique=True),
    st.integers(3, 8),
    st.integers(0, 5),
)
@tries(50)
def test_a_copy_without_the_newest_rows_is_noticed_and_a_town_that_goes_on_never(
    hours: list[int], lacking: int, deleted: int
) -> None:
    """Whatever else has left: an older copy holds nothing newer, and a living town does."""
    rows = sorted(hours)
    before = volume(len(rows), created_at=marks(*rows)[:8])
    old = volume(len(rows), created_at=marks(*rows[lacking:])[:8])
    assert judged(before, old) is not None
    # A row that is written after the look, and any of the others gone.
    later = volume(len(rows) - deleted, created_at=marks(-1, *rows[deleted:])[:8])
    assert judged(before, later) is None


# --- what others tell of rows that lack

SPAM = Older("", frozenset({"h1", "h2", "h3"}))


def test_deleted_households_are_gone_from_every_table_while_others_go_on() -> None:
    baselines = {**known(volume(60, created_at=BEFORE)), **known(volume(90, "household_members", joined_at=BEFORE))}
    old_too = {
        "households": volume(57, created_at=marks(4)),
        "household_members": volume(87, "household_members", joined_at=marks(4)),
    }
    gone_on = {**old_too, "household_members": volume(88, "household_members", joined_at=marks(-3))}
    nobody, somebody = frozenset[str](), frozenset({"h2"})
    assert left_for_good("households", SPAM, baselines, gone_on, nobody)
    assert not left_for_good("households", SPAM, baselines, gone_on, somebody)
    assert not left_for_good("households", SPAM, baselines, gone_on, None)
    assert not left_for_good("households", SPAM, baselines, old_too, nobody)
    assert left_for_good("users", SPAM, baselines, gone_on, nobody)
    assert not left_for_good("users", SPAM, baselines, old_too, nobody)
    assert not left_for_good("support_requests", SPAM, baselines, gone_on, nobody)


@pytest.mark.parametrize(
    ("sample", "again", "is_another"),
    [
        (32, 0, True),
        (32, 3, True),
        (32, 4, False),
        (8, 0, True),
        (8, 1, False),
        (7, 0, False),
        (0, 0, False),
        (32, None, False),
    ],
)
def test_another_town_holds_none_of_the_households(sample: int, again: int | None, is_another: bool) -> None:
    assert another_town(marks(*range(sample)), again) == is_another


def test_as_many_rows_are_kept_as_are_compared() -> None:
    """Detectors know nothing of escalation, so that the number stands in both."""
    assert MOST_KEPT == KEPT
