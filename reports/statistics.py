"""A period in numbers: tickets, promises, false positives and what was learned, without a word about any person."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import pandas as pd

from detectors.contract import SEVERITY_ORDER, TEAMS
from escalation.ledger.records import Ticket
from escalation.policy.policy import Policy
from escalation.views.history import History
from reports.evidence import is_share, percent

Promise = Literal["acknowledge", "resolve"]
Value = str | int | float | None
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SERIES_MOST = 45
"""A longer period is told in stretches of several days, so that a line of them fits a terminal."""


@dataclass(frozen=True, slots=True)
class Part:
    """One table: its name, the columns' names, and rows of as many values; None where nothing can be said."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str = ""
    """What the columns mean, where their names do not say it."""


@dataclass(frozen=True, slots=True)
class Series:
    """One number for each stretch of the period, of so many `days`."""

    name: str
    days: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """The tables of a period [since, until), how many nights they rest on, and how some numbers went in it."""

    since: datetime
    until: datetime
    nights: int
    incomplete: int
    parts: tuple[Part, ...]
    series: tuple[Series, ...] = ()


def statistics(history: History, policy: Policy, now: datetime) -> Statistics:
    """The numbers of `history`. A promise that is not due yet at the period's end (or `now`) is neither kept nor broken."""
    end = min(history.until, now)
    frame = _frame(history, end)
    return Statistics(
        since=history.since,
        until=history.until,
        nights=history.nights,
        incomplete=history.incomplete,
        parts=(
            _counted("teams", frame, "team"),
            _counted("detectors", frame, "detector"),
            _promises("acknowledge", history, policy, end),
            _promises("resolve", history, policy, end),
            _ages(frame, end),
            _actions(history),
            _outcomes(history),
        ),
        series=_series(history, end),
    )


def _series(history: History, end: datetime) -> tuple[Series, ...]:
    """How many tickets were made and settled in each stretch, and how many were in progress at its end."""
    whole = (end - history.since) / DAY
    days = max(1, math.ceil(whole / SERIES_MOST))
    starts = [history.since + place * days * DAY for place in range(math.ceil(whole / days))]
    if len(starts) < 2:
        return ()

    def counted(within: Callable[[Ticket, datetime, datetime], bool]) -> tuple[int, ...]:
        stretches = [(start, min(end, start + days * DAY)) for start in starts]
        return tuple(sum(within(one, *stretch) for one in history.tickets) for stretch in stretches)

    return (
        Series("made", days, counted(lambda one, start, stop: start <= one.opened_at < stop)),
        Series(
            "ended", days, counted(lambda one, start, stop: one.ended_at is not None and start <= one.ended_at < stop)
        ),
        Series(
            "in progress",
            days,
            counted(lambda one, _, stop: one.opened_at < stop and (one.ended_at is None or one.ended_at >= stop)),
        ),
    )


def _frame(history: History, end: datetime) -> pd.DataFrame:
    """One row a ticket: what happened to it in the period."""

    def within(at: datetime | None) -> bool:
        return at is not None and history.since <= at < history.until

    rows = [
        {
            "team": one.team,
            "detector": one.detector,
            "opened": within(one.opened_at),
            "verified": one.status == "verified" and within(one.ended_at),
            "closed": one.status == "closed" and within(one.ended_at),
            "reopened": history.reopened.get(one.id, 0),
            "false_positive": one.closed_as == "false-positive" and within(one.ended_at),
            "open": not (one.ended_at is not None and one.ended_at < history.until),
            "age_days": (end - one.opened_at) / timedelta(days=1),
        }
        for one in history.tickets
    ]
    columns = ["team", "detector", *_COUNTS, "false_positive", "open", "age_days"]
    return pd.DataFrame(rows, columns=columns)


_COUNTS = ["opened", "verified", "closed", "reopened"]


def _counted(name: str, frame: pd.DataFrame, by: str) -> Part:
    columns = (by, *_COUNTS, "false_positives", "false_positive_share")
    if frame.empty:
        return Part(name, columns, ())
    sums = frame.groupby(by)[[*_COUNTS, "false_positive"]].sum().astype(int)
    rows = [
        (str(key), opened, verified, closed, reopened, false, _share(false, verified + closed))
        for key, opened, verified, closed, reopened, false in sums.itertuples(name=None)
        if opened or verified or closed or reopened
    ]
    return Part(name, columns, tuple(rows))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def _promises(promise: Promise, history: History, policy: Policy, end: datetime) -> Part:
    """Per team and severity: how long it took (hours), against what is promised, and the share that was kept."""
    columns = ("team", "severity", "promised", "tickets", "median_hours", "p90_hours", "kept", "broken", "share_kept")
    rows: list[tuple[Value, ...]] = []
    begun = [one for one in history.tickets if history.since <= one.clock_began_at < end]
    for team in TEAMS:
        for severity in SEVERITY_ORDER:
            some = [_kept(one, promise, end) for one in begun if (one.team, one.severity) == (team, severity)]
            if not some:
                continue
            frame = pd.DataFrame(some, columns=["hours", "verdict"])
            kept, broken = (int((frame["verdict"] == verdict).sum()) for verdict in ("kept", "broken"))
            span = getattr(policy.sla(team, severity), promise)
            hours = frame["hours"].astype(float)
            rows.append(
                (
                    team,
                    severity,
                    str(span) if span else None,
                    len(some),
                    _rounded(float(hours.median())),
                    _rounded(float(hours.quantile(0.9))),
                    kept,
                    broken,
                    _share(kept, kept + broken),
                )
            )
    return Part(
        f"{promise}_promises",
        columns,
        tuple(rows),
        "Median and p90 in hours; what is not due yet is neither kept nor broken.",
    )


def _kept(ticket: Ticket, promise: Promise, end: datetime) -> tuple[float | None, str]:
    """After how many hours it was done, and whether that was in time."""
    # What a person calls resolved is not done before a scan has seen it; then the time is that of the person's work.
    over = ticket.resolved_at or ticket.ended_at if ticket.ended else None
    done = ticket.acknowledged_at if promise == "acknowledge" else over
    due = ticket.acknowledge_due if promise == "acknowledge" else ticket.resolve_due
    if promise == "resolve" and over is None and ticket.resolved_at is not None:
        return None, "not verified yet"
    in_period = done is not None and done <= end
    hours = (done - ticket.clock_began_at) / HOUR if done is not None and in_period else None
    # What was over before anybody acknowledged it needs no acknowledgement any more.
    return hours, _verdict(done or over, due, end)


def _verdict(done: datetime | None, due: datetime | None, end: datetime) -> str:
    if due is None:
        return "nothing promised"
    if done is not None and done <= end:
        return "kept" if done <= due else "broken"
    return "broken" if end > due else "not due yet"


def _rounded(value: float) -> float | None:
    return None if pd.isna(value) else round(float(value), 1)


def _ages(frame: pd.DataFrame, end: datetime) -> Part:
    columns = ("team", "open", "median_days", "oldest_days")
    waiting = frame[frame["open"].astype(bool)]
    if waiting.empty:
        return Part("open_tickets", columns, ())
    ages = waiting.groupby("team")["age_days"].agg(["count", "median", "max"]).reset_index()
    rows = (
        (row["team"], int(row["count"]), _rounded(row["median"]), _rounded(row["max"]))
        for row in ages.to_dict("records")
    )
    return Part("open_tickets", columns, tuple(rows))


def _actions(history: History) -> Part:
    done = pd.Series([one.action for _, one in history.outcomes if one.action], dtype="object")
    counted = done.value_counts().sort_index()
    return Part(
        "actions", ("action", "tickets"), tuple((str(action), int(number)) for action, number in counted.items())
    )


def _outcomes(history: History) -> Part:
    rows = tuple(
        (ticket.external_id, ticket.team, ticket.detector, one.action, one.outcome, one.learning)
        for ticket, one in sorted(history.outcomes, key=lambda pair: pair[1].made_at)
    )
    return Part("outcomes", ("ticket", "team", "detector", "action", "outcome", "learning"), rows)


def in_words(value: Value, column: str) -> str:
    """A value for people: a share in per cent, nothing as a dash."""
    if value is None:
        return "-"
    return percent(value) if is_share(column) and isinstance(value, float) else str(value)
