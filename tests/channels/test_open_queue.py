"""What --queue may name, what must be in the environment for it, and what the errors say."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.folder import FolderQueue
from channels.open_queue import open_queue
from channels.request_tracker import RequestTrackerQueue
from channels.settings import ChannelSettingError
from channels.zendesk import ZendeskQueue
from tests.support.renderers import RENDERERS

TOKEN = "1-14-abcdef"
RT, ZENDESK = {"HEARTHWATCH_RT_TOKEN": TOKEN}, {"HEARTHWATCH_ZENDESK_TOKEN": TOKEN}


@pytest.mark.parametrize(
    ("where", "environment", "kind"),
    [
        ("folder:out/queue", {}, FolderQueue),
        ("folder:C:/queue", {}, FolderQueue),
        ("rt:https://rt.petforce.test", RT, RequestTrackerQueue),
        ("rt:https://petforce.test/rt/?queue=T%26S", RT, RequestTrackerQueue),
        ("rt:http://localhost:8080/", {**RT, "HEARTHWATCH_HTTP_TIMEOUT": " 2.5 "}, RequestTrackerQueue),
        ("zendesk:https://petforce.zendesk.com?team_field=36000", ZENDESK, ZendeskQueue),
    ],
)
def test_every_kind_of_queue_is_opened_without_calling_it(
    where: str, environment: dict[str, str], kind: type[object]
) -> None:
    assert isinstance(open_queue(where, environment, RENDERERS), kind)


@pytest.mark.parametrize(
    ("where", "environment", "says"),
    [
        (
            "jira:https://x.test",
            {},
            "unknown queue 'jira': write folder:PATH, rt:https://HOST/, zendesk:https://HOST or mail:ADDRESS",
        ),
        ("folder:", {}, "unknown queue without an address: write folder:PATH"),
        ("out/queue", {}, "unknown queue without an address"),
        ("rt:https://rt.test", {}, "a credential is missing: set HEARTHWATCH_RT_TOKEN, or HEARTHWATCH_RT_TOKEN_FILE"),
        ("zendesk:https://z.test", RT, "a credential is missing: set HEARTHWATCH_ZENDESK_TOKEN"),
        ("rt:https://rt.test", {"HEARTHWATCH_RT_TOKEN_FILE": "/no/such"}, "/no/such: No such file or directory"),
        ("rt:https://rt.test", {"HEARTHWATCH_RT_TOKEN": f"{TOKEN}\nmore"}, "HEARTHWATCH_RT_TOKEN is no token"),
        ("rt:https://rt.test", {"HEARTHWATCH_RT_TOKEN": f"{TOKEN}ü"}, "HEARTHWATCH_RT_TOKEN is no token"),
        ("rt:http://rt.test", RT, "only https, so that nobody reads the token on its way"),
        ("rt:rt.test", RT, "the address must look like https://HOST/"),
        ("rt:https://rt.test:99999/", RT, "the address must look like https://HOST/"),
        (f"rt:https://kim:{TOKEN}@rt.test", RT, "no user or password in the address"),
        (f"rt:https://rt.test?token={TOKEN}", RT, "rt: unknown option 'token'; known: queue"),
        ("zendesk:https://z.test?team_field=T", ZENDESK, "team_field is the number of a ticket field"),
        ("rt:https://rt.test", {**RT, "HEARTHWATCH_HTTP_TIMEOUT": "0"}, "HEARTHWATCH_HTTP_TIMEOUT is a number of"),
        ("rt:https://rt.test", {**RT, "HEARTHWATCH_HTTP_TIMEOUT": "inf"}, "HEARTHWATCH_HTTP_TIMEOUT is a number of"),
        ("rt:https://rt.test", {**RT, "HEARTHWATCH_HTTP_TIMEOUT": "soon"}, "HEARTHWATCH_HTTP_TIMEOUT is a number of"),
    ],
)
def test_what_is_wrong_is_said_on_one_line_without_any_secret(
    where: str, environment: dict[str, str], says: str
) -> None:
    with pytest.raises(ChannelSettingError) as caught:
        open_queue(where, environment, RENDERERS)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()
    assert TOKEN not in str(caught.value)


def test_a_token_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert open_queue("rt:https://rt.test", {"HEARTHWATCH_RT_TOKEN_FILE": str(file)}, RENDERERS)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ChannelSettingError, match=r"HEARTHWATCH_RT_TOKEN_FILE: .* is no text"):
        open_queue("rt:https://rt.test", {"HEARTHWATCH_RT_TOKEN_FILE": str(file)}, RENDERERS)
