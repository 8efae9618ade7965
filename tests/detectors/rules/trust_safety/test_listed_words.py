"""off-topic-use and competitor-use: words of the policy's lists, as words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detectors.contract import Detector
from detectors.limits import Limits
from detectors.rules.trust_safety import competitor_use, off_topic_use
from tests.support.towns import AS_OF, MINUTE, Scanner, Town, uid

pytestmark = pytest.mark.each_engine

OFF_TOPIC, COMPETITOR = off_topic_use.DETECTOR, competitor_use.DETECTOR


def town_with(**columns: str) -> Town:
    town = Town()
    town.family("oak", "anna", "ben")
    town.family("elm", "dora", "emil")
    town.home("oak").update(columns)
    return town


@pytest.mark.parametrize("detector", [OFF_TOPIC, COMPETITOR])
def test_silent_on_a_sound_and_on_an_empty_town(scanner: Scanner, detector: Detector) -> None:
    assert scanner.findings(town_with(description="We walk our dogs"), detector) == []
    assert scanner.findings(Town(), detector) == []


DISGUISED = (
    ("Crypto traders", ["crypto"]),
    ("Our casino, and a poker-night!", ["casino", "poker-night"]),
    ("POKER   NIGHT", ["poker night"]),
    ("cas\u200bino", ["casino"]),
    ("".join(chr(ord(char) + 0xFEE0) for char in "casino"), ["casino"]),
    ("".join(chr(ord(char) - 0x61 + 0x1D41A) for char in "casino"), ["casino"]),
    ("c&#97;sino", ["casino"]),
    ("c%61sino", ["casino"]),
    ("c\\u0061sino", ["casino"]),
    ("casino_royale", ["casino"]),
    ("Anna's casino.", ["casino"]),
    ("CASINO's,best!", ["casino"]),
    ("no-casino & (dogs)", ["casino"]),
    ("caf\u00e9/casino\nnext door", ["casino"]),
    ("&ampcasino", ["casino"]),
    ("c&#97sino", ["casino"]),
    ("cas&shyino", ["casino"]),
    ("c\u0430sino", ["casino"]),
    ("\u0421ASIN\u039f", ["casino"]),
    ("our p\u043eker n\u0456ght", ["poker night"]),
    ("\u1d04\u1d00\ua731\u026a\u0274\u1d0f", ["casino"]),
    ("c\u0336a\u0336s\u0336i\u0336n\u0336o\u0336", ["casino"]),
    ("cas\u034fino", ["casino"]),
    ("cas\ufe0fino", ["casino"]),
    ("cas\U000e0061ino", ["casino"]),
    ("cas\u3164ino", ["casino"]),
    ("poker,night", ["poker,night"]),
)


def test_fires_on_listed_words_whatever_their_disguise(scanner: Scanner) -> None:
    town, expected = Town(), {}
    for text, words in DISGUISED:
        for column in ("description", "name"):
            home = f"{column} {text}"
            town.family(home, f"anna {home}", "ben")
            town.home(home)[column] = text
            expected[uid(home)] = words
    found = scanner.findings(town, OFF_TOPIC)
    assert {one.subject["household_id"]: one.evidence["words"] for one in found} == expected
    assert {one.severity for one in found} == {"Next-day"}


@pytest.mark.parametrize("word", ["$$$", "caf\u00e9", "r&b", "-", "gr\u00f6\u00dfe"])
def test_fires_on_listed_words_of_other_characters(scanner: Scanner, word: str) -> None:
    (finding,) = scanner.findings(
        town_with(name=f"Home {word} club"), OFF_TOPIC, limits=Limits(off_topic_words=(word,))
    )
    assert finding.evidence["words"] == [word.casefold()]


OTHER_WORDS = (
    "casinos",
    "cryptography",
    "Poker the cat",
    "night of poker",
    "cas ino",
    "c4s1no",
    "Rover and Wag",
    "Join Rover on his morning walk",
    "rovercom",
    "The car, pool and garden",
    "Tails that wag, walking every day",
    "We read a book. Club sandwiches for all",
    "After the ride (5 km) share a bone",
    "Rover Walker and Wag the dogs",
    "\u041a\u043e\u0442 \u0438 \u0441\u043e\u0431\u0430\u043a\u0430 Rex",
    "\u0397 \u03b3\u03ac\u03c4\u03b1 \u03bc\u03b1\u03c2",
    "Dogs \u2764\ufe0f cats",
)


def test_silent_on_other_words(scanner: Scanner) -> None:
    town = Town()
    for text in OTHER_WORDS:
        town.family(text, f"anna {text}", "ben")
        town.home(text)["description"] = text
    assert scanner.findings(town, OFF_TOPIC, COMPETITOR) == []


@pytest.mark.parametrize("text", ["Find us on rover.com", "ROVER&#x2e;COM", "rover%2ecom", "Join Pawshake today"])
def test_competitors_are_named(scanner: Scanner, text: str) -> None:
    found = scanner.findings(town_with(description=text), OFF_TOPIC, COMPETITOR)
    assert [finding.detector for finding in found] == ["competitor-use"]


def test_the_lists_are_the_policys(scanner: Scanner) -> None:
    limits = Limits(off_topic_words=("Hundeschach & Co", "größe"), competitor_names=())
    town = town_with(name="HUNDESCHACH &amp; CO", description="casino")
    town.home("elm")["description"] = "Die GRO\u0308SSE"
    result = scanner(town, OFF_TOPIC, COMPETITOR, limits=limits)
    assert {finding.households for finding in result.findings} == {(uid("oak"),), (uid("elm"),)}
    assert [entry.status for entry in result.coverage] == ["ran", "not_applicable"]


def test_the_quotation_is_short_and_shows_what_is_invisible(scanner: Scanner) -> None:
    (finding,) = scanner.findings(town_with(description="a" * 90 + " casino \u0007" + "b" * 90), OFF_TOPIC)
    (text,) = finding.evidence["texts"]
    assert len(text["quote"]) <= 80
    assert "casino" in text["quote"]
    assert text["quote"].isprintable()


@pytest.mark.parametrize(("age", "expected"), [(2 * MINUTE - MINUTE / 60, 0), (2 * MINUTE, 1)])
def test_waits_for_a_creation_under_way_and_ends_with_the_words(
    scanner: Scanner, age: timedelta, expected: int
) -> None:
    town = town_with(description="casino", created_at=AS_OF - age)  # type: ignore[arg-type]  # a column of another type
    assert len(scanner.findings(town, OFF_TOPIC)) == expected
    town.home("oak")["description"] = "dogs"
    assert scanner.findings(town, OFF_TOPIC) == []
