"""A look at what changed finds what a look at everything finds, whatever is written between two looks and whenever it commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
from hypothesis import Phase, example, given
from hypothesis import strategies as st

from detectors.contract import Context, Window
from detectors.engine.by_day import by_day
from detectors.engine.feed import Bookmark, Feed, loaded
from detectors.engine.runner import ScanResult, scan
from detectors.findings import Found
from detectors.limits import Limits
from detectors.passes import PASSES
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source
from detectors.source.row_versions import BUCKETS
from tests.support.changes import HOMES, PEOPLE, WRITES, Clients, Write
from tests.support.effort import tries
from tests.support.postgres import RESTORED_PETFORCE, PostgresServer, load
from tests.support.town_life import MINUTE, uid
from tests.support.towns import Town, with_later_life

FIRST = datetime(2026, 2, 3, 9, tzinfo=UTC)
LATE = timedelta(hours=1)
ASKED = [
    one
    for one in by_day(DETECTORS)
    if any(PASSES[subscription.on].by_rows or subscription.on == "presence" for subscription in one.subscriptions)
]
"""Those that look at changes alone, and what they share a pass with."""


def town() -> Town:
    town = Town()
    # Enough of them that one fault is no cut export.
    for home in (*HOMES, *(f"home {number}" for number in range(20))):
        town.family(home, *(f"{home} {one}" for one in PEOPLE))
        for one in PEOPLE:
            town.account(f"{home} {one}")
    return with_later_life(town)


@dataclass
class Looker:
    """Looks again and again, by what changed, and compares each look with one at everything."""

    url: str
    limits: Limits = field(default_factory=Limits)
    bookmark: Bookmark | None = None
    known: list[Found] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    reasons: list[str | None] = field(default_factory=list)

    def scan(self, at: datetime, feed: Feed | None) -> ScanResult:
        context = Context(at, Window(at.replace(hour=0, minute=0), at), self.limits, late=LATE)
        with open_source(self.url, SourceMapping()) as source:
            return scan(source, ASKED, context, feed=feed)

    def changed(self, at: datetime) -> ScanResult:
        states = [one for one in self.known if one.kind == "state"]
        feed = Feed(
            "the rules",
            self.bookmark,
            LATE,
            frozenset(home for one in states for home in one.households),
            frozenset(one.subject["user_id"] for one in states if "user_id" in one.subject),
            frozenset(one.detector for one in states if "operation" in one.subject),
        )
        return self.scan(at, feed)

    def look(self, at: datetime) -> None:
        found, everything = self.changed(at), self.scan(at, None)
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


WRITTEN = st.builds(
    Write,
    st.sampled_from((0, 0, 1, 2)),
    st.sampled_from(sorted(WRITES)),
    st.sampled_from(HOMES),
    st.sampled_from(PEOPLE),
    st.sampled_from((0, 0, 0, 1, 3, 50)),
)
COMMIT = st.sampled_from((1, 2))
WAIT = st.sampled_from((1, 2, 5, 5, 30, 70))
"""Minutes until the next look."""
STEPS = st.lists(st.tuples(st.lists(WRITTEN | COMMIT, max_size=6), WAIT), min_size=2, max_size=5)


IN_TURN: list[tuple[list[Write | int], int]] = [
    ([Write(1, "unled", "oak", "one"), Write(0, "stranger", "elm", "one")], 5),
    ([1, Write(0, "moved", "fir", "three")], 5),
    ([Write(0, "erased", "elm", "one"), Write(0, "sitter", "ash", "one")], 5),
    ([Write(2, "second home", "bay", "two"), Write(0, "account deleted", "fir", "one")], 52),
    ([2, Write(0, "requests lost", "yew", "three"), Write(0, "account deleted", "fir", "one")], 1),
    ([], 2),
]
"""What commits after newer rows were seen, goes away without a trace, or is wrong after a time."""


@tries(
    6,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(STEPS)
@example(IN_TURN)
def test_what_is_found_by_changes_is_what_is_found_by_reading_everything(
    postgres: PostgresServer, steps: list[tuple[list[Write | int], int]]
) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database:
        load(database, town().tables())
        looker, clients, now = Looker(database.url), Clients(database.url), FIRST
        try:
            looker.look(now)
            for writes, minutes in steps:
                for one in writes:
                    if isinstance(one, Write):
                        clients.do(one, now)
                    else:
                        clients.commit(one)
                now += minutes * MINUTE
                looker.look(now)
        finally:
            clients.close()
        looker.look(now + 5 * MINUTE)
        looker.look(now + 10 * MINUTE)
        assert looker.reasons[-1] is None


def test_a_row_that_goes_over_to_a_household_of_the_same_bucket_is_lost_to_its_own(postgres: PostgresServer) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database, database.connect() as connection:
        one, other = _in_one_bucket(connection)
        lived_in = town()
        for home in (one, other):
            lived_in.family(home, f"{home} one", f"{home} two")
        load(database, lived_in.tables())
        looker = Looker(database.url)
        looker.look(FIRST)
        connection.execute(
            "UPDATE household_members SET household_id = %s WHERE user_id = %s", (uid(other), uid(f"{one} one"))
        )
        looker.look(FIRST + 5 * MINUTE)
        assert looker.reasons[-1] is None
        assert "no-leader" in {found.detector for found in looker.known if uid(one) in map(UUID, found.households)}


def _in_one_bucket(connection: psycopg.Connection) -> tuple[str, str]:
    """Two households of one bucket, by their names."""
    seen: dict[int, str] = {}
    for number in range(1_000):
        name = f"drawn {number}"
        row = connection.execute("SELECT uuid_hash(%s) & %s", (uid(name), BUCKETS - 1)).fetchone()
        if row is not None and row[0] in seen:
            return seen[row[0]], name
        seen[row[0] if row else -1] = name
    raise AssertionError("no two households share a bucket")
