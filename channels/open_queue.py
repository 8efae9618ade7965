"""Opens the queue that --queue names: folder:PATH, rt:URL or zendesk:URL. (mail:ADDRESS is commands/desk.py's.)

Credentials come from the environment, or from a file that it names. No message ever repeats one.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from channels.folder import FolderQueue
from channels.http import HttpClient
from channels.protocol import Queue
from channels.renderers import Renderers
from channels.request_tracker import RequestTrackerQueue
from channels.settings import ChannelSettingError, secret, site, timeout
from channels.zendesk import ZendeskQueue

RT_TOKEN = "HEARTHWATCH_RT_TOKEN"  # noqa: S105  # the name of a variable
ZENDESK_TOKEN = "HEARTHWATCH_ZENDESK_TOKEN"  # noqa: S105  # the name of a variable
ZENDESK_EMAIL = "HEARTHWATCH_ZENDESK_EMAIL"
DEFAULT_RT_QUEUE = "Escalations"


def open_queue(where: str, environment: Mapping[str, str], renderers: Renderers) -> Queue:
    """The queue at `where`; nothing is sent yet.

    Raises:
        ChannelSettingError: an unknown kind, a wrong address, or a credential that is missing.
    """
    kind, _, place = where.partition(":")
    if kind == "folder" and place:
        return FolderQueue(Path(place), text=renderers.markdown, csv=renderers.csv)
    if kind == "rt" and place:
        return _request_tracker(place, environment, renderers)
    if kind == "zendesk" and place:
        return _zendesk(place, environment, renderers)
    shown = repr(kind) if place else "without an address"
    known = "folder:PATH, rt:https://HOST/, zendesk:https://HOST or mail:ADDRESS"
    raise ChannelSettingError(f"unknown queue {shown}: write {known}")


def _request_tracker(place: str, environment: Mapping[str, str], renderers: Renderers) -> Queue:
    address, options = site("rt", place, {"queue"})
    token = secret(environment, RT_TOKEN)
    client = HttpClient(
        "Request Tracker",
        f"{address}/REST/2.0",
        f"token {token}",
        remedy=f"the token is not accepted (any more): renew {RT_TOKEN}",
        secrets=[token],
        timeout=timeout(environment),
    )
    return RequestTrackerQueue(client, address, options.get("queue", DEFAULT_RT_QUEUE), renderers)


def _zendesk(place: str, environment: Mapping[str, str], renderers: Renderers) -> Queue:
    address, options = site("zendesk", place, {"severity_field", "team_field"})
    wrong = [name for name, value in options.items() if not (value.isascii() and value.isdigit())]
    if wrong:
        raise ChannelSettingError(f"zendesk: {wrong[0]} is the number of a ticket field")
    token = secret(environment, ZENDESK_TOKEN)
    email = environment.get(ZENDESK_EMAIL, "").strip()
    # An API token belongs to an agent's address; an OAuth token stands for itself.
    basic = base64.b64encode(f"{email}/token:{token}".encode()).decode()
    client = HttpClient(
        "Zendesk",
        f"{address}/api/v2",
        f"Basic {basic}" if email else f"Bearer {token}",
        remedy=f"the token is not accepted (any more): renew {ZENDESK_TOKEN}; an API token needs {ZENDESK_EMAIL} too",
        secrets=[basic, token],
        timeout=timeout(environment),
    )
    fields = {name.removesuffix("_field"): int(value) for name, value in options.items()}
    return ZendeskQueue(client, address, renderers, fields)
