"""HTTP for helpdesks and Slack: time-outs, limits that are obeyed, and failures in one line that hold no secret.

A request is sent again only where that cannot do a thing twice: when it has not reached the server, when the server
says that it did nothing, or when the caller knows that a second sending does nothing more. Nobody is followed to
another address, which would get our token, and an answer that is not the server's own confirms nothing.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from channels.protocol import DeliveryError
from reports.neutral import defused

# At DEBUG it writes the headers of every answer, among them cookies.
logging.getLogger("httpcore").setLevel(logging.INFO)

PAUSES = (1.0, 2.0)
"""Seconds before the second and the third attempt, where the server does not name any."""
LONGEST_PAUSE = 60.0
"""Whoever is told to wait longer leaves it to the next run."""
CONNECT_SECONDS = 5.0
_NOTHING_DONE = frozenset({409, 429})
_LATER = frozenset({408, 425, *_NOTHING_DONE})
_LONGEST_REASON = 200
_LONGEST_ANSWER = 50_000_000
"""Bytes. No page of what we ask for comes near it."""


class AnswerError(DeliveryError):
    """The server refused. `status` is HTTP's; `body` is its JSON, None where it sent none."""

    def __init__(self, text: str, *, retry: bool, status: int, body: Any) -> None:
        super().__init__(text, retry=retry)
        self.status = status
        self.body = body


class _Answer(dict[str, Any]):
    """An object of an answer. A part that it must have and has not shows that somebody else has answered."""

    def __init__(self, plain: Mapping[str, Any], whose: str) -> None:
        super().__init__(plain)
        self._whose = whose

    def __missing__(self, key: str) -> Any:
        raise DeliveryError(f"{self._whose} (no {key!r})", retry=False)


class HttpClient:
    """Talks JSON with one server.

    `name` is what messages call the server, `remedy` what to do when it does not know us, `secrets` what no message
    may hold, `timeout` how many seconds it may be silent.
    """

    def __init__(
        self,
        name: str,
        base: str,
        authorization: str,
        *,
        remedy: str,
        secrets: Sequence[str],
        timeout: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._remedy = remedy
        self._secrets = tuple(secrets)
        self._pause = pause
        self._client = httpx.Client(
            base_url=base,
            headers={"Authorization": authorization, "Accept": "application/json", "User-Agent": "hearthwatch"},
            follow_redirects=False,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        content: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> Any:
        """The JSON of the answer to a request with `body` as JSON, or with `content`.

        `repeatable` says that sending it twice does it once; by default that is so for GET.

        Raises:
            AnswerError: the server refused.
            DeliveryError: there was no answer, or none that is JSON; later, if a part that is asked for is not in it.
        """
        again = method == "GET" if repeatable is None else repeatable
        request = self._client.build_request(
            method,
            path,
            params=params,
            headers=headers,
            json=body,
            content=content.encode() if isinstance(content, str) else content,
        )
        for pause in (*PAUSES, None):
            try:
                response = self._send(request)
            except httpx.HTTPError as error:
                if pause is None or not _may_repeat(error, again):
                    raise self._no_answer(request, error) from None
                wait: float | None = pause
            else:
                if response.is_success:
                    return self._json(request, response)
                wait = None if pause is None else _wait(response, again, pause)
                if wait is None:
                    raise self._refusal(request, response)
            self._pause(wait or 0)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, request: httpx.Request) -> httpx.Response:
        """The answer with its content, of which no more than an answer can have is read."""
        response = self._client.send(request, stream=True)
        try:
            content = bytearray()
            for part in response.iter_bytes():
                content += part
                if len(content) > _LONGEST_ANSWER:
                    raise DeliveryError(f"{self._what(request)}: the answer does not end", retry=False)
        finally:
            response.close()
        headers = [(name, value) for name, value in response.headers.multi_items() if name != "content-encoding"]
        return httpx.Response(response.status_code, headers=headers, content=bytes(content), request=request)

    def _json(self, request: httpx.Request, response: httpx.Response) -> Any:
        whose = f"{self._what(request)}: the answer is not {self._name}'s; is the address right?"
        try:
            answer = response.json(object_hook=lambda plain: _Answer(plain, whose))
        except (ValueError, RecursionError):
            text = f"{self._what(request)}: the answer is no JSON; is the address right?"
            raise DeliveryError(text, retry=False) from None
        return answer if isinstance(answer, dict) else _Answer({}, whose)

    def _no_answer(self, request: httpx.Request, error: httpx.HTTPError) -> DeliveryError:
        if isinstance(error, httpx.TimeoutException):
            return DeliveryError(f"{self._what(request)}: no answer in time", retry=True)
        reason = self._clean(str(error)) or "the connection broke off without an answer"
        return DeliveryError(f"{self._what(request)}: {reason}", retry=not _is_certificate(error))

    def _refusal(self, request: httpx.Request, response: httpx.Response) -> AnswerError:
        body = _json_or_none(response)
        wanted = _retry_after(response)
        status = response.status_code
        parts = [f"{self._what(request)}: {status} {response.reason_phrase}".rstrip(), self._clean(_reason(body))]
        if status == 401:
            parts.append(self._remedy)
        elif response.is_redirect:
            parts.append("it sends us elsewhere; give the final address")
        elif wanted is not None:
            parts.append(f"it asks to wait {wanted:.0f} s")
        text = ": ".join(part for part in parts if part)
        return AnswerError(text, retry=status in _LATER or status >= 500, status=status, body=body)

    def _what(self, request: httpx.Request) -> str:
        return f"{self._name}: {request.method} {self._clean(request.url.path)}"

    def _clean(self, text: str) -> str:
        """One short line in which no secret is left, and nothing that acts: servers quote what people wrote."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return defused(" ".join(text.split()))[:_LONGEST_REASON]


def _may_repeat(error: httpx.HTTPError, again: bool) -> bool:
    """True if another attempt can help and do no harm; who has been silent for a whole time-out is left alone."""
    if isinstance(error, httpx.TimeoutException) or _is_certificate(error):
        return False
    return again or isinstance(error, httpx.ConnectError)


def _wait(response: httpx.Response, again: bool, pause: float) -> float | None:
    """How many seconds to wait before the next attempt, None where there is to be none."""
    if response.status_code not in _NOTHING_DONE and not (again and response.status_code >= 500):
        return None
    wanted = _retry_after(response)
    if wanted is None:
        return pause
    return wanted if wanted <= LONGEST_PAUSE else None


def _is_certificate(error: httpx.HTTPError) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _retry_after(response: httpx.Response) -> float | None:
    """How many seconds the server asks us to wait. A date counts from the server's own clock."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value)
    until, now = _date(value), _date(response.headers.get("Date", ""))
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value)
    except ValueError:
        return None


def _json_or_none(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _reason(body: Any) -> str:
    """What the server says about an error: RT has `message`; Zendesk `error`, `description` and `details`."""
    if not isinstance(body, dict):
        return ""
    said = (body.get(key) for key in ("message", "error", "description", "details"))
    return ": ".join(one if isinstance(one, str) else json.dumps(one) for one in said if one)
