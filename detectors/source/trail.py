"""Which types of events and which metadata keys the audit table has ever held, without reading all of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Text, cast, func, not_, or_, select

from detectors.events import EVENT_TYPES
from detectors.source.base import Notice, QueryError, Source
from detectors.source.canonical import folded
from detectors.source.erased import is_marked
from detectors.source.first_rows import Sample
from detectors.source.spelling import Dictionary, shown
from detectors.source.sql import json_text
from detectors.source.tables import Tables

EVENTS = "household_events"
MOST_TYPES = 500
SAMPLE = 1_000_000
"""Without an index on the types so many rows are read for them: all of a small table."""
PROBED = 10_000
"""A key that none of so many rows of its type has was never written, as far as anybody can tell."""
FEW_KEYS = 3
"""Fewer may all lack by chance."""
_OF_ALL_TYPES = "correlation_id|ip_address|user_agent|session_id|duration_ms|error_code|source"
_ACTOR = ".user_id"
STYLES: tuple[Callable[[str], str], ...] = (str.upper, str.title, str.capitalize)


@dataclass(frozen=True, slots=True)
class Trail:
    """The audit table's words. Nothing is said to be missing where not all of it was seen."""

    written: frozenset[str] = frozenset()
    """The types that were seen, in our words."""
    complete: bool = False
    """Whether every type that the table holds was seen."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    keyless: frozenset[str] = frozenset()
    """What was asked for as type.key and is in no row of its type."""
    foreign_keys: bool = False
    """Whether metadata is written, and with none of the keys that were asked for."""
    strangers: frozenset[str] = frozenset()
    """The elements (type.key) that name people of whom nobody is known."""

    def lacks(self, element: str) -> bool:
        """Whether the trail can't tell of `element`: a type that was never written, or a key (type.key) that names nothing known."""
        event_type, _, keys = element.partition(".")
        named = (f"{event_type}.{key}" for key in keys.split("|"))
        return (
            element in self.keyless
            or (self.complete and event_type not in self.written)
            or (bool(keys) and self.strangers.issuperset(named))
        )


def read_trail(
    source: Source,
    words: Dictionary,
    elements: Collection[str],
    mine: ColumnElement[bool] | None,
    sample: Sample | None = None,
) -> Trail | None:
    """What the audit table of `source` holds of `elements`; None where there is none, or it could not be asked.

    A limited scan, with `mine` its own rows, looks at no others unless an index answers for all of them.
    """
    if EVENTS not in source.tables:
        return None
    try:
        names, complete = (mine is None and _names_among(sample)) or _names(source, mine)
    except QueryError:
        return None
    # What the policy says is meant is asked for by that name, whether or not it was seen.
    spellings = {
        word: ours
        for word, ours in source.tables.mapping.words.get(EVENTS, {}).get("event_type", {}).items()
        if isinstance(ours, str)
    }
    written, unknown = set(), []
    for name in names:
        known, ours = words.meaning(name)
        if not known:
            unknown.append(name)
        elif ours is not None:
            written.add(ours)
            if name != ours:
                spellings[name] = ours
    if not complete:
        spellings |= _in_the_style_of(spellings)
    trail = Trail(frozenset(written), complete, spellings, tuple(sorted(unknown)))
    if mine is not None:
        return trail
    asked = sorted(element for element in elements if "." in element and element.partition(".")[0] in written)
    keyless = _keyless(source, asked, trail)
    return replace(trail, keyless=keyless, foreign_keys=_are_foreign(source, asked, keyless))


def _are_foreign(source: Source, elements: Collection[str], keyless: frozenset[str]) -> bool:
    if "other_metadata" in source.schema.otherwise:
        return False
    # Who acted has a column of its own.
    asked = [element for element in elements if not element.endswith(_ACTOR)]
    if len(asked) < FEW_KEYS or not keyless.issuperset(asked) or "metadata" not in source.schema.tables[EVENTS].columns:
        return False
    metadata = source.tables[EVENTS].c.metadata
    probed = select(metadata).where(metadata.is_not(None)).limit(PROBED).subquery().c.metadata
    written = select(probed).where(cast(probed, Text).not_in(["{}", "null", ""])).exists()
    known = select(probed).where(_holds(probed, _OF_ALL_TYPES)).exists()
    try:
        (row,) = source.rows(select(written.label("written"), known.label("known")), "words")
        return bool(row["written"] and not row["known"])
    except QueryError:
        return False


def _in_the_style_of(spellings: Mapping[str, str]) -> dict[str, str]:
    """Where some types are spelled in capitals, the others may be so too, although none of them was seen."""
    return {
        style(event_type): event_type
        for style in STYLES
        if any(word == style(ours) for word, ours in spellings.items())
        for event_type in EVENT_TYPES
    }


def is_indexed(source: Source, column: str) -> bool:
    """Whether an index begins with a column of the audit table."""
    table = source.schema.tables[EVENTS]
    name = table.column_names.get(column, column)
    return any(
        index.valid and not index.partial and not index.expressions and index.columns[:1] == (name,)
        for index in table.indexes
    )


def _names_among(sample: Sample | None) -> tuple[list[str], bool] | None:
    """All types of a short table, if its first rows tell; None for one that is longer, or pads its words with blanks."""
    names = {None if sample is None else row["event_type"] for row in (sample.first if sample else ())} - {None}
    if sample is None or not sample.whole or any(str(name) != str(name).rstrip(" ") for name in names):
        return None
    return sorted(map(str, names)), True


def _names(source: Source, mine: ColumnElement[bool] | None) -> tuple[list[str], bool]:
    """The types of events that the source holds, as it spells them, and whether these are all."""
    column = cast(source.tables[EVENTS].c.event_type, Text)
    if is_indexed(source, "event_type"):
        names = _listed(source, _walk(source))
        return names, len(names) < MOST_TYPES
    some = select(column.label("word")).where(column.is_not(None))
    if mine is not None:
        return _listed(source, some.where(mine).distinct().limit(MOST_TYPES)), False
    if source.engine != "postgresql":
        names = _listed(source, some.distinct().limit(MOST_TYPES))
        return names, len(names) < MOST_TYPES
    sample = select(column.label("word")).limit(SAMPLE + 1).subquery("sample")
    counted = select(sample.c.word, func.count().label("rows")).group_by(sample.c.word).limit(MOST_TYPES)
    rows = source.rows(counted, "words", reach="whole")
    complete = sum(row["rows"] for row in rows) <= SAMPLE and len(rows) < MOST_TYPES
    return [row["word"] for row in rows if row["word"] is not None], complete


def _walk(source: Source) -> Select[Any]:
    """The distinct types by steps along their index: as many look-ups as there are types, however many rows."""
    first = source.tables.raw(EVENTS, "event_type")
    word = select(func.min(first).label("word")).cte("word", recursive=True)
    later = first.table.alias("later").c[first.name]
    step = select(func.min(later)).where(later > word.c.word).scalar_subquery()
    walk = word.union_all(select(step).where(word.c.word.is_not(None)))
    return select(cast(walk.c.word, Text).label("word")).where(walk.c.word.is_not(None)).limit(MOST_TYPES)


def _listed(source: Source, statement: Select[Any]) -> list[str]:
    return [row["word"] for row in source.rows(statement, "words")]


def _keyless(source: Source, elements: Collection[str], trail: Trail) -> frozenset[str]:
    """Those of `elements` (type.key, or type.key|key for one of them) whose key no row of the type holds; user_id is the column.

    Each stops at the first row that has it. Of older rows the index gives some, and of all types the newest are asked too.
    """
    if "metadata" not in source.schema.tables[EVENTS].columns:
        return frozenset(element for element in elements if not element.endswith(_ACTOR))
    if not elements or not (is_indexed(source, "event_type") or source.engine != "postgresql" or trail.complete):
        return frozenset()
    tables = source.tables.respelled({f"{EVENTS}.event_type": trail.spellings})
    events = tables[EVENTS]
    newest = is_indexed(source, "event_timestamp")
    latest = (
        select(events.c.event_type, events.c.user_id, events.c.metadata)
        .order_by(events.c.event_timestamp.desc())
        .limit(PROBED)
        .cte("latest")
    )
    asked = []
    for element in elements:
        event_type, _, keys = element.partition(".")
        some = select(events.c.user_id, events.c.metadata).where(tables.event_is(event_type)).limit(PROBED).subquery()
        ways = [select(some.c.metadata).where(_says(some, keys)).exists()]
        if newest:
            named = tables.spelled(event_type)
            ways.append(select(latest.c.metadata).where(latest.c.event_type.in_(named), _says(latest, keys)).exists())
        asked.append(or_(*ways))
    try:
        (row,) = source.rows(select(*(one.label(f"k{place}") for place, one in enumerate(asked))), "words")
    except QueryError:
        return frozenset()
    keyless = [element for place, element in enumerate(elements) if not row[f"k{place}"]]
    return frozenset(keyless) - _erased(source, tables, keyless)


def _erased(source: Source, tables: Tables, keyless: Sequence[str]) -> frozenset[str]:
    """Those of the `keyless` of whose type each row is of somebody who had their data erased: what the app writes is not known."""
    metadata, types = tables[EVENTS].c.metadata, sorted({element.partition(".")[0] for element in keyless})
    if not types:
        return frozenset()
    some = [select(metadata).where(tables.event_is(name)).limit(PROBED).subquery().c.metadata for name in types]
    kept = [select(each).where(not_(is_marked(each))).exists() for each in some]
    try:
        (row,) = source.rows(select(*(one.label(name) for name, one in zip(types, kept, strict=True))), "words")
    except QueryError:
        return frozenset()
    return frozenset(element for element in keyless if not row[element.partition(".")[0]])


def _says(events: FromClause, keys: str) -> ColumnElement[bool]:
    return events.c.user_id.is_not(None) if keys == _ACTOR[1:] else _holds(events.c.metadata, keys)


def _holds(metadata: ColumnElement[Any], keys: str) -> ColumnElement[bool]:
    return or_(*(json_text(metadata, key).is_not(None) for key in keys.split("|")))


def like_ours(word: str) -> str | None:
    """Our type of event that `word` may be meant to be: written with other signs between its parts, or after a prefix."""
    letters = "".join(character for character in folded(word) if character.isalpha())
    alike = [ours for ours in sorted(EVENT_TYPES) if letters.endswith(ours.replace("_", ""))]
    return max(alike, key=len, default=None)


def unknown_types(trail: Trail | None) -> Iterator[Notice]:
    """That there are keys or types of event that nobody knows, and which of ours the types may be."""
    if trail is not None and trail.foreign_keys:
        yield Notice(
            EVENTS,
            f"{EVENTS}.metadata names none of the keys that are known, such as member_id and request_id: they are written "
            "otherwise, or stand inside another object",
            frozenset({f"{EVENTS}.metadata"}),
            "map or export a column of objects with these keys",
        )
    if trail is None or not trail.unknown:
        return
    meant = [f"'{word}' may be {ours}" for word in trail.unknown if (ours := like_ours(word))]
    hint = f" ({'; '.join(meant[:3])})" if meant else ""
    yield Notice(
        EVENTS,
        f"{EVENTS}.event_type holds {len(trail.unknown)} type{'s' if len(trail.unknown) > 1 else ''} of event that nobody knows: "
        f"{shown(trail.unknown)}{hint}; map or ignore them, [source.words.{EVENTS}.event_type]",
    )
