"""Opens the queue that --queue names: folder:PATH, rt:URL or zendesk:URL.

Credentials come from the environment, or from a file that it names. No message ever repeats one.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

from channels.folder import FolderQueue
from channels.http import HttpClient
from channels.protocol import Queue
from channels.renderers import Renderers
from channels.request_tracker import RequestTrackerQueue
from channels.zendesk import ZendeskQueue

TIMEOUT = "HEARTHWATCH_HTTP_TIMEOUT"
DEFAULT_TIMEOUT = 20.0
"""Seconds for which a helpdesk may be silent."""
RT_TOKEN = "HEARTHWATCH_RT_TOKEN"  # noqa: S105  # the name of a variable
ZENDESK_TOKEN = "HEARTHWATCH_ZENDESK_TOKEN"  # noqa: S105  # the name of a variable
ZENDESK_EMAIL = "HEARTHWATCH_ZENDESK_EMAIL"
DEFAULT_RT_QUEUE = "Escalations"
_HERE = ("localhost", "127.0.0.1", "::1")


class QueueSettingError(ValueError):
    """The queue cannot be opened as it is named or configured. The text is one line and says what to set."""


def open_queue(where: str, environment: Mapping[str, str], renderers: Renderers) -> Queue:
    """The queue at `where`; nothing is sent yet.

    Raises:
        QueueSettingError: an unknown kind, a wrong address, or a credential that is missing.
    """
    kind, _, place = where.partition(":")
    if kind == "folder" and place:
        return FolderQueue(Path(place), text=renderers.markdown, csv=renderers.csv)
    if kind == "rt" and place:
        return _request_tracker(place, environment, renderers)
    if kind == "zendesk" and place:
        return _zendesk(place, environment, renderers)
    shown = repr(kind) if place else "without an address"
    raise QueueSettingError(f"unknown queue {shown}: write folder:PATH, rt:https://HOST/ or zendesk:https://HOST")


def _request_tracker(place: str, environment: Mapping[str, str], renderers: Renderers) -> Queue:
    site, options = _site("rt", place, {"queue"})
    token = _secret(environment, RT_TOKEN)
    client = HttpClient(
        "Request Tracker",
        f"{site}/REST/2.0",
        f"token {token}",
        remedy=f"the token is not accepted (any more): renew {RT_TOKEN}",
        secrets=[token],
        timeout=_timeout(environment),
    )
    return RequestTrackerQueue(client, site, options.get("queue", DEFAULT_RT_QUEUE), renderers)


def _zendesk(place: str, environment: Mapping[str, str], renderers: Renderers) -> Queue:
    site, options = _site("zendesk", place, {"severity_field", "team_field"})
    wrong = [name for name, value in options.items() if not (value.isascii() and value.isdigit())]
    if wrong:
        raise QueueSettingError(f"zendesk: {wrong[0]} is the number of a ticket field")
    token = _secret(environment, ZENDESK_TOKEN)
    email = environment.get(ZENDESK_EMAIL, "").strip()
    # An API token belongs to an agent's address; an OAuth token stands for itself.
    basic = base64.b64encode(f"{email}/token:{token}".encode()).decode()
    client = HttpClient(
        "Zendesk",
        f"{site}/api/v2",
        f"Basic {basic}" if email else f"Bearer {token}",
        remedy=f"the token is not accepted (any more): renew {ZENDESK_TOKEN}; an API token needs {ZENDESK_EMAIL} too",
        secrets=[basic, token],
        timeout=_timeout(environment),
    )
    fields = {name.removesuffix("_field"): int(value) for name, value in options.items()}
    return ZendeskQueue(client, site, renderers, fields)


def _site(kind: str, place: str, known: set[str]) -> tuple[str, dict[str, str]]:
    """The address without a slash at its end, and the options after the question mark."""
    try:
        parts = urlsplit(place)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("http", "https"):
        raise QueueSettingError(f"{kind}: the address must look like https://HOST/")
    if parts.username is not None or parts.password is not None:
        raise QueueSettingError(f"{kind}: no user or password in the address; credentials come from the environment")
    if parts.scheme == "http" and parts.hostname not in _HERE:
        raise QueueSettingError(f"{kind}: only https, so that nobody reads the token on its way")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - known)
    if unknown:
        raise QueueSettingError(f"{kind}: unknown option {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return _without_query(parts), options


def _without_query(parts: SplitResult) -> str:
    return parts._replace(query="", fragment="", path=parts.path.rstrip("/")).geturl()


def _secret(environment: Mapping[str, str], name: str) -> str:
    """The credential in variable `name`, or in the file that `name`_FILE names."""
    value, file = environment.get(name, ""), environment.get(f"{name}_FILE", "")
    if file and not value:
        try:
            value = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no text"
            raise QueueSettingError(f"{name}_FILE: {file}: {reason}") from None
    value = value.strip()
    if not value:
        raise QueueSettingError(f"a credential is missing: set {name}, or {name}_FILE to a file that holds it")
    # An HTTP library would repeat the value in its error.
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise QueueSettingError(f"{name} is no token: it has spaces, line breaks or characters beyond ASCII")
    return value


def _timeout(environment: Mapping[str, str]) -> float:
    value = environment.get(TIMEOUT, "").strip()
    try:
        seconds = float(value) if value else DEFAULT_TIMEOUT
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise QueueSettingError(f"{TIMEOUT} is a number of seconds, such as 20")
    return seconds
