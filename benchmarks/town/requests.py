"""Join requests and invite codes of a clean town."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.town.founding import GROUP, Residents, joined_columns
from benchmarks.town.spec import DAY, HOUR, MINUTE, NEVER, NOBODY, SECOND, Columns, Integers

PENDING, APPROVED, REJECTED, WITHDRAWN = range(4)
SHELTER_REGENERATIONS = 10
"""Code regenerations of each shelter on one day: just the app's limit."""


@dataclass
class Codes:
    """Invite codes as numbers: household h begins with code h, each regeneration makes the next unused number."""

    household: Integers
    moment: Integers
    number: Integers
    first_numbers: Integers

    def at(self, household: Integers, moment: Integers) -> Integers:
        """The code that each household had at each moment."""
        order = np.lexsort((self.moment, self.household))
        households, moments = self.household[order], self.moment[order]
        result = self.first_numbers[household]
        # Households regenerate a few times at most, so each pass settles one more regeneration of all of them.
        position = np.searchsorted(households, household)
        while True:
            inside = np.minimum(position, len(households) - 1)
            applies = (position < len(households)) & (households[inside] == household) & (moments[inside] <= moment)
            if not applies.any():
                return result
            result = np.where(applies, self.number[order][inside], result)
            position = np.where(applies, position + 1, len(households))


def regenerate_codes(town: Residents) -> Codes:
    """1.5 % of the households regenerate once in the audited days, every shelter ten times on one day."""
    spec, rng = town.spec, town.spec.rng("codes")
    kept = town.ordinary() & (town.deserted == NEVER) & (town.created < spec.audit_start)
    once = np.flatnonzero(kept & (rng.random(len(kept)) < 0.015))
    moment = rng.integers(spec.audit_start, spec.quiet_from, len(once))
    shelters = np.repeat(np.arange(town.shelters), SHELTER_REGENERATIONS)
    day = spec.audit_start // DAY + 1 + rng.integers(0, spec.days - 3, town.shelters)
    step = np.tile(np.arange(SHELTER_REGENERATIONS), town.shelters) * 7 * MINUTE
    busy = np.repeat(day * DAY + 9 * HOUR, SHELTER_REGENERATIONS) + step
    household = np.concatenate([once, shelters]).astype(np.int64)
    numbers = spec.households + np.arange(len(household), dtype=np.int64)
    return Codes(household, np.concatenate([moment, busy]), numbers, np.arange(spec.households, dtype=np.int64))


def make_requests(town: Residents, codes: Codes) -> Columns:
    """All join requests in the order in which they were made, `request` numbers in members filled in.

    Columns: household, user, code, status, requested, responded (NEVER while open), responded_by.
    """
    rng = town.spec.rng("requests")
    members = town.members
    joined = np.flatnonzero(members["asked"] != NOBODY)
    approved = _rows(members["household"][joined], members["user"][joined], members["asked"][joined], APPROVED)
    approved["responded"] = members["answered"][joined]
    others = town.spec.requests - len(joined)
    eager = min(max(1, town.spec.households // 2000), others // (2 * GROUP))
    parts = [approved, _eager(town, eager, rng)]
    parts += _unsuccessful(town, others - eager * GROUP, rng)
    requests = joined_columns(parts)
    answered = (requests["status"] == APPROVED) | (requests["status"] == REJECTED)
    leader = town.leader_at(requests["household"], requests["responded"])
    requests["responded_by"] = np.where(answered, leader, NOBODY)
    requests["code"] = codes.at(requests["household"], requests["requested"])
    order = np.argsort(requests["requested"], kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    members["request"] = np.full(len(members["user"]), NOBODY, dtype=np.int64)
    members["request"][joined] = place[: len(joined)]
    return {name: column[order] for name, column in requests.items()}


def _rows(household: Integers, user: Integers, requested: Integers, status: int) -> Columns:
    return {
        "household": household,
        "user": user,
        "status": np.full(len(household), status, dtype=np.int64),
        "requested": requested,
        "responded": np.full(len(household), NEVER, dtype=np.int64),
    }


def _lasting_households(town: Residents) -> Integers:
    """Ordinary households that were never deserted and are older than a day: anybody may ask to join them."""
    return np.flatnonzero(
        town.ordinary() & (town.deserted == NEVER) & (town.created < town.spec.quiet_from - DAY)
    ).astype(np.int64)


def _eager(town: Residents, groups: int, rng: np.random.Generator) -> Columns:
    """People who ask five households within forty minutes: just the app's limit."""
    start = rng.integers(town.spec.audit_start + DAY, town.spec.quiet_from - 2 * HOUR, groups)
    requested = (start[:, None] + np.arange(GROUP) * 8 * MINUTE).ravel()
    old = np.flatnonzero(town.ordinary() & (town.deserted == NEVER) & (town.created < town.spec.audit_start))
    household = rng.choice(old, groups * GROUP, replace=False).astype(np.int64)
    rows = _rows(household, np.repeat(town.new_users(groups), GROUP), requested, WITHDRAWN)
    rows["status"][::GROUP] = PENDING
    rows["responded"] = np.where(rows["status"] == PENDING, NEVER, requested + 7 * MINUTE)
    return rows


def _unsuccessful(town: Residents, count: int, rng: np.random.Generator) -> list[Columns]:
    """Rejected, withdrawn and pending requests of outsiders, and of some who were let in at a second attempt."""
    spec, members = town.spec, town.members
    lasting = _lasting_households(town)
    retried = np.flatnonzero(
        (members["asked"] > town.created[members["household"]] + DAY)
        & (town.deserted[members["household"]] == NEVER)
        & (members["user"] >= spec.households)
        & (rng.random(len(members["user"])) < 0.01)
    )[: count // 10]
    born = town.created[members["household"][retried]] + HOUR
    first_try = born + ((members["asked"][retried] - 2 * HOUR - born) * (0.5 + rng.random(len(retried)) / 2)).astype(
        np.int64
    )
    again = _rows(members["household"][retried], members["user"][retried], first_try, REJECTED)
    again["responded"] = first_try + rng.integers(MINUTE, HOUR, len(retried))
    parts = [again]
    shares = {REJECTED: 0.5, WITHDRAWN: 0.2}
    left = count - len(retried)
    for status in (REJECTED, WITHDRAWN, PENDING):
        size = round((count - len(retried)) * shares[status]) if status in shares else left
        left -= size
        household = rng.choice(lasting, size)
        begins = town.created[household] + HOUR
        if status == PENDING:
            begins = np.maximum(begins, spec.quiet_from - 40 * DAY)
        requested = begins + ((spec.quiet_from - 2 * HOUR - begins) * rng.random(size)).astype(np.int64)
        rows = _rows(household, town.new_users(size), requested, status)
        if status != PENDING:
            rows["responded"] = requested + rng.integers(20 * SECOND, HOUR, size)
        parts.append(rows)
    return parts
