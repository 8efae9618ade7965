"""The real process dies at every step of `run`, and the next run carries on: each ticket once, each comment once, none lost.

A night's decisions are recorded in one transaction. So whatever a run that was killed leaves behind, what the next run
makes of it must be exactly what undisturbed runs would have made: with the killed run counted once, or not at all.

HEARTHWATCH_CRASH_POINTS says at how many steps of each night the process is killed (`all` for every one).
"""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.faulty_proxy import proxy_to
from tests.support.nursery import Ended, Nursery, nursery
from tests.support.outcomes import FolderWorld, HelpdeskWorld, Outcome, World
from tests.support.three_nights import NIGHTS, POLICY, TICKETS, write_source
from tests.support.zendesk_stub import zendesk

POINTS = os.environ.get("HEARTHWATCH_CRASH_POINTS", "5")
WHOLE_RUNS = 1
"""So many runs of a night get a signal at a random moment, with their scan."""
ENDINGS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def endings(world: World, night: int) -> tuple[signal.Signals, ...]:
    """Half of the signals for each night, so that each world has each of them: a whole run takes as long as ten others."""
    return ENDINGS if POINTS == "all" else ENDINGS[(night + isinstance(world, FolderWorld)) % 2 :: 2]


@dataclass
class Place:
    """A world in which nights are run, killed or not."""

    nursery: Nursery
    world: World
    sources: list[str]
    quick: int | None = None
    """The night in place of which a quick look is taken."""

    def run(
        self,
        night: int,
        *,
        die_at: int | None = None,
        die_after: float | None = None,
        by: signal.Signals = signal.SIGKILL,
    ) -> Ended:
        return self.nursery.run(
            *("run", "--source", self.sources[night], "--as-of", NIGHTS[night], "--queue", self.world.queue),
            *("--policy", str(Path(self.sources[night]).parent / "policy.toml")),
            *(("--quick",) if night == self.quick else ()),
            environment=self.world.environment,
            die_at=die_at,
            die_after=die_after,
            by=by,
            whole=die_after is not None,
        )

    def lives(self, *nights: int) -> Outcome:
        """What undisturbed runs leave behind."""
        for night in nights:
            ended = self.run(night)
            assert ended.code == 0, ended.output
            self.world.hours_pass()
        return self.world.outcome()

    def until(self, night: int) -> None:
        """Everything that comes before a night; somebody calls a removal resolved that is not."""
        for before in range(night):
            self.lives(before)
            if before == 0:
                (removal,) = [
                    row["external_id"]
                    for row in self.world.outcome().ledger["tickets"]
                    if row["detector"] == "removal-not-applied"
                ]
                self.world.somebody_resolves(removal)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The town of each night."""
    folder = tmp_path_factory.mktemp("nights")
    (folder / "policy.toml").write_text(POLICY, encoding="utf-8")
    return [write_source(folder / f"night-{night}", night) for night in range(len(NIGHTS))]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scans")


@pytest.fixture(params=["folder", "helpdesk"])
def place(request: pytest.FixtureRequest, tmp_path: Path, sources: list[str], scans: Path) -> Iterator[Place]:
    home = tmp_path / "home"
    home.mkdir()
    with nursery(home, scans) as forks:
        if request.param == "folder":
            yield Place(forks, FolderWorld(home), sources)
        else:
            with zendesk() as stub, proxy_to(stub.url) as proxy:
                yield Place(forks, HelpdeskWorld(home, stub, proxy), sources)


@pytest.mark.parametrize("night", [0, 1, 2])
def test_killed_at_any_step(place: Place, night: int, record_property: Callable[[str, object], None]) -> None:
    place.until(night)
    start = Start(place, night)
    assert len(start.after(night).said) == TICKETS[night]
    kills = sum(start.killed_at(point, seed) for point, seed in start.points())
    kills += sum(start.stopped_after(seed, by) for by in endings(place.world, night) for seed in range(WHOLE_RUNS))
    record_property("killed", kills)
    print(f"\n{type(place.world).__name__}, night {night + 1}: killed {kills} times")
    assert kills > 0


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_quick_look_is_killed_at_any_step(place: Place) -> None:
    place.quick = 1
    place.until(1)
    start = Start(place, 1)
    assert len(start.after(1).said) > len(start.after().said)
    assert sum(start.killed_at(point, seed) for point, seed in start.points()) > 0


class Start:
    """A place as it is before a night, to which everything can be put back."""

    def __init__(self, place: Place, night: int) -> None:
        self.place, self.night = place, night
        self._kept = place.world.keep()
        self._histories: dict[tuple[int, ...], Outcome] = {}

    def again(self) -> World:
        self.place.world.put_back(self._kept)
        return self.place.world

    def after(self, *nights: int) -> Outcome:
        """What these nights leave behind where nothing disturbs them."""
        if nights not in self._histories:
            self.again()
            self._histories[nights] = self.place.lives(*nights)
        return self._histories[nights]

    def killed_at(self, point: int, seed: int) -> int:
        """A run killed before a step, and what comes next: the same night again, perhaps killed again, or the next one."""
        night, place = self.night, self.place
        same = [self.after(night), self.after(night, night), self.after(night, night, night)]
        later = [one.without_reminders() for one in (self.after(night + 1), self.after(night, night + 1))]
        world = self.again()
        world.trouble(seed)
        kills = int(place.run(night, die_at=point).killed)
        world.hours_pass()
        match seed // world.ways:
            case 0:
                assert place.lives(night) in same, (point, seed)
            case 1:
                assert place.lives(night + 1).without_reminders() in later, (point, seed)
            case _:
                kills += place.run(night, die_at=1 + 7 * point % 11).killed
                world.hours_pass()
                assert place.lives(night) in same, (point, seed)
        return kills

    def stopped_after(self, seed: int, by: signal.Signals) -> int:
        """A whole run, with its scan, that gets a signal at some moment."""
        same = [self.after(self.night), self.after(self.night, self.night)]
        world = self.again()
        seconds = random.Random(f"{self.night} {seed} {by.name}").uniform(0.1, 1.5)
        ended = self.place.run(self.night, die_after=seconds, by=by)
        if by != signal.SIGKILL:
            assert ended.code in (0, 128 + by), ended.output
            assert "Traceback" not in ended.output
            if ended.code:
                assert ended.output.splitlines()[-1].startswith(f"hearthwatch: stopped by {by.name}"), ended.output
        world.hours_pass()
        assert self.place.lives(self.night) in same, (by.name, seconds)
        return int(ended.code != 0)

    def points(self) -> Iterator[tuple[int, int]]:
        """The steps before which to kill, each with the seed of what else goes wrong.

        The steps are counted in runs that have the same trouble and are not killed.
        """
        ways = self.place.world.ways
        chosen = random.Random(self.night)
        counted: dict[int, int] = {}
        for number in itertools.count() if POINTS == "all" else range(int(POINTS)):
            way = number % ways
            if way not in counted:
                world = self.again()
                world.trouble(way)
                counted[way] = len(self.place.run(self.night).steps)
                world.hours_pass()
            point = 1 + (number // ways if POINTS == "all" else chosen.randrange(counted[way]))
            if point <= counted[way]:
                # Seeds that differ by the number of ways have the same trouble, and another sequel.
                yield point, way + ways * (number // ways % 3)
            elif point > max(counted.values()):
                return
