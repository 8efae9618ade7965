"""Whether columns that name the same things do: a sample of one is looked up in the other.

Two columns disagree where nearly no value of either is in the other. Real faults do not look like that: where all members
belong to deleted households, households still have members, or there are hardly any households to compare with. Of the
members' households, however, some are there: where not one is, another table stands in the place of households.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Text, and_, case, cast, func, literal, select, union_all

from detectors.source.base import Notice, QueryError, SlowError, Source
from detectors.source.capped import capped
from detectors.source.first_rows import Samples, in_each, known_among
from detectors.source.ids import UUID_IN_ANY_NOTATION, WHOLE_NUMBER, plain_id
from detectors.source.looking_up import (
    SAMPLE,
    Side,
    counting_known,
    known_of,
    named,
    own_name,
    present,
    sample_of_column,
)
from detectors.source.misplaced import leaders_astray, misplaced
from detectors.source.nobodys import names_nobody, nobody_elsewhere
from detectors.source.sampled_homes import sampled_homes
from detectors.source.tables import Tables
from detectors.source.thinned import thinned_members

COMPARABLE = 10
"""With fewer different values nothing is concluded."""
AGREEING = 0.05
"""A smaller share of values that are found than this is no agreement."""
MANY_HOMES = 100
LACKING = 0.1
"""So many households of a sample, and a larger share than this, are not missing one by one."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A column whose values are looked up in another one, both as (table, column)."""

    column: tuple[str, str]
    other: tuple[str, str]

    @property
    def places(self) -> tuple[str, str]:
        return ".".join(self.column), ".".join(self.other)


PAIRS = (
    Pair(("household_members", "household_id"), ("households", "id")),
    Pair(("household_join_requests", "household_id"), ("households", "id")),
    Pair(("household_events", "household_id"), ("households", "id")),
    Pair(("household_members", "user_id"), ("users", "id")),
    Pair(("household_join_requests", "user_id"), ("household_members", "user_id")),
    Pair(("household_join_requests", "responded_by"), ("household_members", "user_id")),
    Pair(("household_events", "user_id"), ("household_members", "user_id")),
)
"""Cheap questions first: the other column of most is a primary key."""
HOMES = PAIRS[0]
MEMBERS = ("household_members", "user_id")
LEADERS = Pair(("households", "leader_id"), ("household_members", "user_id"))
_WRONG = (
    ("household_members", "id"),
    ("households", "id"),
    ("households", "leader_id"),
    ("users", "id"),
    ("household_members", "user_id"),
)
_PROPER = {
    ("household_members", "user_id"): (("users", "id"), ("households", "leader_id")),
    ("users", "id"): (("household_members", "user_id"), ("households", "leader_id")),
}
"""Where the values of a column may be as well."""


def disagreements(source: Source, samples: Samples, spelled: Tables) -> Iterator[str | Notice | QueryError]:
    """A line for each two columns that must agree and don't, a notice on ids that name nobody; or why that could not be looked at.

    `samples` are the first rows of the tables; `spelled` know the source's spellings of events.
    """
    few = {name for name, sample in samples.items() if sample.rows < COMPARABLE}
    pairs = [
        pair
        for pair in (*PAIRS, LEADERS)
        if all(present(source, *side) for side in (pair.column, pair.other)) and not _agree(pair, few, samples)
    ]
    try:
        at_once = _found_at_once(
            source, [pair for pair in pairs if pair is not LEADERS or pair.column[0] in few], samples
        )
    except SlowError as error:
        if all(pair.column[0] in few for pair in pairs):
            yield error
            return
        # Of big tables each by itself may be found in time.
        at_once = {}
    agree = True
    for pair in pairs:
        try:
            said = _told_of(source, pair, few, at_once.get(pair), spelled, samples)
            if said:
                agree = False
                yield said
        except QueryError as error:
            yield error
    # Of a handful of rows nothing is concluded.
    if agree and not {"households", "household_members"} <= set(few):
        yield from _together(source, spelled)


def _agree(pair: Pair, few: Collection[str], samples: Samples) -> bool:
    """Whether all rows of short tables tell that two columns do."""
    by_rows = pair is not LEADERS or pair.column[0] in few
    return by_rows and in_each(samples, pair.column, pair.other)


def _told_of(
    source: Source,
    pair: Pair,
    few: Collection[str],
    found: tuple[int, int] | None,
    spelled: Tables,
    samples: Samples,
) -> str | None:
    if pair is LEADERS and pair.column[0] not in few:
        return _leaders_say(source)
    found = found or known_of(source, pair.column, (pair.other,))
    return _elsewhere(source, pair, found, samples) if pair.column[0] in few else _said(source, pair, found, spelled)


def _together(source: Source, spelled: Tables) -> Iterator[str | Notice | QueryError]:
    """What several columns show together, where each two agree."""
    try:
        yield from nobody_elsewhere(source)
        sampled = sampled_homes(source, spelled)
        astray = [*capped(source, sampled.homes.values()), *misplaced(source, spelled, sampled)]
        yield from astray or thinned_members(source, spelled, sampled.homes)
    except QueryError as error:
        yield error


def _found_at_once(source: Source, pairs: Sequence[Pair], samples: Samples) -> dict[Pair, tuple[int, int]]:
    """The same of each of `pairs`, in one statement; nothing where one of them cannot be looked at. Raises SlowError."""
    exact = [known_among(samples, pair.column, pair.other) if source.engine == "duckdb" else None for pair in pairs]
    found = {pair: known for pair, known in zip(pairs, exact, strict=True) if known is not None}
    left = [pair for pair in pairs if pair not in found]
    if not left:
        return found
    each = [
        counting_known(source, pair.column, (pair.other,)).add_columns(literal(place).label("place"))
        for place, pair in enumerate(left)
    ]
    try:
        rows = source.rows(union_all(*each), "agreement")
    except SlowError:
        raise
    except QueryError:
        return found
    return found | {left[row["place"]]: (row["number"], row["known"]) for row in rows}


def _disagree(found: tuple[int, int]) -> bool:
    number, known = found
    return number >= COMPARABLE and known < AGREEING * number


def _elsewhere(source: Source, pair: Pair, found: tuple[int, int], samples: Samples | None = None) -> str | None:
    """What to say of a column of which no value is where it should be, and most are where they should not; a few rows tell."""
    number, known = found
    if number < 2 or 2 * known >= number:
        return None
    if known and number < COMPARABLE and _shape(source, pair.column) == "a number":
        # Small numbers stand for other things in each table.
        return None
    for wrong in _WRONG:
        if wrong in {pair.column, pair.other} or not present(source, *wrong) or wrong in _PROPER.get(pair.other, ()):
            continue
        if wrong[0] == pair.column[0] and own_name(source, wrong) == own_name(source, pair.column):
            # One column of the source may be two of ours.
            continue
        # In files ids are texts, which are equal letter by letter.
        exact = known_among(samples, pair.column, wrong) if samples and source.engine == "duckdb" else None
        of, there = exact or known_of(source, pair.column, (wrong,))
        if 2 * there > of:
            return (
                f"{named(source, pair.column)} holds the values of {named(source, wrong)}, not those of "
                f"{named(source, pair.other)}: map the column that holds these, "
                f'[source.tables.{pair.column[0]}.columns] {pair.column[1]} = "…"'
            )
    return None


def _said(source: Source, pair: Pair, found: tuple[int, int], spelled: Tables) -> str | None:
    """What to say of two columns that disagree, of whose values so many were `found`."""
    said = _of_two(source, pair, found) if _disagree(found) else None
    if pair is HOMES and not said:
        return _homes_lack(*found)
    if said is None and found[0] and not found[1] and pair.other == MEMBERS:
        return names_nobody(source, spelled, pair.column, found[0])
    return said


def _homes_lack(number: int, known: int) -> str | None:
    """Single households are deleted, or were never there. So many at once are no faults of single households."""
    lack = number - known
    if lack < MANY_HOMES or lack < LACKING * number:
        return None
    return (
        f"households lacks {lack:,} of {number:,} households that household_members names: the table was sampled, filtered, cut or "
        "copied earlier, or rows were deleted: deliver it whole, together with household_members"
    )


def _of_two(source: Source, pair: Pair, found: tuple[int, int]) -> str | None:
    if said := _elsewhere(source, pair, found):
        return said
    # Few of the ones may be among the others for a good reason; then some of the others are among the ones.
    back = known_of(source, pair.other, (pair.column,))
    nothing_in_common = pair is HOMES and not found[1] and not back[1]
    if not _disagree(back) and not nothing_in_common:
        return None
    # People act, ask and answer who are no members: strangers, if they look like people of this source.
    strangers = pair.column[1] in {"user_id", "responded_by"} and pair.other[0] != "users"
    if strangers and _shape(source, pair.column) == _shape(source, pair.other):
        return None
    return _line(source, pair)


def _leaders_say(source: Source) -> str | None:
    members, households = source.tables["household_members"], source.tables["households"]
    some = select(members.c.household_id, members.c.user_id).limit(SAMPLE).subquery("sample")
    pair = and_(households.c.id == some.c.household_id, households.c.leader_id.is_not(None))
    leading = func.count(case((households.c.leader_id == some.c.user_id, 1)))
    homes = func.count(households.c.id.distinct())
    counted = select(homes.label("number"), leading.label("known")).select_from(some.join(households, pair))
    (row,) = source.rows(counted, "agreement")
    if not _disagree((row["number"], row["known"])):
        return None if 2 * row["known"] >= row["number"] else _elsewhere(source, LEADERS, (row["number"], row["known"]))
    # Whoever is named need not be a member there; but they must be somebody, anywhere.
    people = tuple(
        side
        for side in (("household_members", "user_id"), ("users", "id"), ("household_events", "user_id"))
        if present(source, *side)
    )
    found = known_of(source, ("households", "leader_id"), people)
    there = known_of(source, ("households", "leader_id"), (MEMBERS,)) if found[1] else (0, 0)
    if there[0] >= COMPARABLE and 2 * there[1] > there[0]:
        return leaders_astray(row["number"] - row["known"], row["number"])
    nobody = found[0] > 0 and not found[1]
    return _elsewhere(source, LEADERS, found) or (_line(source, LEADERS) if nobody or _disagree(found) else None)


def _shape(source: Source, side: Side) -> str:
    """What most of a column's values look like, in words; no value is ever told."""
    sample = sample_of_column(source, side)
    values = [str(row["value"]) for row in source.rows(select(cast(sample.c.value, Text).label("value")), "agreement")]
    shapes = Counter(_look(value) for value in values)
    return shapes.most_common(1)[0][0] if shapes else "nothing"


def _look(value: str) -> str:
    plain = plain_id(value)
    if re.match(UUID_IN_ANY_NOTATION, plain):
        return "a UUID"
    if re.match(WHOLE_NUMBER, plain):
        return "a number"
    if "@" in plain:
        return "a mail address"
    before, separator, _ = plain.partition("_")
    if separator and before.isalpha() and len(before) <= 12:
        return f"a text beginning with {before}_"
    return "a text"


def _line(source: Source, pair: Pair) -> str:
    one, other = pair.places
    looks, look = _shape(source, pair.column), _shape(source, pair.other)
    told = f"{one} looks like {looks}, {other} like {look}" if looks != look else f"both look like {look}"
    return (
        f"{one} and {other} name the same things and have nearly no value in common ({told}): "
        "map the columns that belong together, under [source.tables.….columns] in the policy"
    )
