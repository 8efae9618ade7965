"""Which row of the process fits what somebody describes."""

from __future__ import annotations

from pathlib import Path

import pytest

from escalation.people.suggest import suggestions, words_of
from escalation.policy.policy import load_policy

POLICY = load_policy()
ROWS = Path(__file__).parents[3] / "docs" / "process_rows.txt"


def test_the_policy_has_every_row_of_when_to_escalate() -> None:
    lines = ROWS.read_text(encoding="utf-8").splitlines()
    documented = [line.split(" | ")[1] for line in lines if line and not line.startswith("#")]
    known = [row for priorities in POLICY.when.values() for rows in priorities.values() for row in rows]
    assert known == documented


@pytest.mark.parametrize(
    ("issue", "row", "team", "severity"),
    [
        ("two leaders in one household after transfer", "Multiple leaders in one household", "engineering", "P0"),
        ("Household without a leader", "No leader in household with active members", "engineering", "P0"),
        (
            "approved the join request but the member is missing",
            "Join request approval not adding member",
            "engineering",
            "P1",
        ),
        ("THREAT of violence", "Threats of violence in household communications", "trust-safety", "Immediate"),
        (
            "user keeps creating households, 15 a day",
            "User creating >10 households per day (multiple days)",
            "trust-safety",
            "Same-day",
        ),
        ("a journalist asks", "Influencers or press inquiries", "csm", "Immediate"),
        ("GDPR deletion", "Data deletion requests (GDPR, CCPA, right to be forgotten)", "legal", None),
        ("leader and member argue", "Leader vs. member disputes", "csm", None),
    ],
)
def test_the_best_row(issue: str, row: str, team: str, severity: str | None) -> None:
    best = suggestions(issue, POLICY)[0]
    assert (best.row, best.team, best.severity) == (row, team, severity)


def test_each_row_is_the_best_for_its_own_words() -> None:
    for priorities in POLICY.when.values():
        for rows in priorities.values():
            for row in rows:
                assert suggestions(row, POLICY)[0].row == row


@pytest.mark.parametrize(
    "issue", ["custody fight over the dog", "custody dispute", "they argue who keeps the cat after a divorce"]
)
def test_custody_is_a_matter_of_two_teams(issue: str) -> None:
    assert {"csm", "legal"} <= {one.team for one in suggestions(issue, POLICY)}


def test_money_is_no_matter_of_the_process_but_what_else_is_said_may_be() -> None:
    issue = "customer demands a refund because the leader removed the members as punishment"
    assert suggestions(issue, POLICY)[0].team == "trust-safety"


@pytest.mark.parametrize(
    "issue",
    [
        *("", "the weather is nice", "household", "42 !!! \x00", "\u202e"),
        *("customer wants a refund", "premium customer wants money back", "charged twice", "a billing dispute"),
    ],
)
def test_what_fits_nothing(issue: str) -> None:
    assert suggestions(issue, POLICY) == []


def test_the_matrix_row_brings_its_own_times() -> None:
    found = suggestions("capacity increase request", POLICY)[0]
    assert found.section == "Escalation Matrix, P3"
    assert found.promises == (("Response", "2 days"), ("Resolution", "3-5 days"))


def test_words_have_one_form() -> None:
    assert words_of("Léaders REMOVING members") == words_of("leader removed member")
