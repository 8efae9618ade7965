"""Whether a table is an older copy than the one that was last believed: its newest rows are no longer there, and nothing newer is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from detectors.text.wording import count, stamp
from escalation.decide.volume import KEPT, Baseline
from escalation.ledger.records import Marks, Volume
from escalation.ledger.volumes import EVENTS
from escalation.policy.process import VolumeRules

SLACK = timedelta(minutes=1)
"""Some exporters leave seconds out."""
MOST_KEPT = 8
"""The ledger keeps no more of the newest rows."""
_BEGIN = frozenset({"created_at", "joined_at", "requested_at"})
"""When rows began. Other times are taken back where people undo what somebody did."""
HOMES = ("households", "household_members", "household_join_requests")
"""Tables whose newest rows are kept with their households."""
LEAST_KNOWN = 8
"""Of fewer households nothing is concluded: all of them may have left."""
NEARLY_NONE = 10
"""One in so many may have the id of another by chance."""


@dataclass(frozen=True, slots=True)
class Older:
    """Why a table is taken for an older copy, and the households (or users) of the rows that lack."""

    reason: str
    subjects: frozenset[str]


def older(
    baselines: Mapping[str, Baseline], seen: Mapping[str, Volume], rules: VolumeRules, as_of: datetime
) -> dict[str, Older]:
    """By table; what was not seen, or not kept, is not compared."""
    found: dict[str, Older] = {}
    for table, before in baselines.items():
        now = seen.get(table)
        if now is None or now.empty or moved_on(before, now):
            continue
        for column, then in before.latest.newest.items():
            there = now.newest.get(column)
            lacking = _lacking(then, there, as_of) if there else ()
            if there and lacking and _is_older(table, column, len({one for _, one in lacking}), before, now, rules):
                found[table] = Older(
                    _reason(table, column, there, lacking, before), frozenset(one for _, one in lacking)
                )
                break
    return found


def moved_on(before: Baseline, now: Volume) -> bool:
    """Whether a table holds what is newer than all it held when it was last believed: no older copy does."""
    return any(
        there[0][0] > then[0][0]
        for column, then in before.latest.newest.items()
        if then and (there := now.newest.get(column))
    )


def left_for_good(
    table: str, one: Older, baselines: Mapping[str, Baseline], seen: Mapping[str, Volume], left: frozenset[str] | None
) -> bool:
    """Whether others tell that the rows which lack were deleted: no table holds a row of those households or people (`left`) any more.

    Where all of these tables went back together, they tell nothing: one of them must have gone on.
    """
    others = HOMES if table in HOMES else (*HOMES, "sessions")
    if table not in (*HOMES, "users") or left is None or left & one.subjects:
        return False
    return any(
        moved_on(baselines[other], seen[other])
        for other in others
        if other != table and other in baselines and other in seen
    )


def another_town(sample: Marks, known_again: int | None) -> bool:
    """Whether (nearly) none of the households that were there is there any more, while others are."""
    if known_again is None or len(sample) < LEAST_KNOWN:
        return False
    return known_again * NEARLY_NONE <= len(sample)


def _lacking(then: Marks, there: Marks, as_of: datetime) -> Marks:
    return tuple((at, one) for at, one in then if there[0][0] + SLACK < at <= as_of)


def _is_older(table: str, column: str, lacking: int, before: Baseline, now: Volume, rules: VolumeRules) -> bool:
    """Of the audit table not all rows are counted, and of what is purged the newest rows may be among those that went."""
    many = lacking >= min(rules.least_rows, MOST_KEPT)
    if table == EVENTS:
        return many
    unexplained = (before.latest.rows or 0) - (now.rows or 0) < lacking
    if table in KEPT and many:
        return True
    return unexplained and (many or (table in KEPT and column in _BEGIN and lacking > 1))


def _reason(table: str, column: str, there: Marks, lacking: Marks, before: Baseline) -> str:
    who = "household" if table in HOMES or table == EVENTS else "person"
    number = count(len({one for _, one in lacking}), who) if who == "household" else f"{len(lacking)} people"
    return (
        f"{table} is an older copy than on the run of {stamp(before.last)}: its newest {column} is of {stamp(there[0][0])}, and "
        f"rows of {number} up to {stamp(lacking[0][0])} are no longer in it: not believed"
    )
