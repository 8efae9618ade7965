"""What a town looks like: its sizes, its time span and its seed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
"""Every column of a simulated table: indexes, flags or microseconds since 1970 in UTC."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

Columns = dict[str, Integers]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NEVER = 2**62
"""A time that does not come: an open end, or no expiry."""

NOBODY = -1
"""An absent reference (user, household, request, ...) or an absent number."""

DEFAULT_AS_OF = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class TownSpec:
    """The shape of a town; equal specs give identical rows.

    `requests` bounds how many people joined by request (85 % of the requests are approved), so member rows
    beyond the creators and those are temporary sitters, most of them long gone.
    `plant` is the number of cases of each planted fault; `duplicates` allows the faults that
    UNIQUE(household_id, user_id) would refuse.
    """

    households: int
    members: int
    requests: int
    events: int
    days: int = 30
    as_of: datetime = DEFAULT_AS_OF
    seed: int = 1
    plant: int = 0
    duplicates: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a shape that ordinary life cannot fill."""
        if self.as_of.utcoffset() != timedelta(0):
            raise ValueError("as_of must be in UTC")
        if self.households < 200:
            raise ValueError("a town needs at least 200 households")
        if self.days < 8:
            raise ValueError("a town needs at least 8 days of events")
        joined = round(self.requests * APPROVED_SHARE)
        if self.members < self.households + joined:
            raise ValueError("more approved requests than there are members to come from them")
        if self.members > self.households * 4.5:
            raise ValueError("more than 4.5 members a household on average leave no room under the limit of 15")

    @property
    def end(self) -> int:
        """The town's end, in microseconds."""
        return round(self.as_of.timestamp()) * SECOND

    @property
    def audit_start(self) -> int:
        """When the audit table begins, in microseconds."""
        return self.end - self.days * DAY

    @property
    def quiet_from(self) -> int:
        """No step of anybody's story begins later than this, so that none is in flight at the end."""
        return self.end - 15 * MINUTE

    def rng(self, *purpose: str | int) -> np.random.Generator:
        """A generator of its own for each purpose, so that one part's draws do not move another's."""
        words = [word if isinstance(word, int) else zlib.crc32(word.encode()) for word in purpose]
        return np.random.Generator(np.random.PCG64([self.seed, *words]))

    def with_history(self, factor: int) -> TownSpec:
        """The same nightly volume of events over `factor` times as many days."""
        return replace(self, days=self.days * factor, events=self.events * factor)


APPROVED_SHARE = 0.85

PRESETS = {
    "tiny": TownSpec(households=500, members=1_500, requests=1_080, events=8_000),
    "small": TownSpec(households=20_000, members=60_000, requests=44_000, events=300_000),
    "large": TownSpec(households=1_000_000, members=3_000_000, requests=1_000_000, events=20_000_000),
}


def preset(size: str, *, seed: int = 1, plant: int = 0, duplicates: bool = False) -> TownSpec:
    """The named size with another seed or planted faults; raises KeyError for an unknown size."""
    return replace(PRESETS[size], seed=seed, plant=plant, duplicates=duplicates)
