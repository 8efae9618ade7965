"""What channels are told by the environment: credentials, addresses, time-outs. No message ever repeats a secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

TIMEOUT = "HEARTHWATCH_HTTP_TIMEOUT"
DEFAULT_TIMEOUT = 20.0
"""Seconds for which a server may be silent."""
_LONGEST_SECRET = 100_000
HERE = ("localhost", "127.0.0.1", "::1")
"""Hosts on which nobody listens in."""


class ChannelSettingError(ValueError):
    """A channel cannot be opened as it is named or configured. The text is one line and says what to set."""


def secret(environment: Mapping[str, str], name: str) -> str:
    """The credential in variable `name`, or in the file that `name`_FILE names.

    Raises:
        ChannelSettingError: it is missing, cannot be read, or is no token.
    """
    value, file = environment.get(name, ""), environment.get(f"{name}_FILE", "")
    if file and not value:
        try:
            with Path(file).open(encoding="utf-8") as opened:
                value = opened.read(_LONGEST_SECRET)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no text"
            raise ChannelSettingError(f"{name}_FILE: {file}: {reason}") from None
    value = value.strip()
    if not value:
        raise ChannelSettingError(f"a credential is missing: set {name}, or {name}_FILE to a file that holds it")
    # A library would repeat the value in its error.
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ChannelSettingError(f"{name} is no token: it has spaces, line breaks or characters beyond ASCII")
    return value


def timeout(environment: Mapping[str, str]) -> float:
    """Seconds for which a server may be silent. Raises ChannelSettingError for what is no such number."""
    value = environment.get(TIMEOUT, "").strip()
    try:
        seconds = float(value) if value else DEFAULT_TIMEOUT
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise ChannelSettingError(f"{TIMEOUT} is a number of seconds, such as 20")
    return seconds


def site(kind: str, place: str, known: set[str]) -> tuple[str, dict[str, str]]:
    """The web address at `place` without a slash at its end, and its options, which are among `known`.

    Raises:
        ChannelSettingError: no web address, one with credentials, one that others could read, or an unknown option.
    """
    try:
        parts = urlsplit(place)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("http", "https"):
        raise ChannelSettingError(f"{kind}: the address must look like https://HOST/")
    if parts.username is not None or parts.password is not None:
        raise ChannelSettingError(f"{kind}: no user or password in the address; credentials come from the environment")
    if parts.scheme == "http" and parts.hostname not in HERE:
        raise ChannelSettingError(f"{kind}: only https, so that nobody reads the token on its way")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - known)
    if unknown:
        raise ChannelSettingError(f"{kind}: unknown option {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return _without_query(parts), options


def _without_query(parts: SplitResult) -> str:
    return parts._replace(query="", fragment="", path=parts.path.rstrip("/")).geturl()
