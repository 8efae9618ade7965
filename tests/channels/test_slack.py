"""Slack, against a workspace that enforces the documented contract."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channels.protocol import DeliveryError
from channels.settings import ChannelSettingError
from channels.slack import API, TOKEN, SlackMessage, SlackWorkspace, open_slack
from escalation.policy.policy import load_policy
from escalation.policy.process import SlackPlace
from reports.slack import payload
from reports.ticket import ticket
from tests.reports.examples import TRANSFER_FAILED
from tests.support import slack_stub
from tests.support.slack_stub import SlackStub, slack

POLICY = load_policy()
PLACE = SlackPlace(channel="#incidents", mention="@engineering-oncall")
SPEECH = payload(ticket(TRANSFER_FAILED, POLICY), place=PLACE, link="https://rt.example/1")
REPLY = payload(ticket(TRANSFER_FAILED, POLICY), place=PLACE, link="https://rt.example/1", reply=True)


@pytest.fixture
def stub() -> Iterator[SlackStub]:
    with slack() as running:
        yield running


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def workspace(stub: SlackStub, waited: list[float]) -> SlackWorkspace:
    return SlackWorkspace(slack_stub.TOKEN, api=stub.url, seconds=2, pause=waited.append)


def test_a_message_is_posted_answered_edited_and_found(workspace: SlackWorkspace, stub: SlackStub) -> None:
    first = workspace.post("hw-1/create", SPEECH)
    workspace.reply("hw-1/worse", first, REPLY)
    workspace.edit(first, {**SPEECH, "text": "settled"})
    (message,) = stub.said("incidents")
    assert (message["text"], message["edited"]) == ("settled", True)
    assert len(stub.thread(message)) == 1
    assert workspace.find("hw-1/create", "#incidents") == first
    assert workspace.has_reply("hw-1/worse", first)
    assert workspace.find("hw-2/create", "#incidents") is None
    assert not workspace.has_reply("hw-1/better", first)


def test_a_message_is_found_on_later_pages(workspace: SlackWorkspace, stub: SlackStub) -> None:
    first = workspace.post("first", SPEECH)
    for number in range(2 * stub.page_size):
        workspace.post(f"other {number}", SPEECH)
        workspace.reply(f"reply {number}", first, REPLY)
    assert workspace.find("first", "#incidents") == first
    assert workspace.has_reply(f"reply {2 * stub.page_size - 1}", first)


def test_a_lost_answer_is_no_second_message(workspace: SlackWorkspace, stub: SlackStub) -> None:
    stub.says_nothing.append("chat.postMessage")
    with pytest.raises(DeliveryError, match=r"chat\.postMessage") as caught:
        workspace.post("hw-1/create", SPEECH)
    assert caught.value.retry
    assert len(stub.said("incidents")) == 1
    assert workspace.find("hw-1/create", "#incidents") is not None


def test_it_waits_as_long_as_slack_asks(workspace: SlackWorkspace, stub: SlackStub, waited: list[float]) -> None:
    stub.wait = [7, 3]
    workspace.post("hw-1/create", SPEECH)
    assert waited == [7, 3]
    assert len(stub.said("incidents")) == 1


def test_it_does_not_wait_longer_than_a_run_can(
    workspace: SlackWorkspace, stub: SlackStub, waited: list[float]
) -> None:
    stub.wait = [61]
    with pytest.raises(DeliveryError, match="asks to wait longer") as caught:
        workspace.post("hw-1/create", SPEECH)
    assert caught.value.retry
    assert waited == []


def revoke(stub: SlackStub) -> None:
    stub.token_revoked = True


def leave(stub: SlackStub) -> None:
    stub.joined.clear()


def remove(stub: SlackStub) -> None:
    del stub.channels["incidents"]


def narrow(stub: SlackStub) -> None:
    stub.scopes.clear()


def go_down(stub: SlackStub) -> None:
    stub.down = True


@pytest.mark.parametrize(
    ("trouble", "says", "retry"),
    [
        (revoke, f"token_revoked: the token is not accepted .any more.: renew {TOKEN}", False),
        (leave, "in #incidents: not_in_channel: invite the app there: /invite @Hearthwatch", False),
        (remove, "channel_not_found: create the channel", False),
        (narrow, "missing_scope: give the app the scope chat:write", False),
        (go_down, "service_unavailable", True),
    ],
)
def test_a_refusal_names_the_remedy(
    workspace: SlackWorkspace, stub: SlackStub, trouble: Any, says: str, retry: bool
) -> None:
    trouble(stub)
    with pytest.raises(DeliveryError, match=says) as caught:
        workspace.post("hw-1/create", SPEECH)
    assert caught.value.retry is retry
    assert slack_stub.TOKEN not in str(caught.value)


def test_nobody_is_there(waited: list[float]) -> None:
    nobody = SlackWorkspace(slack_stub.TOKEN, api="http://127.0.0.1:9", seconds=1, pause=waited.append)
    with pytest.raises(DeliveryError, match="refused"):
        nobody.post("hw-1/create", SPEECH)


def test_messages_and_tokens_stay_out_of_the_log(workspace: SlackWorkspace, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        workspace.post("hw-1/create", {**SPEECH, "text": "canary"})
    assert "canary" not in caplog.text
    assert slack_stub.TOKEN not in caplog.text


def test_the_check_sends_nothing_and_says_what_is_missing(workspace: SlackWorkspace, stub: SlackStub) -> None:
    stub.joined.remove("trust-safety")
    del stub.channels["product-feedback"]
    checks = workspace.check({"#incidents": "P0", "#trust-safety": "T&S", "#product-feedback": "PM"})
    assert [(one.name, one.ok) for one in checks] == [
        ("slack", True),
        ("slack #incidents", True),
        ("slack #product-feedback", False),
        ("slack #trust-safety", False),
    ]
    assert "/invite" in checks[3].text
    assert stub.messages == {}
    stub.token_revoked = True
    assert [one.ok for one in workspace.check({})] == [False]


def test_an_edit_of_what_is_gone_is_an_error(workspace: SlackWorkspace) -> None:
    with pytest.raises(DeliveryError, match="message_not_found"):
        workspace.edit(SlackMessage("C00000001", "1.1"), SPEECH)


def test_opened_from_the_environment(tmp_path: Path, stub: SlackStub) -> None:
    assert open_slack({}) is None
    kept = tmp_path / "token"
    kept.write_text(f"{slack_stub.TOKEN}\n")
    opened = open_slack({f"{TOKEN}_FILE": str(kept), API: stub.url})
    assert opened is not None
    opened.post("hw-1/create", SPEECH)
    for wrong in (
        {TOKEN: "hunter2"},
        {TOKEN: slack_stub.TOKEN, API: "http://slack.example/api"},
        {f"{TOKEN}_FILE": str(tmp_path / "nothing")},
    ):
        with pytest.raises(ChannelSettingError) as caught:
            open_slack(wrong)
        assert "hunter2" not in str(caught.value)
