"""Words mean what they mean however they are written, and what nobody knows, or nobody wrote, is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from detectors.contract import Context
from detectors.engine.doctor import examine
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.limits import Limits
from detectors.registry import DETECTORS
from detectors.rules.integrity import no_leader, orphaned_household
from detectors.rules.legal import legal_matter
from detectors.rules.malfunctions import removal_not_applied
from detectors.rules.security import member_without_approval
from detectors.rules.trust_safety import abuse_report, fake_households, mass_removal
from detectors.source import SourceError, SourceMapping, open_source
from tests.support.towns import AS_OF, DAY, HOUR, NOON, YESTERDAY, Scanner, Town, uid

SOUND = (
    no_leader.DETECTOR,
    orphaned_household.DETECTOR,
    member_without_approval.DETECTOR,
    removal_not_applied.DETECTOR,
)
Change = Callable[[str], str]
STATE = ("household_members.role", "household_members.status", "household_join_requests.status")


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("a", "ann", "bob")
    town.family("b", "cyd", "dan")
    town.event("household_member_removed", "a", "ann", at=NOON, member_id="bob")
    town.report("r", "subpoena", "ann", status="open")
    return town


def looked(scanner: Scanner, town: Town, mapping: Mapping[str, Any] | None = None, **limited: Any) -> ScanResult:
    context = Context(as_of=AS_OF, window=YESTERDAY, limits=Limits())
    with open_source(scanner.open_town(town.tables()), SourceMapping.model_validate(mapping or {})) as source:
        return scan(source, DETECTORS, context, **limited)


def diagnosed(scanner: Scanner, town: Town, mapping: Mapping[str, Any] | None = None) -> list[str]:
    given = SourceMapping.model_validate(mapping or {})
    context = Context(as_of=AS_OF, window=YESTERDAY, limits=Limits())
    with open_source(scanner.open_town(town.tables()), given) as source:
        return [
            f"{check.verdict} {check.topic}: {check.found} {check.remedy}"
            for check in examine(source, given, DETECTORS, context)
        ]


def spelled(town: Town, place: str, change: Change) -> Town:
    table, column = place.split(".")
    for row in getattr(town, table):
        row[column] = change(row[column])
    return town


def found(result: ScanResult) -> list[tuple[str, tuple[str, ...]]]:
    return [(finding.detector, finding.users) for finding in result.findings]


@pytest.mark.parametrize("change", [str.upper, str.title, " {} ".format], ids=["capitals", "title", "blanks"])
def test_case_and_blanks_mean_nothing(scanner: Scanner, town: Town, change: Change) -> None:
    town.report("done", "subpoena", "cyd", status="closed")
    plain = looked(scanner, town)
    assert [name for name, _ in found(plain)] == ["legal-matter", "removal-not-applied"]
    for place in (*STATE, "support_requests.category", "support_requests.status", "household_events.event_type"):
        spelled(town, place, change)
    assert found(looked(scanner, town)) == found(plain)


def test_mixed_spellings_and_a_limited_scan(scanner: Scanner, town: Town) -> None:
    for place in STATE:
        turns = iter([str.upper, str.lower, str.title] * 10)
        for row in getattr(town, place.split(".")[0]):
            row[place.split(".")[1]] = next(turns)(row[place.split(".")[1]])
    town.household_events[-1]["event_type"] = "Household_Member_Removed"
    town.event("household_member_removed", "b", "cyd", at=NOON, member_id="dan")
    assert [name for name, _ in found(looked(scanner, town))].count("removal-not-applied") == 2
    (only,) = looked(scanner, town, households=[uid("a")]).findings
    assert only.detector == "removal-not-applied"


OWN_TYPES = """
    ALTER TABLE household_members ALTER status DROP DEFAULT;
    ALTER TABLE household_members ALTER role TYPE char(12), ALTER status TYPE char(12);
    CREATE TYPE request_state AS ENUM ('PENDING', 'APPROVED', 'REJECTED', 'WITHDRAWN');
    ALTER TABLE household_join_requests ALTER status DROP DEFAULT;
    ALTER TABLE household_join_requests ALTER status TYPE request_state USING upper(status)::request_state;
    CREATE TYPE kind AS ENUM ('HOUSEHOLD_MEMBER_REMOVED', 'HOUSEHOLD_CREATED');
    ALTER TABLE household_events ALTER event_type TYPE kind USING upper(event_type)::kind;
"""


def test_types_of_the_server_do_not_matter(on_postgres: Scanner, town: Town) -> None:
    def open_town(rows: Any) -> str:
        where = on_postgres.open_town(rows)
        with psycopg.connect(where) as connection:
            connection.execute("ALTER TABLE household_members DROP CONSTRAINT IF EXISTS household_members_role_check")
            connection.execute(OWN_TYPES)
        return where

    plain = found(looked(on_postgres, town))
    assert found(looked(replace(on_postgres, open_town=open_town), town)) == plain


@pytest.mark.parametrize("place", STATE)
def test_unknown_words_end_the_scan_until_the_policy_knows_them(scanner: Scanner, town: Town, place: str) -> None:
    table, column = place.split(".")
    strange = {"leader": "owner", "active": "enabled", "approved": "granted"}
    spelled(town, place, lambda word: strange.get(word, word))
    word = {"role": "owner", "status": "enabled"}[column] if table == "household_members" else "granted"
    with pytest.raises(SourceError, match=rf"{place} .*'{word}'.*\[source\.words\.{place}\]") as refused:
        looked(scanner, town)
    assert "\n" not in str(refused.value)
    assert any(line.startswith("problem") and f"'{word}'" in line for line in diagnosed(scanner, town))
    ours = next(our for our, theirs in strange.items() if theirs == word)
    mapped = {"words": {table: {column: {word.upper(): ours}}}}
    assert [name for name, _ in found(looked(scanner, town, mapped))] == ["legal-matter", "removal-not-applied"]
    assert not any("cannot be believed" in line for line in diagnosed(scanner, town, mapped))


def test_ignored_words_are_none_of_ours(scanner: Scanner, town: Town) -> None:
    town.member("a", "eve", role="sitter", status="invited", at=NOON - DAY)
    town.member("b", "eve", role="Guest", status="active", at=NOON - DAY)
    with pytest.raises(SourceError, match="'Guest'"):
        looked(scanner, town)
    words = {"role": {"ignore": ["sitter", "guest"]}, "status": {"ignore": ["Invited"]}}
    result = looked(scanner, town, {"words": {"household_members": words}})
    assert ("member-without-approval", (uid("eve"),)) in found(result)
    assert not any(uid("a") in f.households for f in result.findings if uid("eve") in f.users)
    # Only what belongs to the household is read, and nothing there ends the scan.
    assert found(looked(scanner, town, households=[uid("a")]))


def test_a_mapping_of_words_is_checked() -> None:
    for words, wrong in (
        ({"household_members": {"role": {"owner": "boss"}}}, "'boss' is none of leader, member"),
        ({"household_members": {"rank": {"owner": "leader"}}}, "known are household_members.role"),
        ({"household_members": {"role": {"Owner": "leader", "owner ": "member"}}}, "two things"),
        ({"household_members": {"role": {" ": "leader"}}}, "empty"),
        ({"household_members": {"role": {"owner": "leader", "ignore": ["OWNER"]}}}, "two things"),
    ):
        with pytest.raises(ValidationError, match=wrong):
            SourceMapping.model_validate({"words": words})


def test_a_needless_mapping_is_told() -> None:
    words = {"household_members": {"role": {"LEADER ": "leader", "owner": "leader", "ignore": ["guest"]}}}
    (remark,) = SourceMapping.model_validate({"words": words}).needless_words()
    assert remark == "household_members.role: 'LEADER ' means 'leader' anyway, so it is never used"


def test_several_names_of_one_event(scanner: Scanner, town: Town) -> None:
    town.household_events[-1]["event_type"] = "kicked"
    town.event("banned", "b", "cyd", at=NOON, member_id="dan")
    events = {"kicked": "household_member_removed", "Banned": "household_member_removed"}
    result = looked(scanner, town, {"words": {"household_events": {"event_type": events}}})
    assert [name for name, _ in found(result)].count("removal-not-applied") == 2
    renamed = looked(scanner, town, {"event_types": {"household_member_removed": "kicked"}})
    assert [name for name, _ in found(renamed)].count("removal-not-applied") == 1
    assert any("'banned'" in notice.said for notice in renamed.notices)


@pytest.mark.parametrize("place", ["household_members.role", "household_members.status"])
def test_rows_without_a_word(scanner: Scanner, town: Town, place: str) -> None:
    column = place.split(".")[1]
    with_one = spelled(town, place, lambda word: word)
    with_one.member("a", "eve", at=NOON - DAY)
    with_one.row("a", "eve")[column] = "  "
    (notice,) = [notice for notice in looked(scanner, with_one).notices if place in notice.columns]
    assert "1 of 5 rows" in notice.said
    with pytest.raises(SourceError, match=f"{place} is empty in each of the 5 rows"):
        looked(scanner, spelled(with_one, place, lambda _: ""))


def test_nobody_leads_and_nobody_is_active(scanner: Scanner, town: Town) -> None:
    with pytest.raises(SourceError, match="none of 4 active rows leads"):
        looked(scanner, spelled(town, "household_members.role", lambda _: "member"))
    with pytest.raises(SourceError, match="none of 4 rows is active"):
        looked(scanner, spelled(town, "household_members.status", lambda _: "removed"))
    assert looked(scanner, town, households=[uid("a")]).coverage


def test_a_broken_creation_of_everybody_is_a_finding(scanner: Scanner) -> None:
    town = Town()
    for number in range(30):
        town.household(f"h{number}", f"u{number}")
        town.member(f"h{number}", f"u{number}")
    assert len([name for name, _ in found(looked(scanner, town)) if name == "no-leader"]) == 30


@pytest.mark.parametrize("empty", ["households", "household_members"])
def test_half_a_delivery(scanner: Scanner, town: Town, empty: str) -> None:
    setattr(town, empty, [])
    with pytest.raises(SourceError, match=f"{empty} has no row"):
        looked(scanner, town)
    assert any(
        line.startswith("problem") and re.search("half (a delivery|an export)", line)
        for line in diagnosed(scanner, town)
    )


def test_an_empty_source_is_no_clean_one(scanner: Scanner) -> None:
    endings = {entry.detector: entry for entry in looked(scanner, Town()).coverage}
    assert endings["no-leader"].status == "not_applicable"
    assert not any(entry.status == "ran" and entry.detector != "missing-index" for entry in endings.values())


def test_what_was_never_written(scanner: Scanner, town: Town) -> None:
    town.report("o", "sandwiches", "ann", status="brewing")
    town.event("tea_brewed", "a", "ann", at=NOON - HOUR)
    result = looked(scanner, town)
    endings = {entry.detector: entry for entry in result.coverage}
    assert endings["fake-households"].reason == "the source never wrote pet_activity_logged"
    assert endings["removal-not-applied"].reason == "without leaves (the source never wrote household_left)"
    assert endings["abuse-report"].status == "ran"
    for name in ("no-leader", "multiple-leaders", "orphaned-household", "transfer-failed", "member-without-approval"):
        assert endings[name].status == "ran"
    said = " ".join(notice.said for notice in result.notices)
    assert all(word in said for word in ("'sandwiches'", "'brewing'", "'tea_brewed'"))
    town.household_events[0]["metadata"].pop("member_id")
    endings = {entry.detector: entry for entry in looked(scanner, town).coverage}
    told = "household_member_removed never names member_id"
    assert endings["removal-not-applied"].status == "not_applicable"
    assert told in str(endings["removal-not-applied"].reason)
    assert any(told in line for line in diagnosed(scanner, town))
    town.support_requests = []
    endings = {entry.detector: entry for entry in looked(scanner, town).coverage}
    assert endings["abuse-report"].reason == "support_requests has no rows"


def test_a_type_of_event_that_never_says_who(scanner: Scanner, town: Town) -> None:
    for event in town.household_events:
        event.update(user_id=None)
        event["metadata"]["removed_by"] = uid("ann")
    (ending,) = scanner(town, mass_removal.DETECTOR).coverage
    assert (ending.status, ending.reason) == ("not_applicable", "household_member_removed never names user_id")
    # Who had their data erased says nothing of what the app writes.
    for event in town.household_events:
        event.update(metadata={"anonymized": True})
    (ending,) = scanner(town, mass_removal.DETECTOR).coverage
    assert ending.status == "ran"
    town.event("household_member_removed", "a", "ann", member_id="bob", at=NOON)
    (ending,) = scanner(town, mass_removal.DETECTOR).coverage
    assert ending.status == "ran"


def test_no_fakes_where_no_pet_is_ever_fed(scanner: Scanner, town: Town) -> None:
    for number in range(3):
        home = f"Home {number}"
        town.household(home, "zed", at=NOON - 5 * DAY)
        town.home(home)["name"] = home
        town.member(home, "zed", role="leader", at=NOON - 5 * DAY)
    town.event("household_created", "a", "ann", at=NOON - 9 * DAY)
    (ending,) = scanner(town, fake_households.DETECTOR).coverage
    assert ending.status == "not_applicable"
    town.event("pet_activity_logged", "a", "ann", at=NOON - timedelta(days=8))
    assert len(scanner.findings(town, fake_households.DETECTOR)) == 1


def test_words_of_the_policy_s_limits_are_known(scanner: Scanner, town: Town) -> None:
    town.report("w", "Writ", "ann", status="SHELVED ")
    town.report("v", "writ", "ann", status="open")
    limits = Limits(legal_categories=("Writ",), closed_statuses=("shelved",), abuse_categories=("subpoena",))
    result = scanner(town, legal_matter.DETECTOR, abuse_report.DETECTOR, limits=limits)
    assert [(f.detector, f.subject["support_id"]) for f in result.findings if f.detector == "legal-matter"] == [
        ("legal-matter", uid("v"))
    ]
    assert not result.notices
