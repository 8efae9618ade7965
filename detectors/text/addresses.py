"""Network addresses, however a client or a proxy wrote them."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_DRESSED = re.compile(r"\[(?P<six>[^\]]+)\](:\d+)?|(?P<four>\d+(\.\d+){3}):\d+")
"""An address with a port: IPv6 in brackets, or IPv4."""


@lru_cache(maxsize=4096)
def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """The address that `text` names; None if it is none, or one that every machine has.

    A port, a prefix length and a zone are left out; an IPv4 address in the clothes of IPv6 is an IPv4 address.
    """
    bare = text.strip()
    if dressed := _DRESSED.fullmatch(bare):
        bare = dressed["six"] or dressed["four"]
    try:
        parsed = ip_address(re.split("[/%]", bare, maxsplit=1)[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return None if parsed.is_loopback or parsed.is_unspecified else parsed


def plain_address(text: str) -> str:
    """The one way to write an address; empty if `text` names none."""
    parsed = address_of(text)
    return "" if parsed is None else str(parsed)


@lru_cache(maxsize=4096)
def network_of(text: str) -> str:
    """The /16 of an IPv4 address or the /48 of an IPv6 one; empty if `text` names none."""
    parsed = address_of(text)
    if parsed is None:
        return ""
    return str(ip_network((parsed, 48 if isinstance(parsed, IPv6Address) else 16), strict=False))
