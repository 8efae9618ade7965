"""Rate limit bypass

Problem
-------
The app limits how often things may be done, and does not always enforce it: it counts per process, and from the first
call on. Somebody did more than the limit allows, and was let.

Fires when
----------
In a rolling stretch of time that ends in the window there were more than
- 5 household creations by one user in 24 hours,
- 5 join requests by one user in 60 minutes,
- 20 removals of members in one household in 24 hours,
- 10 code regenerations in one household in 24 hours,
- 100 code validations from one address in 60 minutes.

Stays silent when
-----------------
Exactly the limit; attempts that the app refused (an error code RATE_LIMIT_EXCEEDED, or a rate_limit_exceeded event with
the same correlation_id); one operation written twice; members who left by themselves; the app's own service accounts. An
operation exactly 24 hours (60 minutes) before another one is outside its stretch.

Evidence
--------
The limit, the most operations in any such stretch with its first and last moment, how often the limit was passed, and
who did it. Join requests are counted from their own rows and from the audit trail, and the fuller count is shown.

What to do
----------
1. Find out how the limit {limit} ({allowed|the allowed number} in {within_hours|so many} hours) was passed: several
   processes that count for themselves, a restart, or a path that does not ask the limiter.
2. Let all processes share one counter, and count from the database where none can be shared.
3. Look at what was done {most|so many} times. If it looks like abuse, tell Trust & Safety: that is a ticket of
   theirs, and this one stays about the limiter.

How to check
------------
    SELECT e.event_type, count(*) AS operations
      FROM household_events e
     WHERE e.household_id = :household_id AND e.event_timestamp BETWEEN :from AND :to
       AND e.event_type IN ('household_member_removed', 'household_invite_code_regenerated')
     GROUP BY e.event_type

    SELECT e.event_type, count(*) AS operations
      FROM household_events e
     WHERE e.user_id = :user_id AND e.event_timestamp BETWEEN :from AND :to
       AND e.event_type IN ('household_created', 'household_join_request_submitted', 'household_invite_code_validated')
     GROUP BY e.event_type
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, and_, case, or_

from detectors.cases.timeline import TIMELINE_LENGTH
from detectors.contract import Context, Detector, Finding, Impact, Meta, Row, Story, Subscription, TimelineEntry, find
from detectors.events import EventType
from detectors.rules._rate_limits import COLUMNS, Excess, RateCounter, app_limits, excess, rate_counters_of
from detectors.text.wording import count, stamp

META = Meta(
    id="rate-limit-bypass",
    title="Rate Limiting Bypass",
    team="engineering",
    severity="P0",
    kind="occurrence",
    subject=("user_id", "household_id", "ip_address", "limit"),
    needs=frozenset(
        f"household_events.{column}" for column in ("event_type", "user_id", "event_timestamp", "metadata")
    ),
    consults=frozenset({"household_join_requests"}),
    ways={
        "join requests": (frozenset({"household_join_requests"}),),
        "household creations": (frozenset({f"{EventType.CREATED}.user_id"}),),
        "removals of members": (frozenset({EventType.MEMBER_REMOVED}),),
        "code regenerations": (frozenset({EventType.INVITE_CODE_REGENERATED}),),
        "code validations": (frozenset({"household_invite_code_validated.ip_address"}),),
    },
    not_where=frozenset({"other_limits"}),
    sure="trail",
    refuted_by="the limit was raised on purpose for this account, or operations were logged twice",
    process="Engineering Escalations, P0: Rate limiting bypass",
    feature="rate limiting",
)

_LISTED = 50
"""How many operations the evidence lists."""


def passes_the_limit(limited: FromClause, context: Context) -> ColumnElement[bool]:
    columns = limited.c
    limits = app_limits(context.limits).values()
    most = case(*((columns.limit_name == limit.name, limit.most) for limit in limits))
    return and_(columns.actor.is_not(None), or_(columns.events_done > most, columns.rows_done > most))


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    for counter in rate_counters_of(rows, context):
        if counter.actor in context.limits.service_accounts:
            continue
        found = [excess(operations, counter.limit, context) for operations in (counter.by_events, counter.by_rows)]
        passed = [one for one in found if one is not None]
        if passed:
            yield _finding(counter, max(passed, key=lambda one: one.most), context)


def _finding(counter: RateCounter, passed: Excess, context: Context) -> Finding:
    limit, done = counter.limit, passed.operations
    households = {operation.household_id for operation in done} - {""}
    people = {operation.user_id for operation in done} | {operation.member_id for operation in done}
    hours = f"{limit.within.total_seconds() / 3600:g} h"
    who = {"user_id": "user", "household_id": "household", "ip_address": "address"}.get(limit.per, "actor")
    return find(
        META,
        context,
        {limit.per: counter.actor, "limit": limit.name},
        impact=Impact(users=len(people - {""}), households=len(households)),
        households=households,
        users=people,
        first_seen=done[0].at,
        occurred_at=passed.moments[-1],
        evidence={
            "limit": limit.name,
            "allowed": limit.most,
            "within_hours": limit.within.total_seconds() / 3600,
            "most": passed.most,
            "from": done[0].at,
            "to": done[-1].at,
            "times_over": len(passed.moments),
            "refused": len(counter.refusals),
            "operations": [
                {"at": operation.at, "user_id": operation.user_id, "household_id": operation.household_id}
                for operation in done[-_LISTED:]
            ],
        },
        timeline=tuple(
            TimelineEntry(at=operation.at, what=limit.noun, actor=operation.user_id)
            for operation in done[-TIMELINE_LENGTH:]
        ),
        story=Story(
            issue=f"One {who} made {count(passed.most, limit.noun)} within {hours}; the limit is {limit.most}.",
            steps=(
                f"{count(passed.most, limit.noun)} were made from {stamp(done[0].at)} to {stamp(done[-1].at)}",
                f"System should have refused those after the first {limit.most}",
                "They were carried out",
            ),
            expected=f"At most {count(limit.most, limit.noun)} per {who} within {hours}; further ones are refused",
            actual=f"{count(passed.most, limit.noun)} within {hours}; {count(len(counter.refusals), 'attempt')} refused",
            impact=f"The limit protects nobody; {count(len(households), 'household')} involved",
            error_messages="RATE_LIMIT_EXCEEDED for the refused attempts" if counter.refusals else "None",
            screenshots="None; the operations are listed in the evidence",
            requesting="Investigation into how the limit was passed and a limit that all processes share",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("limited", passes_the_limit, aggregate, COLUMNS),))
