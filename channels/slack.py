"""Slack over its Web API: a message is posted, looked for by its key, answered in its thread, and edited.

Every message carries its key as metadata, which people do not see and Slack gives back. Nothing is sent twice from in
here: only what Slack refused because of its limits is repeated, after the time that it names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from channels.http import AnswerError, HttpClient
from channels.protocol import Check, DeliveryError
from channels.settings import ChannelSettingError, secret, site, timeout
from reports.neutral import defused

TOKEN = "HEARTHWATCH_SLACK_TOKEN"  # noqa: S105  # the name of a variable
API = "HEARTHWATCH_SLACK_API"
DEFAULT_API = "https://slack.com/api"
EVENT = "hearthwatch_message"
PAGES_MOST = 5
"""A message that was lost on its way is looked for in so many pages of the channel or thread, the latest first."""
PAGE = 200
_EDITED = ("text", "blocks", "link_names", "parse")
_RENEW = f"the token is not accepted (any more): renew {TOKEN}"
_INVITE = "invite the app there: /invite @Hearthwatch"
_REMEDIES = {
    "invalid_auth": _RENEW,
    "not_authed": _RENEW,
    "token_revoked": _RENEW,
    "token_expired": _RENEW,
    "account_inactive": _RENEW,
    "not_in_channel": _INVITE,
    "channel_not_found": f"create the channel, or name another one in the policy; if it is private, {_INVITE}",
    "is_archived": "the channel is archived: name another one in the policy",
}
_LATER = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})


class Message(Protocol):
    """Where a message is."""

    @property
    def channel_id(self) -> str: ...
    @property
    def timestamp(self) -> str: ...


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """Where a message is: the id of its channel, and its timestamp there, which is Slack's name for it."""

    channel_id: str
    timestamp: str


class SlackWorkspace:
    """The workspace that a bot's token belongs to. Every method raises DeliveryError when it cannot do its work."""

    def __init__(
        self, token: str, *, api: str = DEFAULT_API, seconds: float, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = HttpClient(
            "Slack", api, f"Bearer {token}", remedy=_RENEW, secrets=[token], timeout=seconds, pause=pause
        )
        self._channels: dict[str, str] = {}

    def post(self, key: str, payload: Mapping[str, Any]) -> SlackMessage:
        """Post the message in payload's channel."""
        answer = self._post({**payload, "metadata": _metadata(key)})
        return SlackMessage(str(answer["channel"]), str(answer["ts"]))

    def find(self, key: str, channel: str) -> SlackMessage | None:
        """The message that was posted with `key` in the channel of that name (#incidents) of late."""
        channel_id = self._channel_id(channel)
        for message in self._messages("conversations.history", {"channel": channel_id}):
            if _key(message) == key:
                return SlackMessage(channel_id, str(message["ts"]))
        return None

    def reply(self, key: str, thread: Message, payload: Mapping[str, Any]) -> None:
        """Post the message in the thread that another one has begun."""
        where = {"channel": thread.channel_id, "thread_ts": thread.timestamp}
        self._post({**payload, **where, "metadata": _metadata(key)})

    def has_reply(self, key: str, thread: Message) -> bool:
        """True if a reply with `key` is in the thread."""
        where = {"channel": thread.channel_id, "ts": thread.timestamp}
        return any(_key(message) == key for message in self._messages("conversations.replies", where))

    def edit(self, message: Message, payload: Mapping[str, Any]) -> None:
        """Make the message read like the payload. Nobody is called by an edit."""
        kept = {name: payload[name] for name in _EDITED}
        self._call("chat.update", {**kept, "channel": message.channel_id, "ts": message.timestamp})

    def check(self, channels: Mapping[str, str]) -> list[Check]:
        """Whether the token is good and the app is in the channels (names, and what each is for). Sends nothing."""
        try:
            known = self._call("auth.test", {})
            members = dict(self._listed())
        except DeliveryError as error:
            return [Check("slack", False, str(error))]
        checks = [Check("slack", True, f"the token is good for the workspace {known.get('team', '?')}")]
        for name, purpose in sorted(channels.items()):
            if name.removeprefix("#") not in members:
                checks.append(Check(f"slack {name}", False, f"{_REMEDIES['channel_not_found']} ({purpose})"))
            elif not members[name.removeprefix("#")]:
                checks.append(Check(f"slack {name}", False, f"{_INVITE} ({purpose})"))
            else:
                checks.append(Check(f"slack {name}", True, f"the app is a member ({purpose})"))
        return checks

    def _listed(self) -> Iterator[tuple[str, bool]]:
        """Each channel's name, and whether the app is in it."""
        for page in self._pages("conversations.list", _LISTING, 50):
            for channel in page["channels"]:
                self._channels[channel["name"]] = channel["id"]
                yield channel["name"], bool(channel["is_member"])

    def _channel_id(self, channel: str) -> str:
        name = channel.removeprefix("#")
        if name not in self._channels:
            for _ in self._listed():
                if name in self._channels:
                    break
        if name not in self._channels:
            raise DeliveryError(f"Slack: no channel {channel}: {_REMEDIES['channel_not_found']}", retry=False)
        return self._channels[name]

    def _messages(self, method: str, where: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        for page in self._pages(method, {**where, "include_all_metadata": True}, PAGES_MOST):
            yield from page["messages"]

    def _pages(self, method: str, arguments: Mapping[str, Any], most: int) -> Iterator[Mapping[str, Any]]:
        cursor = ""
        for _ in range(most):
            page = self._call(method, {**arguments, "limit": PAGE, **({"cursor": cursor} if cursor else {})})
            yield page
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def _post(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self._call("chat.postMessage", message)
        if not (answer["channel"] and answer["ts"]):
            raise DeliveryError("Slack: chat.postMessage: it does not say where the message is", retry=True)
        return answer

    def _call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        # What is read takes a form, what is written JSON: some methods know only the one or the other.
        written = method.startswith("chat.")
        form = {name: int(value) if isinstance(value, bool) else value for name, value in arguments.items()}
        try:
            answer: Mapping[str, Any] = self._client.call(
                "POST",
                f"/{method}",
                body=dict(arguments) if written else None,
                content=None if written else urlencode(form),
                headers=None if written else _FORM,
            )
        except AnswerError as error:
            body = error.body if isinstance(error.body, dict) else {}
            raise _refused(method, body, str(arguments.get("channel", "")), error) from None
        # Whoever else answers in Slack's place does not say so.
        if answer["ok"] is not True:
            raise _refused(method, answer, str(arguments.get("channel", "")), None)
        return answer


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_LISTING = {"types": "public_channel,private_channel", "exclude_archived": True}


def _metadata(key: str) -> dict[str, Any]:
    return {"event_type": EVENT, "event_payload": {"key": key}}


def _key(message: Mapping[str, Any]) -> str:
    """The key under which a message was sent, empty for anybody else's."""
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != EVENT:
        return ""
    return str((metadata.get("event_payload") or {}).get("key", ""))


def _refused(method: str, body: Mapping[str, Any], channel: str, refusal: AnswerError | None) -> DeliveryError:
    """What Slack answered instead of doing it; `refusal` where HTTP says so, too."""
    code = str(body.get("error", ""))
    if not (code.isascii() and code.replace("_", "").isalnum() and len(code) < 60):
        return refusal or DeliveryError(f"Slack: {method}: this is no answer that it documents", retry=False)
    text = f"Slack: {method}{f' in {channel}' if channel else ''}: {code}"
    if code == "missing_scope":
        text += f": give the app the scope {defused(str(body.get('needed', '?')))}"
    elif code in _REMEDIES:
        text += f": {_REMEDIES[code]}"
    elif code == "ratelimited":
        text += ": it asks to wait longer than a run can"
    return DeliveryError(text, retry=code in _LATER or (refusal is not None and refusal.retry))


def open_slack(environment: Mapping[str, str]) -> SlackWorkspace | None:
    """The workspace of the token in the environment, None where there is no token.

    Raises:
        ChannelSettingError: the token's file cannot be read, or the address of Slack's API is none.
    """
    if not (environment.get(TOKEN, "").strip() or environment.get(f"{TOKEN}_FILE", "").strip()):
        return None
    token = secret(environment, TOKEN)
    if not token.startswith("xox"):
        raise ChannelSettingError(f"{TOKEN} is no token of Slack: it begins with xoxb-")
    api, _ = site("slack", environment.get(API, "").strip() or DEFAULT_API, set())
    return SlackWorkspace(token, api=api, seconds=timeout(environment))
