"""What of a source's words, types of events and empty tables means that nothing that is read there can be believed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import exists, func, or_, select

from detectors.source.base import Engine, Notice, Source
from detectors.source.canonical import STATE_WORDS
from detectors.source.filled import FEW
from detectors.source.first_rows import Sample, Samples
from detectors.source.marked import gone_rows
from detectors.source.moments import EVER
from detectors.source.spelling import Spoken, meant, shown
from detectors.source.trail import EVENTS, Trail, like_ours
from detectors.source.whole_days import whole_days

_NO_TIME = datetime.min.replace(tzinfo=UTC)
STRANGE = 3
"""Fewer types of events that nobody knows, and none that somebody does, may be those of another app in a young table."""


def strange_trail(trail: Trail | None) -> Iterator[str]:
    """Where the audit table speaks, and nothing of what it says is understood."""
    if trail is None or trail.written or len(trail.unknown) < STRANGE:
        return
    theirs, ours = next(((word, ours) for word in trail.unknown if (ours := like_ours(word))), (trail.unknown[0], "…"))
    yield (
        f"{EVENTS}.event_type holds {len(trail.unknown)} types of event and none that is known: {shown(trail.unknown)}. "
        f"Say in the policy what yours mean, as in [source.words.{EVENTS}.event_type] '{theirs}' = '{ours}', or map the column "
        "that holds them"
    )


def other_rows(
    source: Source, samples: Mapping[str, Sample], as_of: datetime, *, limited: bool
) -> Iterator[str | Notice]:
    """Where rows are not what a scan takes them for, be it of one household: gone, or of a day instead of a time.

    A text is a fault.
    Raises QueryError.
    """
    yield from gone_rows(source, limited=limited)
    yield from whole_days(source, samples, as_of)
    yield from _all_deleted(source, samples, as_of)


def _all_deleted(source: Source, samples: Samples, as_of: datetime) -> Iterator[str]:
    """Where every account is deleted, and whoever is a member has one: the column says something else.

    A clock's zero, and a time that has not come, say that an account is not.
    """
    first = samples["users"].first if source.schema.has("users.deleted_at") and "users" in samples else ()
    if len(first) < FEW or not all(EVER <= (row.get("deleted_at") or _NO_TIME) <= as_of for row in first):
        return
    accounts, members = source.tables["users"].c, source.tables["household_members"].c
    at = accounts.deleted_at
    alive = select(accounts.id).where(or_(at.is_(None), at < EVER, at > as_of)).limit(1)
    stranger = select(members.user_id).where(~exists().where(accounts.id == members.user_id)).limit(1)
    if not source.rows(alive, "words") and not source.rows(stranger, "words"):
        yield (
            "users.deleted_at is set in every row, so that nobody would be alive: map the column that says which accounts are deleted, "
            '[source.tables.users.columns] deleted_at = "…", or export it again'
        )


_WHY_EMPTY: dict[Engine, str] = {
    "postgresql": "this is half a delivery, the wrong table, or a role that may not see the rows; "
    "load it again, map the right table, or let the role see them",
    "duckdb": "this is half an export, or the wrong file; export the table again",
    "spark": "this is half a load, the wrong table, or a user that may not see the rows; load it again, map the right table, "
    "or let the user see them",
}


def empty_beside_full(tables: Collection[str], engine: Engine) -> Iterator[str]:
    """Of two tables that fill together one, if `tables` without a row are not both."""
    required = ("households", "household_members")
    empty = [name for name in required if name in tables]
    if len(empty) == 1:
        (full,) = set(required) - set(empty)
        yield (f"{empty[0]} has no row that can be read, although {full} has some: {_WHY_EMPTY[engine]}")


def word_faults(
    source: Source, spoken: Mapping[str, Spoken], counted: Collection[str], samples: Samples
) -> Iterator[str]:
    """Words on which verdicts rest and that nobody knows. Of `counted` tables all rows were read, not a part."""
    for place in STATE_WORDS:
        table, column = place.split(".")
        found = spoken.get(table)
        if found is None or not found.rows:
            continue
        if found.blank.get(place, 0) == found.rows:
            yield (
                f"{_named(source, place)} is empty in each of the {found.rows:,} rows: map the column that holds it, "
                f'[source.tables.{table}.columns] {column} = "…"'
            )
        elif place in found.unknown:
            yield _unknown_words(source, place, found)
    members = spoken.get("household_members")
    # Of a part of the rows none may be active, or lead.
    if members is not None and not members.unknown and not members.blank and "household_members" in counted:
        yield from _nobody(source, members, samples)


def _unknown_words(source: Source, place: str, found: Spoken) -> str:
    words = found.unknown[place]
    ours = ", ".join(sorted(STATE_WORDS[place]))
    if place in found.no_words:
        return (
            f"{_named(source, place)} holds {len(words):,} different values and no words such as {ours}: "
            "map the column that holds them"
        )
    return (
        f"{_named(source, place)} holds words that nobody knows, in {words.total():,} of {found.rows:,} rows: "
        f"{shown(words)}. Known are {ours}: say in the policy what yours mean, as in [source.words.{place}] "
        f'{meant(next(iter(words)), STATE_WORDS[place])}, or ignore = ["…"]'
    )


def _named(source: Source, place: str) -> str:
    table, column = place.split(".")
    theirs = source.schema.tables[table].column_names.get(column, column)
    return place if theirs == column else f"{place} (in the source: {theirs})"


def _nobody(source: Source, found: Spoken, samples: Samples) -> Iterator[str]:
    """Where no member is active, or none leads: a word means something else here, or all of it is one real fault."""
    members = source.tables.respelled(found.spellings)["household_members"]
    active, leads = members.c.status == "active", members.c.role == "leader"
    if found.combinations is None:
        first = samples["household_members"].first if "household_members" in samples else ()
        if any(row["status"] == "active" and row["role"] == "leader" for row in first):
            return
        anybody = select(members.c.role).where(active, leads).limit(1)
        if source.rows(anybody, "words"):
            return
    elif found.combinations.get(("leader", "active")):
        return
    homes = func.count(members.c.household_id.distinct())
    together = select(homes.label("homes"), func.count().label("rows")).select_from(members)
    (every,) = source.rows(together, "words")
    (now,) = source.rows(together.where(active), "words")
    if every["homes"] < 2:
        return
    if not now["rows"]:
        yield (
            f"household_members: none of {found.rows:,} rows is active, so every household would look left by all: map the "
            "words of household_members.status, [source.words.household_members.status], or the column that holds it"
        )
    elif now["rows"] > now["homes"]:
        # Households of one person each may all have lost their leader in one broken creation.
        yield (
            f"household_members: none of {now['rows']:,} active rows leads, so every household would look leaderless: map "
            "the words of household_members.role, [source.words.household_members.role], or the column that holds it"
        )
