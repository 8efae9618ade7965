"""invite-code-failure: generation gave up, codes nobody can use, and prefixes that are nearly full."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from detectors.contract import Window
from detectors.limits import Limits
from detectors.rules.system.invite_code_failure import DETECTOR
from detectors.text.word_lists import INVITE_CODE_WORDS
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid, write_csv

SECOND = timedelta(seconds=1)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora")
    return town


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert scanner.findings(town, DETECTOR) == []
    assert scanner.findings(Town(), DETECTOR) == []


def test_failures_of_the_window_are_one_finding(scanner: Scanner, town: Town) -> None:
    town.event("household_invite_code_failed", "oak", "anna", at=NOON, correlation_id="a", error_code="EXHAUSTED")
    town.event("household_invite_code_failed", "oak", "anna", at=NOON + HOUR, correlation_id="a")
    town.event("household_invite_code_failed", "elm", "dora", at=NOON + HOUR, correlation_id="b")
    town.event("household_invite_code_failed", None, None, at=NOON + 2 * HOUR)
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"operation": "generation"}
    assert finding.kind == "occurrence"
    assert (finding.first_seen, finding.occurred_at) == (NOON, NOON + 2 * HOUR)
    assert finding.impact.users == 2
    assert finding.impact.households == 2
    told = {key: finding.evidence[key] for key in ("count", "users_hit", "households_hit", "error_codes")}
    assert told == {
        "count": 3,
        "users_hit": 2,
        "households_hit": 2,
        "error_codes": {"(none)": 2, "EXHAUSTED": 1},
    }
    assert [example["at"] for example in finding.evidence["examples"]] == [NOON + 2 * HOUR, NOON + HOUR, NOON]


def test_another_nights_failures_are_the_same_finding(scanner: Scanner, town: Town) -> None:
    town.event("household_invite_code_failed", "oak", "anna", at=NOON)
    town.event("household_invite_code_failed", "elm", "dora", at=NOON + DAY)
    (first,) = scanner.findings(town, DETECTOR)
    next_night = Window(YESTERDAY.end, YESTERDAY.end + DAY)
    (second,) = scanner.findings(town, DETECTOR, as_of=AS_OF + DAY, window=next_night)
    assert first.fingerprint == second.fingerprint
    assert second.households == (uid("elm"),)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (YESTERDAY.start - SECOND, 0),
        (YESTERDAY.start, 1),
        (YESTERDAY.end - SECOND, 1),
        (YESTERDAY.end, 0),
    ],
    ids=["before", "first", "last", "after"],
)
def test_the_window_is_half_open(scanner: Scanner, town: Town, at: timedelta, expected: int) -> None:
    town.event("household_invite_code_failed", "oak", "anna", at=at)  # type: ignore[arg-type]  # a time of the table above
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_a_retry_belongs_to_the_night_of_its_first_time(scanner: Scanner, town: Town) -> None:
    town.event("household_invite_code_failed", "oak", "anna", at=YESTERDAY.start - MINUTE, correlation_id="a")
    town.event("household_invite_code_failed", "oak", "anna", at=YESTERDAY.start + MINUTE, correlation_id="a")
    assert scanner.findings(town, DETECTOR) == []


@pytest.mark.parametrize(
    "code",
    [
        None,
        "   ",
        "FAM-ALPHA",
        "FAM-ALPHA-BRAVO-",
        "FAM-ALPHA-BRAVO-CHARLIE",
        "FA-ALPHA-BRAVO",
        "FAMILYS-ALPHA-BRAVO",
        "FAM-ALPHA-BANANA",
        "fam-alpha-bravo",
        "F4M-ALPHA-BRAVO",
        " FAM-ALPHA-BRAVO",
        "FAM_ALPHA_BRAVO",
        "undefined",
        "ÄÖÜ-ALPHA-BRAVO",
    ],
)
def test_fires_on_codes_nobody_can_use(scanner: Scanner, town: Town, code: str | None) -> None:
    town.home("oak")["invite_code"] = code
    (finding,) = scanner.findings(town, DETECTOR)
    assert finding.subject == {"operation": "stored-codes"}
    assert finding.kind == "state"
    assert finding.households == (uid("oak"),)
    assert [member.households for member in finding.members] == [(uid("oak"),)]


@pytest.mark.parametrize("code", ["FAM-ALPHA-ALPHA", "FAMILY-ZULU-XRAY", "FAMI-MIKE-LIMA"])
def test_silent_on_codes_as_the_app_makes_them(scanner: Scanner, town: Town, code: str) -> None:
    town.home("oak")["invite_code"] = code
    assert scanner.findings(town, DETECTOR) == []


def test_a_blank_code_is_told_from_a_missing_one(on_postgres: Scanner, town: Town) -> None:
    town.home("oak")["invite_code"] = ""
    town.home("elm")["invite_code"] = None
    (finding,) = on_postgres.findings(town, DETECTOR)
    assert {key: finding.evidence[key] for key in ("count", "null", "blank", "malformed")} == {
        "count": 2,
        "null": 1,
        "blank": 1,
        "malformed": 0,
    }


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - SECOND, 0), (2 * MINUTE, 1)])
def test_waits_for_a_creation_under_way(scanner: Scanner, town: Town, age: timedelta, expected: int) -> None:
    town.household("new", "zoe", at=AS_OF - age, invite_code=None)
    assert len(scanner.findings(town, DETECTOR)) == expected


def test_silent_once_repaired(scanner: Scanner, town: Town) -> None:
    town.home("oak")["invite_code"] = None
    assert len(scanner.findings(town, DETECTOR)) == 1
    town.home("oak")["invite_code"] = "FAM-ALPHA-BRAVO"
    assert scanner.findings(town, DETECTOR) == []


def full_prefix(codes: int) -> Town:
    town = Town()
    town.member("home 0", "anna", role="leader")
    pairs = list(product(INVITE_CODE_WORDS, repeat=2))
    for place in range(codes):
        town.household(f"home {place}", "anna", invite_code="REX-" + "-".join(pairs[place]))
    return town


@pytest.mark.parametrize(("codes", "expected"), [(400, 0), (401, 1)])
def test_warns_of_a_prefix_that_is_nearly_full(scanner: Scanner, codes: int, expected: int) -> None:
    found = scanner.findings(full_prefix(codes), DETECTOR)
    assert [finding.subject for finding in found] == [{"prefix": "REX"}] * expected
    assert all(finding.evidence["codes_in_use"] == 401 and finding.kind == "state" for finding in found)


def test_only_distinct_codes_of_the_right_form_fill_a_prefix(scanner: Scanner) -> None:
    town = full_prefix(5)
    town.household("twin", "anna", invite_code="REX-ALPHA-ALPHA")
    town.household("odd", "anna", invite_code="REX-ALPHA-BANANA")
    limits = Limits(invite_code_prefix_codes=5)
    assert [f.subject for f in scanner.findings(town, DETECTOR, limits=limits)] == [{"operation": "stored-codes"}]


def test_works_without_an_audit_table(on_duckdb: Scanner, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.home("oak")["invite_code"] = None
    monkeypatch.setattr(
        "tests.conftest.write_csv", lambda folder, tables: write_csv(folder, tables, leave_out=["household_events"])
    )
    assert len(on_duckdb.findings(town, DETECTOR)) == 1
