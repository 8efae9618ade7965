"""Block Kit within Slack's published limits, with nothing live in it but our own mention and link."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from detectors.contract import TEAMS, Finding, Story
from escalation.policy.policy import load_policy
from escalation.policy.process import SlackPlace
from reports.message import Message
from reports.slack import ALL_MOST, SEE_TICKET, payload
from reports.ticket import ticket
from tests.reports.examples import TRANSFER_FAILED, bare, incident
from tests.reports.hostile import findings, hidden, live
from tests.support.effort import tries

POLICY = load_policy()
PLACE = SlackPlace(channel="#incidents", mention="@engineering-oncall")
LINK = "https://helpdesk.example/tickets/17?a=1&b=2"


def sent(finding: Finding, link: str = LINK) -> dict[str, Any]:
    return payload(ticket(finding, POLICY), place=PLACE, link=link)


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in `value`."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from parts(inner)


def check_limits(message: dict[str, Any]) -> None:
    """The limits of docs.slack.dev, reference of blocks, composition objects and chat.postMessage."""
    blocks = message["blocks"]
    assert 1 <= len(blocks) <= 50
    assert len(json.dumps(blocks)) <= ALL_MOST
    assert len(message["text"]) <= 4000
    for block in blocks:
        assert block["type"] in {"header", "section", "rich_text"}
        if block["type"] == "header":
            assert block["text"]["type"] == "plain_text"
            assert 1 <= len(block["text"]["text"]) <= 150
        if block["type"] == "section":
            assert 1 <= len(block["text"]["text"]) <= 3000
        if block["type"] == "rich_text":
            kinds = {element["type"] for element in block["elements"]}
            assert kinds <= {"rich_text_section", "rich_text_list", "rich_text_preformatted"}
    for part in parts(blocks):
        if part.get("type") == "text":
            assert 1 <= len(part["text"]) <= 3000
            assert set(part) <= {"type", "text", "style"}


def test_a_p0_calls_the_oncall_with_the_link() -> None:
    message = sent(TRANSFER_FAILED)
    check_limits(message)
    assert message["channel"] == "#incidents"
    assert message["link_names"] is True
    assert message["blocks"][0]["text"]["text"] == TRANSFER_FAILED.title
    assert message["blocks"][1]["text"]["text"] == (
        "@engineering-oncall *P0* [ENG-ESCALATION] <https://helpdesk.example/tickets/17?a=1&amp;b=2|Open the ticket>"
    )
    said = json.dumps(message["blocks"])
    assert "4 members cannot manage household settings" in said
    assert SEE_TICKET not in said


def test_without_a_mention_nobody_is_called() -> None:
    message = payload(ticket(TRANSFER_FAILED, POLICY), place=SlackPlace(channel="#engineering-support"), link=LINK)
    assert message["link_names"] is False
    assert "@" not in json.dumps(message["blocks"])


def test_a_ticket_in_a_folder_is_named_by_its_path() -> None:
    assert sent(TRANSFER_FAILED, "out/queue/a<b>.md")["blocks"][1]["text"]["text"].endswith("out/queue/a&lt;b&gt;.md")


@pytest.mark.parametrize(
    "finding",
    [
        incident(100),
        bare(title="T" * 5000),
        bare(story=Story(issue="x" * 50_000, steps=("y" * 50_000,) * 5)),
        bare(evidence={f"table {number}": [{"a": "b"}] for number in range(100)}),
    ],
)
def test_however_long_a_ticket_is_limits_hold_and_the_link_stays(finding: Finding) -> None:
    message = sent(finding)
    check_limits(message)
    assert "helpdesk.example" in message["blocks"][1]["text"]["text"]
    assert "Severity: " in json.dumps(message["blocks"]), "at least the template is there"


def test_what_is_left_out_is_said() -> None:
    message = sent(bare(evidence={f"table {number}": [{"a": "b"}] for number in range(100)}))
    assert message["blocks"][-1]["elements"][0]["elements"][0]["text"] == SEE_TICKET


def test_legal_matters_never_go_to_slack() -> None:
    legal = ticket(bare("legal"), POLICY)
    with pytest.raises(ValueError, match="never go to Slack"):
        payload(legal, place=PLACE, link=LINK)


@pytest.mark.parametrize("team", [team for team in TEAMS if team != "legal"])
def test_every_other_team_can_be_told(team: str) -> None:
    check_limits(sent(bare(team)))


@tries(100)
@given(findings.filter(lambda finding: finding.team != "legal"))
def test_hostile_text_stands_only_where_slack_draws_it_as_it_is(finding: Finding) -> None:
    message = sent(finding)
    check_limits(message)
    lead = message["blocks"].pop(1)["text"]["text"]
    assert lead == sent(bare(finding.team, severity=finding.severity))["blocks"][1]["text"]["text"]
    for part in parts(message["blocks"]):
        assert part.get("type") not in {"mrkdwn", "link", "user", "usergroup", "channel", "broadcast", "emoji"}
        if isinstance(part.get("text"), str):
            assert hidden(part["text"]) == []
            assert live(part["text"]) == []
    assert live(message["text"]) == []


def test_a_message_without_blocks_is_still_a_message() -> None:
    check_limits(payload(Message("", "", "engineering", "P2", "1", ()), place=PLACE, link=LINK))
