"""What was found before and is not found now: whether it could have been seen, by what it rested on when it was last seen."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from detectors.contract import Detector, Kind, Thinned
from detectors.engine.blind_spots import NO_SPOTS, Spot, Spots, concerns, types_gone, types_of
from detectors.engine.doubts import doubt_about
from detectors.engine.result import ScanResult
from detectors.engine.rows_behind import (
    ACTIVE,
    ANONYMISED,
    DELETED,
    METADATA,
    NO_EVIDENCE,
    Rows,
    added_up,
    rows_behind,
)
from detectors.source import Source
from detectors.source.trail import EVENTS

NAMES_LESS = f"{METADATA} names less in audit rows that were read before"


class Seen(Protocol):
    """A finding of an earlier scan, as somebody has kept it. `rows` is what it rested on then."""

    @property
    def detector(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def households(self) -> tuple[str, ...]: ...
    @property
    def last_seen_at(self) -> datetime: ...
    @property
    def rows(self) -> Mapping[str, int]: ...


def not_looked_at(spots: Spots) -> dict[str, int]:
    """What a detector does not look at, as a part of `Seen.rows`."""
    return {f"without {name}": 0 for name in spots}


def looked_back(
    source: Source,
    absent: Iterable[Seen],
    detectors: Mapping[str, Detector],
    result: ScanResult,
    as_of: datetime,
    watermark: datetime,
) -> tuple[dict[str, str], dict[str, Thinned]]:
    """Of findings that a scan did not find: by fingerprint why some could not be seen, and of which rows or people are missing.

    A detector that did not look at something on the night that last saw one has not become blind since.
    """
    by_time: dict[datetime, list[Seen]] = defaultdict(list)
    for seen in (one for one in absent if one.kind == "state"):
        by_time[seen.last_seen_at].append(seen)
    unseen: dict[str, str] = {}
    thinned: dict[str, Thinned] = {}
    for until, findings in by_time.items():
        homes = {home for seen in findings if seen.rows for home in seen.households}
        counted = rows_behind(source, homes, until, watermark)
        for seen in findings:
            detector = detectors[seen.detector]
            now = added_up(counted, seen.households, detector)
            # A request to support is open or it is not; a deletion that it asks for takes the rows of its person away.
            fewer = frozenset() if "support_id" in detector.meta.subject else _fewer(seen, now, result.disbelieved)
            new = dict(_new_spots(source, seen, fewer, result, as_of))
            reason = result.withheld.get(seen.fingerprint) or doubt_about(detector, seen.households, result.doubts)
            erased = _erased_since(seen, counted)
            reason = reason or _why(source, seen, fewer - erased, new, detector, renamed=result.unknown_types)
            if reason is not None:
                unseen[seen.fingerprint] = reason
            elif less := _less_alive(seen, now, detector) or ("rows-fewer" if fewer else None):
                thinned[seen.fingerprint] = less
    return unseen, thinned


def _less_alive(seen: Seen, now: Rows, detector: Detector) -> Thinned | None:
    """Whether people whom a finding was about are no longer there, where it is found among living people alone."""
    if detector.meta.among_the_living == "no" or ACTIVE not in seen.rows or ACTIVE not in now:
        return None
    before = seen.rows[ACTIVE] - seen.rows.get(DELETED, 0)
    if now[ACTIVE] <= now.get(DELETED, 0) and before > 0:
        return "nobody-left"
    deleted = detector.meta.among_the_living == "each" and now.get(DELETED, 0) > seen.rows.get(DELETED, 0)
    return "account-deleted" if deleted else None


def _fewer(seen: Seen, now: Rows, disbelieved: Collection[str]) -> frozenset[str]:
    """What there is less of behind a finding than when it was last seen."""
    asked = {key.partition(":")[0] for key in now}
    return frozenset(
        key
        for key, number in seen.rows.items()
        if key not in NO_EVIDENCE
        and re.split("[.:]", key)[0] not in disbelieved
        and key.partition(":")[0] in asked
        and now.get(key, 0) < number
    )


def _erased_since(seen: Seen, counted: Mapping[str, Rows]) -> frozenset[str]:
    """What there is less of because a person had their data erased since: no delivery brings it back."""
    now = sum(counted[home].get(ANONYMISED, 0) for home in seen.households if home in counted)
    return frozenset({METADATA}) if now > seen.rows.get(ANONYMISED, 0) else frozenset()


def _new_spots(
    source: Source, seen: Seen, fewer: Collection[str], result: ScanResult, as_of: datetime
) -> Iterator[tuple[str, Spot]]:
    """What the detector does not look at and did when it last saw the finding, as far as that touches it."""
    whole_trail = METADATA in seen.rows and not {METADATA, EVENTS} & set(fewer)
    # Rows that are gone are no rows that cannot be read, unless they are there under another name.
    only_lost = METADATA in seen.rows and EVENTS in fewer and not result.unknown_types
    for name, spot in result.spots.get(seen.detector, NO_SPOTS).items():
        known = f"without {name}" in seen.rows
        if known or (spot.trail and (whole_trail or only_lost)):
            continue
        if spot.column and not spot.trail and not concerns(source, spot.column, seen.households, as_of):
            continue
        yield name, spot


def _why(
    source: Source, seen: Seen, fewer: Collection[str], new: Spots, detector: Detector, *, renamed: bool
) -> str | None:
    if METADATA in new:
        return new[METADATA].reason
    if new:
        return "; ".join(dict.fromkeys(spot.reason for spot in new.values()))
    if EVENTS in fewer:
        types = {key.partition(":")[2] for key in fewer if ":" in key}
        gone = types_gone(source, types if METADATA in seen.rows else types_of(detector)) if renamed else []
        return f"the source no longer writes {' or '.join(gone)}" if gone else None
    return NAMES_LESS if METADATA in fewer else None
