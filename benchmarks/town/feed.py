"""All audit events of a town, in the order in which they reached the table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.town.daily import LATE_SHARE, daily_events
from benchmarks.town.events import picked
from benchmarks.town.founding import Residents, joined_columns
from benchmarks.town.spec import MINUTE, NEVER, NOBODY, SECOND, Columns, Integers


def arrivals(town: Residents, story: Columns, networks: Integers) -> Iterator[Columns]:
    """Chunks of events with `id` and `network` filled in.

    Ids grow in the order of arrival; three in a hundred rows arrive up to an hour after their event_timestamp.
    `story` are the events to be mixed into the daily ones, which fill up the town's number of events.
    """
    rng = town.spec.rng("arrivals")
    waiting = _delayed(story, town.spec.end, rng)
    next_id = 1
    daily = max(0, town.spec.events - len(story["moment"]))
    for today in daily_events(town, daily):
        arriving = joined_columns([waiting, _delayed(today, town.spec.end, rng)])
        horizon = int(today["moment"].max(initial=0))
        here = arriving["arrives"] <= horizon
        waiting = picked(arriving, ~here)
        yield _numbered(picked(arriving, here), next_id, networks)
        next_id += int(here.sum())
    yield _numbered(waiting, next_id, networks)


def _delayed(rows: Columns, end: int, rng: np.random.Generator) -> Columns:
    count = len(rows["moment"])
    late = rng.random(count) < LATE_SHARE
    delay = rng.integers(5_000, 2 * SECOND, count) + np.where(late, rng.integers(MINUTE, 55 * MINUTE, count), 0)
    return {**rows, "arrives": np.minimum(rows["moment"] + delay, end)}


def _numbered(rows: Columns, first_id: int, networks: Integers) -> Columns:
    order = np.argsort(rows["arrives"], kind="stable")
    rows = picked(rows, order)
    rows["id"] = first_id + np.arange(len(order), dtype=np.int64)
    owner = np.where(rows["network"] == NOBODY, rows["user"], rows["network"])
    rows["network"] = np.where(owner == NOBODY, NOBODY, networks[owner])
    return rows


def home_networks(town: Residents, users: int) -> Integers:
    """The network number of each user at home.

    People who live together share one, and so do the people of some blocks of neighbouring households.
    """
    networks = 10**8 + np.arange(users, dtype=np.int64)
    own = np.flatnonzero((town.members["temporary"] == 0) & (town.members["joined"] < NEVER))[::-1]
    networks[town.members["user"][own]] = town.members["household"][own]
    shared = (networks < len(town.created)) & (networks % 20 == 0)
    networks[shared] = networks[shared] // 400 * 400
    return networks
