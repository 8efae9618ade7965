"""The households of a clean town, their founders, and the columns that every stay in a household has."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from benchmarks.town.spec import DAY, HOUR, MINUTE, NEVER, NOBODY, Columns, Flags, Integers, TownSpec

STAYS, REMOVED, LEFT, LEFT_LEADING = range(4)
"""How a membership ended."""

GROUP = 5
"""Households that one impatient founder creates in a day: the app's own limit."""


@dataclass
class Residents:
    """The households and their members.

    Households are in the order shelters, old ones by age, new ones, then the impatient founders' groups of five,
    whose first four are given up within minutes. `members` has one row for each stay: household, user, joined,
    ended, ending, temporary, expires, invited_by, asked and answered (the request; NOBODY without one).
    `handed_over` and `deserted` are times by household, NEVER where that did not happen.
    """

    spec: TownSpec
    created: Integers
    creator: Integers
    shelters: int
    first_grouped: int
    next_user: int
    members: Columns = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with founders who still lead."""
        self.successor = np.full_like(self.creator, NOBODY)
        self.handed_over = np.full_like(self.created, NEVER)
        self.deserted = np.full_like(self.created, NEVER)

    def leader_at(self, household: Integers, moment: Integers) -> Integers:
        """The user who leads each household at each moment."""
        return np.where(moment >= self.handed_over[household], self.successor[household], self.creator[household])

    def new_users(self, count: int) -> Integers:
        """User numbers that nobody has yet."""
        self.next_user += count
        return np.arange(self.next_user - count, self.next_user, dtype=np.int64)

    def ordinary(self) -> Flags:
        """Households in which people come and go in the usual way: neither shelters nor given up at once."""
        index = np.arange(len(self.created))
        kept = (index < self.first_grouped) | ((index - self.first_grouped) % GROUP == GROUP - 1)
        ordinary: Flags = kept & (index >= self.shelters)
        return ordinary


def found_households(spec: TownSpec) -> Residents:
    """Most households are older than the audit table; a fifth of a percent of the town is new each day."""
    rng = spec.rng("households")
    count = spec.households
    new = min(count // 2, max(20, round(count * 0.002 * spec.days)))
    groups = max(1, new // 500)
    shelters = max(1, count // 1000)
    first_grouped = count - GROUP * groups
    old = np.sort(spec.audit_start - 2 * HOUR - rng.integers(0, 730 * DAY, first_grouped - new))
    fresh = np.sort(rng.integers(spec.audit_start, spec.quiet_from - HOUR, new))
    days = spec.audit_start // DAY + 1 + rng.integers(0, spec.days - 2, groups)
    start = days * DAY + 8 * HOUR + rng.integers(0, 6 * HOUR, groups)
    pauses = rng.integers(15 * MINUTE, 25 * MINUTE, (groups, GROUP))
    grouped = (start[:, None] + np.cumsum(pauses, axis=1)).ravel()
    creator = np.arange(count, dtype=np.int64)
    creator[first_grouped:] = np.repeat(creator[first_grouped + GROUP - 1 :: GROUP], GROUP)
    created = np.concatenate([old, fresh, grouped])
    return Residents(spec, created, creator, shelters, first_grouped, next_user=count)


def stays(household: Integers, user: Integers, joined: Integers) -> Columns:
    """Rows of ordinary members who are still there; the caller fills in what differs."""
    count = len(household)
    return {
        "household": household,
        "user": user,
        "joined": joined,
        "ended": np.full(count, NEVER, dtype=np.int64),
        "ending": np.full(count, STAYS, dtype=np.int64),
        "temporary": np.zeros(count, dtype=np.int64),
        "expires": np.full(count, NEVER, dtype=np.int64),
        "invited_by": np.full(count, NOBODY, dtype=np.int64),
        "asked": np.full(count, NOBODY, dtype=np.int64),
        "answered": np.full(count, NOBODY, dtype=np.int64),
    }


def founders(town: Residents) -> Columns:
    """One row for each household; the impatient founders give up all of theirs but the last."""
    rng = town.spec.rng("founders")
    household = np.arange(town.spec.households, dtype=np.int64)
    rows = stays(household, town.creator.copy(), town.created + rng.integers(20_000, 900_000, len(household)))
    given_up = ~town.ordinary()
    given_up[: town.shelters] = False
    town.deserted[given_up] = town.created[given_up] + rng.integers(4 * MINUTE, 12 * MINUTE, int(given_up.sum()))
    rows["ended"][given_up] = town.deserted[given_up]
    rows["ending"][given_up] = LEFT_LEADING
    return rows


def joined_columns(parts: list[Columns]) -> Columns:
    """The rows of several tables of the same columns, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
