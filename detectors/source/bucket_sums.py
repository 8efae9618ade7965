"""What the rows of a table are together, and which of them were lost since an earlier look: counts and checksums, by bucket.

A newer version of a row stands for an earlier one or for a new row. What none of them explains has been deleted.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

_BITS = 2**64 - 1
BUCKETS = 4_096
"""A row that is lost has so small a part of all households looked at."""
_TRIED = 2**14
"""So many combinations are tried to explain what is missing in a bucket; after that its households are looked at."""
_DOUBTED = 24
"""Of so many newer rows at most it is worked out whether they are new; of more, chance might explain what is missing."""


@dataclass(frozen=True, slots=True)
class Sums:
    """How many rows each bucket holds, and a checksum of which."""

    rows: array[int]
    checks: array[int]

    @property
    def total(self) -> int:
        return sum(self.rows)


@dataclass(frozen=True, slots=True)
class Written:
    """What one table holds now, whose rows changed, and the buckets from which rows were lost."""

    sums: Sums
    owners: frozenset[str] = frozenset()
    lost: tuple[int, ...] = ()
    ahead: frozenset[tuple[int, str]] = frozenset()
    """The times, in microseconds, that were asked for as they will pass, and whose each is."""


@dataclass(frozen=True, slots=True)
class _Newer:
    """A row that is newer than the last look."""

    check: int
    bucket: int
    age: str


def _told(changed: Iterable[str]) -> tuple[list[_Newer], frozenset[str]]:
    """The newer ones of the rows that `statement` tells of, and whose all of them are."""
    newer, owners = [], set()
    for told in changed:
        check, bucket, age, owner = told.split(" ", 3)
        if check:
            newer.append(_Newer(int(check), int(bucket), age))
        owners.add(owner)
    return newer, frozenset(owners - {""})


def _ahead(told: Iterable[str] | None, times: int) -> Iterator[tuple[int, str]]:
    """The times that each row tells of, of so many at most, and whose they are."""
    for row in told or ():
        *moments, owner = row.split(" ", times)
        yield from ((int(moment), owner) for moment in moments if moment and owner)


def glanced(row: Mapping[str, Any], before: Sums, times: int) -> Written | None:
    """What the row of a `statement` that is not by bucket tells, if newer rows explain the difference; None if rows may be lost.

    A row has so many `times`.
    """
    newer, owners = _told(row["changed"] or ())
    came = [one for one in newer if one.age == "new"]
    doubted = [one for one in newer if not one.age]
    there = _xor(before.checks) ^ (row["checks"] or 0) ^ _xor(one.check for one in came)
    among = _made_of([one.check for one in doubted], there) if len(doubted) <= _DOUBTED else None
    if among is None or len(came) + len(among) != row["rows"] - before.total:
        return None
    now = Sums(before.rows[:], before.checks[:])
    for one in (*came, *(doubted[place] for place in among)):
        now.rows[one.bucket] += 1
        now.checks[one.bucket] ^= one.check
    return Written(now, owners, ahead=frozenset(_ahead(row["ahead"], times)))


def _made_of(numbers: Sequence[int], wanted: int) -> list[int] | None:
    """The places of the `numbers` that are `wanted` together by XOR; None where none are, or several choices may be."""
    basis: dict[int, tuple[int, int]] = {}
    """By its highest bit a combination of numbers, and as bits the places of which it consists."""
    wanted, chosen = wanted & _BITS, 0
    for place, number in enumerate(numbers):
        rest, made = _reduced(number & _BITS, 1 << place, basis)
        if not rest:
            return None
        basis[rest.bit_length()] = rest, made
    wanted, chosen = _reduced(wanted, 0, basis)
    return None if wanted else [place for place in range(len(numbers)) if chosen >> place & 1]


def _reduced(number: int, made: int, basis: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    while number and (known := basis.get(number.bit_length())):
        number, made = number ^ known[0], made ^ known[1]
    return number, made


def written(rows: Sequence[Mapping[str, Any]], before: Sums | None, times: int) -> Written:
    """What the rows of a `statement` by bucket tell, compared with what there was `before`."""
    now = Sums(array("q", bytes(8 * BUCKETS)), array("q", bytes(8 * BUCKETS)))
    owners: set[str] = set()
    ahead: set[tuple[int, str]] = set()
    newer: dict[int, list[int]] = {}
    for row in rows:
        bucket = row["bucket"]
        ahead.update(_ahead(row["ahead"], times))
        now.rows[bucket], now.checks[bucket] = row["rows"], row["checks"]
        if before is not None:
            told, whose = _told(row["changed"] or ())
            newer[bucket] = [one.check for one in told]
            owners |= whose
    lost = tuple(_lost(now, before, newer)) if before is not None else ()
    return Written(now, frozenset(owners), lost, frozenset(ahead))


def _lost(now: Sums, before: Sums, newer: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """The buckets in which something is missing that no newer version of a row stands for."""
    for bucket in range(BUCKETS):
        new = newer.get(bucket, ())
        missing = before.rows[bucket] - now.rows[bucket] + len(new)
        check = before.checks[bucket] ^ now.checks[bucket] ^ _xor(new)
        if (missing or check) and not _explained(missing, check, new):
            yield bucket


def _explained(missing: int, check: int, fresh: Sequence[int]) -> bool:
    """Whether `missing` rows with this checksum are among the newer versions, so that they were changed and not deleted."""
    if not 0 < missing <= len(fresh) or math.comb(len(fresh), missing) > _TRIED:
        return False
    return any(_xor(some) == check for some in combinations(fresh, missing))


def _xor(numbers: Iterable[int]) -> int:
    together = 0
    for one in numbers:
        together ^= one
    return together
