"""What tells that a text is about a person: the key it stands under, or its look. Tickets, logs and the ledger ask here.

Ids are not personal: tickets and the ledger work with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address

_TYPED = re.compile(
    r"(?:^|_)(?:name|description|body|text|message|said|quote|user_agent|agent|device|email|phone)s?(?:$|_)"
)
_NOT_OF_PEOPLE = re.compile(r"^(?:index|column|limit|type|application|table|constraint)_name$")
_ADDRESS = re.compile(r"(?:^|_)(?:ip|network)s?(?:$|_)")

_EMAIL = re.compile(r"[^\s@<>\"'(),;:]+(?:@|\(at\)|\[at\])[^\s@<>\"'(),;:]+")
_IPV4 = re.compile(r"(?<![\d.])(\d{1,3}\.\d{1,3})\.\d{1,3}\.\d{1,3}(?!\d|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])([0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*[0-9A-Fa-f:])(?![\w:])(?:%[\w.-]+)?")
_PHONE = re.compile(
    r"(?<![\w.\-+])(?:\+\d[\d\s().\-/]{6,18}\d|\(?\d{3}\)?[\s.\-]\d{3}[\s.\-]\d{4}|\(?0\d{1,4}\)?(?:[\s/.\-]\d{2,10}){1,5})(?![\w\-])"
)
_DATE = re.compile(r"\d\d?[./\-]\d\d?[./\-]\d{2,4}(?!\d)")
_PHONE_DIGITS = 8


def is_typed(key: str) -> bool:
    """Whether what stands under `key` was typed by somebody, or sent by a device."""
    return bool(_TYPED.search(key)) and not _NOT_OF_PEOPLE.match(key)


def is_address(key: str) -> bool:
    """Whether network addresses stand under `key`."""
    return bool(_ADDRESS.search(key))


def without_people(text: str) -> str:
    """`text`, which repeats what somebody typed, with its e-mail addresses made unrecognisable: `kim@example.org` is `k***@***`."""
    return _EMAIL.sub(lambda found: f"{found[0][0]}***@***", text)


def masked(text: str) -> str:
    """`text` with its e-mail addresses, IP addresses and telephone numbers made unrecognisable.

    `kim@example.org` becomes `k***@***`, `203.0.113.7` becomes `203.0.x.x`, `2001:db8::7` becomes `2001:db8:x`.
    """
    return _each(text, lambda found: f"{found[0][0]}***@***", lambda found: f"{found[1]}.x.x", _ipv6, "(phone number)")


def without(text: str, instead: str) -> str:
    """`text` with `instead` in the place of each e-mail address, IP address and telephone number."""
    return _each(text, lambda _: instead, lambda _: instead, lambda _: instead, instead)


def typed_out(texts: Iterable[str], instead: str) -> Callable[[str], str]:
    """What puts `instead` in the place of each text that somebody typed, where it stands by itself: it may be part of a word of ours.

    One or two characters are too common in ordinary words to be looked for.
    """
    longest_first = sorted({one for one in texts if len(one) > 2}, key=len, reverse=True)
    if not longest_first:
        return str
    typed = re.compile("|".join(map(_by_itself, longest_first)))
    return lambda text: typed.sub(instead, text)


def _by_itself(text: str) -> str:
    before = r"(?<!\w)" if re.match(r"\w", text[0]) else ""
    after = r"(?!\w)" if re.match(r"\w", text[-1]) else ""
    return f"{before}{re.escape(text)}{after}"


_How = Callable[[re.Match[str]], str]


def _each(text: str, email: _How, ipv4: _How, ipv6: _How, phone: str) -> str:
    text = _EMAIL.sub(email, text)
    text = _IPV6.sub(lambda found: ipv6(found) if _is_ipv6(found[1]) else found[0], text)
    text = _IPV4.sub(ipv4, text)
    return _PHONE.sub(lambda found: phone if _is_phone(found[0]) else found[0], text)


def _is_ipv6(written: str) -> bool:
    # A time of day has as many colons, and two colons alone are punctuation.
    try:
        return not IPv6Address(written).is_unspecified
    except ValueError:
        return False


def _ipv6(found: re.Match[str]) -> str:
    groups = IPv6Address(found[1]).exploded.split(":")
    return ":".join(group.lstrip("0") or "0" for group in groups[:2]) + ":x"


def _is_phone(written: str) -> bool:
    return sum(map(str.isdigit, written)) >= _PHONE_DIGITS and not _DATE.match(written)
