"""Whether a source can be believed: its words, its empty tables, its audit trail, and columns that must agree."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Text, and_, cast, or_

from detectors.source.agreement import COMPARABLE, disagreements
from detectors.source.base import Notice, QueryError, Source, SourceError
from detectors.source.clocks import other_clocks
from detectors.source.filled import (
    FIRST,
    Later,
    answered_backwards,
    homes_of,
    incomplete,
    is_big,
    unfilled,
    unfilled_faults,
)
from detectors.source.first_rows import Sample, Samples, bare_of, is_column, sample_of
from detectors.source.later import said_of_later
from detectors.source.load_times import untrue_columns
from detectors.source.mixed_up import mixed_up
from detectors.source.not_yet import not_yet_copied
from detectors.source.notations import unblanked
from detectors.source.outdated import outdated
from detectors.source.own_rows import OWN_HOUSEHOLD, Own, own_rows
from detectors.source.refreshes import leave_out_refreshes
from detectors.source.repeated import repeated
from detectors.source.spelling import Spoken, dictionary, shown, spoken
from detectors.source.strangers import notice_of_strangers, strangers_in_metadata
from detectors.source.trail import EVENTS, Trail, read_trail, unknown_types
from detectors.source.unbelievable import empty_beside_full, other_rows, strange_trail, word_faults
from detectors.source.zero_times import Zero, zeros_of

logger = logging.getLogger("hearthwatch.source")
WORD_COLUMNS: dict[str, tuple[str, ...]] = {
    "household_members": ("role", "status"),
    "household_join_requests": ("status",),
    "support_requests": ("category", "status"),
}


@dataclass(slots=True)
class Health:
    """What was seen of a source before anything is concluded from it."""

    rows: dict[str, int] = field(default_factory=dict)
    """The rows of the tables that had to be counted."""
    spoken: dict[str, Spoken] = field(default_factory=dict)
    trail: Trail | None = None
    empty: frozenset[str] = frozenset()
    """The tables that exist and hold no row."""
    unfilled: frozenset[str] = frozenset()
    """The columns (table.column) from which rules conclude and that are empty in every row."""
    bare: frozenset[str] = frozenset()
    """Those columns of BARE that none of the first rows fills."""
    zeros: frozenset[str] = frozenset()
    """The columns of times that may lack in which a clock's zero stands for "never"."""
    once: frozenset[str] = frozenset()
    """The tables of whose rows with one id one is read."""
    faults: list[str] = field(default_factory=list)
    """One line each: why nothing that is read here can be believed."""
    notices: list[Notice] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""

    @property
    def signs(self) -> frozenset[str]:
        """What is odd about the words of the tables, as far as rules are touched by it."""
        return frozenset(
            f"{place}: {word}"
            for table in self.spoken.values()
            for odd in (table.spellings, table.unknown, {place: [""] for place in table.blank})
            for place, words in odd.items()
            for word in words or ["in letters of a fixed number"]
        )

    @property
    def spellings(self) -> dict[str, Mapping[str, str]]:
        """The source's spellings of our words, for its tables to be read by."""
        told: dict[str, Mapping[str, str]] = {}
        for table in self.spoken.values():
            told |= table.spellings
        if self.trail is not None and self.trail.spellings:
            told[f"{EVENTS}.event_type"] = self.trail.spellings
        return told


def look_at(
    source: Source,
    more_words: Mapping[str, Iterable[str]],
    elements: Collection[str],
    own: Own | None = None,
    *,
    as_of: datetime,
    at_once: int = 1,
) -> Health:
    """The health of `source`, by so many statements at once; of `own` rows alone, if given, and then nothing is a fault.

    `more_words` are those that the policy's limits name, by table.column; `elements` the types (or type.key) of events, and
    the columns, whose absence matters. Raises SourceError if the source cannot be read at all.
    """
    health = Health()
    health.notices += leave_out_refreshes(source)
    present = [table for table in WORD_COLUMNS if table in source.tables]
    of_words, own = own, None if own is not None and own.words_alone else own
    samples = _sample(source, elements, health)

    def read_words(table: str) -> None:
        everything = own is None and not (table in OWN_HOUSEHOLD and is_big(source, table))
        _read_words(source, table, more_words, None if everything else of_words, samples.get(table), health)

    with ThreadPoolExecutor(max_workers=at_once) as pool:
        list(pool.map(read_words, present))
    health.notices += untrue_columns(source, samples)
    _find_unfilled(source, elements, own, samples, health, as_of)
    _read_events(source, more_words, elements, own, samples.get(EVENTS), health)
    if any(name in samples and samples[name].rows >= COMPARABLE for name in ("households", "household_members")):
        _look_for_strangers(source, health, as_of, limited=of_words is not None)
    _remark(source, own, health)
    if own is None:
        # Changes are looked at where the tables are known from the look before.
        if of_words is None:
            _compare_times(source, health, samples, as_of)
        health.faults += [
            *empty_beside_full(health.empty, source.engine),
            *word_faults(source, health.spoken, health.rows, samples),
            *strange_trail(health.trail),
        ]
        if not health.faults:
            health.faults += mixed_up({name: sample.first for name, sample in samples.items()})
        if not health.faults:
            _compare_columns(source, samples, health)
    return health


def _read_events(
    source: Source,
    more_words: Mapping[str, Iterable[str]],
    elements: Collection[str],
    own: Own | None,
    sample: Sample | None,
    health: Health,
) -> None:
    """What the audit table holds of `elements`."""
    types = dictionary(source.tables.mapping, f"{EVENTS}.event_type", more_words.get(f"{EVENTS}.event_type", ()))
    if EVENTS in health.empty:
        health.trail = Trail(complete=True)
    elif EVENTS in source.tables:
        health.trail = read_trail(
            source, types, sorted(one for one in elements if not is_column(one)), own_rows(source, EVENTS, own), sample
        )
        if health.trail is None or not (health.trail.complete or own):
            health.unseen.append(
                "whether a type of event was never written: household_events has no index on its types and is too big to read"
            )


def _look_for_strangers(source: Source, health: Health, as_of: datetime, *, limited: bool) -> None:
    """Whom metadata names, also for a scan of one household: what rests on ids that nobody knows sees nothing, and repairs nothing."""
    if health.trail is None:
        return
    try:
        elements = strangers_in_metadata(source, source.tables.respelled(health.spellings), as_of, limited=limited)
    except QueryError as error:
        health.unseen.append(f"whether anybody knows whom metadata names: {error}")
        return
    if elements:
        health.trail = replace(health.trail, strangers=elements)
        health.notices.append(notice_of_strangers(elements))


def _compare_times(source: Source, health: Health, samples: Samples, as_of: datetime) -> None:
    try:
        health.faults += other_clocks(source, health.trail, samples)
        if not health.faults:
            health.faults += outdated(source, source.tables.respelled(health.spellings), health.trail, samples, as_of)
    except QueryError as error:
        health.unseen.append(f"whether audit rows tell the times of the other tables: {error}")


def _read_words(
    source: Source,
    table: str,
    more_words: Mapping[str, Iterable[str]],
    own: Own | None,
    sample: Sample | None,
    health: Health,
) -> None:
    words = {
        column: dictionary(source.tables.mapping, f"{table}.{column}", more_words.get(f"{table}.{column}", ()))
        for column in WORD_COLUMNS[table]
    }
    try:
        found = spoken(source, table, words, own_rows(source, table, own), sample)
    except QueryError as error:
        logger.debug("the words of %s could not be read", table, exc_info=True)
        health.unseen.append(f"the words of {table}: {error}")
        return
    health.spoken[table] = found
    if own is None:
        health.rows[table] = found.rows


def _sample(source: Source, elements: Collection[str], health: Health) -> dict[str, Sample]:
    """The first rows of each table, and with them which exist and hold nothing; one that can't be asked is none of them."""
    samples = {}
    for name in source.schema.tables:
        try:
            samples[name] = sample_of(source, name, elements)
        except QueryError as error:
            health.unseen.append(f"whether {name} has rows, and its columns hold anything: {error}")
    health.empty = frozenset(name for name, sample in samples.items() if not sample.rows)
    health.bare = bare_of(samples)
    return samples


def _find_unfilled(
    source: Source,
    elements: Collection[str],
    own: Own | None,
    samples: Samples,
    health: Health,
    as_of: datetime,
) -> None:
    """Which columns hold nothing at all; of those that nothing can do without it is a fault."""
    try:
        others = list(other_rows(source, samples, as_of, limited=own is not None))
        health.faults += [one for one in others if isinstance(one, str)]
        health.notices += [one for one in others if isinstance(one, Notice)]
        health.unfilled = unfilled(source, elements, samples)
        if own is None:
            health.faults += unfilled_faults(source, samples)
            odd = [
                *incomplete(source, samples, as_of),
                *not_yet_copied(source, samples, as_of),
                answered_backwards(source, samples),
            ]
            later, audited = (
                [one for one in odd if isinstance(one, Later)],
                EVENTS in samples and EVENTS not in health.empty,
            )
            odd += said_of_later(source, later, as_of, samples, audited=audited)
            health.faults += [one for one in odd if isinstance(one, str)]
            health.notices += [one for one in odd if isinstance(one, Notice)]
            zeros = [one for one in odd if isinstance(one, Zero)]
        else:
            small = source.tables.mapping.look_through_rows
            few = {name: FIRST if is_big(source, name, small) else None for name in samples}
            zeros = [zero for found in zeros_of(source, few).values() for zero in found]
        copies = repeated(source, health.rows, None if own is None else source.tables.mapping.look_through_rows)
        health.once = frozenset(copies)
        health.faults += [told for _, told in copies.values() if isinstance(told, str)]
        health.notices += [told for _, told in copies.values() if isinstance(told, Notice)]
        health.rows |= {table: health.rows[table] - more for table, (more, _) in copies.items() if table in health.rows}
        health.zeros = frozenset(zero.place for zero in zeros)
        health.notices += [zero.notice for zero in zeros]
    except QueryError as error:
        health.unseen.append(f"whether columns hold anything: {error}")


def _compare_columns(source: Source, samples: Samples, health: Health) -> None:
    for said in disagreements(source, samples, source.tables.respelled(health.spellings)):
        if isinstance(said, SourceError):
            health.unseen.append(f"whether columns agree: {said}")
        elif isinstance(said, Notice):
            health.notices.append(said)
        else:
            health.faults.append(said)


def _remark(source: Source, own: Own | None, health: Health) -> None:
    """What is odd about words and makes nobody stop."""
    for table, found in health.spoken.items():
        for place, rows in found.blank.items():
            told = f"{place} is empty in {rows:,} of {found.rows:,} rows, which count as neither of its words"
            whose = _whose_word_lacks(source, place, own)
            health.notices.append(Notice(table, told, frozenset({place}), households=whose))
        for place, words in found.unknown.items():
            told = f"{place} holds words that nobody knows, in {words.total():,} rows"
            told += "" if place in found.no_words else f": {shown(words)}"
            told += ", which are left out" if place == "support_requests.status" else ""
            health.notices.append(
                Notice(table, f"{told}; say in the policy what they mean, [source.words.{place}]", frozenset({place}))
            )
    health.notices += unknown_types(health.trail)


def _whose_word_lacks(source: Source, place: str, own: Own | None) -> frozenset[str]:
    """The households that have a row without a word in `place`."""
    table, _, column = place.partition(".")
    word = cast(source.tables[table].c[column], Text)
    lacks, mine = or_(word.is_(None), unblanked(word) == ""), own_rows(source, table, own)
    try:
        return homes_of(source, table, lacks if mine is None else and_(lacks, mine))
    except QueryError as error:  # the rules then judge them by what there is
        logger.debug("whose word lacks could not be asked", exc_info=error)
        return frozenset()
