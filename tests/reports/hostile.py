"""Hostile text, and findings full of it."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

from hypothesis import strategies as st

from detectors.contract import Finding, Impact, Member, Related, Story, TimelineEntry

FRAGMENTS = (
    "<!channel> <!here> <!everyone> <@U024BE7LH> <#C024BE7LR> <!subteam^S012>",
    "@here @channel @everyone @engineering-oncall",
    "https://evil.com/x?y=1 http://evil.com www.evil.com evil.com sub.evil.co.uk //evil.com",
    "HTTPS://EVIL.COM JavaScript:alert(1) data:text/html,x mailto:a@evil.com xmpp:a@evil.com tel:+15551234567",
    "<https://evil.com|Click here>",
    "[click](https://evil.com) ![x](http://evil.com/x.png) [a]: http://evil.com <http://evil.com>",
    "**bold** _it_ __b__ ~~gone~~ `code` ``` ```` ~~~ # head\n## head\n- list\n1. list\n> quote\n| a | b |\n---\n***\n===",
    "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;b&gt;&#60; <!-- --> <br>",
    "\x1b[31mred\x1b]8;;http://evil.com\x07link\x1b]8;;\x07 \x9b31m \x07\x08\x7f\x00",
    "\u202eevil\u202c \u2066x\u2069 \u200b\u200d\ufeff\u00ad\u2028\u2029\u3164\u2800\U000e0041",
    "x\r\nBcc: everybody@evil.com\r\n\r\nbody",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1",
    "\t=1",
    "@SUM(A1)",
    "\uff1d1+1",
    "[bold]x[/bold] [link=http://evil.com]y[/link] :warning:",
    "$x$ $$y$$ {{7*7}} ${x} %s %(x)s",
    "\\",
    "\ud800",
    "",
    "None\nSeverity: P2",
)

texts = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=12)), max_size=4).map("".join)
few = st.lists(texts, max_size=3).map(tuple)
subjects = st.dictionaries(st.sampled_from(["household_id", "user_id", "invite_code", "feature"]), texts, max_size=3)
values = st.one_of(texts, st.none(), st.booleans(), st.integers(), st.lists(texts, max_size=3))
evidence = st.dictionaries(
    st.one_of(st.sampled_from(["stuck_members", "active_leaders", "name", "ip_address"]), texts),
    st.one_of(values, st.dictionaries(texts, values, max_size=2), st.lists(st.dictionaries(texts, values, max_size=3))),
    max_size=4,
)
stories = st.builds(
    Story,
    issue=texts,
    steps=few,
    actual=texts,
    error_messages=texts,
    pattern=texts,
    evidence=few,
    reporter=texts,
    affected_users=st.one_of(st.none(), few),
    fields=st.dictionaries(st.one_of(st.just("Issue summary"), texts), texts, max_size=2),
)
WHEN = datetime(2026, 2, 2, 14, 35, tzinfo=UTC)
findings = st.builds(
    Finding,
    detector=st.just("no-leader"),
    team=st.sampled_from(["engineering", "trust-safety", "csm", "product", "legal"]),
    severity=st.sampled_from(["P0", "Immediate", "Next-day"]),
    fingerprint=st.just("0" * 32),
    subject=subjects,
    households=few,
    users=few,
    title=texts,
    first_seen=st.sampled_from([None, WHEN]),
    impact=st.just(Impact(users=1, households=1)),
    kind=st.just("state"),
    marks=few,
    evidence=evidence,
    timeline=st.lists(st.builds(TimelineEntry, at=st.just(WHEN), what=texts, actor=texts), max_size=2).map(tuple),
    related=st.lists(st.builds(Related, detector=texts, subject=subjects, households=few, users=few), max_size=2).map(
        tuple
    ),
    members=st.lists(st.builds(Member, subject=subjects, households=few, users=few), max_size=2).map(tuple),
    story=stories,
)

_LIVE = re.compile(r"(?i)\b(?:https?|ftp|javascript|data|mailto|xmpp|tel):\S|www\.|evil\.com(?![\w-])|@\S|<[!@#]")


def hidden(text: str) -> list[str]:
    """What in `text` would control a terminal, turn the direction of writing, or draw nothing; line feeds aside."""
    return [
        character
        for character in text
        if character != "\n"
        and (
            unicodedata.category(character)[0] == "C"
            or unicodedata.category(character) in {"Zl", "Zp"}
            or character in "\u3164\u2800"
        )
    ]


def live(text: str) -> list[str]:
    """The links and mentions in `text` that something could follow or call."""
    return [found.group() for found in _LIVE.finditer(text)]


ACTING = (
    *(
        "evil.support",
        "evil.zone",
        "x.evil.icu",
        "зло.рф",
        "evil.xn--p1ai",
        "evil.भारत",
        "evil。com",
        "evil.\uff43\uff4f\uff4d",
        "🐕.ws",
    ),
    *(
        "=?utf-8?q?x=0d=0aBcc:_eve=40evil.com?=",
        "=?utf-8?b?aHR0cDovL2V2aWwuY29t?=",
        "=?",
        "?=",
        "=",
        "?",
        "=?us-ascii?q?=3C?=",
    ),
    *("\u202e", "\u2066", "\u200e", "\u061c", "\r\n", "\n", "\x00", "\x85", "\u2028", "\x1b[31m", "\ud800", "\u00ad"),
    *(
        "\ufe0f",
        "\ufe00",
        "\U000e0101",
        "\u180b",
        "\u180f",
        "\U00016fe4",
        "\U0001d159",
        "\u115f",
        "\u1160",
        "\u3164",
        "\uffa0",
    ),
    *("=1+1", "+1", "-1", "@SUM(A1)", ";", "|", "\t", ",", '"', "'", " ", ";=", "\t=cmd", ';"=1', "|@x", "\uff1d1"),
    *(
        "{{ticket.requester.email}}",
        "{% include x %}",
        "${x}",
        "#{x}",
        "<%= x %>",
        "{",
        "%",
        "{{{",
        "<?php",
        "[% x %]",
        "$",
        "#",
    ),
    *(
        "<evil.example|x>",
        "<!here>",
        "<@U024BE7LH>",
        "<#C024BE7LR>",
        "<!subteam^S1>",
        "@here",
        "<",
        ">",
        "&lt;",
        "&",
        "|x>",
    ),
    *(
        "https://evil.com",
        "http:",
        "//",
        "www.",
        "javascript:alert(1)",
        "mailto:a@evil.com",
        "\\\\evil\\x",
        "evil.com",
        ".com",
    ),
    *(
        "**b**",
        "_i_",
        "`c`",
        "![x](y)",
        "[a](b)",
        "<b>",
        "# h",
        "- l",
        "1. n",
        "> q",
        "~~s~~",
        "***",
        "\\",
        "a",
        "B",
        "1",
        "é",
        "家",
    ),
)
"""What could act somewhere, to be put together in any order."""


def strings(seed: int, number: int) -> Iterator[str]:
    """`number` hostile strings, the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(number):
        yield "".join(
            chance.choice(ACTING) if chance.random() < 0.9 else chr(chance.randrange(0x20, 0x11000))
            for _ in range(chance.randint(1, 4))
        )
