"""Failed logins followed by changes

Problem
-------
Somebody tried passwords until one worked, and then changed the household: a hijacked account.

Fires when
----------
A user had five or more failed logins within 30 minutes, then less than an hour after the last of them a successful one,
and after that, still within the hour, changed a household: updated it, answered a request, removed a member, regenerated
the code, handed leadership over or left. The change lies in the window.

Stays silent when
-----------------
Failures without success; success without a change; exactly 30 minutes or an hour; a retried failure, which counts once;
views, pets' activities and leaving started but not done.

Evidence
--------
The failures with their addresses, the successful login, the changes.

What to do
----------
1. End the sessions of account {user_id} and have its password reset: whoever guessed it is still inside.
2. Ask the owner, by an address from before {first_seen|that hour}, whether the changes below are theirs.
3. If they are not: ask Engineering to undo them, and look for the same addresses on other accounts.

How to check
------------
    SELECT e.event_timestamp, e.event_type, e.household_id
      FROM household_events e
     WHERE (e.user_id = :user_id OR (e.metadata->>'user_id') = :user_id)
       AND e.event_timestamp BETWEEN :first_seen AND :occurred_at
     ORDER BY e.event_timestamp
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.conduct import ConductCase
from detectors.cases.timeline import describe, timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.records import Event
from detectors.events import CHANGES, EventType
from detectors.limits import Limits
from detectors.text.wording import count, listed, stamp

META = Meta(
    id="failed-logins-then-changes",
    title="Household Changes After Failed Logins",
    team="trust-safety",
    severity="Immediate",
    kind="occurrence",
    subject=("user_id",),
    needs=frozenset({"household_events.event_type", "household_events.user_id", "household_events.metadata"}),
    events=(frozenset({EventType.LOGIN_FAILED}), frozenset({EventType.LOGIN_SUCCEEDED}), frozenset(CHANGES)),
    roles={"subject.user_id": "account that was used"},
    actor="account that was used",
    sure="inferred",
    refuted_by="the owner mistyped their password, and then did what they came for",
    process="Trust & Safety Escalations, Immediate: Multiple failed login attempts followed by household changes",
)


def many_failures(conduct: FromClause, context: Context) -> ColumnElement[bool]:
    return conduct.c.failures >= context.limits.failed_logins


def evaluate(case: ConductCase, context: Context) -> Iterator[Finding]:
    if "user_id" not in case.subject:
        return
    settled = [event for event in case.events if event.at <= context.watermark]
    failures = [event for event in settled if event.type == EventType.LOGIN_FAILED]
    successes = [event for event in settled if event.type == EventType.LOGIN_SUCCEEDED]
    changes = [event for event in settled if event.type in CHANGES and event.at in context.window]
    after = timedelta(minutes=context.limits.change_after_failures_minutes)
    bursts = [(success, burst) for success in successes if (burst := last_burst(failures, success, context))]
    done = []
    used: dict[int, Event] = {}
    for change in changes:
        for success, burst in bursts:
            if success.at <= change.at and change.at - burst[-1].at < after:
                done.append(change)
                used |= {event.id: event for event in (*burst, success)}
                break
    if done:
        yield _finding(case, sorted(used.values(), key=lambda event: (event.at, event.id)), done, context)


def last_burst(failures: Sequence[Event], success: Event, context: Context) -> list[Event]:
    """The failures that make the last burst before `success`; empty where there is none."""
    limits = context.limits
    within = timedelta(minutes=limits.failed_logins_minutes)
    last = bisect_right([event.at for event in failures], success.at) - 1
    for end in range(last, limits.failed_logins - 2, -1):
        if failures[end].at - failures[end - limits.failed_logins + 1].at < within:
            return [event for event in failures[: end + 1] if event.at > failures[end].at - within]
    return []


def _finding(case: ConductCase, logins: list[Event], changes: list[Event], context: Context) -> Finding:
    failures = [event for event in logins if event.type == EventType.LOGIN_FAILED]
    homes = sorted({event.household_id for event in changes} - {""})
    addresses = sorted({event.text("ip_address") for event in logins} - {""})
    return find(
        META,
        context,
        {"user_id": case.key},
        impact=Impact(users=1, households=len(homes)),
        households=homes,
        users=[case.key],
        first_seen=logins[0].at,
        occurred_at=changes[-1].at,
        evidence={
            "failed_logins": len(failures),
            "ip_addresses": addresses,
            "changes": [{"at": event.at, "what": event.type, "household_id": event.household_id} for event in changes],
        },
        timeline=timeline([*logins, *changes]),
        story=Story(
            pattern=f"{count(len(failures), 'failed login')}, then a successful one and {count(len(changes), 'change')} "
            "of the household",
            evidence=(
                f"{stamp(failures[0].at)} to {stamp(failures[-1].at)}: {count(len(failures), 'failed login')} from "
                f"{listed(addresses) or 'unknown addresses'}",
                *(f"{stamp(event.at)}: {describe(event)}" for event in changes[:10]),
            ),
            suspected_violation="Account compromise",
            reporter="Internal monitoring alert",
            requesting="Account review, end of the account's sessions, and reversal of the changes if confirmed",
        ),
    )


def _before_a_change(limits: Limits) -> timedelta:
    """How long before a change the first of the failed logins that make it suspicious may lie."""
    return timedelta(minutes=limits.failed_logins_minutes + limits.change_after_failures_minutes)


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("conduct", many_failures),),
    evaluate,
    looks_back={"failed logins": _before_a_change},
)
