"""API time-outs

Problem
-------
Calls to the app's interface take longer than anybody waits, or are cut off.

Fires when
----------
An api_request of the window took over 30 s or ended with status 408 or 504, or any operation ended with a time-out error
code (TIMEOUT, GATEWAY_TIMEOUT, ETIMEDOUT, …). All of them are one finding.

Stays silent when
-----------------
A call took exactly 30 s; a session or token merely expired; a lock was waited for in vain or a statement was cancelled
(57014): those are repeated-timeouts if they repeat. A page view that took long is slow-dashboard's matter. An operation
without an end is no time-out. Retries with one correlation_id count once.

Evidence
--------
How many, the slowest with route and duration, first and last, how many users and households were hit.

What to do
----------
1. Look at the slowest routes ({routes|see the evidence}) between {first|the first time-out} and {last|the last one}.
2. Compare with the database's slow statements, its locks and the load at that time.
3. Check whether it still goes on; if it has stopped, say in the ticket when and why.

How to check
------------
    SELECT (e.metadata->>'route') AS route, count(*) AS calls
      FROM household_events e
     WHERE e.event_timestamp BETWEEN :first AND :last
       AND (CAST((e.metadata->>'duration_ms') AS numeric) > 30000 OR upper(e.metadata->>'error_code') LIKE '%TIMEOUT%')
     GROUP BY 1 ORDER BY 2 DESC
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, or_

from detectors.contract import Context, Detector, Finding, Meta, Row, Story, Subscription
from detectors.events import EventType
from detectors.rules._errors import (
    COLUMNS,
    codes,
    each_once,
    error_events_of,
    is_timed_out_call,
    occurrences_finding,
    span,
)
from detectors.text.wording import count, listed

META = Meta(
    id="api-timeouts",
    title="API Time-outs",
    team="engineering",
    severity="P0",
    kind="occurrence",
    subject=("operation",),
    needs=frozenset({"household_events.event_type", "household_events.metadata"}),
    ways={
        "error codes": (frozenset({"household_events"}),),
        "calls": (frozenset({"api_request.duration_ms|status"}),),
    },
    not_where=frozenset({"other_metadata"}),
    sure="trail",
    refuted_by="the durations were measured on the users' devices, and their networks were slow",
    process="Engineering Escalations, P0: API timeouts (>30 seconds)",
    feature="platform",
)


def may_have_timed_out(error_event: FromClause, context: Context) -> ColumnElement[bool]:
    return or_(error_event.c.event_type == EventType.API_REQUEST, error_event.c.error_code.is_not(None))


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    calls = [error_event for error_event in error_events_of(rows) if is_timed_out_call(error_event, context)]
    calls = each_once(calls, context)
    if not calls:
        return
    worst = sorted(calls, key=lambda call: (-(call.duration_ms or 0), call.at))
    seconds = context.limits.call_timeout_ms / 1000
    told = [f"{code} ({number:,} times)" for code, number in codes(calls).items() if code != "(none)"]
    yield occurrences_finding(
        META,
        context,
        {"operation": "api-calls"},
        calls,
        worst=worst,
        evidence={
            "slowest_ms": worst[0].duration_ms,
            "routes": dict(Counter(call.route for call in calls if call.route).most_common(10)),
        },
        story=Story(
            issue=f"{count(len(calls), 'call')} timed out {span(calls)}.",
            steps=(
                "Users used the household features as usual",
                f"System should have answered within {seconds:g} seconds",
                "The calls took longer or were cut off",
            ),
            expected=f"Calls answer within {seconds:g} seconds",
            actual=f"{count(len(calls), 'call')} did not"
            + (f"; the slowest took {worst[0].duration_ms / 1000:.1f} s" if worst[0].duration_ms else ""),
            impact=f"{count(len({c.user_id for c in calls} - {''}), 'user')} waited in vain",
            error_messages=listed(told) or "None recorded",
            screenshots="None; the slowest calls are listed in the evidence",
            requesting="Investigation into the slowest routes",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("error-events", may_have_timed_out, aggregate, COLUMNS),))
