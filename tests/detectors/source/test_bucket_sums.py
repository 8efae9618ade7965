"""What newer rows explain of a difference between two looks is no loss, and a loss is never explained away."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from detectors.source.bucket_sums import BUCKETS, Sums, glanced
from tests.support.effort import tries


@dataclass(frozen=True)
class Row:
    check: int
    bucket: int

    def told(self, age: str) -> str:
        return f"{self.check} {self.bucket} {age} {self.bucket}"


def sums_of(rows: list[Row]) -> Sums:
    sums = Sums(array("q", bytes(8 * BUCKETS)), array("q", bytes(8 * BUCKETS)))
    for row in rows:
        sums.rows[row.bucket] += 1
        sums.checks[row.bucket] ^= row.check
    return sums


def xor(rows: list[Row]) -> int:
    together = 0
    for row in rows:
        together ^= row.check
    return together


AGES = st.sampled_from(("old", "new", ""))


@tries(300)
@given(st.integers(), st.integers(0, 4), st.integers(0, 6), st.integers(0, 30), AGES, AGES)
def test_rows_are_lost_or_explained(
    seed: int, lost: int, came: int, changed: int, of_came: str, of_changed: str
) -> None:
    drawn = Random(seed)
    rows = [Row(drawn.getrandbits(64) - 2**63, drawn.randrange(BUCKETS)) for _ in range(80)]
    before, now = rows[:60], [*rows[lost:60], *rows[60 : 60 + came]]
    told = [
        *(row.told(of_came) for row in rows[60 : 60 + came]),
        *(row.told(of_changed) for row in rows[20 : 20 + changed]),
    ]
    seen = {"rows": len(now), "checks": xor(now), "changed": told, "ahead": None}
    found = glanced(seen, sums_of(before), 2)
    if found is not None:
        assert not lost
        assert found.sums == sums_of(now)
        assert found.owners == frozenset(one.rpartition(" ")[2] for one in told)
    doubted = (came if not of_came else 0) + (changed if not of_changed else 0)
    if not lost and doubted <= 24 and (not came or of_came != "old") and (not changed or of_changed != "new"):
        assert found is not None


def test_times_that_lie_ahead_are_told_with_whose_they_are() -> None:
    ahead = ["5  a home", " 7 an other", "8 9 a home", "  nobodys", "3 4 "]
    found = glanced({"rows": 0, "checks": None, "changed": None, "ahead": ahead}, sums_of([]), 2)
    assert found is not None
    assert found.ahead == {(5, "a home"), (7, "an other"), (8, "a home"), (9, "a home")}
