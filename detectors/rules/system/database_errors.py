"""Database errors

Problem
-------
Calls fail because the database is in trouble: connections break or run out, it shuts down, its disk or its files fail,
or the app met a failure that it did not expect and answered DATABASE_ERROR.

Fires when
----------
An event of the window carries an SQLSTATE of class 08, 53, 57, 58 or XX, or the app's DATABASE_ERROR. All of them are
one finding, counted by distinct correlation_id.

Stays silent when
-----------------
The code is 57014 (a statement that ran into its time-out: repeated-timeouts), of another class, or no SQLSTATE at all
(an HTTP status 503). A bare DATABASE_ERROR belongs to the finding that explains it by the same correlation_id: a call
that timed out, a user's or household's repeated time-outs (a lock that was not given, say), a big household's member list
that keeps failing, a code generation that gave up, a failed creation on a day with too many of them, the event of a
household's or member's wrong state (an approval that was not applied, say).

Evidence
--------
How many, by code; first and last; the latest examples; how many users and households were hit; how many bare
DATABASE_ERRORs were left to other findings.

What to do
----------
1. Look at the database's log, connections, disk and restarts between {first|the first error} and {last|the last one}.
2. Begin with the most frequent code: {error_codes|see the evidence}. Class 08 is the connection, 53 resources, 57 an
   operator's or a crash's end, 58 the disk, XX the server itself.
3. Check whether it still goes on; if it has stopped, say in the ticket when and why.

How to check
------------
    SELECT (e.metadata->>'error_code') AS error_code, count(*) AS times
      FROM household_events e
     WHERE e.event_timestamp BETWEEN :first AND :last AND (e.metadata->>'error_code') IS NOT NULL
     GROUP BY 1 ORDER BY 2 DESC
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.contract import Context, Detector, Finding, Meta, Row, Story, Subscription
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
)
from detectors.rules.performance import member_list_failing, repeated_timeouts
from detectors.rules.system.creation_failure_rate import attempts_of, too_many_fail
from detectors.text.wording import count, listed

META = Meta(
    id="database-errors",
    title="Database Errors",
    team="engineering",
    severity="P0",
    kind="occurrence",
    subject=("operation",),
    needs=frozenset({"household_events.event_type", "household_events.metadata"}),
    not_where=frozenset({"other_metadata"}),
    sure="trail",
    refuted_by="the errors come of one client or one statement, and the database is well",
    process="Engineering Escalations, P0: Database connection errors",
    feature="platform",
)

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def may_matter(error_event: FromClause, context: Context) -> ColumnElement[bool]:
    """Whatever has an error, and each creation: the judgement needs what may explain a bare error."""
    return error_event.c.event_type.is_not(None)


def is_database_error(error_event: ErrorEvent, context: Context) -> bool:
    limits, code = context.limits, error_event.error_code
    sqlstate = _SQLSTATE.fullmatch(code) and code[:2] in limits.database_error_classes
    return code == limits.app_database_error or bool(sqlstate and code != limits.query_cancelled_code)


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    error_events = error_events_of(rows)
    explained = _explained(error_events, context)
    errors, left = [], set()
    for error_event in error_events:
        if is_database_error(error_event, context):
            bare = error_event.error_code == context.limits.app_database_error
            if bare and context.so_far:
                continue
            if bare and {error_event.correlation_id, error_event.event_id} & explained:
                left.add(error_event.correlation_id or error_event.event_id)
            else:
                errors.append(error_event)
    errors = each_once(errors, context)
    if not errors:
        return
    told = [f"{code} ({number:,} times)" for code, number in codes(errors).items()]
    yield occurrences_finding(
        META,
        context,
        {"operation": "database"},
        errors,
        worst=errors[::-1],
        evidence={"explained_elsewhere": len(left)},
        story=Story(
            issue=f"{count(len(errors), 'operation')} failed with a database error {span(errors)}.",
            steps=(
                "Users used the household features as usual",
                "System should have answered from its database",
                f"The database failed: {listed(told)}",
            ),
            expected="Operations complete, or fail for reasons of their own",
            actual=f"{count(len(errors), 'operation')} ended with {listed(told)}",
            impact=f"{count(len({e.user_id for e in errors} - {''}), 'user')} met an error",
            error_messages=listed(told),
            screenshots="None; the latest errors are listed in the evidence",
            requesting="Check of the database's log, connections and disk over this time",
        ),
    )


def _explained(error_events: list[ErrorEvent], context: Context) -> set[str]:
    """The correlation ids, and the events without one, of operations that a finding of their own tells of."""
    attempts = attempts_of(error_events, context)
    own = {EventType.INVITE_CODE_FAILED}
    if too_many_fail(len(attempts.failed), attempts.number, context.limits):
        own.add(EventType.CREATE_FAILED)
    theirs = [
        error_event
        for error_event in error_events
        if error_event.type in own or is_timed_out_call(error_event, context)
    ]
    for groups in (
        repeated_timeouts.repeated(error_events, context),
        member_list_failing.failing(error_events, context),
    ):
        theirs += [error_event for group in groups.values() for error_event in group]
    return {error_event.correlation_id or error_event.event_id for error_event in theirs} - {""} | context.explained


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("error-events", may_matter, aggregate, COLUMNS, last=True),),
    by_night_in_part="bare DATABASE_ERRORs, which another finding of the day may explain",
)
