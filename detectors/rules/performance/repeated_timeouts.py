"""Repeated time-outs

Problem
-------
One person, or one household, runs into time-outs again and again, while the app as a whole may look well.

Fires when
----------
One user had three or more time-outs in the window: calls that took over 30 s or ended with a time-out error, statements
that were cancelled for their time-out (57014), locks not acquired. Or one household had, without those of the users who
have a finding of their own.

Stays silent when
-----------------
Two time-outs; one time-out written several times with one correlation_id (the call, the lock and the statement of one
operation are one); a session that expired.

Evidence
--------
The time-outs by error code, the slowest and latest, first and last, who was hit.

What to do
----------
1. Look for what is special about the account or household that this is about: its size, its history, a lock that is
   never released.
2. Follow the error code: {error_codes|see the evidence}. 57014 is a statement that was cancelled; a lock time-out
   names its resource in the metadata.
3. Try the same call for a household of ordinary size; if that is slow too, it is no matter of this one.

How to check
------------
    SELECT e.event_type, (e.metadata->>'error_code') AS error_code, count(*) AS times
      FROM household_events e
     WHERE e.user_id = :user_id AND e.event_timestamp BETWEEN :first AND :last
     GROUP BY 1, 2 ORDER BY 3 DESC

    SELECT e.event_type, (e.metadata->>'error_code') AS error_code, count(*) AS times
      FROM household_events e
     WHERE e.household_id = :household_id AND e.event_timestamp BETWEEN :first AND :last
     GROUP BY 1, 2 ORDER BY 3 DESC
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, or_

from detectors.contract import Context, Detector, Finding, Meta, Row, Story, SubjectKey, Subscription
from detectors.events import EventType
from detectors.rules._errors import (
    COLUMNS,
    ErrorEvent,
    codes,
    each_once,
    error_events_of,
    is_timed_out_call,
    occurrences_finding,
    span,
    tells_of_timeout,
)
from detectors.text.wording import count, listed

META = Meta(
    id="repeated-timeouts",
    title="Repeated Time-outs",
    team="engineering",
    severity="P1",
    kind="occurrence",
    subject=("user_id", "household_id"),
    needs=frozenset({"household_events.event_type", "household_events.metadata"}),
    ways={
        "error codes": (frozenset({"household_events"}),),
        "calls": (frozenset({"api_request.duration_ms|status"}),),
        "locks": (frozenset({EventType.LOCK_ACQUISITION_TIMEOUT}),),
    },
    not_where=frozenset({"other_metadata"}),
    sure="trail",
    refuted_by="the person's own network is slow",
    process="Engineering Escalations, P1: Repeated timeout errors",
    feature="platform",
)


def may_be_timeout(error_event: FromClause, context: Context) -> ColumnElement[bool]:
    named = error_event.c.event_type.in_((EventType.API_REQUEST, EventType.LOCK_ACQUISITION_TIMEOUT))
    return or_(named, error_event.c.error_code.is_not(None))


def is_timeout(error_event: ErrorEvent, context: Context) -> bool:
    return (
        is_timed_out_call(error_event, context)
        or tells_of_timeout(error_event, context)
        or error_event.type == EventType.LOCK_ACQUISITION_TIMEOUT
        or error_event.error_code == context.limits.query_cancelled_code
    )


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    for (key, value), theirs in repeated(error_events_of(rows), context).items():
        yield _finding(key, value, theirs, context)


def repeated(error_events: Iterable[ErrorEvent], context: Context) -> dict[tuple[SubjectKey, str], list[ErrorEvent]]:
    """The time-outs of each user and household with too many of them."""
    timeouts = each_once([error_event for error_event in error_events if is_timeout(error_event, context)], context)
    users = _repeated(timeouts, lambda error_event: error_event.user_id, context)
    others = [error_event for error_event in timeouts if error_event.user_id not in users]
    households = _repeated(others, lambda error_event: error_event.household_id, context)
    found: dict[tuple[SubjectKey, str], list[ErrorEvent]] = {("user_id", key): theirs for key, theirs in users.items()}
    return found | {("household_id", key): theirs for key, theirs in households.items()}


def _repeated(
    timeouts: list[ErrorEvent], of: Callable[[ErrorEvent], str], context: Context
) -> dict[str, list[ErrorEvent]]:
    grouped: dict[str, list[ErrorEvent]] = defaultdict(list)
    for timeout in timeouts:
        if of(timeout):
            grouped[of(timeout)].append(timeout)
    return {key: theirs for key, theirs in sorted(grouped.items()) if len(theirs) >= context.limits.timeouts_least}


def _finding(key: SubjectKey, value: str, timeouts: list[ErrorEvent], context: Context) -> Finding:
    who = "user" if key == "user_id" else "household"
    kinds = [f"{code} ({number:,} times)" for code, number in codes(timeouts).items() if code != "(none)"]
    return occurrences_finding(
        META,
        context,
        {key: value},
        timeouts,
        worst=sorted(timeouts, key=lambda timeout: (-(timeout.duration_ms or 0), timeout.at)),
        evidence={"locks": sum(timeout.type == EventType.LOCK_ACQUISITION_TIMEOUT for timeout in timeouts)},
        story=Story(
            issue=f"One {who} ran into {count(len(timeouts), 'time-out')} {span(timeouts)}.",
            steps=(
                f"The {who} used the household features as usual",
                "System should have answered in time",
                f"It timed out {count(len(timeouts), 'time')}",
            ),
            expected="Operations complete in time",
            actual=f"{count(len(timeouts), 'operation')} timed out" + (f": {listed(kinds)}" if kinds else ""),
            impact=f"1 {who} cannot work with the app",
            error_messages=listed(kinds) or "None recorded",
            screenshots="None; the time-outs are listed in the evidence",
            requesting=f"Investigation into why this {who} keeps timing out",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("error-events", may_be_timeout, aggregate, COLUMNS),))
