"""Which words the source's columns really hold, how it spells ours, and which of its words nobody knows.

A tidy table is only counted: one more comparison for each row tells that all its words are known as they stand.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, func, select, true

from detectors.source.base import Source
from detectors.source.canonical import WORDS, folded
from detectors.source.first_rows import Sample
from detectors.source.ids import WRAPPING
from detectors.source.mapping import SourceMapping

MOST_WORDS = 200
"""A column with more different values than this holds no words."""
SHOWN_WORDS, SHOWN_CHARACTERS = 5, 30
Combination = tuple[str | None, ...]
"""A row's words in the columns of one table, in our spelling."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """What each word of one column means here: ours by the folded word, None for what the policy ignores."""

    place: str
    meanings: Mapping[str, str | None]

    def meaning(self, word: str) -> tuple[bool, str | None]:
        """Whether the word is known, and our word for it; None for one that is ignored."""
        key = folded(word)
        return key in self.meanings, self.meanings.get(key)

    @property
    def plain(self) -> list[str]:
        """Our words that mean themselves."""
        return sorted({word for word in self.meanings.values() if word and self.meanings.get(folded(word)) == word})


def dictionary(mapping: SourceMapping, place: str, more: Iterable[str] = ()) -> Dictionary:
    """The words of `place` (table.column), with `more` that the policy's limits name; what the policy maps comes first."""
    ours: dict[str, str | None] = {folded(word): word for word in (*WORDS[place], *more)}
    return Dictionary(place, ours | mapping.said(place))


def expected(mapping: SourceMapping) -> dict[str, dict[str, str]]:
    """How a source may be expected to spell our words, by table.column: for whoever asks for few rows, and looks at no words."""
    told: dict[str, dict[str, str]] = {}
    for place in WORDS:
        meanings = dictionary(mapping, place).meanings
        forms = {
            form: ours for word, ours in meanings.items() if ours for form in (word, word.upper(), word.capitalize())
        }
        told[place] = {form: ours for form, ours in forms.items() if form != ours}
    return told


@dataclass(slots=True)
class Spoken:
    """What the columns of one table say: rows, rows by words, and what was odd."""

    table: str
    rows: int = 0
    combinations: Counter[Combination] | None = None
    """Rows by words, in our spelling; None where all are known and spelled as ours, which needs no closer look."""
    spellings: dict[str, dict[str, str]] = field(default_factory=dict)
    unknown: dict[str, Counter[str]] = field(default_factory=dict)
    blank: dict[str, int] = field(default_factory=dict)
    """Rows without a word, by place."""
    no_words: set[str] = field(default_factory=set)
    """Places with so many different values that they hold something else."""


def spoken(
    source: Source,
    table: str,
    dictionaries: Mapping[str, Dictionary],
    condition: ColumnElement[bool] | None,
    sample: Sample | None = None,
) -> Spoken:
    """What the columns of `dictionaries` say in `table`; of the rows of `condition` alone, if given. Raises QueryError.

    Of a short table the `sample` of its first rows may tell.
    """
    columns = {name: cast(source.tables[table].c[name], Text) for name in dictionaries}
    if condition is None:
        if sample is not None and sample.whole and _is_tidy(sample, dictionaries):
            return Spoken(table, sample.rows)
        found = _tidy(source, table, columns, dictionaries)
        if found is not None:
            return found
    return _closely(source, table, columns, dictionaries, true() if condition is None else condition)


def _is_tidy(sample: Sample, dictionaries: Mapping[str, Dictionary]) -> bool:
    """Whether all words of these rows are known, letter by letter as they stand."""
    return all({row[name] for row in sample.first}.issubset(words.plain) for name, words in dictionaries.items())


def _tidy(
    source: Source,
    table: str,
    columns: Mapping[str, ColumnElement[Any]],
    dictionaries: Mapping[str, Dictionary],
) -> Spoken | None:
    """The table counted, if all its words are known as they stand; None if one is not."""
    rows = source.tables[table]
    # Compared one after the other: half the price of grouping, and little more than counting.
    known = and_(*(columns[name].in_(words.plain) for name, words in dictionaries.items()))
    counted = select(func.count().label("rows"), func.count().filter(known).label("known")).select_from(rows)
    (row,) = source.rows(counted, "rows read", reach="whole")
    if row["rows"] != row["known"] or not row["rows"]:
        return None if row["rows"] else Spoken(table)
    few = source.rows(select(*(rows.c[name] for name in dictionaries)).limit(20), "words")
    # A type of fixed length gives its blanks along, which only a cast takes off.
    padded = {name for name in dictionaries for one in few if one[name] != str(one[name]).rstrip(" ")}
    return Spoken(table, row["rows"], spellings={f"{table}.{name}": {} for name in padded})


def _closely(
    source: Source,
    table: str,
    columns: Mapping[str, ColumnElement[Any]],
    dictionaries: Mapping[str, Dictionary],
    condition: ColumnElement[bool],
) -> Spoken:
    counted = func.count().label("rows")
    grouped = (
        select(*(column.label(name) for name, column in columns.items()), counted)
        .select_from(source.tables[table])
        .where(condition)
        .group_by(*columns.values())
    )
    many = source.rows(grouped.order_by(counted.desc()).limit(MOST_WORDS**2), "words", reach="whole")
    found = Spoken(table, combinations=Counter())
    for row in many:
        said = tuple(_said(found, dictionaries[name], row[name], row["rows"]) for name in dictionaries)
        found.rows += row["rows"]
        if found.combinations is not None:
            found.combinations[said] += row["rows"]
    found.no_words = {place for place, words in found.unknown.items() if len(words) > MOST_WORDS}
    return found


def _said(found: Spoken, words: Dictionary, word: str | None, rows: int) -> str | None:
    """Our word for one of the source's, with what was odd about it written into `found`."""
    if word is None or not word.strip(WRAPPING):
        found.blank[words.place] = found.blank.get(words.place, 0) + rows
        return None
    known, ours = words.meaning(word)
    if not known:
        found.unknown.setdefault(words.place, Counter())[word] += rows
        return word
    if ours is None:
        return word
    if ours != word:
        found.spellings.setdefault(words.place, {})[word] = ours
    return ours


def shown(words: Collection[str]) -> str:
    """Some words for a message: at most SHOWN_WORDS of them, cut, without control characters and anything like a mail."""
    some = [f"'{shown_word(word)}'" for word in list(words)[:SHOWN_WORDS]]
    more = len(words) - len(some)
    return ", ".join(some) + (f" and {more:,} more" if more > 0 else "")


def meant(word: str, ours: Collection[str]) -> str:
    """The line of the policy that says what `word` means, with the likeliest of `ours`."""
    # "inactive" is near to "active" and means something else: the same beginning is asked for.
    alike = sorted(one for one in ours if one[:1] == word.casefold()[:1])
    near = difflib.get_close_matches(word.casefold(), alike, 1, cutoff=0.7)
    quoted = '"' + shown_word(word).replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f'{quoted} = "{near[0] if near else "…"}"'


def shown_word(word: str) -> str:
    plain = "".join(character if character.isprintable() else "?" for character in word)
    plain = "…" if "@" in plain else plain
    return plain if len(plain) <= SHOWN_CHARACTERS else plain[: SHOWN_CHARACTERS - 1] + "…"
