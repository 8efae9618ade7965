"""Everybody whom a Trust & Safety finding involves: their part, what is known of them, and whom they are tied to."""

from __future__ import annotations

import pytest

from detectors.cases.involved import Use, acts_from, strength
from detectors.contract import Finding, Involved
from detectors.limits import Limits
from detectors.registry import BY_ID, DETECTORS
from tests.support.towns import AS_OF, DAY, HOUR, MINUTE, NOON, Scanner, Town, uid

SCRIPT, PHONE = "script", "phone"


@pytest.fixture
def town() -> Town:
    """cora creates households from one place and reads from a school; carl and dan are there with her, anna elsewhere."""
    town = Town()
    town.family("oak", "cora", "ben")
    # leader_id still names who was the last to leave: they lead nobody.
    town.family("fir", "cora")
    town.row("fir", "cora")["status"] = "removed"
    for name in ("cora", "ben", "carl", "dan"):
        town.account(name, created_at=AS_OF - 40 * DAY, account_tier="premium" if name == "cora" else "free")
    for number in range(15):
        at = NOON - (number // 5) * DAY + number * MINUTE
        town.event("household_created", f"home {number}", "cora", at=at, ip_address="198.51.100.23", user_agent=SCRIPT)
    town.event(
        "household_dashboard_viewed", "oak", "cora", at=NOON - 30 * DAY, ip_address="192.0.2.1", user_agent=PHONE
    )
    town.event("household_dashboard_viewed", "oak", "cora", at=NOON, ip_address="192.0.2.1", user_agent=PHONE)
    town.event("household_dashboard_viewed", "elm", "olga", at=NOON, ip_address="192.0.2.1")
    town.event("household_dashboard_viewed", "elm", "carl", at=NOON, ip_address="198.51.100.23", user_agent=SCRIPT)
    town.event(
        "household_dashboard_viewed", "elm", "dan", at=NOON - 5 * DAY, ip_address="198.51.100.23", user_agent=PHONE
    )
    town.event("household_dashboard_viewed", "elm", "anna", at=NOON, ip_address="203.0.113.9", user_agent=SCRIPT)
    for number in range(12):
        town.event("household_dashboard_viewed", "elm", f"pupil {number}", at=NOON, ip_address="192.0.2.200")
    town.event("household_dashboard_viewed", "oak", "cora", at=NOON, ip_address="192.0.2.200", user_agent=SCRIPT)
    town.request("hers", "ash", "cora", at=NOON, invite_code="ASH-ALPHA-BRAVO")
    town.request("his", "ash", "emil", at=NOON, invite_code="ash-alpha-bravo")
    return town


def creation(scanner: Scanner, town: Town, limits: Limits | None = None) -> Finding:
    (found,) = scanner.findings(town, BY_ID["mass-creation"], limits=limits)
    return found


def test_who_they_are_and_whom_they_are_tied_to(scanner: Scanner, town: Town) -> None:
    story = creation(scanner, town).story
    assert story.people == (
        Involved(
            user_id=uid("cora"),
            role="actor",
            since=AS_OF - 40 * DAY,
            status="active",
            tier="premium",
            leads=(uid("oak"),),
            belongs=(uid("oak"),),
            acts_from="address new (2), device new (1)",
        ),
    )
    assert [(tie.user_id, tie.shares, tie.strength) for tie in story.ties] == [
        (uid("carl"), ("address", "device"), "strong"),
        *sorted((uid(name), ("address",), "medium") for name in ("dan", "olga")),
        (uid("emil"), ("invite code",), "weak"),
    ]
    assert all(tie.of == uid("cora") for tie in story.ties)


def test_the_policys_limits_bound_it(scanner: Scanner, town: Town) -> None:
    limits = Limits(ties_most=1, common_address_people=2)
    assert [tie.user_id for tie in creation(scanner, town, limits).story.ties] == [uid("olga")]
    assert creation(scanner, town, Limits(people_findings_most=0)).story.people == ()


def test_a_mass_removal_names_the_removed_and_looks_up_the_first(scanner: Scanner) -> None:
    town = Town()
    town.family("oak", "anna", "ben")
    for number in range(46):
        at = NOON - (number // 16) * DAY + number * MINUTE
        town.event("household_member_removed", "oak", "anna", at=at, member_id=f"gone {number}")
    (found,) = scanner.findings(town, BY_ID["mass-removal"], limits=Limits(people_most=5))
    parts = [one.role for one in found.story.people]
    assert (parts[0], parts.count("removed"), parts[-1]) == ("actor", 46, "witness")
    assert [one.status for one in found.story.people][4:6] == ["the source has no accounts", ""] or (
        [one.status for one in found.story.people][4:6] == ["no account row", ""]
    )
    assert found.story.ties == ()


def test_what_cannot_be_read_costs_the_finding_nothing(
    scanner: Scanner, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        from detectors.source import QueryError  # noqa: PLC0415

        raise QueryError("the statement failed")

    monkeypatch.setattr("detectors.engine.involved.known_of", fails)
    found = creation(scanner, town)
    assert (found.story.people, found.story.ties) == ((), ())


def test_each_detector_of_the_team_says_which_parts_there_are() -> None:
    for detector in DETECTORS:
        assert bool(detector.meta.roles) == (detector.meta.team == "trust-safety")
        assert all(path == "users" or path.split(".")[0] in ("subject", "evidence") for path in detector.meta.roles)


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        ([], "not recorded"),
        ([Use("", "", NOON, NOON)], "not recorded"),
        ([Use("192.0.2.1", "", NOON, NOON)], "no earlier history"),
        (
            [Use("192.0.2.1", PHONE, NOON - 9 * DAY, NOON), Use("192.0.2.1", PHONE, NOON, NOON)],
            "address known, device known",
        ),
        (
            [Use("192.0.2.1", PHONE, NOON - 9 * DAY, NOON), Use("192.0.2.2", PHONE, NOON, NOON)],
            "address new (1), device known",
        ),
    ],
)
def test_new_is_what_was_not_there_before(uses: list[Use], said: str) -> None:
    assert acts_from(uses, NOON - HOUR) == said


@pytest.mark.parametrize(
    ("shares", "expected"),
    [(("address", "device"), "strong"), (("address",), "medium"), (("invite code",), "weak"), (("device",), "weak")],
)
def test_how_strong_a_tie_is(shares: tuple[str, ...], expected: str) -> None:
    assert strength(shares) == expected
