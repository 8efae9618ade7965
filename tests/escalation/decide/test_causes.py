"""One cause is one finding, many findings are one incident, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.contract import Finding, Impact, Member, Severity, Story
from detectors.findings import Alike, Distinct
from detectors.limits import Limits
from detectors.registry import BY_ID
from escalation.decide.causes import explain
from escalation.decide.incidents import incidents, one_per_cause, told_of
from tests.escalation.findings import NOON, finding
from tests.support.towns import Scanner, Town, uid

LIMITS = Limits()
EARLIER = NOON - timedelta(days=1)


def everyone_left(*households: str, severity: Severity = "P2") -> Finding:
    return finding(
        "orphaned-household",
        {"operation": "everyone-left"},
        severity=severity,
        members=tuple(Member(subject={"household_id": one}, households=(one,)) for one in households),
    )


def approval(request: str, household: str = "h1", user: str = "u1", *, hours: int = 0) -> Finding:
    return finding(
        "approval-not-applied",
        {"request_id": request},
        household=household,
        user=user,
        occurred_at=NOON + timedelta(hours=hours),
    )


def bypass(household: str, *people: str) -> Finding:
    return finding(
        "rate-limit-bypass",
        {"household_id": household, "limit": "member_removal"},
        household=household,
        evidence={"operations": [{"user_id": one} for one in people]},
    )


TRANSFER = finding("transfer-failed", household="h1", users=("u1", "u2"))
CASES: list[tuple[str, list[Finding], dict[str, list[str]]]] = [
    (
        "a failed transfer explains the household's leaders",
        [TRANSFER, finding("no-leader", household="h1"), finding("multiple-leaders", household="h1")],
        {"transfer-failed": ["multiple-leaders", "no-leader"]},
    ),
    (
        "but not another household's",
        [TRANSFER, finding("no-leader", household="h2")],
        {"transfer-failed": [], "no-leader": []},
    ),
    (
        "nor what it does not cause",
        [TRANSFER, finding("duplicate-member", household="h1", user="u1")],
        {"transfer-failed": [], "duplicate-member": []},
    ),
    (
        "an unauthorised transfer takes a failed one, and all that it explains, to the other team",
        [finding("unauthorised-transfer", household="h1"), TRANSFER, finding("no-leader", household="h1")],
        {"unauthorised-transfer": ["transfer-failed", "no-leader"]},
    ),
    (
        "without the failed transfer the missing leader is Engineering's",
        [finding("unauthorised-transfer", household="h1"), finding("no-leader", household="h1")],
        {"unauthorised-transfer": [], "no-leader": []},
    ),
    (
        "an orphan explains what else is wrong with it",
        [finding("orphaned-household", household="h1"), approval("r1")],
        {"orphaned-household": ["approval-not-applied"]},
    ),
    (
        "but nothing of another team",
        [finding("orphaned-household", household="h1"), finding("unauthorised-transfer", household="h1")],
        {"orphaned-household": [], "unauthorised-transfer": []},
    ),
    (
        "nor what concerns several households",
        [
            finding("orphaned-household", household="h1"),
            finding("self-approved-request", {"request_id": "r"}, households=("h1", "h2")),
        ],
        {"orphaned-household": [], "self-approved-request": []},
    ),
    (
        "everyone having left explains a state of one of its households",
        [everyone_left("h1", "h2"), approval("r1", "h2")],
        {"orphaned-household": ["approval-not-applied"]},
    ),
    ("but of no other", [everyone_left("h2"), approval("r1")], {"orphaned-household": [], "approval-not-applied": []}),
    (
        "nor an occurrence",
        [everyone_left("h1"), approval("r1").model_copy(update={"kind": "occurrence"})],
        {"orphaned-household": [], "approval-not-applied": []},
    ),
    (
        "nor a P0 behind a P2",
        [everyone_left("h1"), finding("self-approved-request", {"request_id": "r"}, household="h1")],
        {"orphaned-household": [], "self-approved-request": []},
    ),
    (
        "unless the policy has raised it",
        [everyone_left("h1", severity="P0"), finding("self-approved-request", {"request_id": "r"}, household="h1")],
        {"orphaned-household": ["self-approved-request"]},
    ),
    (
        "an approval in vain explains the requester's repeated requests",
        [approval("r1"), finding("concurrent-conflict", household="h1", user="u1"), approval("r2", hours=1)],
        {"approval-not-applied": ["approval-not-applied", "concurrent-conflict"]},
    ),
    (
        "but nobody else's, and no other household's",
        [
            approval("r1"),
            finding("concurrent-conflict", household="h1", user="u2"),
            finding("concurrent-conflict", household="h2", user="u1"),
        ],
        {"approval-not-applied": [], "concurrent-conflict": [], "concurrent-conflict#2": []},
    ),
    (
        "one person's creations and removals are two patterns (of one case)",
        [finding("mass-removal", user="u1", users=("u1", "u7", "u8")), finding("mass-creation", user="u1")],
        {"mass-creation": [], "mass-removal": []},
    ),
    (
        "creations in masses explain that they passed a limit, and that their maker is in many households",
        [
            finding("mass-creation", user="u1", households=("h1", "h2", "h3")),
            finding("rate-limit-bypass", {"user_id": "u1", "limit": "household_creation"}, user="u1"),
            finding("member-of-many-households", user="u1", households=("h0", "h1", "h2", "h3")),
        ],
        {"mass-creation": ["member-of-many-households", "rate-limit-bypass"]},
    ),
    (
        "but nobody else's, no other day's, and no memberships that others have given",
        [
            finding("mass-creation", user="u1", households=("h1", "h2")),
            finding("rate-limit-bypass", {"user_id": "u2", "limit": "household_creation"}, user="u2"),
            finding(
                "rate-limit-bypass",
                {"user_id": "u1", "limit": "household_creation"},
                occurred_at=NOON + timedelta(days=1),
            ),
            finding("member-of-many-households", user="u1", households=("h1", "h8", "h9")),
        ],
        {"mass-creation": [], "rate-limit-bypass": [], "rate-limit-bypass#2": [], "member-of-many-households": []},
    ),
    (
        "removals by one person explain the passed limit of the household, those by two people do not",
        [finding("mass-removal", user="u1"), bypass("h1", "u1"), bypass("h2", "u1", "u2")],
        {"mass-removal": ["rate-limit-bypass"], "rate-limit-bypass": []},
    ),
]


@pytest.mark.parametrize(("findings", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_causes_and_effects(findings: list[Finding], expected: dict[str, list[str]]) -> None:
    for ordered in (findings, findings[::-1]):
        told: dict[str, list[str]] = {}
        for one in explain(ordered, LIMITS):
            name = one.detector if one.detector not in told else f"{one.detector}#2"
            told[name] = [effect.detector for effect in one.related]
        assert {name: sorted(effects) for name, effects in told.items()} == {
            name: sorted(effects) for name, effects in expected.items()
        }


def test_the_first_of_repeated_requests_is_the_cause() -> None:
    (told,) = explain([approval("r1", hours=2), approval("r2", hours=1), approval("r3", hours=3)], LIMITS)
    assert told.subject == {"request_id": "r2"}
    assert [effect.subject for effect in told.related] == [{"request_id": "r1"}, {"request_id": "r3"}]


def test_effects_keep_their_own_effects_and_marks() -> None:
    failed = TRANSFER.model_copy(update={"related": (approval("r1").as_related(),), "marks": ("vip-affected",)})
    (told,) = explain([finding("unauthorised-transfer", household="h1"), failed], LIMITS)
    assert [effect.detector for effect in told.related] == ["transfer-failed", "approval-not-applied"]
    assert told.marks == ("vip-affected",)


def test_the_policy_may_tell_both_teams() -> None:
    findings = [finding("mass-creation", user="u1"), finding("rate-limit-bypass", {"user_id": "u1", "limit": "x"})]
    assert [len(one_per_cause(findings, LIMITS, "production", both_teams=both)) for both in (False, True)] == [1, 2]


def test_what_trust_and_safety_is_told_engineering_is_not_unless_asked_for() -> None:
    findings = [finding("mass-creation", user="u1"), finding("rate-limit-bypass", {"user_id": "u1", "limit": "x"})]
    assert [one.detector for one in one_per_cause(findings, LIMITS, "production")] == ["mass-creation"]
    assert [one.detector for one in told_of(findings, LIMITS, "production").findings] == ["mass-creation"]


def test_an_unauthorised_transfer_keeps_its_own_urgency() -> None:
    (told,) = explain([finding("unauthorised-transfer", household="h1"), TRANSFER], LIMITS)
    assert (told.team, told.severity) == ("trust-safety", "Immediate")


def test_a_takeover_that_left_the_old_leader_in_office_is_one_finding(scanner: Scanner) -> None:
    town = Town()
    town.family("oak", "anna", "ben", "cleo")
    town.event("household_leadership_transferred", "oak", "ben", from_user_id="anna", to_user_id="ben")
    town.home("oak")["leader_id"] = uid("ben")
    town.row("oak", "ben")["role"] = "leader"
    rules = (BY_ID["transfer-failed"], BY_ID["multiple-leaders"], BY_ID["unauthorised-transfer"])
    (told,) = explain(scanner.findings(town, *rules), LIMITS)
    assert (told.detector, told.team, told.severity) == ("unauthorised-transfer", "trust-safety", "Immediate")
    assert {effect.detector for effect in told.related} == {"transfer-failed", "multiple-leaders"}


def many(number: int, detector: str = "no-leader") -> list[Finding]:
    return [
        finding(
            detector,
            household=f"h{index:03}",
            user=f"u{index:03}",
            impact=Impact(users=1, households=1),
            occurred_at=NOON + timedelta(minutes=index),
        )
        for index in range(number)
    ]


def test_twenty_five_findings_are_findings() -> None:
    findings = many(25)
    assert incidents(findings, LIMITS, "production") == findings


def test_twenty_six_are_one_incident() -> None:
    (incident,) = incidents(many(26), LIMITS, "production")
    assert incident.subject == {"operation": "incident"}
    assert (incident.kind, incident.severity, incident.team) == ("state", "P0", "engineering")
    assert len(incident.members) == 26
    assert (incident.households[0], incident.households[-1], len(incident.users)) == ("h000", "h025", 26)
    assert incident.impact == Impact(users=26, households=26)
    assert incident.evidence["count"] == 26
    assert (incident.evidence["first"], incident.evidence["last"]) == (NOON, NOON + timedelta(minutes=25))
    assert len(incident.evidence["worst"]) == 10
    assert incident.story.steps[1] == "household h000, user u000 (2026-02-02 12:00:00 UTC)"
    assert incident.story.steps[-1] == "and 16 more, all of them in the attachment"


def test_the_words_of_an_incident() -> None:
    told = [
        incidents(many(30, detector), Limits(incident_members_most=most), "production")[0].story
        for detector, most in (("no-leader", 30), ("fake-households", 28))
    ]
    assert [one.steps[-1] for one in told] == [
        "and 20 more, all of them in the attachment",
        "and 20 more, the first 28 of all in the attachment",
    ]
    assert [one.screenshots for one in told] == [
        "None; all cases are in the attachment",
        "None; the first 28 cases are in the attachment",
    ]
    assert [one.requesting for one in told] == [
        "One investigation into the common cause of 30 cases, then repair of all of them",
        "One review of 30 cases together",
    ]
    assert {one.actual for one in told} == {"30 cases; of the first of them: it is not"}
    assert {one.expected for one in told} == {"No such case; of the first of them: all is well"}


def test_an_incident_of_findings_without_words_names_the_first_one() -> None:
    rows = [one.model_copy(update={"story": Story(), "occurred_at": None}) for one in many(26)]
    rows[3:5] = [
        one.model_copy(update={"first_seen": seen}) for one, seen in zip(rows[3:5], (NOON, EARLIER), strict=True)
    ]
    (incident,) = incidents(rows, LIMITS, "production")
    assert incident.story.expected == "No such case; of the first of them: it is not there"
    assert incident.story.actual == "26 cases; of the first of them: household h000, user u000"
    assert (incident.first_seen, incident.occurred_at, incident.evidence["last"]) == (EARLIER, None, None)


def test_an_incidents_identity_does_not_depend_on_its_rows() -> None:
    (one,), (other,) = (incidents(many(number), LIMITS, "production") for number in (26, 40))
    (elsewhere,) = incidents(many(26), LIMITS, "staging")
    assert one.fingerprint == other.fingerprint != elsewhere.fingerprint


def test_an_ongoing_incident_shrinks_to_its_end() -> None:
    (incident,) = incidents(many(1), LIMITS, "production", ongoing={"no-leader"})
    assert (incident.subject, len(incident.members)) == ({"operation": "incident"}, 1)
    assert incidents([], LIMITS, "production", ongoing={"no-leader"}) == []


def test_an_incident_has_the_worst_urgency_first_and_keeps_what_its_rows_explain() -> None:
    findings = [one.model_copy(update={"severity": "P2", "related": (TRANSFER.as_related(),)}) for one in many(25)]
    urgent = finding("no-leader", household="z")
    (incident,) = incidents([*findings, urgent], LIMITS, "production")
    assert incident.severity == "P0"
    assert incident.members[0].subject == {"household_id": "z"}
    assert incident.related == (TRANSFER.as_related(),)


def test_ids_that_are_hit_twice_count_once() -> None:
    twice = [
        finding(
            "duplicate-member", {"household_id": "h", "user_id": user, "window": str(row)}, household="h", user=user
        )
        for row in range(13)
        for user in ("a", "b")
    ]
    (incident,) = incidents(twice, LIMITS, "production")
    assert incident.impact == Impact(users=2, households=1)


def test_affected_people_who_are_not_named_are_summed() -> None:
    rows = [one.model_copy(update={"impact": Impact(users=4, households=1)}) for one in many(26)]
    (incident,) = incidents(rows, LIMITS, "production")
    assert incident.impact == Impact(users=104, households=26)


@pytest.mark.parametrize("first", [True, False])
def test_one_row_that_does_not_name_everybody_is_enough_for_a_sum(first: bool) -> None:
    rows = [one.model_copy(update={"households": ("h",), "users": ("u",)}) for one in many(26)]
    unnamed = rows[0].model_copy(update={"impact": Impact(users=4, households=3)})
    rows[0 if first else -1] = unnamed
    (incident,) = incidents(rows, LIMITS, "production")
    assert incident.impact == Impact(users=29, households=28)


@pytest.mark.parametrize(("named", "users"), [(1, 27), (4, 38)])
def test_what_was_counted_beside_an_incident(named: int, users: int) -> None:
    """Three more households, with one more person where everybody is named; else people are summed."""
    like = many(1)[0].model_copy(update={"impact": Impact(users=named, households=1)})
    people = Distinct()
    people.add(("u000", "new"))
    (incident,) = told_of(many(26), LIMITS, "production", alike=[Alike(like, 3, people)]).findings
    assert incident.evidence["count"] == 29
    assert incident.impact == Impact(users=users, households=29)


def test_only_some_rows_are_carried_but_all_are_counted() -> None:
    limits = Limits(incident_size=2, incident_members_most=3)
    (incident,) = incidents(many(5), limits, "production")
    assert (len(incident.members), incident.evidence["count"], incident.evidence["listed"]) == (3, 5, 3)


def test_a_group_of_a_detectors_own_is_not_grouped_again() -> None:
    group = everyone_left("h1")
    told = incidents([group, *many(26, "orphaned-household")], LIMITS, "production")
    assert {one.subject["operation"] for one in told} == {"incident", "everyone-left"}


detectors = st.sampled_from(
    [
        "multiple-leaders",
        "no-leader",
        "orphaned-household",
        "transfer-failed",
        "approval-not-applied",
        "concurrent-conflict",
        "unauthorised-transfer",
    ]
)
rows = st.tuples(detectors, st.sampled_from("ab"), st.sampled_from("xy"))


@given(st.sets(rows, max_size=20), st.integers(1, 4), st.randoms())
def test_nothing_is_lost_and_order_does_not_matter(drawn: set[tuple[str, str, str]], size: int, random: Random) -> None:
    findings = [
        finding(detector, {"household_id": household, "user_id": user}, household=household, user=user)
        for detector, household, user in sorted(drawn)
    ]
    told = one_per_cause(findings, Limits(incident_size=size), "production")
    shuffled = list(findings)
    random.shuffle(shuffled)
    assert one_per_cause(shuffled, Limits(incident_size=size), "production") == told
    everything = {(one.detector, tuple(sorted(one.subject.items()))) for one in findings}
    said = {
        *((one.detector, tuple(sorted(one.subject.items()))) for one in told if not one.members),
        *((one.detector, tuple(sorted(row.subject.items()))) for one in told for row in one.members),
        *((row.detector, tuple(sorted(row.subject.items()))) for one in told for row in one.related),
    }
    assert said == everything
