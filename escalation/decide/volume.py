"""Whether a table can be believed tonight: rows that were there before and are not now are missing, not repaired. Pure.

A table is compared with the most that it held of late, since somebody last said that a drop was real. What is not believed
never becomes what the next night is compared with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from detectors.text.wording import count, stamp
from escalation.ledger.records import Volume
from escalation.ledger.volumes import EVENTS
from escalation.policy.process import VolumeRules

STATE_TABLES = ("households", "household_members")
"""Without a row in either there is no town at all."""
KEPT = frozenset({*STATE_TABLES, "household_join_requests", "users"})
"""Tables that apps seldom delete from. Sessions, requests to support and audit rows are purged, and may lose more at once."""
HALF = 50
"""The percentage that audit rows may lose where those of a person who leaves go too: in a small town one person wrote most of them."""
LONG_OUTAGE = timedelta(days=14)
"""After so long without a run, days before the audit table's first row may have been purged in the ordinary way."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a table held when it was `last` believed: its `latest` state, and the most of late with the night of that."""

    latest: Volume
    rows: int
    at: datetime
    days: Mapping[date, int]
    last: datetime


def baseline_of(believed: Sequence[tuple[datetime, Volume]]) -> Baseline | None:
    """What the nights of late say of a table, the newest first; None where nothing can be compared."""
    if not believed or believed[0][1].rows is None:
        return None
    since: list[tuple[datetime, Volume]] = []
    for night in believed:
        since.append(night)
        if night[1].accepted:
            break
    at, most = max(since, key=lambda night: (night[1].rows or 0, night[0]))
    days: dict[date, int] = {}
    for _, one in since:
        for day, number in one.days.items():
            days[day] = max(number, days.get(day, 0))
    return Baseline(believed[0][1], most.rows or 0, at, days, believed[0][0])


def days_to_count(baseline: Baseline | None, as_of: datetime, rules: VolumeRules) -> frozenset[date]:
    """The days whose audit rows a scan counts: those that the ledger knows, and those that the next one will need."""
    of_late = {as_of.date() - timedelta(days=back) for back in range(rules.audit_days + 1)}
    return frozenset(of_late | set(baseline.days if baseline else ()))


def doubts(
    baselines: Mapping[str, Baseline],
    seen: Mapping[str, Volume],
    rules: VolumeRules,
    *,
    outage: bool = False,
    shrinking: Collection[str] = (),
) -> dict[str, str]:
    """Why a table is not believed, by table. `outage` says that no run has looked for a long time.

    Of the tables that are `shrinking` the app deletes rows in ordinary life.
    """
    found: dict[str, str] = {}
    for table, before in baselines.items():
        now = seen.get(table)
        # A table that could not be counted is no empty one; whoever needs it has failed by itself.
        shrinks = table in shrinking
        reason = None if now is None else _doubt(table, before, now, rules, outage=outage, shrinks=shrinks)
        if reason is not None:
            found[table] = f"{reason}: not believed"
    return found


def _doubt(table: str, before: Baseline, now: Volume, rules: VolumeRules, *, outage: bool, shrinks: bool) -> str | None:
    had_rows = before.latest.rows or before.latest.oldest is not None
    since = f"since the run of {stamp(before.at)}"
    if now.rows is None:
        return f"{table} {MISSING}, although it was there on the last run"
    if now.empty:
        some = count(before.rows, "row") if before.rows else "rows"
        return f"{table} came empty, although it had {some} on the run of {stamp(before.at)}" if had_rows else None
    if table != EVENTS:
        lost = before.rows - now.rows
        percent = rules.state_percent if table in KEPT and not shrinks else rules.drop_percent
        return _lost(table, lost, before.rows, since, percent) if _drops(lost, before.rows, rules, percent) else None
    purged = _purged_by(now, rules, outage=outage)
    days = {day: number for day, number in before.days.items() if day in now.days and (purged is None or day > purged)}
    held, kept = sum(days.values()), sum(min(number, now.days[day]) for day, number in days.items())
    percent = max(HALF, rules.drop_percent) if shrinks else rules.drop_percent
    if _drops(held - kept, held, rules, percent):
        return _lost(table, held - kept, held, f"of {min(days)} to {max(days)} since it was last believed", percent)
    if shrinks:
        return None
    for day, number in sorted(days.items()):
        if number >= rules.least_rows and not now.days[day]:
            return f"{table} has none of the {count(number, 'row')} of {day} any more"
    return None


def _purged_by(now: Volume, rules: VolumeRules, *, outage: bool) -> date | None:
    """The last day whose audit rows may have gone by retention: up to the oldest that is left, but none of the days of late."""
    if now.oldest is None or not now.days:
        return None
    oldest = now.oldest.date()
    return oldest if outage else min(oldest, max(now.days) - timedelta(days=rules.audit_days))


def _drops(lost: int, of: int, rules: VolumeRules, percent: int) -> bool:
    return lost >= rules.least_rows and lost * 100 > percent * of


def _lost(table: str, lost: int, of: int, since: str, percent: int) -> str:
    return f"{table} lost {lost:,} of {of:,} rows {since} (more than {percent} %)"


def recorded(seen: Mapping[str, Volume], reasons: Mapping[str, str], *, accept: bool) -> tuple[Volume, ...]:
    """The volumes for the ledger; with `accept` the tables of `reasons` begin anew from tonight."""
    return tuple(
        replace(one, believed=accept, accepted=accept) if one.table in reasons else one for one in seen.values()
    )


MISSING = "is missing"


def what_to_do(reason: str) -> str:
    """The line for whoever must do something about a table that was not believed."""
    gone = "table is" if MISSING in reason else "rows are"
    return (
        f"{reason}; nothing that rests on it was filed or called fixed. Deliver the whole table and run again, "
        f"or, if the {gone} really gone, take that once with `hearthwatch run --accept-volume`"
    )
