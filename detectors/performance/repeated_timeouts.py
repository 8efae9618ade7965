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
Look for what is special about this account or household: its size, its history, a lock that is never released.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, or_

from detectors.contract import Context, Detector, Finding, Meta, Ride, Row, Story, SubjectKey
from detectors.troubles import (
    COLUMNS,
    Trouble,
    codes,
    each_once,
    is_timed_out_call,
    occurrences_finding,
    span,
    tells_of_timeout,
    troubles_of,
)
from detectors.words import count, listed

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
        "locks": (frozenset({"lock_acquisition_timeout"}),),
    },
    process="Engineering Escalations, P1: Repeated timeout errors",
    feature="platform",
)


def may_be_timeout(trouble: FromClause, context: Context) -> ColumnElement[bool]:
    named = trouble.c.event_type.in_(("api_request", "lock_acquisition_timeout"))
    return or_(named, trouble.c.error_code.is_not(None))


def is_timeout(trouble: Trouble, context: Context) -> bool:
    return (
        is_timed_out_call(trouble, context)
        or tells_of_timeout(trouble, context)
        or trouble.type == "lock_acquisition_timeout"
        or trouble.error_code == context.limits.query_cancelled_code
    )


def collect(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    for (key, value), theirs in repeated(troubles_of(rows), context).items():
        yield _finding(key, value, theirs, context)


def repeated(troubles: Iterable[Trouble], context: Context) -> dict[tuple[SubjectKey, str], list[Trouble]]:
    """The time-outs of each user and household with too many of them."""
    timeouts = each_once([trouble for trouble in troubles if is_timeout(trouble, context)], context)
    users = _repeated(timeouts, lambda trouble: trouble.user_id, context)
    others = [trouble for trouble in timeouts if trouble.user_id not in users]
    households = _repeated(others, lambda trouble: trouble.household_id, context)
    found: dict[tuple[SubjectKey, str], list[Trouble]] = {("user_id", key): theirs for key, theirs in users.items()}
    return found | {("household_id", key): theirs for key, theirs in households.items()}


def _repeated(timeouts: list[Trouble], of: Callable[[Trouble], str], context: Context) -> dict[str, list[Trouble]]:
    grouped: dict[str, list[Trouble]] = defaultdict(list)
    for timeout in timeouts:
        if of(timeout):
            grouped[of(timeout)].append(timeout)
    return {key: theirs for key, theirs in sorted(grouped.items()) if len(theirs) >= context.limits.timeouts_least}


def _finding(key: SubjectKey, value: str, timeouts: list[Trouble], context: Context) -> Finding:
    who = "user" if key == "user_id" else "household"
    kinds = [f"{code} ({number:,} times)" for code, number in codes(timeouts).items() if code != "(none)"]
    return occurrences_finding(
        META,
        context,
        {key: value},
        timeouts,
        worst=sorted(timeouts, key=lambda timeout: (-(timeout.duration_ms or 0), timeout.at)),
        evidence={"locks": sum(timeout.type == "lock_acquisition_timeout" for timeout in timeouts)},
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


DETECTOR = Detector(META, __doc__, (Ride("troubles", may_be_timeout, collect, COLUMNS),))
