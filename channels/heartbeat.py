"""A sign of life for whoever watches the cron job: a request at the end of each run, as healthchecks.io and others take it.

The address is the secret. Nothing is said but how the run ended.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import httpx

from channels.protocol import DeliveryError
from channels.settings import ChannelSettingError, secret

URL = "HEARTHWATCH_HEARTBEAT_URL"
QUICK_URL = "HEARTHWATCH_QUICK_HEARTBEAT_URL"
"""The nights' beat must be missed when only quick looks are alive, so those have their own."""
SECONDS = 10.0


def heartbeat_url(environment: Mapping[str, str], name: str = URL) -> str | None:
    """The address in the environment under `name`, or in the file that it names; None where it names none.

    Raises:
        ChannelSettingError: the file cannot be read, or it is no web address.
    """
    if not (environment.get(name, "").strip() or environment.get(f"{name}_FILE", "").strip()):
        return None
    url = secret(environment, name)
    if not url.startswith(("https://", "http://")):
        raise ChannelSettingError(f"{name} must be a web address")
    return url.rstrip("/")


def _reason(error: Exception) -> str:
    """Why nobody answered, in our own words: the library's may quote the address."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return "this is no web address that can be called"
    return "nobody answers there; is the address right?"


def beat(url: str, exit_code: int, *, well: bool, name: str = URL) -> None:
    """Say how the run ended: to `url` if it went well, else to `url`/fail. `name` is what its setting is called.

    Raises:
        DeliveryError: nobody answered, or with an error; the text does not hold the address.
    """
    # It would write the address into the log.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.INFO)
    try:
        answer = httpx.post(url if well else f"{url}/fail", content=f"exit code {exit_code}\n", timeout=SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DeliveryError(f"{name}: {_reason(error)}", retry=True) from None
    if not answer.is_success:
        raise DeliveryError(f"{name}: {answer.status_code} {answer.reason_phrase}", retry=answer.status_code >= 500)
