"""What a look leaves for the next one, so that it can tell what changed."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel

from detectors.contract import Context, Tie
from detectors.engine.endings import Ending
from detectors.engine.foreseen import Foreseen
from detectors.source.bucket_sums import BUCKETS, Sums
from detectors.source.health import Health


@dataclass(frozen=True, slots=True)
class Begins:
    """What a scan concludes from besides rows: how its detectors begin, what is odd about the source's words, and since when it is audited."""

    outlook: str
    signs: frozenset[str]
    audit_began: datetime | None
    repeated: frozenset[str] = frozenset()
    """The tables that hold rows twice."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """What a look leaves for the next one: which row versions it saw, what it held, and by which rules it judged."""

    as_of: datetime
    watermark: datetime
    server: str
    least: int
    next: int
    rules: str
    outlook: str
    signs: frozenset[str]
    audit_began: datetime | None
    sums: Mapping[str, Sums]
    listed: frozenset[str] = frozenset()
    """Households in which something is wrong that no finding names by itself: rows of incidents."""
    ties: Mapping[str, tuple[Tie, ...]] = field(default_factory=dict)
    """The connected accounts of the findings of the look, by `tied_by`."""
    foreseen: Mapping[str, Foreseen] = field(default_factory=dict)
    """By table, the times that lie ahead; none of a table of which these are too many."""

    def dumped(self) -> str:
        plain = {
            "as_of": self.as_of.isoformat(),
            "watermark": self.watermark.isoformat(),
            "audit_began": self.audit_began and self.audit_began.isoformat(),
            "server": self.server,
            "least": self.least,
            "next": self.next,
            "rules": self.rules,
            "outlook": self.outlook,
            "signs": sorted(self.signs),
            "listed": sorted(self.listed),
            "ties": {name: [tie.model_dump() for tie in some] for name, some in self.ties.items()},
            "foreseen": {name: [one.until.isoformat(), sorted(one.times)] for name, one in self.foreseen.items()},
            "sums": {name: [_packed(one.rows), _packed(one.checks)] for name, one in self.sums.items()},
        }
        return json.dumps(plain, separators=(",", ":"))


def loaded(told: str | None) -> Bookmark | None:
    """The bookmark that was `dumped`; None for one that cannot be read."""
    try:
        kept = _Kept.model_validate_json(told or "", strict=True)
        sums = {name: Sums(*map(_unpacked, packed)) for name, packed in kept.sums.items()}
        ahead = {name: Foreseen(until, times) for name, (until, times) in kept.foreseen.items()}
        return Bookmark(**{**dict(kept), "sums": sums, "foreseen": ahead})
    except (ValueError, zlib.error):
        return None


class _Kept(BaseModel):
    """A bookmark as it is written."""

    as_of: AwareDatetime
    watermark: AwareDatetime
    server: str
    least: int
    next: int
    rules: str
    outlook: str
    signs: frozenset[str]
    audit_began: AwareDatetime | None
    listed: frozenset[str]
    ties: dict[str, tuple[Tie, ...]]
    foreseen: dict[str, tuple[AwareDatetime, frozenset[tuple[int, str]]]]
    sums: dict[str, tuple[str, str]]


def _packed(numbers: array[int]) -> str:
    return base64.b64encode(zlib.compress(numbers.tobytes(), 1)).decode("ascii")


def _unpacked(packed: str) -> array[int]:
    room = BUCKETS * array("q").itemsize
    numbers = array("q", zlib.decompressobj().decompress(base64.b64decode(packed), room + 1))
    if len(numbers) != BUCKETS:
        raise ValueError("another number of buckets")
    return numbers


def digest_of(told: Any) -> str:
    """A short name for what is equal again only if all of it is."""
    plain = json.dumps(
        told, sort_keys=True, default=lambda one: sorted(map(str, one)) if isinstance(one, frozenset) else str(one)
    )
    return hashlib.sha256(plain.encode()).hexdigest()[:32]


def begins_of(endings: Mapping[str, Ending], context: Context, health: Health) -> Begins:
    """How a scan begins whose detectors have not looked yet."""
    told = {name: [one.status, one.reason] for name, one in endings.items()}
    odd = [sorted(some) for some in (context.never_written, health.zeros, health.once)]
    return Begins(digest_of([told, odd]), health.signs, context.audit_began, health.once)
