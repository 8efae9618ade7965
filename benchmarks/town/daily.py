"""What the members do all day: views in bursts, pets fed, sessions used, log-ins; in chunks of at most a day."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.town.events import events, picked
from benchmarks.town.founding import Residents, joined_columns
from benchmarks.town.spec import DAY, HOUR, MINUTE, NEVER, NOBODY, SECOND, Columns, Flags, Integers, TownSpec

HOURLY = (2, 1, 1, 1, 2, 4, 8, 11, 9, 7, 6, 6, 7, 6, 6, 6, 7, 9, 12, 13, 12, 9, 6, 4)
"""How busy each hour of a UTC day is, relative to the others."""

_ELAPSED = np.concatenate([[0.0], np.cumsum(HOURLY) / sum(HOURLY)])

SHARES = {
    "household_dashboard_viewed": 0.06,
    "api_request": 0.16,
    "session_used": 0.08,
    "login_succeeded": 0.04,
    "household_updated": 0.004,
    "lock_acquisition_timeout": 0.0002,
    "burst": 0.40,
}
"""Share of the day's events by type; pets' lives are the rest. A burst is three views of one screen."""

MOST_AT_ONCE = 250_000
"""Events that are comfortably held in memory together."""

LATE_SHARE = 0.03
SLOW_SHARE = 0.003
"""Views that take more than ten seconds: well under the one in a hundred that would be news."""


def quick_share(moment_of_day: int) -> float:
    """The share of a day's activity that lies before this microsecond of the day."""
    return float(np.interp(moment_of_day / HOUR, np.arange(25), _ELAPSED))


def _spans(spec: TownSpec) -> list[tuple[int, int]]:
    """The audited days, [from, to) in microseconds; quarters of days where a day would be too much at once."""
    last = spec.end - 4 * MINUTE
    step = DAY if spec.events / spec.days < MOST_AT_ONCE else DAY // 4
    edges = [spec.audit_start, *range((spec.audit_start // step + 1) * step, last, step), last]
    return list(itertools.pairwise(edges))


def daily_events(town: Residents, total: int) -> Iterator[Columns]:
    """Chunks, each of at most a day, that hold `total` events in all; in no order within a chunk."""
    spans = _spans(town.spec)
    busy = np.array([_busy(begin, stop) for begin, stop in spans])
    sizes = np.diff(np.round(np.concatenate([[0.0], np.cumsum(busy) / busy.sum()]) * total)).astype(int)
    stop = np.minimum(town.members["ended"], town.members["expires"])
    people = _people(town)
    for day, ((begin, end), size) in enumerate(zip(spans, sizes, strict=True)):
        present = np.flatnonzero((town.members["joined"] < begin) & (stop > end)).astype(np.int64)
        rng = town.spec.rng("daily", day)
        rows = _one_day(_Crowd(people, present, (begin, end), rng), int(size))
        rows["correlation"] = (day + 1) * 10**9 + np.arange(len(rows["moment"]), dtype=np.int64)
        yield rows


def _busy(begin: int, stop: int) -> float:
    midnight = begin // DAY * DAY
    return quick_share(stop - midnight) - quick_share(begin - midnight)


def _people(town: Residents) -> Columns:
    """What an event copies from the stay of the member who caused it."""
    members = town.members
    active = np.bincount(members["household"], members["ended"] == NEVER, minlength=len(town.created))
    leads = members["user"] == town.leader_at(members["household"], np.full_like(members["joined"], town.spec.end))
    index = np.arange(len(members["user"]), dtype=np.int64)
    return {
        "household": members["household"],
        "user": members["user"],
        "session": np.where(has_session(index), index, NOBODY),
        "size": np.maximum(active[members["household"]], 1).astype(np.int64),
        "leads": np.where(leads, 1, NOBODY),
        "lasting": (members["ended"] == NEVER).astype(np.int64),
    }


def has_session(member_row: Integers) -> Flags:
    """Whether the app kept a session for this stay: every other one, as clients come and go."""
    kept: Flags = member_row % 2 == 0
    return kept


@dataclass(frozen=True)
class _Crowd:
    """The stays that last all through a day, as row numbers in `people`."""

    people: Columns
    present: Integers
    span: tuple[int, int]
    rng: np.random.Generator

    def anybody(self, count: int) -> Columns:
        """Members at random, the same one perhaps several times."""
        return picked(self.people, self.rng.choice(self.present, count))

    def each_once(self, count: int) -> Columns:
        """Different members who are not going to leave."""
        lasting = self.present[self.people["lasting"][self.present] == 1]
        return picked(self.people, self.rng.choice(lasting, min(count, len(lasting)), replace=False))

    def among(self, column: str, count: int) -> Columns:
        """Members at random in whose rows the column is not negative."""
        return picked(self.people, self.rng.choice(self.present[self.people[column][self.present] >= 0], count))

    def moments(self, count: int, *, after: int = 0, before: int = 0) -> Integers:
        """Times of the day, busy hours more often, with so much room at its start and end."""
        begin, end = self.span[0] + after, self.span[1] - before
        midnight = begin // DAY * DAY
        low, high = quick_share(begin - midnight), quick_share(end - midnight)
        hours = np.interp(low + (high - low) * self.rng.random(count), _ELAPSED, np.arange(25))
        return midnight + (hours * HOUR).astype(np.int64)


def _one_day(crowd: _Crowd, size: int) -> Columns:
    counts = {kind: int(size * share) for kind, share in SHARES.items()}
    parts = [_burst(crowd, counts.pop("burst") // 3), _logins(crowd, counts.pop("login_succeeded"))]
    parts += [_plain(kind, crowd, count) for kind, count in counts.items()]
    used = sum(len(part["moment"]) for part in parts)
    return joined_columns([*parts, _plain("pet_activity_logged", crowd, size - used)])


def _durations(count: int, rng: np.random.Generator) -> Integers:
    """Milliseconds: mostly a fraction of a second, a known few slow but far from timing out."""
    usual = np.minimum(np.exp(rng.normal(5.6, 0.7, count)), 9_000)
    slow = rng.choice(count, int(count * SLOW_SHARE), replace=False)
    usual[slow] = 10_500 + 14_000 * rng.random(len(slow))
    return usual.astype(np.int64)


def _burst(crowd: _Crowd, count: int) -> Columns:
    """A dashboard, its member list and the settings, within two seconds."""
    rng, actor = crowd.rng, crowd.anybody(count)
    moment, mobile = crowd.moments(count, before=2 * SECOND), rng.integers(0, 2, count)
    seen = {"household": actor["household"], "user": actor["user"], "flag": actor["size"], "mobile": mobile}
    parts = []
    for page in ("dashboard", "member_list", "settings"):
        parts.append(events(f"household_{page}_viewed", moment, number=_durations(count, rng), **seen))
        moment = moment + rng.integers(100_000, 900_000, count)
    return joined_columns(parts)


def _plain(kind: str, crowd: _Crowd, count: int) -> Columns:
    if kind == "session_used":
        actor = crowd.among("session", count)
    elif kind == "household_updated":
        actor = crowd.among("leads", count)
    elif kind == "lock_acquisition_timeout":
        actor = crowd.each_once(count)
    else:
        actor = crowd.anybody(count)
    timed = kind in ("household_dashboard_viewed", "api_request")
    return events(
        kind,
        crowd.moments(count),
        household=actor["household"],
        user=actor["user"],
        session=actor["session"],
        number=_durations(count, crowd.rng) if timed else NOBODY,
        flag=actor["size"],
        mobile=crowd.rng.integers(0, 2, count),
    )


def _logins(crowd: _Crowd, count: int) -> Columns:
    """Log-ins of people who stay, each at most once a day, a fifth of them after one or two failures."""
    rng, actor = crowd.rng, crowd.each_once(count * 10 // 13)
    moment = crowd.moments(len(actor["user"]), after=2 * MINUTE)
    # One in five names the account in the metadata only.
    flag = (rng.random(len(moment)) < 0.2).astype(np.int64)
    parts = [events("login_succeeded", moment, user=actor["user"], flag=flag)]
    for share, before in ((0.2, 30 * SECOND), (0.1, 70 * SECOND)):
        failed = rng.random(len(moment)) < share
        parts.append(events("login_failed", moment[failed] - before, user=actor["user"][failed], flag=flag[failed]))
    return joined_columns(parts)
