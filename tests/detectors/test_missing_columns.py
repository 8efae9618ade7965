"""A column that is not there makes no finding of what is in order: who needs it says so and does not look."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from detectors.contract import Context, Coverage
from detectors.engine.runner import scan
from detectors.registry import DETECTORS
from detectors.source import CANONICAL, SourceMapping, open_source
from tests.support.towns import (
    AS_OF,
    DAY,
    HOUR,
    LONG_AGO,
    MINUTE,
    NOON,
    YESTERDAY,
    Town,
    uid,
    with_later_life,
    write_csv,
)

OPTIONAL = [
    f"{table}.{column}"
    for table, canonical in CANONICAL.items()
    for column, what in canonical.columns.items()
    if what.optional
]
Seen = tuple[set[tuple[str, str]], dict[str, Coverage]]


def look_alikes() -> Town:
    """A town with what is in order only because a column says so, and with a few faults."""
    town = Town()
    for home in ("oak", "elm", "ash"):
        town.family(home, f"{home} 0", f"{home} 1", f"{home} 2")
        for place in range(3):
            town.account(f"{home} {place}", account_tier="premium", monthly_revenue=250)
    _sitters(town)
    _answers(town)
    _attempts(town)
    _removals(town)
    town.row("elm", "elm 1")["role"] = "leader"
    town.report("objection", "harassment", "elm 2", household_id="elm", subject_user_id="elm 0")
    town.report("wish", "feature_request", "elm 2", feature="dark mode", household_id="elm")
    return with_later_life(town)


def _sitters(town: Town) -> None:
    for home in ("oak", "elm"):
        town.member(
            home,
            "sitter",
            at=NOON - 2 * DAY,
            is_temporary=True,
            temporary_expires_at=NOON + 9 * DAY,
            invited_by=uid(f"{home} 0"),
        )
    town.account("sitter")


def _answers(town: Town) -> None:
    # Approved by the leader, and then overwritten by the withdrawal of who had asked.
    town.request("overtaken", "oak", "late", status="withdrawn", at=NOON - 9 * DAY, by="oak 0")
    town.member("oak", "late", at=NOON - 9 * DAY + HOUR)
    # The trail alone knows the approval of one, and that another one came and went.
    town.member("oak", "told", at=NOON - 3 * DAY)
    town.event("household_join_request_approved", "oak", "oak 0", at=NOON - 3 * DAY, new_member_id="told")
    town.request("went", "oak", "went", status="approved", at=NOON - 9 * DAY, by="oak 0")
    town.event("household_member_removed", "oak", "oak 0", at=NOON - 5 * DAY, member_id="went")


def _attempts(town: Town) -> None:
    """Operations that were tried again and again: one each, by their correlation ids; and a refused one."""
    for place in range(30):
        again = {"correlation_id": "once", "request_id": "one"}
        at = NOON - 2 * HOUR + place * MINUTE
        town.event("household_invite_code_regenerated", "ash", "ash 0", at=at, **again)
        town.event("household_created", "ash", "ash 0", at=at, correlation_id="made")
    town.event("household_invite_code_regenerated", "oak", "oak 0", at=NOON - 4 * DAY, error_code="RATE_LIMIT_EXCEEDED")
    town.request("old", "oak", "oak 2", status="rejected", at=NOON - 3 * DAY, by="oak 0", invite_code="OLD-ALPHA-BRAVO")


def _removals(town: Town) -> None:
    """Four sitters whose time was over are removed after one of the members objected to something."""
    for place in range(5):
        ended: dict[str, Any] = {
            "is_temporary": True,
            "temporary_expires_at": NOON - 6 * HOUR,
            "invited_by": uid("ash 0"),
        }
        town.member("ash", f"guest {place}", status="removed", at=LONG_AGO, **ended)
        named = {"member_id": f"guest {place}", "correlation_id": f"gone {place}"}
        town.event("household_member_removed", "ash", "ash 0", at=NOON + place * MINUTE, **named)
    town.request("no", "ash", "unwelcome", status="rejected", at=NOON - 3 * HOUR, by="ash 0")
    town.event(
        "household_join_request_rejected", "ash", "ash 0", at=NOON - 2 * HOUR, request_id="no", requester_id="unwelcome"
    )
    town.report("mine", "harassment", "guest 1", at=NOON - 4 * HOUR, household_id="ash", subject_user_id="ash 0")


def look(folder: Path) -> Seen:
    with open_source(str(folder), SourceMapping()) as source:
        result = scan(source, DETECTORS, Context(as_of=AS_OF, window=YESTERDAY))
    found = {(one.detector, str(sorted(one.subject.items()))) for one in result.findings}
    return found, {entry.detector: entry for entry in result.coverage}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("town"), look_alikes().tables())


@pytest.fixture(scope="module")
def whole(town: Path) -> Seen:
    found, coverage = look(town)
    assert {detector for detector, _ in found} == {"multiple-leaders", "abuse-report", "concurrent-conflict"}
    assert not [one for one in coverage.values() if one.status == "failed"]
    return found, coverage


@pytest.mark.parametrize("gone", OPTIONAL)
def test_what_is_gone_makes_no_fault(town: Path, whole: Seen, tmp_path: Path, gone: str) -> None:
    table, column = gone.split(".")
    for path in town.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        if path.stem == table:
            place = rows[0].index(column)
            rows = [row[:place] + row[place + 1 :] for row in rows]
        with (tmp_path / path.name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    found, coverage = look(tmp_path)
    assert found <= whole[0]
    for detector, _ in whole[0] - found:
        assert gone in (coverage[detector].reason or ""), detector
