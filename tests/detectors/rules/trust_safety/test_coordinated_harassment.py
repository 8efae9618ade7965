"""coordinated-harassment: several who belong together, against one."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from detectors.contract import Window
from detectors.rules.trust_safety.coordinated_harassment import DETECTOR
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, YESTERDAY, Scanner, Town, uid

TICK = timedelta(microseconds=1)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "emil")
    town.family("fir", "vera")
    for request in town.household_join_requests:
        request["invite_code"] = f"FAM-{request['household_id']}"
    return town


def accuse(town: Town, *people: str, at: datetime = NOON, category: str = "harassment") -> None:
    for person in people:
        town.report(f"{person}{len(town.support_requests)}", category, person, at=at, subject_user_id="vera")


def fires(scanner: Scanner, town: Town) -> bool:
    found = scanner.subjects(town, DETECTOR)
    assert found in ([], [{"user_id": uid("vera")}])
    return bool(found)


def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, town: Town) -> None:
    assert not fires(scanner, town)
    assert not fires(scanner, Town())


def test_fires_on_reports_from_one_household(scanner: Scanner, town: Town) -> None:
    accuse(town, "anna", "ben")
    assert fires(scanner, town)


@pytest.mark.parametrize("people", [("anna",), ("anna", "anna"), ("anna", "dora"), ("anna", "vera"), ("vera", "vera")])
def test_silent_on_who_has_nothing_in_common(scanner: Scanner, town: Town, people: tuple[str, ...]) -> None:
    accuse(town, *people)
    assert not fires(scanner, town)


def test_silent_on_other_requests(scanner: Scanner, town: Town) -> None:
    accuse(town, "anna", "ben", category="feature_request")
    assert not fires(scanner, town)


def test_fires_on_a_shared_code(scanner: Scanner, town: Town) -> None:
    accuse(town, "anna", "dora")
    town.request("a", "gum", "anna", status="rejected", invite_code="GUM-ALPHA-ALPHA")
    town.request("d", "gum", "dora", status="pending", invite_code="gum-alpha-alpha")
    assert fires(scanner, town)


@pytest.mark.parametrize("where", ["event", "session"])
def test_fires_on_a_shared_address(scanner: Scanner, town: Town, where: str) -> None:
    accuse(town, "anna", "dora")
    town.event("household_dashboard_viewed", "oak", "anna", ip_address="6.6.6.6")
    if where == "event":
        town.event("household_dashboard_viewed", "elm", "dora", ip_address="6.6.6.6")
    else:
        town.session("s", "dora", ip_address="6.6.6.6")
    assert fires(scanner, town)


def test_a_report_and_an_act_count_together(scanner: Scanner, town: Town) -> None:
    accuse(town, "ben")
    town.event("household_member_removed", "oak", "anna", member_id="vera")
    assert fires(scanner, town)


def test_acts_in_several_households_count(scanner: Scanner, town: Town) -> None:
    town.event("household_join_request_rejected", "oak", "anna", requester_id="vera", ip_address="6.6.6.6")
    town.event("household_join_request_rejected", "elm", "dora", requester_id="vera", ip_address="6.6.6.7")
    assert not fires(scanner, town)
    town.household_events[-1]["metadata"]["ip_address"] = "6.6.6.6"
    assert fires(scanner, town)


def test_silent_on_two_leaders_of_one_household_in_turn(scanner: Scanner, town: Town) -> None:
    town.event("household_join_request_rejected", "oak", "anna", requester_id="vera", at=NOON - DAY)
    town.event("household_join_request_rejected", "oak", "ben", requester_id="vera")
    assert not fires(scanner, town)


def test_silent_on_leaving_null_and_malformed_ids(scanner: Scanner, town: Town) -> None:
    town.event("household_left", "oak", "vera")
    town.event("household_member_removed", "oak", "vera", member_id="vera")
    for actor in ("anna", "ben", None):
        town.event("household_member_removed", "oak", actor)
        town.household_events.append(town.household_events[-1] | {"id": 50 + len(town.household_events)})
        town.household_events[-1]["metadata"] = {"member_id": "vera"}
    assert not fires(scanner, town)


@pytest.mark.parametrize(("before", "expected"), [(7 * DAY - TICK, True), (7 * DAY, False)])
def test_within_seven_days(scanner: Scanner, town: Town, before: timedelta, expected: bool) -> None:
    accuse(town, "anna", at=NOON - before)
    accuse(town, "ben")
    assert fires(scanner, town) == expected


@pytest.mark.parametrize(
    ("at", "expected"), [(YESTERDAY.start - TICK, False), (YESTERDAY.start, True), (YESTERDAY.end, False)]
)
def test_the_last_of_it_lies_in_the_window(scanner: Scanner, town: Town, at: datetime, expected: bool) -> None:
    accuse(town, "anna", at=at - HOUR)
    accuse(town, "ben", at=at)
    assert fires(scanner, town) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("6.6.6.6", "::ffff:6.6.6.6", True),
        ("2001:DB8::1", "2001:0db8:0:0::1", True),
        ("6.6.6.6", "6.6.6.7", False),
        ("127.0.0.1", "127.0.0.1", False),
        ("unknown", "unknown", False),
    ],
)
def test_one_address_in_any_notation(scanner: Scanner, town: Town, one: str, other: str, expected: bool) -> None:
    accuse(town, "anna", "dora")
    town.event("household_dashboard_viewed", "oak", "anna", ip_address=one)
    town.event("household_dashboard_viewed", "elm", "dora", ip_address=other)
    assert fires(scanner, town) == expected


def test_a_failed_login_on_two_accounts_connects_nobody(scanner: Scanner, town: Town) -> None:
    accuse(town, "anna", "dora")
    for victim in ("anna", "dora"):
        town.event("login_failed", None, victim, ip_address="6.6.6.6")
    assert not fires(scanner, town)


def test_the_apps_own_account_gangs_up_with_nobody(scanner: Scanner, town: Town) -> None:
    town.household_members.append(
        town.household_members[0] | {"id": uid("service"), "user_id": "00000000-0000-0000-0000-000000000000"}
    )
    accuse(town, "anna")
    town.event("household_member_removed", "fir", None, member_id="vera")
    town.household_events[-1]["user_id"] = "00000000-0000-0000-0000-000000000000"
    assert not fires(scanner, town)


def test_members_of_the_past_belonged_together_too(scanner: Scanner, town: Town) -> None:
    town.member("oak", "dora", status="removed")
    accuse(town, "anna", "dora")
    assert fires(scanner, town)


@pytest.mark.parametrize("status", ["open", "closed"])
def test_an_answered_report_was_made_all_the_same(scanner: Scanner, town: Town, status: str) -> None:
    accuse(town, "anna", "ben")
    for report in town.support_requests:
        report["status"] = status
    assert fires(scanner, town)


def test_waits_for_the_grace_period(scanner: Scanner, town: Town) -> None:
    accuse(town, "anna", at=AS_OF - HOUR)
    accuse(town, "ben", at=AS_OF - MINUTE)
    assert scanner.findings(town, DETECTOR, window=Window(AS_OF - DAY, AS_OF)) == []


def test_one_act_written_twice_is_one(scanner: Scanner, town: Town) -> None:
    accuse(town, "anna")
    for minutes in (0, 1):
        town.event("household_member_removed", "oak", "anna", at=NOON + minutes * MINUTE, member_id="vera")
        town.household_events[-1]["metadata"]["correlation_id"] = "c"
    assert not fires(scanner, town)
    town.household_events[-1] |= {"user_id": uid("ben"), "metadata": {"member_id": uid("vera")}}
    (finding,) = scanner.findings(town, DETECTOR)
    assert len(finding.evidence["blows"]) == 3


def test_a_scan_of_one_household_sees_what_happened_in_others(scanner: Scanner, town: Town) -> None:
    town.member("oak", "vera", status="removed")
    for actor in ("anna", "ben"):
        town.event("household_member_removed", "oak", actor, member_id="vera", at=NOON - DAY)
    town.event("household_join_request_rejected", "elm", "anna", requester_id="vera")
    assert scanner.subjects(town, DETECTOR) == [{"user_id": uid("vera")}]
    found = scanner(town, DETECTOR, households=[uid("oak")]).findings
    assert [finding.subject for finding in found] == [{"user_id": uid("vera")}]
