"""Texts that people wrote: read as words whatever the disguise, quoted without danger."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from detectors.text.confusables import undisguised

QUOTE_LENGTH = 80
"""No quotation is longer than so many characters."""

# Characters behind which NFKC, the removal of invisible ones or a look can reveal an ASCII letter. Other scripts and
# accents are ordinary text and no reason for a closer look, unless letters of two scripts make one word.
_RANGES = (
    (0x00AA, 0x00AA),
    (0x00AD, 0x00AD),
    (0x00BA, 0x00BA),
    (0x017F, 0x017F),
    (0x0250, 0x02B8),
    (0x02E0, 0x02E4),
    (0x0300, 0x036F),
    (0x0483, 0x0489),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x180B, 0x180F),
    (0x1AB0, 0x1AFF),
    (0x1D00, 0x1D6A),
    (0x1DC0, 0x1DFF),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x2071, 0x209C),
    (0x20D0, 0x20FF),
    (0x2100, 0x214F),
    (0x2160, 0x2188),
    (0x2460, 0x24FF),
    (0x3164, 0x3164),
    (0x3250, 0x33FF),
    (0xA730, 0xA731),
    (0xFB00, 0xFB06),
    (0xFE20, 0xFE2F),
    (0xFE52, 0xFE6B),
    (0xFEFF, 0xFEFF),
    (0xFF01, 0xFF5E),
    (0xFFA0, 0xFFA0),
    (0xFFF9, 0xFFFB),
    (0x1D400, 0x1D7FF),
    (0x1F100, 0x1F189),
    (0xE0000, 0xE01EF),
)
_STRANGE = "".join(f"{chr(low)}-{chr(high)}" for low, high in _RANGES)
_SCRIPTS = "\u0370-\u052f"
"""Greek and Cyrillic, many of whose letters look like Latin ones."""
_SELECTORS = "\ufe00-\ufe0f"
"""Invisible; in ordinary text they follow symbols, not letters."""
_ESCAPED = r"&[a-zA-Z0-9]+;|&#|&amp|&shy|%[2-7][0-9a-fA-F]|\\[ux]"
DISGUISED = (
    rf"{_ESCAPED}|[{_STRANGE}]"
    rf"|[a-zA-Z][{_SCRIPTS}{_SELECTORS}]|[{_SCRIPTS}][a-zA-Z]"
)
"""A regular expression that every text matches whose words hide behind escapes or Unicode."""
DISGUISED_IN_BYTES = f"{_ESCAPED}|[^\x01-\x7f]"
"""The same where Unicode's letters cannot be named, as a server's encoding lacks them: any that is not ASCII may be one."""
MARKUP_PHRASES = {
    "union": "%union%select%",
    "waitfor": "%waitfor%delay%",
    **{word: f"%'%{word}%" for word in ("drop", "truncate", "alter")},
}
"""Of the payloads that are all letters, digits, blanks and BREAKS: a word, and a LIKE pattern of the texts (in lower case)."""


def readable(text: str) -> str:
    """`text` as a reader would understand it: escapes undone, Unicode in compatibility form, invisible characters gone."""
    for _ in range(2):
        text = re.sub(
            r"%([2-7][0-9a-fA-F])|\\x([2-7][0-9a-fA-F])|\\u00([2-7][0-9a-fA-F])", _unescaped, html.unescape(text)
        )
    text = composed(text)
    return "".join(
        " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char
        for char in text
        if unicodedata.category(char) != "Cf"
    )


MOST_MARKS = 30
"""How many marks one letter may carry, as Unicode's stream-safe format has it: sorting them takes the square of their number."""


def composed(text: str) -> str:
    """`text` in compatibility form (NFKC), without the marks that a letter has beyond MOST_MARKS."""
    if not text.isascii():
        kept, marks = [], 0
        for char in text:
            marks = marks + 1 if unicodedata.combining(char) else 0
            if marks <= MOST_MARKS:
                kept.append(char)
        text = "".join(kept)
    return unicodedata.normalize("NFKC", text)


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(next(group for group in match.groups() if group), 16))


def quote(text: str, start: int = 0, end: int | None = None) -> str:
    """At most QUOTE_LENGTH characters of `text` around [start, end), with control and direction characters made visible."""
    end = len(text) if end is None else end
    room = max(QUOTE_LENGTH - (end - start), 0) // 2
    visible = ""
    for char in text[max(start - room, 0) :]:
        shown = f"<U+{ord(char):04X}>" if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Co", "Cs"} else char
        if len(visible) + len(shown) > QUOTE_LENGTH:
            return visible[: QUOTE_LENGTH - 1] + "…"
        visible += shown
    return visible


_GAP = r"(?:[,;:.!?)]++(?!\s)|[^\w,;:.!?)]|_){1,64}"
_BEFORE = 100
"""How many characters before an entry are looked at for what must stand there."""


@lru_cache(maxsize=64)
def _vocabulary(words: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for all `words`, the longest first.

    Between the parts of one anything that is no letter may stand, but a mark before a blank: that ends a thought, and what
    comes after it is another ("a tail that wags, walking").
    """
    entries = sorted({_folded(word) for word in words} - {""}, key=lambda word: (-len(word), word))
    return re.compile("|".join(map(_whole, entries)) or r"(?!)")


def _whole(entry: str) -> str:
    # An entry that begins or ends with a mark may stand next to a letter there: "/night" in "$25/night".
    before, after = (not re.match(r"[^\w\s-]", edge) for edge in (entry[0], entry[-1]))
    parts = _GAP.join(map(re.escape, re.split(r"[\s_-]+", entry)))
    return r"(?<![^\W_])" * before + parts + r"(?![^\W_])" * after


@lru_cache(maxsize=8192)
def _folded(text: str) -> str:
    return _casefolded(readable(text))


def _casefolded(text: str) -> str:
    return composed(text.casefold()).strip()


@lru_cache(maxsize=4096)
def _versions(text: str) -> tuple[str, ...]:
    """The ways in which `text` can be read. One after the other, each rule on words reads all texts of a scan."""
    plain = readable(text)
    return tuple(dict.fromkeys((_casefolded(plain), _casefolded(undisguised(plain)))))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a list that a text holds, and the place of the first one in it."""

    found: tuple[str, ...]
    quote: str


def words_in(text: str | None, words: tuple[str, ...], *, after: re.Pattern[str] | None = None) -> Words | None:
    """The entries of `words` that stand in `text` as whole words, in whatever case or disguise; None if there are none.

    With `after`, only those before which the text ends with that.
    """
    hits = [
        hit
        for version in _versions(text or "")
        for hit in _vocabulary(words).finditer(version)
        if after is None or after.search(version[max(hit.start() - _BEFORE, 0) : hit.start()])
    ]
    if not hits:
        return None
    found = sorted({" ".join(hit.group().split()) for hit in hits})
    return Words(tuple(found), quote(hits[0].string, *hits[0].span()))


SHARED_BY = 3
"""From how many entries on their common word alone is looked for."""


def vocabulary_patterns(words: Iterable[str]) -> tuple[str, ...]:
    """LIKE patterns for text in lower case: `words_in` finds one of `words` only in texts that match one or are DISGUISED.

    An alternation of a hundred words would say the same, but PostgreSQL builds its automaton anew for each row. Time grows
    with the number of patterns, so one long word stands for all the entries that share it.
    """
    entries = {_folded(word) for word in words} - {""}
    parts = {entry: set(re.findall(r"[a-z]{5,}", entry)) for entry in entries}
    shared = Counter(part for some in parts.values() for part in some)
    sought = set()
    for entry in entries:
        best = max(parts[entry], key=lambda part: (shared[part], part), default="")
        sought.add(best if shared[best] >= SHARED_BY else entry)
    found: list[str] = []
    for word in sorted(sought, key=lambda word: (len(word), word)):
        if not any(other in word for other in found):
            found.append(word)
    return tuple(f"%{_loosely(word)}%" for word in found)


BREAKS = "',.-&!"
"""The marks that divide words in everyday texts."""
IRREGULAR = r"[^a-zA-Z0-9 ',.&!-]|[a-zA-Z0-9][A-Z]|&[a-zA-Z0-9]|--"
"""A cheap regular expression that every text matches that is more than ASCII words, in lower case or with a capital first
letter, digits, blanks and BREAKS, and every text that is DISGUISED or whose markup is not one of MARKUP_PHRASES.

An ampersand before a letter may begin an escape, even one that lacks its semicolon.
"""


def index_words(words: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """How to find `words` and payloads in texts that are not IRREGULAR: a word, and a LIKE pattern of the text in lower case.

    A text holds an entry only if such a word stands in it between blanks and BREAKS and it is like the word's pattern. Words
    come in lower case and with a capital first letter. Of an entry of several words the longest is looked for: harmless
    texts hold that one least. Entries of marks alone have none: see `only_marks`.
    """
    found = set(MARKUP_PHRASES.items())
    for entry in {_folded(word) for word in words}:
        parts = re.findall(r"[a-z0-9]+", entry) if entry.isascii() else []
        if parts:
            longest = max(parts, key=len)
            found.add((longest, "%" if longest == entry else f"%{_loosely(entry)}%"))
    return tuple(sorted({(form, like) for word, like in found for form in (word, word[0].upper() + word[1:])}))


def only_marks(words: Iterable[str]) -> bool:
    """Whether one of `words` has no letter or digit at all."""
    return any(word and not re.search(r"\w", word) for word in map(_folded, words))


def _loosely(word: str) -> str:
    # Between parts, and for what is not ASCII, which upper and lower case or its form may change, anything may stand; "ss"
    # may be a sharp s.
    parts = re.split(r"[\s_-]+|[^\x00-\x7f]+|ss", word)
    return "%".join(re.sub(r"[%_\\]", "_", part) for part in parts)
