"""Who joins, who goes, who takes over: the members of a clean town, as columns of integers."""

from __future__ import annotations

import numpy as np

from benchmarks.town.founding import (
    LEFT,
    LEFT_LEADING,
    REMOVED,
    STAYS,
    Residents,
    found_households,
    founders,
    joined_columns,
    stays,
)
from benchmarks.town.spec import (
    APPROVED_SHARE,
    DAY,
    HOUR,
    MINUTE,
    NEVER,
    NOBODY,
    SECOND,
    Columns,
    Floats,
    Integers,
    TownSpec,
)

BIG_FAMILY_JOINERS = 14
USUAL_MOST_JOINERS = 9
MOST_SITTERS = 5
SHELTER_SITTERS = 20
SHELTER_FIRST_SHIFT = 14
"""Sitters a shelter can hold at once beside its leader."""


def settle(spec: TownSpec) -> Residents:
    """Found the households and live through the years until the town's end; members come out by joined."""
    town = found_households(spec)
    rng = spec.rng("residents")
    first = founders(town)
    joiners = _joiners(town, rng)
    _desert(town, first, joiners, rng)
    _move_out(town, joiners, rng)
    _hand_over(town, first, joiners, rng)
    shelter_sitters = _shelter_sitters(town, rng)
    wanted = spec.members - sum(len(rows["user"]) for rows in (first, joiners, shelter_sitters))
    sitters = _sitters(town, first, joiners, max(0, wanted), rng)
    members = joined_columns([first, joiners, sitters, shelter_sitters])
    order = np.argsort(members["joined"], kind="stable")
    town.members = {name: column[order] for name, column in members.items()}
    _move_house(town, rng)
    leader = town.leader_at(town.members["household"], town.members["joined"])
    town.members["invited_by"] = np.where(leader == town.members["user"], NOBODY, leader)
    return town


def _counts(total: int, weights: Floats, caps: Integers, rng: np.random.Generator) -> Integers:
    """How many of `total` people each household gets: about its weight's share, never above its cap."""
    counts: Integers = np.minimum(rng.poisson(weights * (total / weights.sum())), caps).astype(np.int64)
    while (missing := total - int(counts.sum())) != 0:
        candidates = np.flatnonzero(counts < caps) if missing > 0 else np.flatnonzero(counts > 0)
        chosen = rng.choice(candidates, min(abs(missing), len(candidates)), replace=False)
        counts[chosen] += 1 if missing > 0 else -1
    return counts


def _fraction(size: Integers, share: Floats) -> Integers:
    part: Integers = (size * share).astype(np.int64)
    return part


def _joiners(town: Residents, rng: np.random.Generator) -> Columns:
    spec = town.spec
    weights = rng.gamma(1.2, 1.0, spec.households) + 0.05
    big = rng.random(spec.households) < 0.005
    weights[big] *= 8
    weights[~town.ordinary()] = 0
    caps = np.where(big, BIG_FAMILY_JOINERS, USUAL_MOST_JOINERS) * town.ordinary()
    counts = _counts(round(spec.requests * APPROVED_SHARE), weights, caps, rng)
    household = np.repeat(np.arange(spec.households, dtype=np.int64), counts)
    created = town.created[household]
    asked = created + MINUTE + _fraction(spec.quiet_from - 5 * MINUTE - created, rng.random(len(household)) ** 2)
    delay = np.minimum(np.exp(rng.normal(8.0, 2.2, len(household))) * SECOND, 0.8 * (spec.quiet_from - asked))
    answered = asked + 5 * SECOND + delay.astype(np.int64)
    rows = stays(household, town.new_users(len(household)), answered + rng.integers(5_000, 300_000, len(household)))
    rows["asked"], rows["answered"] = asked, answered
    return rows


def _some_time(after: Integers, town: Residents, rng: np.random.Generator) -> Integers:
    """A moment between `after` and the town's end; half of them in the days that the audit table holds."""
    recent = rng.random(len(after)) < 0.5
    lower: Integers = np.where(recent, np.maximum(after, town.spec.audit_start), after) + 30 * SECOND
    return lower + _fraction(town.spec.quiet_from + 2 * MINUTE - lower, rng.random(len(after)))


def _desert(town: Residents, first: Columns, joiners: Columns, rng: np.random.Generator) -> None:
    """Let everybody leave 1.5 % of the households, the leader last."""
    last_joined = town.created.copy()
    np.maximum.at(last_joined, joiners["household"], joiners["joined"])
    candidates = town.ordinary() & (last_joined < town.spec.quiet_from - 2 * HOUR)
    candidates[town.first_grouped :] = False
    deserted = np.flatnonzero(candidates & (rng.random(len(candidates)) < 0.015))
    leaving = _some_time(last_joined[deserted] + HOUR, town, rng)
    town.deserted[deserted] = leaving
    first["ended"][deserted] = leaving
    first["ending"][deserted] = LEFT_LEADING
    gone = np.flatnonzero(town.deserted[joiners["household"]] < NEVER)
    joined = joiners["joined"][gone]
    span = town.deserted[joiners["household"][gone]] - joined - 2 * MINUTE
    joiners["ended"][gone] = joined + MINUTE + _fraction(span, rng.random(len(gone)) * 0.95)
    joiners["ending"][gone] = np.where(rng.random(len(gone)) < 0.3, REMOVED, LEFT)


def _move_out(town: Residents, joiners: Columns, rng: np.random.Generator) -> None:
    """Let 12 % of the joiners leave, or be removed, again."""
    chosen = (joiners["ended"] == NEVER) & (rng.random(len(joiners["user"])) < 0.12)
    gone = np.flatnonzero(chosen & (joiners["joined"] < town.spec.quiet_from - HOUR))
    joiners["ended"][gone] = _some_time(joiners["joined"][gone] + MINUTE, town, rng)
    joiners["ending"][gone] = np.where(rng.random(len(gone)) < 0.4, REMOVED, LEFT)


def _hand_over(town: Residents, first: Columns, joiners: Columns, rng: np.random.Generator) -> None:
    """Let 4 % of the founders leave and the longest-standing lasting member take over.

    Somebody with an older row who leaves later makes the successor a designated one (see `designated`).
    """
    lasting = np.flatnonzero((joiners["ended"] == NEVER) & (joiners["joined"] < town.spec.quiet_from - HOUR))
    by_age = lasting[np.argsort(joiners["joined"][lasting], kind="stable")]
    household, earliest = np.unique(joiners["household"][by_age], return_index=True)
    chosen = rng.random(len(household)) < 0.04
    household, heir = household[chosen], by_age[earliest[chosen]]
    moment = _some_time(joiners["joined"][heir] + MINUTE, town, rng)
    town.handed_over[household] = moment
    town.successor[household] = joiners["user"][heir]
    first["ended"][household] = moment
    first["ending"][household] = LEFT_LEADING


def designated(town: Residents, household: Integers) -> Integers:
    """1 where a hand-over passed over somebody who had been there longer than the successor, else 0."""
    members = town.members
    moment = town.handed_over[members["household"]]
    eligible = (members["joined"] < moment) & (members["ended"] > moment) & (members["temporary"] == 0)
    oldest = np.full(len(town.created), NEVER, dtype=np.int64)
    np.minimum.at(oldest, members["household"][eligible], members["joined"][eligible])
    heirs = eligible & (members["user"] == town.successor[members["household"]])
    heir_joined = np.zeros(len(town.created), dtype=np.int64)
    heir_joined[members["household"][heirs]] = members["joined"][heirs]
    return (oldest[household] < heir_joined[household]).astype(np.int64)


def _sitters(town: Residents, first: Columns, joiners: Columns, count: int, rng: np.random.Generator) -> Columns:
    """Temporary members: half of them still with access, a third of them founders of another household."""
    spec = town.spec
    joined_counts = np.bincount(joiners["household"], minlength=spec.households)
    allowed = town.ordinary() & (town.deserted == NEVER) & (town.created < spec.quiet_from - DAY)
    caps = np.where(allowed, np.clip(BIG_FAMILY_JOINERS - joined_counts, 0, MOST_SITTERS), 0)
    counts = _counts(min(count, int(caps.sum())), (caps > 0).astype(np.float64), caps, rng)
    household = np.repeat(np.arange(spec.households, dtype=np.int64), counts)
    place = np.arange(len(household)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = town.created[household] + HOUR
    present = rng.random(len(household)) < 0.5
    begins = np.where(present, np.maximum(begins, spec.quiet_from - 60 * DAY), begins)
    joined = begins + _fraction(spec.quiet_from - HOUR - begins, rng.random(len(household)))
    lent_by = (household + 1 + place) % spec.households
    lent = (rng.random(len(household)) < 0.33) & (first["ended"][lent_by] == NEVER)
    lent &= town.created[lent_by] < spec.audit_start
    user = np.where(lent, town.creator[lent_by], town.new_users(len(household)))
    rows = stays(household, user, joined)
    rows["temporary"][:] = 1
    longest = np.minimum(20 * DAY, spec.quiet_from + 2 * MINUTE - joined)
    ended = joined + MINUTE + _fraction(longest - MINUTE, rng.random(len(household)))
    expires = np.where(present, spec.end + HOUR, ended + MINUTE) + rng.integers(0, 60 * DAY, len(household))
    rows["ended"] = np.where(present, NEVER, ended)
    # A lent sitter is never removed: being removed elsewhere would make the sessions at home look like survivors.
    removed = ~lent & (rng.random(len(household)) < 0.6)
    rows["ending"] = np.where(present, STAYS, np.where(removed, REMOVED, LEFT))
    rows["expires"] = np.where(rng.random(len(household)) < 0.05, NEVER, expires)
    return rows


def _shelter_sitters(town: Residents, rng: np.random.Generator) -> Columns:
    """Twenty sitters whom each shelter's leader removes on one day: just the limit, in two shifts of legal size."""
    household = np.repeat(np.arange(town.shelters, dtype=np.int64), SHELTER_SITTERS)
    place = np.tile(np.arange(SHELTER_SITTERS), town.shelters)
    day = town.spec.audit_start // DAY + 2 + rng.integers(0, town.spec.days - 4, town.shelters)
    morning = np.repeat(day * DAY + 7 * HOUR, SHELTER_SITTERS)
    late = place >= SHELTER_FIRST_SHIFT
    steps = place * 4 * MINUTE + rng.integers(0, 3 * MINUTE, len(place))
    joined = np.where(late, morning + 3 * HOUR + steps, morning - 9 * DAY + steps)
    # Shelters are older than the audit table, but one may have been founded just before it.
    joined = np.maximum(joined, town.created[household] + MINUTE + place * SECOND)
    rows = stays(household, town.new_users(len(household)), joined)
    rows["temporary"][:] = 1
    rows["ended"] = morning + np.where(late, 8 * HOUR, HOUR) + steps
    rows["ending"][:] = REMOVED
    rows["expires"] = rows["ended"] + 3 * DAY
    return rows


def _move_house(town: Residents, rng: np.random.Generator) -> None:
    """Let people who left or were removed come to another household: they take a later joiner's or founder's part."""
    members, spec = town.members, town.spec
    own = (members["temporary"] == 0) & (members["household"] < town.first_grouped)
    founded = members["user"] == town.creator[members["household"]]
    begins = np.where(founded, town.created[members["household"]], members["asked"])
    arriving = np.flatnonzero(own & (members["ended"] == NEVER) & (begins > spec.audit_start))
    arriving = arriving[rng.random(len(arriving)) < 0.4]
    arriving = arriving[np.argsort(begins[arriving], kind="stable")]
    leaving = np.flatnonzero(own & (members["ended"] < NEVER) & (members["ended"] > spec.audit_start - 200 * DAY))
    pairs = min(len(arriving), len(leaving))
    leaving, arriving = rng.choice(leaving, pairs, replace=False), arriving[:pairs]
    leaving = leaving[np.argsort(members["ended"][leaving], kind="stable")]
    fits = (begins[arriving] > members["ended"][leaving] + HOUR) & (
        members["household"][arriving] != members["household"][leaving]
    )
    leaving, arriving = leaving[fits], arriving[fits]
    household, mover = members["household"][arriving], members["user"][leaving]
    leads = town.successor[household] == members["user"][arriving]
    town.successor[household[leads]] = mover[leads]
    town.creator[household[founded[arriving]]] = mover[founded[arriving]]
    members["user"][arriving] = mover
