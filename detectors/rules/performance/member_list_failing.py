"""Member list does not load for a big household

Problem
-------
A household with more than ten members cannot see its member list: it errors, or never loads.

Fires when
----------
For one household with more than ten active members (now, or as the event counted them), household_member_list_viewed
ended with an error or took over 30 s three times or more in the window.

Stays silent when
-----------------
Exactly ten members; two failures; the list was rightly refused (somebody who is no member, a rate limit); a list that
was slow and came. Retries with one correlation_id count once. A view without a duration proves nothing.

Evidence
--------
The number of members, the failures by error code, first and last, who was hit.

What to do
----------
1. Open the member list of household {household_id} as its members see it, and note what happens.
2. Look at the statement behind it and at its paging; try a household of the same size.
3. Follow the error code: {error_codes|see the evidence}.

How to check
------------
    SELECT (e.metadata->>'error_code') AS error_code, count(*) AS failures, max(e.event_timestamp) AS last_at
      FROM household_events e
     WHERE e.household_id = :household_id AND e.event_type = 'household_member_list_viewed'
       AND e.event_timestamp BETWEEN :first AND :last AND (e.metadata->>'error_code') IS NOT NULL
     GROUP BY 1
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause

from detectors.contract import Context, Detector, Finding, Meta, Row, Story, Subscription
from detectors.events import EventType
from detectors.rules._errors import COLUMNS, ErrorEvent, codes, each_once, error_events_of, occurrences_finding, span
from detectors.text.wording import count, listed

META = Meta(
    id="member-list-failing",
    title="Member List Does Not Load for a Big Household",
    team="engineering",
    severity="P1",
    kind="occurrence",
    subject=("household_id",),
    needs=frozenset({"household_events.metadata", "household_members.status"}),
    events=(frozenset({EventType.MEMBER_LIST_VIEWED}),),
    sure="trail",
    refuted_by="one device gives up early, and the list loads everywhere else",
    process="Engineering Escalations, P1: Member list not loading for households >10 members",
    feature="member list",
)


def is_member_list(error_event: FromClause, context: Context) -> ColumnElement[bool]:
    return error_event.c.event_type == EventType.MEMBER_LIST_VIEWED


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    for household_id, theirs in failing(error_events_of(rows), context).items():
        yield _finding(household_id, theirs, context)


def failing(error_events: Iterable[ErrorEvent], context: Context) -> dict[str, list[ErrorEvent]]:
    """The failures of member lists, by household, for those that fail often enough."""
    lists = [error_event for error_event in error_events if error_event.type == EventType.MEMBER_LIST_VIEWED]
    failures: dict[str, list[ErrorEvent]] = defaultdict(list)
    for error_event in each_once(lists, context):
        if (
            error_event.household_id
            and _failed(error_event, context)
            and _size(error_event) > context.limits.member_list_big
        ):
            failures[error_event.household_id].append(error_event)
    least = context.limits.member_list_failures_least
    return {household_id: theirs for household_id, theirs in sorted(failures.items()) if len(theirs) >= least}


def _failed(error_event: ErrorEvent, context: Context) -> bool:
    limits = context.limits
    if (error_event.duration_ms or 0) > limits.call_timeout_ms:
        return True
    rightly = limits.member_list_refusals | limits.refusal_codes | limits.user_error_codes
    return bool(error_event.error_code) and error_event.error_code not in rightly


def _size(error_event: ErrorEvent) -> int:
    told = error_event.member_count.strip().removesuffix(".0")
    counted = int(told) if told.isdecimal() and len(told) < 10 else 0
    return max(counted, error_event.active_members)


def _finding(household_id: str, failures: list[ErrorEvent], context: Context) -> Finding:
    size = max(_size(failure) for failure in failures)
    told = [f"{code} ({number:,} times)" for code, number in codes(failures).items() if code != "(none)"]
    users = {failure.user_id for failure in failures} - {""}
    return occurrences_finding(
        META,
        context,
        {"household_id": household_id},
        failures,
        worst=failures[::-1],
        evidence={"members": size},
        story=Story(
            issue=f"The member list of a household with {count(size, 'member')} failed {count(len(failures), 'time')}.",
            steps=(
                f"Users opened the member list, {span(failures)}",
                f"System should have listed {count(size, 'member')}",
                f"The list failed: {listed(told)}" if told else "The list never loaded",
            ),
            expected="The member list loads, whatever the number of members",
            actual=f"It failed {count(len(failures), 'time')}" + (f" with {listed(told)}" if told else ""),
            impact=f"{count(len(users), 'user')} of a household of {count(size, 'member')} cannot see its members",
            error_messages=listed(told) or "None recorded",
            screenshots="None; the latest failures are listed in the evidence",
            requesting="Fix of the member list for big households",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("error-events", is_member_list, aggregate, COLUMNS),))
