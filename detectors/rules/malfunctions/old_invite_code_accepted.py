"""An old invite code that still lets people in

Problem
-------
A household's leader regenerates the code so that the old one stops working, and the app still accepts the old one.

Fires when
----------
A join request used another code than the household's current one and was made more than five minutes after the current
code began, that is, after the household's last household_invite_code_regenerated event that the app did not refuse.

Stays silent when
-----------------
The request is older than the regeneration, however late it is approved; the codes differ in case alone. Without an event
the code's beginning is not known, and nothing is concluded. The same holds where updated_at says that a change later than the
request went unlogged (no transfer of leadership of that time explains it), unless the request's code is known to be older than the logged one: a request used it before, or
the event names it. An updated_at in the future is a wrong clock and says nothing. Also while the request is younger than the grace period.

Evidence
--------
The time of the regeneration, each request with its time, status and how long after the regeneration it was made. Codes
are not shown: they open the door.

What to do
----------
1. Find the cache or the query that still knows the old code of household {household_id}, and clear it.
2. Ask Support to ask the leader whether the people below are wanted: they came by a code that was withdrawn at
   {code_began|the regeneration}.
3. Check whether other households' old codes work too: regenerate one of a test household and try the old one.

How to check
------------
    SELECT r.id, r.user_id, r.status, r.requested_at
      FROM household_join_requests r JOIN households h ON h.id = r.household_id
     WHERE r.household_id = :household_id AND r.requested_at > :code_began AND upper(r.invite_code) <> upper(h.invite_code)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import ColumnElement, FromClause, and_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Event, JoinRequest
from detectors.events import EventType
from detectors.text.wording import count, stamp

META = Meta(
    id="old-invite-code-accepted",
    title="Old Invite Code Still Accepted",
    team="engineering",
    severity="P1",
    kind="state",
    subject=("household_id",),
    needs=frozenset(
        {
            "households.invite_code",
            "household_join_requests.invite_code",
            "household_events.event_type",
            "household_events.metadata",
        }
    ),
    events=(frozenset({EventType.INVITE_CODE_REGENERATED}),),
    sure="inferred",
    refuted_by="the code was changed by hand, without a regeneration, later than the data tells",
    process="Engineering Escalations, P1: Invite code regeneration not invalidating old codes",
)


def made_after_regeneration(request: FromClause, context: Context) -> ColumnElement[bool]:
    columns = request.c
    slack = timedelta(minutes=context.limits.old_code_minutes)
    return and_(columns.requested_at > columns.regenerated_at + slack, columns.invite_code != columns.current_code)


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    regenerations = [
        event
        for event in case.events_of(EventType.INVITE_CODE_REGENERATED)
        if event.text("error_code").strip().upper() not in context.limits.refusal_codes
    ]
    current = key_of(case.household.invite_code) if case.household else ""
    if not current or not regenerations:
        return
    last = regenerations[-1]
    named = key_of(last.text("new_invite_code"))
    if named and named != current:
        return
    slack = timedelta(minutes=context.limits.old_code_minutes)
    old = [
        request
        for request in case.requests
        if key_of(request.invite_code) not in {"", current}
        and last.at + slack < request.requested_at <= context.watermark
        and (_is_older(case, request, last) or not _changed_since(case, request, last, context))
    ]
    if old:
        yield _finding(case, last, old, context)


def key_of(code: str | None) -> str:
    """A code as it is compared: in upper case, without blanks around it."""
    return (code or "").strip().upper()


def _is_older(case: HouseholdCase, request: JoinRequest, last: Event) -> bool:
    """Whether the request's code is known to be from before the last logged regeneration."""
    code = key_of(request.invite_code)
    if code == key_of(last.text("old_invite_code")):
        return True
    return any(key_of(other.invite_code) == code and other.requested_at < last.at for other in case.requests)


def _changed_since(case: HouseholdCase, request: JoinRequest, last: Event, context: Context) -> bool:
    """Whether updated_at, a browser's clock, speaks of a regeneration after the request that was never logged."""
    updated = case.household.updated_at if case.household else None
    slack = timedelta(minutes=context.limits.old_code_minutes)
    if updated is None or not request.requested_at < updated + slack <= context.as_of + slack:
        return False
    if updated <= last.at + slack or key_of(last.text("new_invite_code")):
        return False
    # A transfer moves updated_at too, but only the one of its own time: whatever moved it later was another change.
    return not any(
        event.at > last.at and event.at + slack >= updated for event in case.events_of(EventType.LEADERSHIP_TRANSFERRED)
    )


def _finding(case: HouseholdCase, last: Event, old: list[JoinRequest], context: Context) -> Finding:
    people = sorted({request.user_id for request in old})
    approved = sum(request.status == "approved" for request in old)
    return find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=len(people), households=1),
        households=[case.household_id],
        users=people,
        first_seen=old[0].requested_at,
        occurred_at=old[-1].requested_at,
        evidence={
            "code_began": last.at,
            "requests": [
                {
                    "request_id": request.id,
                    "user_id": request.user_id,
                    "requested_at": request.requested_at,
                    "status": request.status,
                    "minutes_after": int((request.requested_at - last.at).total_seconds() // 60),
                }
                for request in old
            ],
        },
        timeline=timeline(case.events),
        story=Story(
            issue=f"{count(len(old), 'join request')} used an invite code that was no longer valid.",
            steps=(
                f"The leader regenerated the invite code at {stamp(last.at)}",
                *(
                    f"User {request.user_id} asked to join with an older code at {stamp(request.requested_at)}"
                    for request in old[:5]
                ),
                "System should have refused the old code",
            ),
            expected="Only the household's current code admits requests",
            actual=f"{count(len(old), 'request')} with another code, the latest {stamp(old[-1].requested_at)}",
            impact=f"{count(len(people), 'user')} could ask to join with a withdrawn code; {approved} approved",
            screenshots="None; the requests are listed below",
            requesting="Investigation into where the old code is still valid",
        ),
    )


DETECTOR = Detector(META, __doc__, (Subscription("requests", made_after_regeneration),), evaluate)
