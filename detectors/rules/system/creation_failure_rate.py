"""Household creations fail too often

Problem
-------
People try to create a household and cannot, more often than chance and their own mistakes explain.

Fires when
----------
More than 5 % of the window's household creations failed, out of at least 20 attempts; with fewer than 200 attempts the
lower 95 % Wilson bound must be above 5 % too.

Stays silent when
-----------------
Exactly 5 %; 19 attempts; the failures are the users' own (an invalid name, already in a household, the rate limit,
invalid input): these count neither as failures nor as attempts. An attempt written twice with one correlation_id (or one
household created) counts once, and one that succeeded in the end has not failed.

Evidence
--------
Attempts, failures, the share and its lower bound, the failures by error code, who was hit.

What to do
----------
1. Try to create a household yourself, and note what happens.
2. Follow the most frequent error code: {error_codes|see the evidence}.
3. Look at what was deployed before {first|the first failure}, and roll it back if it fits.

How to check
------------
    SELECT e.event_type, (e.metadata->>'error_code') AS error_code, count(*) AS times
      FROM household_events e
     WHERE e.event_type IN ('household_created', 'household_create_failed') AND e.event_timestamp BETWEEN :first AND :last
     GROUP BY 1, 2 ORDER BY 3 DESC
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import sqrt

from sqlalchemy import ColumnElement, FromClause

from detectors.contract import Context, Detector, Finding, Meta, Row, Story, Subscription
from detectors.domain.retries import first_of_each
from detectors.events import EventType
from detectors.limits import Limits
from detectors.rules._errors import COLUMNS, ErrorEvent, codes, each_once, error_events_of, occurrences_finding, span
from detectors.text.wording import count, listed

META = Meta(
    id="creation-failure-rate",
    title="Household Creation Failures Above the Limit",
    team="engineering",
    severity="P0",
    kind="occurrence",
    subject=("operation",),
    needs=frozenset({"household_events.event_type", "household_events.metadata"}),
    events=(frozenset({EventType.CREATED}), frozenset({EventType.CREATE_FAILED})),
    sure="trail",
    refuted_by="one client repeats one wrong request, and everybody else creates households",
    process="Engineering Escalations, P0: Household creation failures (>5% error rate)",
    feature="household creation",
)

_Z = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The window's creations: how many were tried, the users' own errors left out, and those that failed."""

    number: int
    failed: list[ErrorEvent]


def is_creation(error_event: FromClause, context: Context) -> ColumnElement[bool]:
    return error_event.c.event_type.in_((EventType.CREATED, EventType.CREATE_FAILED))


def attempts_of(error_events: list[ErrorEvent], context: Context) -> Attempts:
    done = {error_event.correlation_id for error_event in error_events if error_event.type == EventType.CREATED} - {""}
    tried = [t for t in error_events if t.type == EventType.CREATE_FAILED and t.correlation_id not in done]
    failed = [
        error_event
        for error_event in each_once(tried, context)
        if error_event.error_code not in context.limits.user_error_codes
    ]
    succeeded = (error_event for error_event in error_events if error_event.type == EventType.CREATED)
    created = first_of_each(succeeded, lambda error_event: error_event.household_id)
    return Attempts(len(failed) + len(each_once(created, context)), failed)


def lower_bound(failed: int, attempts: int) -> float:
    """The lower end of the 95 % Wilson interval of `failed` out of `attempts` (more than 0)."""
    share, square = failed / attempts, _Z * _Z
    middle = share + square / (2 * attempts)
    width = _Z * sqrt(share * (1 - share) / attempts + square / (4 * attempts * attempts))
    return (middle - width) / (1 + square / attempts)


def too_many_fail(failed: int, attempts: int, limits: Limits) -> bool:
    if attempts < limits.creation_attempts_least or failed <= limits.creation_failures_most * attempts:
        return False
    return attempts >= limits.creation_attempts_plenty or lower_bound(failed, attempts) > limits.creation_failures_most


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    attempts = attempts_of(error_events_of(rows), context)
    failed, number = attempts.failed, attempts.number
    if not too_many_fail(len(failed), number, context.limits):
        return
    share = f"{100 * len(failed) / number:.1f} %"
    told = [f"{code} ({times:,} times)" for code, times in codes(failed).items()]
    yield occurrences_finding(
        META,
        context,
        {"operation": "household-creation"},
        failed,
        worst=failed[::-1],
        evidence={
            "attempts": number,
            "share": round(len(failed) / number, 4),
            "lower_bound": round(lower_bound(len(failed), number), 4),
        },
        story=Story(
            issue=f"{count(len(failed), 'household creation')} of {number:,} failed ({share}) {span(failed)}.",
            steps=(
                'User clicked "Create Household"',
                "System should have written the household and its creator's member row",
                f"The creation failed: {listed(told)}",
            ),
            expected=f"At most {100 * context.limits.creation_failures_most:g} % of creations fail",
            actual=f"{share} of creations failed, the users' own errors left out",
            impact=f"{count(len({t.user_id for t in failed} - {''}), 'user')} could not create a household",
            error_messages=listed(told),
            screenshots="None; the latest failures are listed in the evidence",
            requesting="Fix of household creation and investigation into what changed before the first failure",
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("error-events", is_creation, aggregate, COLUMNS),),
    by_night="it judges the share of a whole day's creations",
)
