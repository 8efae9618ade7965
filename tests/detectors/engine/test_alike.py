"""Very many households in the same state: what is counted comes to the same as judging each by itself, on both engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from detectors.contract import Context, Finding
from detectors.engine import alike, waiting_cases
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.engine.waiting_cases import Counting
from detectors.limits import Limits
from detectors.rules.customer_success.over_capacity import DETECTOR as OVER_CAPACITY
from detectors.rules.customer_success.vip_affected import DETECTOR as VIP_AFFECTED
from detectors.rules.integrity.multiple_leaders import DETECTOR as MULTIPLE_LEADERS
from detectors.rules.integrity.no_leader import DETECTOR as NO_LEADER
from detectors.rules.integrity.transfer_failed import DETECTOR as TRANSFER_FAILED
from detectors.source import Source, SourceMapping, open_source
from escalation.decide.incidents import one_per_cause
from tests.support.towns import AS_OF, DAY, HOUR, YESTERDAY, Scanner, Town, uid

RULES = (NO_LEADER, TRANSFER_FAILED, MULTIPLE_LEADERS, OVER_CAPACITY, VIP_AFFECTED)
LIMITS = Limits(incident_size=2, incident_members_most=3, household_capacity=4)
EACH = 45
CONTEXT = Context(as_of=AS_OF, window=YESTERDAY, limits=LIMITS)


@pytest.fixture(autouse=True)
def _few_are_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "SPARE", 2)
    monkeypatch.setattr(waiting_cases, "SPARE", 2)


def broken(number: int = EACH) -> Town:
    """Families that lost their leader in four ways, the same people in some; all alike but for a few of each."""
    town = Town()
    town.family("sound", "anna", "ben")
    for place in range(number):
        for way in ("unnamed", "stranger", "left", "two"):
            town.family(f"{way} {place}", f"{way} leader {place % 5}", f"member {place % 3}", f"third {place}")
            town.event("household_created", f"{way} {place}", f"{way} leader {place % 5}", at=AS_OF - 90 * DAY)
        town.home(f"unnamed {place}")["leader_id"] = None
        town.home(f"stranger {place}")["leader_id"] = uid(f"somebody {place}")
        town.row(f"stranger {place}", f"stranger leader {place % 5}")["role"] = "member"
        town.row(f"left {place}", f"left leader {place % 5}")["status"] = "removed"
        town.row(f"two {place}", f"third {place}")["role"] = "leader"
    return town


def unlike(town: Town) -> Town:
    """Of each way a few about which something else is to be said, first and last by their ids among them."""
    for way in ("unnamed", "stranger", "left", "two"):
        ids = sorted(range(EACH), key=lambda place: uid(f"{way} {place}"))
        busy, vip, deleted, told, crowded, fresh = (f"{way} {ids[at]}" for at in (0, 7, 8, 9, 10, -1))
        town.event(
            "household_leadership_transferred", busy, "x", at=AS_OF - HOUR / 60, from_user_id="x", to_user_id="y"
        )
        town.account(f"third {vip.split()[1]}", account_tier="premium")
        town.account(f"third {deleted.split()[1]}", deleted_at=AS_OF - 5 * DAY)
        town.event("household_left", told, f"third {told.split()[1]}", at=AS_OF - 9 * DAY, was_leader=True)
        for guest in range(3):
            town.member(crowded, f"guest {guest}")
        town.home(fresh)["updated_at"] = AS_OF - HOUR / 60
    return town


def looked(source: Source, counting: Counting | None, rules: Sequence[object] = RULES) -> ScanResult:
    return scan(source, rules, CONTEXT, counting=counting)  # type: ignore[arg-type]


def told(result: ScanResult) -> list[tuple[Finding, object]]:
    return [(one, one.story) for one in one_per_cause(result.findings, LIMITS, "production", alike=result.alike)]


def test_counting_comes_to_the_same_as_judging_each(scanner: Scanner) -> None:
    with open_source(scanner.open_town(unlike(broken()).tables()), SourceMapping()) as source:
        each, counted = looked(source, None), looked(source, Counting(beyond=10))
        one = min(counted.alike, key=lambda more: more.like.fingerprint)
        closely = {uid(f"{way} {place}") for way in ("unnamed", "two") for place in range(EACH)}
        named = looked(source, Counting(10, frozenset(closely)))
    assert len(counted.findings) < len(each.findings)
    assert {more.like.detector for more in counted.alike} == {"no-leader", "transfer-failed", "multiple-leaders"}
    assert told(counted) == told(each)
    assert told(named) == told(each)
    assert counted.coverage == named.coverage == each.coverage
    # What the ledger knows by itself is there by itself.
    assert {(f.detector, home) for f in each.findings for home in f.households if home in closely} <= {
        (f.detector, home) for f in named.findings for home in f.households
    }
    assert one.number + Counter(f.detector for f in counted.findings)[one.like.detector] <= EACH * 3


def test_a_verdict_holds_only_if_all_that_were_judged_agree(on_duckdb: Scanner) -> None:
    """A rule that asks for more than the shape, although it says that it does not, is asked about each."""

    def evaluate(case: object, context: Context) -> object:
        found = list(NO_LEADER.evaluate(case, context)) if NO_LEADER.evaluate else []
        return [one for one in found if int(one.households[0][0], 16) % 2]

    picky = replace(NO_LEADER, evaluate=evaluate)  # type: ignore[arg-type]
    with open_source(on_duckdb.open_town(broken().tables()), SourceMapping()) as source:
        each, counted = looked(source, None, [picky]), looked(source, Counting(beyond=10), [picky])
    assert not counted.alike
    assert told(counted) == told(each)


def test_what_something_else_explains_is_judged_by_itself(on_duckdb: Scanner) -> None:
    """So many households have too many members that nothing is counted; all is told as ever."""
    town = broken()
    for place in range(EACH):
        for guest in range(3):
            town.member(f"unnamed {place}", f"guest {guest} {place}", at=AS_OF - (3 + place % 2) * DAY)
    with open_source(on_duckdb.open_town(town.tables()), SourceMapping()) as source:
        each, counted = looked(source, None), looked(source, Counting(beyond=10))
    assert told(counted) == told(each)
    assert counted.coverage == each.coverage
