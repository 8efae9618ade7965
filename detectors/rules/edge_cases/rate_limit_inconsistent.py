"""Refused although the limit was far away

Problem
-------
The app refuses somebody for a rate limit, and what they really did is not even half of it: its counters are wrong, or
count for somebody else.

Fires when
----------
A rate_limit_exceeded event of the window, and the user's or household's operations in the limit's stretch of time before
it are fewer than half the limit.

Stays silent when
-----------------
Half the limit or more was done; the audit table does not reach back as far as the limit's stretch, so that what was done
is not known (join requests have rows of their own and are known anyway); the event names no limit, or neither user nor
household. Validations are limited per address, which may be many people's, and are left out.

Evidence
--------
The refusals with their times, how many operations were really done before each, the limit.

What to do
----------
1. Reset the counter of the limit {limit} for the account or household that this is about, so that they can go on.
2. Find out what it counts: attempts instead of operations, a key that several people share, or calls that are never
   forgotten.

How to check
------------
    SELECT e.event_type, count(*) AS times
      FROM household_events e
     WHERE e.user_id = :user_id AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
     GROUP BY e.event_type

    SELECT e.event_type, count(*) AS times
      FROM household_events e
     WHERE e.household_id = :household_id AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
     GROUP BY e.event_type
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, and_

from detectors.cases.timeline import TIMELINE_LENGTH
from detectors.contract import Context, Detector, Finding, Impact, Meta, Row, Story, Subscription, TimelineEntry, find
from detectors.events import EventType
from detectors.passes.operations import OPERATIONS
from detectors.rules._rate_limits import COLUMNS, Operation, RateCounter, number_done, rate_counters_of
from detectors.text.wording import count, stamp

META = Meta(
    id="rate-limit-inconsistent",
    title="Refused Although the Rate Limit Was Not Reached",
    team="engineering",
    severity="P2",
    kind="occurrence",
    subject=("user_id", "household_id", "limit"),
    needs=frozenset({"household_events.event_type", "household_events.metadata"}),
    consults=frozenset({"household_join_requests"}),
    events=(frozenset({"rate_limit_exceeded.limit_type"}),),
    ways={
        "join requests": (),
        "household creations": (frozenset({EventType.CREATED}),),
        "removals of members": (frozenset({EventType.MEMBER_REMOVED}),),
        "code regenerations": (frozenset({EventType.INVITE_CODE_REGENERATED}),),
    },
    not_where=frozenset({"other_limits"}),
    sure="trail",
    refuted_by="operations were done that are not in the audit trail",
    process="Engineering Escalations, P2: Rate limit cache inconsistencies",
    feature="rate limiting",
)


def was_refused(limited: FromClause, context: Context) -> ColumnElement[bool]:
    return and_(
        limited.c.actor.is_not(None), limited.c.refusals > 0, limited.c.limit_name.is_distinct_from("invite_validation")
    )


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    for counter in rate_counters_of(rows, context):
        wrong = [
            (refusal, done)
            for refusal in counter.refusals
            if refusal.at in context.window
            and refusal.at <= context.watermark
            and _is_known(counter, refusal, context)
            and 2 * (done := _really_done(counter, refusal)) < counter.limit.most
        ]
        if wrong:
            yield _finding(counter, wrong, context)


def _is_known(counter: RateCounter, refusal: Operation, context: Context) -> bool:
    began = context.audit_began
    if any(limit == counter.limit.name and event in context.never_written for event, limit in OPERATIONS.items()):
        # What is never written was not seldom done.
        return counter.limit.name == "join_request"
    return counter.limit.name == "join_request" or (began is not None and began <= refusal.at - counter.limit.within)


def _really_done(counter: RateCounter, refusal: Operation) -> int:
    return max(
        number_done(operations, counter.limit, refusal.at) for operations in (counter.by_events, counter.by_rows)
    )


def _finding(counter: RateCounter, wrong: list[tuple[Operation, int]], context: Context) -> Finding:
    limit = counter.limit
    refusals = [refusal for refusal, _ in wrong]
    last, done = wrong[-1]
    who = "user" if limit.per == "user_id" else "household"
    hours = f"{limit.within.total_seconds() / 3600:g} h"
    users = {refusal.user_id for refusal in refusals} - {""}
    return find(
        META,
        context,
        {limit.per: counter.actor, "limit": limit.name},
        impact=Impact(users=max(1, len(users)), households=len({r.household_id for r in refusals} - {""})),
        households={refusal.household_id for refusal in refusals},
        users=users,
        first_seen=refusals[0].at,
        occurred_at=last.at,
        evidence={
            "limit": limit.name,
            "allowed": limit.most,
            "within_hours": limit.within.total_seconds() / 3600,
            "refusals": [{"at": refusal.at, "really_done": number} for refusal, number in wrong[-TIMELINE_LENGTH:]],
            "count": len(wrong),
        },
        timeline=tuple(
            TimelineEntry(at=refusal.at, what=f"refused: {limit.noun}", actor=refusal.user_id)
            for refusal in refusals[-TIMELINE_LENGTH:]
        ),
        story=Story(
            issue=f"{who.capitalize()} was refused a {limit.noun} for the rate limit without having come near it.",
            steps=(
                f"The {who} made {count(done, limit.noun)} in the {hours} before {stamp(last.at)}",
                f"System should have refused only after {limit.most}",
                "It refused the next one",
            ),
            expected=f"{count(limit.most, limit.noun)} per {who} within {hours} are allowed",
            actual=f"Refused after {done} ({count(len(wrong), 'refusal')})",
            impact=f"1 {who} cannot use what they are entitled to",
            error_messages="RATE_LIMIT_EXCEEDED",
            screenshots="None; the refusals are listed in the evidence",
            requesting="Reset of the limit's counter and investigation into what it counts",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("limited", was_refused, aggregate, COLUMNS),))
