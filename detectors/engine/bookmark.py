"""What a look leaves for the next one, so that it can tell what changed."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detectors.contract import Context
from detectors.engine.endings import Ending
from detectors.source.health import Health
from detectors.source.row_versions import BUCKETS, Sums


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
            "sums": {name: [_packed(one.rows), _packed(one.checks)] for name, one in self.sums.items()},
        }
        return json.dumps(plain, separators=(",", ":"))


def loaded(told: str | None) -> Bookmark | None:
    """The bookmark that was `dumped`; None for one that cannot be read."""
    try:
        plain = json.loads(told or "")
        return Bookmark(
            as_of=datetime.fromisoformat(plain["as_of"]),
            watermark=datetime.fromisoformat(plain["watermark"]),
            audit_began=plain["audit_began"] and datetime.fromisoformat(plain["audit_began"]),
            server=plain["server"],
            least=plain["least"],
            next=plain["next"],
            rules=plain["rules"],
            outlook=plain["outlook"],
            signs=frozenset(plain["signs"]),
            listed=frozenset(plain["listed"]),
            sums={name: Sums(*map(_unpacked, packed)) for name, packed in plain["sums"].items()},
        )
    except (ValueError, KeyError, TypeError, zlib.error):
        return None


def _packed(numbers: array[int]) -> str:
    return base64.b64encode(zlib.compress(numbers.tobytes(), 1)).decode("ascii")


def _unpacked(packed: str) -> array[int]:
    numbers = array("q", zlib.decompress(base64.b64decode(packed)))
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
