"""A case as one ticket: the document's example on top, then each further pattern, the days, the silences and the links."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from detectors.contract import Finding, Impact, Involved, Story, Tie
from escalation.deliver.case_file import CaseFile, Earlier, Repeat, case_from, pack_case
from escalation.ledger.records import Linked
from escalation.policy.policy import load_policy
from reports import text
from reports.case import case_ticket
from reports.message import Table
from reports.redact import redacted_case
from reports.ticket import ticket
from tests.escalation.findings import finding
from tests.reports.examples import MASS_CREATION, TRANSFER_FAILED, TRUST_SAFETY_EXAMPLE

POLICY = load_policy()
AT = datetime(2026, 2, 1, 3, tzinfo=UTC)
REMOVED = MASS_CREATION.model_copy(
    update={
        "detector": "mass-removal",
        "title": "Suspected Mass Removal of Members",
        "severity": "Next-day",
        "fingerprint": "1" * 32,
        "users": ("user_98765", "user_1", "user_2"),
        "story": MASS_CREATION.story.model_copy(
            update={"pattern": "User has removed 45 members in 3 days", "affected_users": ("user_98765",)}
        ),
    }
)
LINK = Linked(
    external_id="hw-0123456789abcdef",
    team="engineering",
    detector="no-leader",
    title="Household Without a Leader",
    severity="P0",
    verdict="fixed",
    outcome="jo@example.org assigned one <b> https://evil.com",
    opened_at=AT,
    households=("household_11111",),
    users=(),
    ref_id="17",
)
CASE = CaseFile(
    (MASS_CREATION, REMOVED),
    "Same-day",
    linked=(LINK,),
    unlisted=3,
    repeats=(Repeat("user", "user_98765", ("confirmed", "confirmed", "dismissed"), 2),),
    silenced=("Some pattern (user user_98765): snoozed until 2026-02-04",),
    references=("17",),
)


def shown(case: CaseFile) -> str:
    return text.render(case_ticket(case, POLICY, reference="hw-1"))


def test_the_documents_example_stays_on_top_and_each_pattern_has_its_section() -> None:
    said = shown(CASE)
    assert said.startswith(TRUST_SAFETY_EXAMPLE + "\n")
    assert "Finding 2: Suspected Mass Removal of Members\n" in said
    assert "- Pattern: User has removed 45 members in 3 days\n" in said
    # What both say alike is said once.
    assert said.count("Suspected Violation") == said.count("What to tell the customer") == 1


def test_one_table_tells_the_days_of_all_patterns() -> None:
    message = case_ticket(CASE, POLICY)
    tables = [one for one in message.blocks if isinstance(one, Table)]
    (days,) = [one for one in tables if "ays" in one.heading or "by day" in one.heading]
    assert days.columns == ("Day", "Households created", "Members removed")
    assert days.rows[0] == ("2026-02-02", "5", "20")


def test_links_and_what_was_before_are_said_and_nothing_in_them_acts() -> None:
    said = shown(CASE)
    assert "third" not in said
    assert (
        "This is the fourth ticket about user user_98765 in 90 days. "
        "Those before it: 2 confirmed and 1 dismissed; 2 of them of this kind."
    ) in said
    for words in ("hw-0123456789abcdef", "fixed, verified by a scan", "3 more are not listed", "snoozed until"):
        assert words in said
    assert ("https://evil" in said, "jo@" in said) == (False, False)
    assert case_ticket(CASE, POLICY).refers_to == ("17",)


def test_the_people_of_a_case_stand_in_one_table_with_what_was_found_before() -> None:
    actor = Involved(user_id="user_98765", role="actor", status="active")
    target = Involved(user_id="user_1", role="target")
    tie = Tie(user_id="user_7", of="user_98765", shares=("address",), strength="medium")
    first, second = (
        one.model_copy(update={"story": one.story.model_copy(update={"people": people, "ties": (tie,)})})
        for one, people in (
            (MASS_CREATION, (actor,)),
            (REMOVED, (target, actor.model_copy(update={"role": "leader"}))),
        )
    )
    before = Earlier("user_98765", {"mass-creation": 2}, {"no-leader": 1}, AT)
    case = CaseFile((first, second), "Same-day", earlier=(before,))
    message = case_ticket(case, POLICY)
    (people,) = (one for one in message.blocks if isinstance(one, Table) and "eople" in one.heading)
    assert [(row[0], row[1], row[-1]) for row in people.rows] == [
        ("user_98765", "actor, leader", "as the actor: 2 mass-creation; named in 1 no-leader; last 2026-02-01"),
        ("user_1", "target", "nothing"),
    ]
    assert [one.heading for one in message.blocks if isinstance(one, Table)].count("Connected accounts") == 1
    assert case_from(pack_case(case), {}).earlier == (before,)


def test_each_picture_is_there_once() -> None:
    (own,) = ticket(TRANSFER_FAILED, POLICY).pictures
    case = CaseFile((MASS_CREATION, TRANSFER_FAILED, TRANSFER_FAILED), "P0")
    assert [one.name for one in case_ticket(case, POLICY).pictures] == [f"2-{own.name}"]


def test_a_case_of_one_says_what_its_finding_says() -> None:
    assert case_ticket(CaseFile((MASS_CREATION,), "Same-day"), POLICY) == ticket(MASS_CREATION, POLICY)


def test_several_of_one_household_are_named_together() -> None:
    four = [
        finding(
            "member-without-approval",
            household="h1",
            user=user,
            impact=Impact(users=4, households=1),
            story=Story(issue="Nobody let this user in.", impact="4 members share their household", steps=("A row",)),
        )
        for user in "abcd"
    ]
    said = shown(CaseFile(tuple(four), "P0"))
    assert "Some member-without-approval (4 in one household)\n" in said
    assert "User ID: a, b, c, d\nHousehold ID: h1\n" in said
    assert "Issue: Nobody let this user in. The same of 3 others in this household: see below.\n" in said
    assert [f"- User ID: {user}\n" in said for user in "abcd"] == [False, True, True, True]
    assert said.count("4 members share") == 1


def test_a_further_finding_says_which_request_it_is_about() -> None:
    """What is to be done reads alike but for the request, so that it is said once: of the first one."""
    two = [
        finding("approval-not-applied", household="h1", user="a", story=Story(issue="Not added.")).model_copy(
            update={"subject": {"request_id": request}}
        )
        for request in ("request-1", "request-2")
    ]
    case = CaseFile(tuple(two), "P1")
    assert "- Household ID: h1\n- Request id: request-2\n" in shown(case)
    assert "request-2" not in shown(redacted_case(case, "ids", b"key"))


@pytest.mark.parametrize("case", [CASE, CaseFile((MASS_CREATION,), "Same-day")])
def test_a_case_can_be_kept_and_told_later(case: CaseFile) -> None:
    tonight: dict[str, Finding] = {one.fingerprint: one for one in case.findings}
    again = case_from(pack_case(case), tonight)
    assert again.findings == case.findings
    assert (again.repeats, again.silenced, again.unlisted) == (case.repeats, case.silenced, case.unlisted)
    assert [one.external_id for one in again.linked] == [one.external_id for one in case.linked]


def test_what_a_channel_hides_is_hidden_of_links_too() -> None:
    hidden = shown(redacted_case(CASE, "ids", b"key"))
    assert ("user_98765" in hidden, "household_11111" in hidden, "jo@" in hidden) == (False, False, False)
    assert "This is the fourth ticket about user id-" in hidden
