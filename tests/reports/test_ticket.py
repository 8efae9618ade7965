"""The process document's templates, line by line."""

from __future__ import annotations

import pytest

from detectors.contract import Finding, Story
from escalation.policy.policy import load_policy
from escalation.policy.process import Page, SlackPlace
from reports import mail, markdown, png, slack, text
from reports.message import Section, Table, Template, from_plain, to_plain
from reports.redact import redacted
from reports.ticket import IDS_SHOWN, TABLE_ROWS_SHOWN, ticket
from tests.reports.examples import (
    ENGINEERING_EXAMPLE,
    MASS_CREATION,
    TRANSFER_FAILED,
    TRUST_SAFETY_EXAMPLE,
    bare,
    incident,
)

POLICY = load_policy()


def template_of(finding: Finding) -> list[str]:
    """The lines of the ticket's template alone, without the headline."""
    message = ticket(finding, POLICY)
    template = message.blocks[0]
    assert isinstance(template, Template)
    return list(text.template_lines(template))


def labels_of(finding: Finding) -> list[str]:
    message = ticket(finding, POLICY)
    template = message.blocks[0]
    assert isinstance(template, Template)
    return [line.label for line in template.lines]


@pytest.mark.parametrize(
    ("finding", "example"), [(TRANSFER_FAILED, ENGINEERING_EXAMPLE), (MASS_CREATION, TRUST_SAFETY_EXAMPLE)]
)
def test_the_documents_own_tickets_come_out_line_by_line(finding: Finding, example: str) -> None:
    message = ticket(finding, POLICY)
    assert text.render(message).startswith(example + "\n")
    assert f"```text\n{example}```\n" in markdown.render(message)


def test_an_engineering_ticket_leaves_no_field_out_and_says_what_to_add() -> None:
    assert template_of(bare()) == [
        "User ID: Not in the data; add the affected account's ID",
        "Household ID: Not in the data; add the affected household's ID",
        "Timestamp: Not recorded; add when the issue occurred (with timezone)",
        "Severity: P0",
        "",
        "Issue: Household Without a Leader",
        "",
        "Steps to Reproduce:",
        "1. Not in the data; add what the user did before the issue",
        "",
        "Expected: Add what should have happened",
        "Actual: Add what actually happened",
        "",
        "Impact: 0 users in 0 households affected",
        "",
        "Error Messages: None recorded; add the exact text or code if you have it",
        "",
        "Screenshots: None attached; add one if you have it (PII redacted)",
        "",
        "Requesting: Add what Engineering should do",
    ]


@pytest.mark.parametrize(
    ("team", "labels"),
    [
        (
            "csm",
            [
                "Customer value",
                "Issue summary",
                "Customer impact",
                "Requested outcome",
                "Your recommendation",
                "Urgency justification",
            ],
        ),
        (
            "product",
            [
                "Feature request",
                "Use case",
                "Frequency",
                "Workaround",
                "Competitive comparison",
                "Revenue impact",
            ],
        ),
        ("legal", ["Type of legal issue", "Parties involved", "Relevant documents", "Immediate action needed"]),
    ],
)
def test_the_other_teams_get_exactly_the_fields_that_the_document_lists(team: str, labels: list[str]) -> None:
    assert labels_of(bare(team)) == labels
    lines = template_of(bare(team, story=Story(fields={labels[1]: "as it is"})))
    assert lines[1] == f"{labels[1]}: as it is"
    assert all(": Not in the data; add: " in line for line in lines if line != lines[1]), (
        "an empty field says what to add"
    )


def test_what_the_other_teams_have_no_field_for_stands_below() -> None:
    finding = bare("csm", users=("user_1",), story=Story(fields={"Requests so far": "3"}))
    message = ticket(finding, POLICY)
    concerns = message.blocks[1]
    assert isinstance(concerns, Table)
    assert ("User ID", "user_1") in concerns.rows
    assert ("Requests so far", "3") in concerns.rows


def test_many_ids_are_cut_and_counted() -> None:
    finding = bare(users=tuple(f"user_{number}" for number in range(IDS_SHOWN + 3)))
    line = template_of(finding)[0]
    assert line.endswith(f"user_{IDS_SHOWN - 1} and 3 more")
    assert line.count(",") == IDS_SHOWN - 1


def test_first_seen_stands_in_for_the_time_of_the_occurrence() -> None:
    finding = bare(first_seen=TRANSFER_FAILED.first_seen)
    assert "Timestamp: 2026-02-02 14:35:00 UTC (first seen)" in template_of(finding)


def test_an_incident_shows_its_first_rows_and_attaches_them_all() -> None:
    message = ticket(incident(TABLE_ROWS_SHOWN + 1), POLICY)
    shown = [block for block in message.blocks if isinstance(block, Table) and block.heading == "Rows"]
    assert len(shown[0].rows) == TABLE_ROWS_SHOWN
    assert shown[0].note.startswith("21 in all")
    assert len(message.attachments[0].table.rows) == TABLE_ROWS_SHOWN + 1
    assert "Household ID: household_1, household_2," in text.render(message)


def test_nothing_is_attached_where_every_row_is_shown() -> None:
    assert ticket(incident(TABLE_ROWS_SHOWN), POLICY).attachments == ()


def test_the_member_list_that_the_ticket_announces_is_there() -> None:
    tables = {block.heading: block for block in ticket(TRANSFER_FAILED, POLICY).blocks if isinstance(block, Table)}
    members = tables["Household member list"]
    assert members.rows == tuple((f"user_{number}", "no badge") for number in (2, 3, 4, 5))


def test_the_picture_that_the_ticket_announces_is_there_and_shows_ids_alone() -> None:
    (drawn,) = ticket(TRANSFER_FAILED, POLICY).pictures
    assert drawn.says == "4 active members shown, no leader"
    assert "user_2" in drawn.svg
    assert png.png_of(drawn.svg) is not None
    hidden = redacted(TRANSFER_FAILED, "ids", b"key")
    message = ticket(hidden, POLICY, pseudonyms=True)
    assert message.pictures == ()
    assert "Screenshots: None: who is in the household may not be shown here" in text.render(message)
    assert "How to check without Hearthwatch" not in text.render(message)


def test_the_markdown_reads_well_undrawn() -> None:
    finding = bare(title="See evil.com [x](y) for $5", evidence={"hours": 24.0, "share": 0.125, "note": "1.5 h"})
    written = markdown.render(ticket(finding, POLICY))
    assert written.startswith("# [ENG-ESCALATION] See evil[.]com \\[x\\](y) for $5\n")
    assert "| Hours | 24 |" in written
    assert "| Share | 12.5% |" in written
    assert "| Note | 1.5 h |" in written


def test_below_the_template_stands_what_backs_it_up() -> None:
    message = ticket(TRANSFER_FAILED, POLICY)
    assert [block.heading for block in message.blocks if not isinstance(block, Template)] == [
        "What to do",
        "How sure, and since when",
        "How to check without Hearthwatch",
        "Explained by this",
        "Timeline",
        "Household member list",
        "Evidence",
        "What to tell the customer",
        "About this ticket",
        "How to verify",
    ]
    verify = message.blocks[-1]
    assert isinstance(verify, Section)
    assert verify.points == ("hearthwatch scan --detector transfer-failed --household household_67890",)
    assert message.reference == TRANSFER_FAILED.fingerprint


def test_a_hostile_id_cannot_break_out_of_the_verifying_command() -> None:
    verify = ticket(bare(subject={"household_id": "x; rm -rf ~"}), POLICY).blocks[-1]
    assert isinstance(verify, Section)
    assert verify.points == ("hearthwatch scan --detector no-leader --household 'x; rm -rf ~'",)


@pytest.mark.parametrize("finding", [TRANSFER_FAILED, MASS_CREATION, incident(30)])
def test_a_message_survives_json(finding: Finding) -> None:
    message = ticket(finding, POLICY)
    assert from_plain(to_plain(message)) == message


def test_a_ticket_links_to_its_place_on_the_page_where_the_policy_says_where_that_is() -> None:
    """Every channel links it; what is told by e-mail only has no words there."""
    policy = POLICY.model_copy(update={"page": Page(address="https://hw.example.com/pages/")})
    place = "https://hw.example.com/pages/tonight.html#hw-1"
    message = ticket(TRANSFER_FAILED, policy, reference="hw-1")
    assert text.render(message).endswith(f"\n\nOn the morning page: {place}\n")
    assert markdown.render(message).endswith(f"\n\nOn the morning page: <{place}>\n")
    assert f'<p>On the morning page: <a href="{place}">{place}</a></p>' in mail.render(message).html
    lead = slack.payload(message, place=SlackPlace(channel="#x"), link="https://desk.example/1")["blocks"][1]
    assert lead["text"]["text"].endswith(f"|Open the ticket> <{place}|On the morning page>")
    assert from_plain(to_plain(message)) == message
    assert ticket(bare("legal"), policy, reference="hw-1").page == ""
    assert ticket(TRANSFER_FAILED, POLICY, reference="hw-1").page == ""
