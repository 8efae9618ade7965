"""Quick looks between nights, against the nights alone: nothing is lost, nothing comes later, nothing is made up."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from commands.nightly import night
from commands.options import Settings
from commands.quick import quick_look
from detectors.contract import Context, Window
from detectors.engine.by_day import left_to_night
from detectors.engine.runner import scan
from detectors.registry import BY_ID, DETECTORS
from detectors.source import SourceMapping, open_source
from escalation.ledger.ledger import open_ledger
from escalation.ledger.records import Entry
from escalation.nights.night import NightReport
from tests.support.day_life import DEEDS, HOMES, Day, people
from tests.support.effort import tries
from tests.support.postgres import RESTORED_PETFORCE, PostgresServer, load
from tests.support.town_life import MINUTE
from tests.support.towns import DAY, Town, with_later_life

FIRST = datetime(2026, 2, 3, 3, tzinfo=UTC)
"""The night before the first day."""


ONCE = ("new", "same-cause", "happened-again", "more-urgent", "rows-gone", "trail-gone")
"""What quick looks say no more often than nights do, or once where nights do not see it."""


@dataclass(frozen=True)
class Deed:
    minute: int
    what: str
    home: str
    late: int

    @property
    def at(self) -> datetime:
        return FIRST + self.minute * MINUTE


@dataclass(frozen=True)
class Plan:
    """What is done in two days, and at which minutes quick looks are taken."""

    deeds: tuple[Deed, ...]
    looks: tuple[int, ...]


MINUTES = st.integers(1, 2 * 1440 - 60).filter(lambda minute: minute % 1440)
PLANS = st.builds(
    Plan,
    st.lists(
        st.builds(
            Deed, MINUTES, st.sampled_from(sorted(DEEDS)), st.sampled_from(HOMES), st.sampled_from((0, 0, 0, 20, 55))
        ),
        min_size=2,
        max_size=12,
    ).map(lambda deeds: tuple(sorted(deeds, key=lambda deed: deed.minute))),
    st.lists(MINUTES, min_size=1, max_size=5, unique=True).map(lambda looks: tuple(sorted(looks))),
)


def town() -> Town:
    town = Town()
    # Enough of them that the faults of a day are no cut export.
    for home in (*HOMES, *(f"home {number}" for number in range(20))):
        town.family(home, *people(home))
    return with_later_life(town)


@dataclass
class Played:
    """One database watched twice: by nights alone, and by nights with quick looks."""

    url: str
    folder: Path
    everything: list[bool] = field(default_factory=list)
    """Of each quick look whether it said that it reads everything."""

    def settings(self, ledger: str, at: datetime) -> Settings:
        place = self.folder / ledger
        return Settings(source=self.url, ledger=f"sqlite:///{place}.db", queue=f"folder:{place}", as_of=at, now=at)

    def night(self, ledger: str, at: datetime) -> NightReport:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return night(self.settings(ledger, at), "json", announced=False)[0]

    def quick(self, at: datetime) -> NightReport:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as told:
            report = quick_look(self.settings("quick", at), "json")[0]
        self.everything.append("this look reads everything" in told.getvalue())
        return report

    def whole(self, at: datetime) -> set[str]:
        """What a look at everything finds at that time."""
        midnight = at.replace(hour=0, minute=0)
        with open_source(self.url, SourceMapping()) as source:
            result = scan(source, DETECTORS, Context(as_of=at, window=Window(midnight - DAY, midnight)))
        return {one.fingerprint for one in result.findings}

    def said(self, ledger: str) -> Counter[tuple[str, str]]:
        """How often each thing was said of a finding, by its fingerprint and the reason."""
        with open_ledger(f"sqlite:///{self.folder / ledger}.db", exclusive=False) as opened, opened.begin() as tx:
            decisions = {one for ticket in tx.tickets() for one in tx.decisions_of(ticket) if one.action != "none"}
        return Counter((one.fingerprint, one.reason) for one in decisions)

    def kept(self, ledger: str) -> dict[str, Entry]:
        with open_ledger(f"sqlite:///{self.folder / ledger}.db", exclusive=False) as opened, opened.begin() as tx:
            return tx.entries_for(tx.fingerprints())


def play(plan: Plan, url: str, folder: Path) -> Played:
    played = Played(url, folder)
    for ledger in ("nights", "quick"):
        played.night(ledger, FIRST)
    with psycopg.connect(url, autocommit=True) as connection:
        day = Day(connection)
        steps: list[tuple[int, int, Deed | None]] = [(deed.minute, 0, deed) for deed in plan.deeds]
        steps += [(minute, 1, None) for minute in plan.looks]
        steps += [(1440 * number, 2, None) for number in (1, 2, 3)]
        for minute, kind, deed in sorted(steps, key=lambda step: step[:2]):
            at = FIRST + minute * MINUTE
            day.written_until(at)
            if deed is not None:
                day.do(deed.what, deed.home, at, deed.late * MINUTE)
            elif kind == 1:
                check_look(played, played.quick(at), at)
            else:
                for ledger in ("nights", "quick"):
                    played.night(ledger, at)
    assert not any(played.everything[1:])
    return played


def check_look(played: Played, report: NightReport, at: datetime) -> None:
    """What a quick look does about a state is what a look at everything would do at that time."""
    there = played.whole(at)
    told = {one.fingerprint for one in report.findings}
    for one in report.told:
        assert left_to_night(BY_ID[one.detector]) is None
        if BY_ID[one.detector].meta.kind != "state":
            continue
        if one.action == "open":
            assert one.fingerprint in there | told, one
        if one.action == "verify":
            assert one.fingerprint not in there, one


def check_end(played: Played) -> None:
    nights, quick = played.kept("nights"), played.kept("quick")
    for key, entry in nights.items():
        assert key in quick, f"lost: {entry}"
        assert quick[key].first_seen_at <= entry.first_seen_at, (entry, quick[key])
        assert quick[key].present == entry.present, (entry, quick[key])
        assert quick[key].ticket_id is not None, (entry, quick[key])
    for key, entry in quick.items():
        if entry.kind == "occurrence":
            assert key in nights, f"made up: {entry}"
        elif entry.present and entry.status != "not-looked-at" and entry.explained_by is None:
            # Whose rows are gone stays there until a person has looked at it; what came first has a ticket of its own.
            assert key in nights, f"there by quick looks alone: {entry}"
            assert nights[key].present, entry
    before = played.said("nights")
    for (key, reason), times in played.said("quick").items():
        if reason in ONCE:
            assert times <= max(1, before[key, reason]), (quick[key], reason, times)


# Each example is some ten scans: a failing one is not made smaller, which would take many more.
@tries(
    2,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(PLANS)
def test_quick_looks_find_what_the_nights_find_no_later_and_nothing_else(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory, plan: Plan
) -> None:
    with postgres.new_database(RESTORED_PETFORCE) as database:
        load(database, town().tables())
        check_end(play(plan, database.url, tmp_path_factory.mktemp("played")))
