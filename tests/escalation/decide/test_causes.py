"""Which finding explains which."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.contract import Finding, Member, Severity
from detectors.findings import Alike, Distinct
from detectors.limits import Limits
from escalation.decide.causes import explain, roots_of
from escalation.decide.incidents import one_per_cause, told_of
from tests.escalation.findings import NOON, finding

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
    (
        "a household that is missing explains what else is wrong with it",
        [finding("members-without-household", household="h1"), finding("no-leader", household="h1")],
        {"members-without-household": ["no-leader"]},
    ),
    (
        "but nothing of another team, nor what concerns several households",
        [
            finding("members-without-household", household="h1"),
            finding("punitive-removals", household="h1"),
            finding("self-approved-request", {"request_id": "r"}, households=("h1", "h2")),
        ],
        {"members-without-household": [], "punitive-removals": [], "self-approved-request": []},
    ),
    (
        "another group than of those whom everyone has left explains nothing",
        [
            everyone_left("h1").model_copy(update={"subject": {"operation": "something-else"}}),
            approval("r1"),
        ],
        {"orphaned-household": [], "approval-not-applied": []},
    ),
    (
        "an approval of several people explains no conflict of nobody in particular",
        [
            approval("r1").model_copy(update={"subject": {"request_id": "r1"}, "users": ("u1", "u2")}),
            finding("concurrent-conflict", household="h1"),
        ],
        {"approval-not-applied": [], "concurrent-conflict": []},
    ),
    (
        "what an address did in masses explains that it passed a limit",
        [
            finding("scraping", {"ip_address": "203.0.113.7"}),
            finding("rate-limit-bypass", {"ip_address": "203.0.113.7", "limit": "code_validation"}),
        ],
        {"scraping": ["rate-limit-bypass"]},
    ),
    (
        "but not where nobody knows when",
        [
            finding("mass-creation", user="u1", occurred_at=None),
            finding("rate-limit-bypass", {"user_id": "u1", "limit": "household_creation"}),
        ],
        {"mass-creation": [], "rate-limit-bypass": []},
    ),
    (
        "creations in masses do not explain other memberships of their maker",
        [
            finding("mass-creation", user="u1", households=("h1", "h2")),
            finding("duplicate-member", household="h1", user="u1"),
        ],
        {"mass-creation": [], "duplicate-member": []},
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


def test_of_what_is_counted_only_what_nothing_explains_is_left() -> None:
    led_by_nobody, another = (Alike(finding("no-leader", household=home), 3, Distinct()) for home in ("h1", "h2"))
    _, _, left = roots_of([TRANSFER], LIMITS, [led_by_nobody, another], both_teams=False)
    assert left == [another]


def test_an_unauthorised_transfer_keeps_its_own_urgency() -> None:
    (told,) = explain([finding("unauthorised-transfer", household="h1"), TRANSFER], LIMITS)
    assert (told.team, told.severity) == ("trust-safety", "Immediate")
