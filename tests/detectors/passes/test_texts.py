"""Texts: what the pass over texts lets by holds none of the words and payloads that the rules would find in it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.limits import Limits
from detectors.rules._support import quoted
from detectors.rules.product.feature_gap import feature_name
from detectors.rules.trust_safety.commercial_use import names_price_or_contact
from detectors.text.markup import MARKUP_PREFILTER, live_markup
from detectors.text.reading import BREAKS, DISGUISED, IRREGULAR, index_words, vocabulary_patterns, words_in

LIMITS = Limits()
COMMERCIAL = (*LIMITS.commercial_words, *LIMITS.commercial_rates, *LIMITS.company_words)
WORDS = (*LIMITS.off_topic_words, *LIMITS.competitor_names, *COMMERCIAL)
PAYLOADS = (
    "<script>alert(1)</script>",
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "' drop table pets",
    "'truncate table pets",
    "1 union select name, id from users",
    "'; update pets set name = 1",
    "' order by 3 --",
    "admin'#",
    "' or true --",
    "x' and sleep(5)",
    "0 union/**/select 1",
    "select * from pets",
    "x; delete from pets",
    "waitfor delay '0:0:5'",
    "drop table pets --",
    "{{7*7}}",
)
DISGUISES = (
    lambda text: text,
    lambda text: text.translate(str.maketrans("aeopcxy", "\u0430\u0435\u043e\u0440\u0441\u0445\u0443")),
    lambda text: text.replace("o", "\u03bf", 1),
    lambda text: text.translate({ord(char): chr(ord(char) + 0xFEE0) for char in "abcdefg"}),
    lambda text: text[:2] + "\u200d" + text[2:],
    "\u0336".join,
    lambda text: text[:1] + "\ufe0f" + text[1:],
    lambda text: "".join(f"&#{ord(char)}" for char in text),
    lambda text: "".join(f"%{ord(char):02x}" for char in text),
)
CASES = (str.lower, str.upper, str.title, str.capitalize, str.swapcase, lambda text: text)
PIECES = st.builds(
    lambda text, case, disguise: disguise(case(text)),
    st.sampled_from([*WORDS, *PAYLOADS, "walk", "our", "dogs", "Tom's", "7", "café", "x"]),
    st.sampled_from(CASES),
    st.one_of(st.just(DISGUISES[0]), st.sampled_from(DISGUISES)),
)
TEXTS = st.builds(
    lambda pieces, signs: "".join(piece + sign for piece, sign in zip(pieces, signs, strict=False)),
    st.lists(PIECES, min_size=1, max_size=5),
    st.lists(
        st.sampled_from([" ", "-", "_", ", ", ".", "'", "&", " & ", "!", "", "\u00ad", "%20", "&#32;"]),
        min_size=5,
        max_size=5,
    ),
)


def like(text: str, pattern: str) -> bool:
    parts = {"%": ".*", "_": "."}
    return re.fullmatch("".join(parts.get(char, re.escape(char)) for char in pattern), text, re.DOTALL) is not None


def posix(pattern: str) -> str:
    return pattern.replace("[:space:]", r"\s")


def is_looked_at(text: str) -> bool:
    """What the pass's statement asks of a text."""
    if re.search(IRREGULAR, text):
        patterns = vocabulary_patterns(WORDS)
        return bool(
            re.search(DISGUISED, text)
            or re.search(posix(MARKUP_PREFILTER), text, re.IGNORECASE)
            or any(like(text.lower(), pattern) for pattern in patterns)
        )
    words = set(text.translate({ord(mark): " " for mark in BREAKS}).split(" "))
    return any(word in words and like(text.lower(), pattern) for word, pattern in index_words(WORDS))


@given(TEXTS)
def test_a_text_that_holds_a_word_or_markup_is_looked_at(text: str) -> None:
    if words_in(text, WORDS) or live_markup(text):
        assert is_looked_at(text), text


@pytest.mark.parametrize("word", WORDS)
def test_each_entry_is_looked_at_as_it_stands(word: str) -> None:
    assert words_in(word, WORDS)
    assert is_looked_at(word)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_each_payload_is_looked_at(payload: str) -> None:
    assert live_markup(payload)
    assert is_looked_at(payload)


@pytest.mark.parametrize(
    "text", ["Two cats & a dog", "The Smiths' dogs", "Feed at 7 and 18, walk at noon", "Tom's Farm!"]
)
def test_everyday_texts_are_not(text: str) -> None:
    assert not is_looked_at(text)


@pytest.mark.parametrize(
    ("start", "again"),
    [
        ("", "&amp;"),
        ("", "<"),
        ("", "a "),
        ("", "<%"),
        ("", ";select a "),
        ("<a =", " "),
        ("'", " "),
        ("';select a", " "),
        ("update a set x=", "="),
        ("{{", "a("),
        ("${", "a"),
        ("dog", "."),
        ("dog", "-"),
        ("", "$25/night "),
        ("dog services ", "a"),
        ("dog services ", "a-"),
        ("a", "\u0301\u0327"),
    ],
)
def test_a_hostile_text_takes_time_in_proportion_to_its_length(start: str, again: str) -> None:
    text = start + again * (100_000 // len(again))
    began = time.process_time()
    live_markup(text)
    words_in(text, WORDS)
    words_in(text, LIMITS.commercial_rates, after=re.compile(r"\d\s*$"))
    names_price_or_contact(text)
    quoted(text)
    feature_name(text)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("before", [0, 3_990, 4_000, 9_995])
def test_a_payload_is_found_wherever_it_stands_in_a_long_text(before: int) -> None:
    for payload in PAYLOADS:
        if not payload.startswith("drop"):
            assert live_markup("so " * (before // 3) + payload + "\n" * 9), payload
    assert live_markup("so " * 1_000 + "<img src='" + "y" * 3_000 + "' onerror=alert(1)>")
    assert live_markup("' " * 5_000 + "and that is -- well -- all") is None
