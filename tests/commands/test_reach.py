"""How far the source reached, what comes late, and what no run has seen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from tests.support.towns import DAY, HOUR, MINUTE, NOON, Scanner, Town, uid

FIRST, SECOND, THIRD = "2026-02-03T03:00:00Z", "2026-02-04T03:00:00Z", "2026-02-05T03:00:00Z"
MORNING = NOON - 3 * HOUR


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def run(scanner: Scanner, town: Town, as_of: str, *more: str, until: datetime | None = None) -> Result:
    tables = town.tables()
    if until is not None:
        tables["household_events"] = [row for row in tables["household_events"] if row["event_timestamp"] <= until]
    return call("run", "--source", scanner.open_town(tables), "--as-of", as_of, *more)


def tickets(elsewhere: Path) -> list[str]:
    queue = elsewhere / "out" / "queue"
    return sorted(json.loads(path.read_text())["ticket"]["title"] for path in queue.glob("*.json"))


def guessed(at: datetime = NOON - 2 * HOUR, times: int = 120) -> Town:
    """A town with somebody who guesses codes, and ordinary use before and after."""
    town = Town()
    town.family("rex", "one", "three")
    for hour in range(-6, 60):
        when = NOON + hour * HOUR - (hour * hour % 37) * MINUTE
        town.event("household_dashboard_viewed", "rex", "one", at=when, correlation_id=f"v{hour}")
    town.event("household_dashboard_viewed", "rex", "three", at=MORNING, correlation_id="morning")
    for number in range(times):
        when = at + number * timedelta(seconds=20)
        town.event(
            "household_invite_code_validated",
            None,
            None,
            at=when,
            valid=False,
            invite_code="REX-ALPHA-BRAVO",
            ip_address="192.0.2.7",
            correlation_id=f"g{number}",
        )
    return town


def test_what_the_source_had_not_got_yet_is_found_on_the_next_night(scanner: Scanner, elsewhere: Path) -> None:
    town = guessed()
    first = run(scanner, town, FIRST, until=MORNING)
    assert first.exit_code == 0
    assert "The source reached until 2026-02-02 09:00:00 UTC; the next run goes on from there." in first.output
    assert tickets(elsewhere) == []
    second = run(scanner, town, SECOND)
    assert second.exit_code == 0
    found = tickets(elsewhere)
    assert any("Scraping" in title for title in found), found
    assert "reached until" not in second.output
    third = run(scanner, town, THIRD)
    assert tickets(elsewhere) == found
    assert " made" not in third.output


def test_a_day_that_came_in_two_parts_is_counted_as_one(on_duckdb: Scanner, elsewhere: Path) -> None:
    # Eleven households in a day are too many; six of them are in the first export, and five come later.
    town = guessed(times=0)
    for number in range(11):
        at = MORNING - HOUR + number * 10 * MINUTE
        town.event("household_created", f"many {number}", "mia", at=at, correlation_id=f"m{number}")
    run(on_duckdb, town, FIRST, until=MORNING - 5 * MINUTE)
    assert not any("Abuse Pattern" in title for title in tickets(elsewhere))
    run(on_duckdb, town, SECOND)
    assert any("Abuse Pattern" in title for title in tickets(elsewhere)), tickets(elsewhere)
    assert " made" not in run(on_duckdb, town, THIRD).output


def test_overlapping_windows_file_nothing_twice_and_call_nothing_better(on_duckdb: Scanner, elsewhere: Path) -> None:
    town = guessed()
    run(on_duckdb, town, FIRST, until=NOON)
    found = tickets(elsewhere)
    assert found
    again = run(on_duckdb, town, SECOND, "--format", "json")
    assert json.loads(again.stdout)["scan"]["window"]["from"] == "2026-02-02T00:00:00Z"
    assert " made" not in again.stderr
    assert "commented" not in again.stderr
    assert tickets(elsewhere) == found


def test_a_source_that_reaches_past_the_window_is_looked_at_by_days(on_duckdb: Scanner) -> None:
    town = guessed(times=0)
    for as_of, day in ((FIRST, 2), (SECOND, 3)):
        result = run(on_duckdb, town, as_of, "--format", "json")
        window = json.loads(result.stdout)["scan"]["window"]
        assert window == {"from": f"2026-02-0{day}T00:00:00Z", "to": f"2026-02-0{day + 1}T00:00:00Z"}
        assert "reached until" not in result.stderr


def test_days_that_nobody_saw_are_said_until_somebody_looks(on_duckdb: Scanner, elsewhere: Path) -> None:
    town = guessed(at=NOON + 3 * DAY)
    for day in range(25):
        town.event("household_dashboard_viewed", "rex", "one", at=NOON + day * DAY, correlation_id=f"d{day}")
        town.event(
            "household_dashboard_viewed", "rex", "one", at=NOON + day * DAY + 14 * HOUR, correlation_id=f"e{day}"
        )
    assert "No run has seen" not in run(on_duckdb, town, FIRST).output
    late = run(on_duckdb, town, "2026-02-20T03:00:00Z")
    said = "No run has seen 2026-02-03 00:00:00 UTC to 2026-02-13 00:00:00 UTC; to look at it: hearthwatch run --since 2026-02-03T00:00:00Z"
    assert said in late.output
    assert said in run(on_duckdb, town, "2026-02-21T03:00:00Z").output
    assert not any("Scraping" in title for title in tickets(elsewhere))
    assert "No run has seen" not in run(on_duckdb, town, "2026-02-22T03:00:00Z", "--since", "2026-02-03").output
    assert any("Scraping" in title for title in tickets(elsewhere))
    assert "No run has seen" not in run(on_duckdb, town, "2026-02-23T03:00:00Z").output
    assert run(on_duckdb, town, "2026-02-24T03:00:00Z", "--since", "2026-02-24").exit_code == 2


def test_rows_that_come_after_their_day_was_looked_at_are_said_until_somebody_looks(
    scanner: Scanner, elsewhere: Path
) -> None:
    whole, part = guessed(), guessed(times=0)
    assert "after their day" not in run(scanner, part, FIRST).output
    said = "Audit rows came after their day was looked at: 120 of 2026-02-02; to look at them: hearthwatch run --since 2026-02-02\n"
    assert said in run(scanner, whole, SECOND).output
    assert tickets(elsewhere) == []
    assert said in run(scanner, whole, THIRD).output
    assert "after their day" not in run(scanner, whole, "2026-02-06T03:00:00Z", "--since", "2026-02-02").output
    assert any("Scraping" in title for title in tickets(elsewhere)), tickets(elsewhere)
    assert "after their day" not in run(scanner, whole, "2026-02-07T03:00:00Z").output


def test_a_day_without_any_row_among_busy_ones_is_said(scanner: Scanner, elsewhere: Path) -> None:
    town = guessed(at=NOON + DAY)
    for number in range(120):
        at = NOON - 7 * DAY + number * 2 * HOUR
        town.event("household_dashboard_viewed", "rex", "one", at=at, correlation_id=f"b{number}")
    lost = guessed(at=NOON + DAY)
    second = (NOON + DAY).date()
    lost.household_events[:] = [row for row in town.household_events if row["event_timestamp"].date() != second]
    said = "The audit table has no row of 2026-02-03, though it has many of every other day of late"
    assert said not in run(scanner, town, FIRST, until=NOON + 12 * HOUR - MINUTE).output
    assert said in run(scanner, lost, SECOND).output
    later = run(scanner, town, THIRD)
    assert said not in later.output
    assert "Audit rows came after their day was looked at" in later.output


def test_a_first_run_without_an_audit_row_has_seen_no_day(scanner: Scanner, elsewhere: Path) -> None:
    empty = guessed(times=0)
    empty.household_events.clear()
    assert "no row at or before this run's time" in run(scanner, empty, FIRST).output
    again = run(scanner, guessed(), SECOND)
    assert "No run has seen" not in again.output
    assert any("Scraping" in title for title in tickets(elsewhere)), again.output


def test_a_trail_that_ended_is_said(on_duckdb: Scanner) -> None:
    town = guessed(times=0)
    assert "trail ended" not in run(on_duckdb, town, FIRST).output
    ended = run(on_duckdb, town, "2026-02-09T03:00:00Z").output
    assert "The source reached until 2026-02-04 22:57:00 UTC" in ended
    town.household_events[:] = town.household_events[:1]
    assert (
        "no row at or before this run's time"
        in run(on_duckdb, town, "2026-02-01T03:00:00Z", "--ledger", "sqlite:///other.db").output
    )
    much_later = run(on_duckdb, town, "2026-02-20T03:00:00Z", "--ledger", "sqlite:///new.db").output
    assert "The trail ended: the newest audit row is of 2026-02-02 05:24:00 UTC, 17 days before" in much_later
    looked_in_part, looked = much_later.split("Looked and found nothing")
    assert "nothing of the window was audited" in looked_in_part
    assert ("scraping" in looked, "no-leader" in looked) == (False, True)


def test_a_run_as_of_the_future_is_refused_and_one_that_was_can_be_forgotten(
    on_duckdb: Scanner, elsewhere: Path
) -> None:
    town = guessed(times=0)
    town.home("rex")["leader_id"] = None
    clock = datetime.now(UTC)  # noqa: TID251 - what cli.py compares with
    soon, later = clock + timedelta(minutes=30), clock + timedelta(hours=2)
    refused = run(on_duckdb, town, later.isoformat())
    assert (refused.exit_code, "has not come yet" in refused.stderr) == (2, True)
    assert run(on_duckdb, town, soon.isoformat()).exit_code == 0
    (title,) = tickets(elsewhere)
    stuck = run(on_duckdb, town, FIRST)
    assert (stuck.exit_code, "ledger forget-after" in stuck.stderr) == (2, True)
    assert call("ledger", "forget-after", FIRST).exit_code == 1
    assert "forgotten: 1 night" in call("ledger", "forget-after", FIRST, "--yes").output
    assert "nothing to forget" in call("ledger", "forget-after", FIRST, "--yes").output
    second = run(on_duckdb, town, SECOND)
    assert (second.exit_code, tickets(elsewhere)) == (0, [title]), second.output
    listed = call("tickets", "list", "--as-of", SECOND).output
    assert "24 h old" in listed


@pytest.mark.parametrize("how", ["snooze then resolve", "resolve then snooze"])
def test_what_is_snoozed_and_resolved_is_not_settled_while_it_is_seen(
    on_duckdb: Scanner, elsewhere: Path, how: str
) -> None:
    town = guessed(times=0)
    town.event("household_member_removed", "rex", "one", at=NOON, member_id="three", correlation_id="r")
    run(on_duckdb, town, FIRST)
    (record,) = (elsewhere / "out" / "queue").glob("*.json")
    snooze = ("tickets", "snooze", record.stem, "--days", "9", "--reason", "busy", "--as-of")
    if how == "snooze then resolve":
        assert call(*snooze, "2026-02-03T04:00Z").exit_code == 0
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "resolved"}))
    second = run(on_duckdb, town, SECOND)
    assert "tell the customer" not in second.output
    assert "reopen" in second.output
    cautions = call(
        *("escalate", "eng", "--household", uid("rex"), "--severity", "P1", "--title", "Again", "--issue", "x"),
        *("--steps", "x", "--expected", "x", "--actual", "x", "--requesting", "x", "--when", FIRST),
        *("--non-interactive", "--yes", "--as-of", SECOND),
    )
    assert record.stem in cautions.stderr
    if how == "resolve then snooze":
        assert call(*snooze, "2026-02-04T04:00Z").exit_code == 0
        assert "tell the customer" not in run(on_duckdb, town, THIRD).output
