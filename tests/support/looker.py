"""Looks at what changed, each compared with a look at everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from detectors.contract import Context, Window
from detectors.engine.bookmark import Bookmark, loaded
from detectors.engine.by_day import by_day
from detectors.engine.feed import Feed, read_feed
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan
from detectors.findings import Found
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source
from tests.support.acts import HOMES
from tests.support.changes import PEOPLE
from tests.support.towns import DAY, Town, with_later_life

LATE = timedelta(hours=1)
ASKED = by_day(DETECTORS)
ASKED_AT = datetime(2026, 2, 1, 9, tzinfo=UTC)


def town() -> Town:
    town = Town()
    # Enough of them that one fault is no cut export.
    for home in (*HOMES, *(f"home {number}" for number in range(20))):
        town.family(home, *(f"{home} {one}" for one in PEOPLE))
        for one in PEOPLE:
            town.account(f"{home} {one}")
    for home, elsewhere in zip(HOMES, (*HOMES[1:], HOMES[0]), strict=True):
        town.request(
            f"{home} two asked", elsewhere, f"{home} two", status="rejected", at=ASKED_AT, by=f"{elsewhere} one"
        )
    return with_later_life(town)


@dataclass
class Looker:
    """Looks again and again, by what changed, and compares each look with one at everything."""

    url: str
    bookmark: Bookmark | None = None
    known: list[Found] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    reasons: list[str | None] = field(default_factory=list)

    def scan(self, at: datetime, feed: Feed | None) -> ScanResult:
        context = Context(at, Window(at.replace(hour=0, minute=0), at), late=LATE)
        with open_source(self.url, SourceMapping()) as source:
            return scan(source, ASKED, context, feed=feed)

    def feed(self) -> Feed:
        states = [one for one in self.known if one.kind == "state"]
        return Feed(
            "the rules",
            self.bookmark,
            LATE,
            frozenset(home for one in states for home in one.households),
            frozenset(one.subject["user_id"] for one in states if "user_id" in one.subject),
            frozenset(one.detector for one in states if "operation" in one.subject),
        )

    def reason(self, at: datetime) -> str | None:
        """Why a look would read everything, as far as the feed itself tells."""
        with open_source(self.url, SourceMapping()) as source:
            return read_feed(source, self.feed(), Context(at, Window(at - DAY, at)), source.widen()).reason

    def look(self, at: datetime) -> None:
        found, everything = self.scan(at, self.feed()), self.scan(at, None)
        self.reasons.append(found.fed.reason if found.fed else "no feed")
        fed = {one.fingerprint: one for one in found.findings}
        whole = {one.fingerprint: one for one in everything.findings}
        self.told |= found.in_part
        missed = {key: one for key, one in whole.items() if key not in fed and key not in self.told}
        assert not missed, f"not found at {at}: {missed}"
        made_up = {key: one for key, one in fed.items() if key not in whole and key not in found.in_part}
        assert not made_up, f"made up at {at}: {made_up}"
        for key, one in fed.items():
            if one.kind == "state" and key not in found.in_part:
                assert (one.severity, one.households) == (whole[key].severity, whole[key].households)
        # What happened once need not be found again.
        self.told |= {key for key, one in fed.items() if one.kind == "occurrence"}
        self.known = [one for one in found.findings if one.fingerprint not in found.in_part]
        # As the ledger keeps it.
        self.bookmark = loaded(found.bookmark.dumped()) if found.bookmark else None
