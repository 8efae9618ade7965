"""What one scan comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from detectors.contract import Coverage, Thinned
from detectors.engine.blind_spots import Spots
from detectors.engine.bookmark import Bookmark
from detectors.engine.doubts import Doubt
from detectors.engine.feed import Fed
from detectors.engine.newest import NOTHING_NEW, Newest
from detectors.findings import Alike, Found
from detectors.source import Notice


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found, how each detector ended, and how many rows of each table it looked at.

    The audit table is too big to be counted as a whole: `event_days` has its rows on the days that were asked for.
    """

    findings: tuple[Found, ...]
    coverage: tuple[Coverage, ...]
    rows_read: dict[str, int]
    notices: tuple[Notice, ...] = ()
    tables: frozenset[str] = frozenset()
    """The canonical tables that the source has."""
    event_days: Mapping[date, int] = field(default_factory=dict)
    audit_began: datetime | None = None
    newest: Newest = NOTHING_NEW
    """The newest rows, where the tables were looked at as a whole."""
    reached: datetime | None = None
    """The time of the newest audit row at or before the scan's: at least up to there the source is complete."""
    disbelieved: Mapping[str, str] = field(default_factory=dict)
    """The tables whose rows cannot be all there, each with the reason (see belief.py)."""
    behind: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By fingerprint, how many rows stand behind a state finding, by table (see rows_behind.py)."""
    thinned: Mapping[str, Thinned] = field(default_factory=dict)
    """By fingerprint that was asked after, what is missing behind it that was there before: rows, or living people."""
    spots: Mapping[str, Spots] = field(default_factory=dict)
    """By detector, what it does not look at here (see blind_spots.py)."""
    doubts: tuple[Doubt, ...] = ()
    """The households of which some rows cannot be relied on."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """By fingerprint, why nothing can be said of a finding that was made."""
    unknown_types: bool = False
    """Whether the audit table holds types of events that nobody knows: one of ours may be among them by another name."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """By fingerprint of a state that was asked after and not found, why it could not be seen here as it was before."""
    gone: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By table the ids that were asked after and of which it holds no row any more."""
    server: str | None = None
    """The number of the server that was read, where that was asked."""
    alike: tuple[Alike, ...] = ()
    """What was counted besides the findings."""
    fed: Fed | None = None
    """What the change feed told, where it was asked."""
    in_part: frozenset[str] = frozenset()
    """The fingerprints of groups of which a look at changes saw a part."""
    bookmark: Bookmark | None = None
    """What this look leaves for the next look at changes."""
