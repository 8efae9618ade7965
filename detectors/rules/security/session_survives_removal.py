"""Session survives a removal

Problem
-------
A member was removed from a household, and a session that they had before goes on being used: the app does not end
sessions when it removes somebody.

Fires when
----------
A session that began before its user's removal is used in the window, more than 15 minutes after the removal, as
session_used events or the session's last_activity_at tell. More than ten such sessions in a window are one finding.

Stays silent when
-----------------
The user left by themself; the session began at or after the removal; the use is exactly 15 minutes after it or earlier;
the user was let into the household again before the use (an approval that was applied, or a row written after the removal);
the app refused the removal (RATE_LIMIT_EXCEEDED).

Evidence
--------
The removal with its time and household and who removed, the session's beginning and latest use, how long it survived.

What to do
----------
1. Revoke session {session_id|of each row below} of user {user_id|whom it belongs to}.
2. Check in the server's log what the session read after {removed_at|the removal}; if it read the household, ask
   Support to tell the household.
3. Make the removal of a member end their sessions, or have every request ask for the membership anew.

How to check
------------
    SELECT s.id, s.user_id, s.last_activity_at, s.revoked_at
      FROM sessions s
     WHERE s.id = :session_id AND s.last_activity_at > :removed_at
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, FromClause, and_

from detectors.contract import (
    Context,
    Detector,
    Finding,
    Impact,
    Member,
    Meta,
    Row,
    Story,
    Subscription,
    TimelineEntry,
    find,
)
from detectors.rules.security._surviving_sessions import COLUMNS, Survival, survivals_of
from detectors.text.wording import count, stamp

META = Meta(
    id="session-survives-removal",
    title="Session Still Used After the Member Was Removed",
    team="engineering",
    severity="P0",
    kind="occurrence",
    subject=("user_id", "session_id", "operation"),
    needs=frozenset({"household_events.metadata", "sessions.id", "sessions.user_id", "sessions.created_at"}),
    consults=frozenset({"household_members"}),
    partly={"uses by the session's own time": frozenset({"sessions.last_activity_at"})},
    events=(frozenset({"household_member_removed.member_id"}),),
    ways={
        "uses by the session's own time": (),
        "uses by events": (frozenset({"session_used.session_id"}),),
    },
    sure="trail",
    refuted_by="the session's later use was a background call that showed nothing of the household",
    process="Engineering Escalations, P0: Session invalidation not working",
    feature="member removal",
)


def used_on(presence: FromClause, context: Context) -> ColumnElement[bool]:
    return and_(presence.c.act == "session", presence.c.used_at <= context.watermark)


def aggregate(rows: Iterable[Row], context: Context) -> Iterator[Finding]:
    survivals = survivals_of(rows)
    if len(survivals) > context.limits.surviving_sessions_most:
        yield _systemic(survivals, context)
        return
    for survival in survivals:
        yield _finding(survival, context)


def _finding(survival: Survival, context: Context) -> Finding:
    minutes = int((survival.used_at - survival.removed_at).total_seconds() // 60)
    return find(
        META,
        context,
        {"user_id": survival.user_id, "session_id": survival.session_id},
        impact=Impact(users=1, households=1 if survival.household_id else 0),
        households=[survival.household_id],
        users=[survival.user_id],
        first_seen=survival.removed_at,
        occurred_at=survival.used_at,
        evidence={
            "session_began": survival.began,
            "removed_at": survival.removed_at,
            "removed_by": survival.removed_by or None,
            "used_at": survival.used_at,
            "minutes_after_removal": minutes,
        },
        timeline=(
            TimelineEntry(at=survival.began, what="session began", actor=survival.user_id),
            TimelineEntry(
                at=survival.removed_at, what=f"removed {survival.user_id} from the household", actor=survival.removed_by
            ),
            TimelineEntry(at=survival.used_at, what="session used", actor=survival.user_id),
        ),
        story=Story(
            issue="A member was removed from a household and a session from before is still used.",
            steps=(
                f"User signed in at {stamp(survival.began)}",
                f"{survival.removed_by or 'Somebody'} removed them from the household at {stamp(survival.removed_at)}",
                "System should have ended their sessions",
                f"The session was used at {stamp(survival.used_at)}, {count(minutes, 'minute')} later",
            ),
            expected=f"Sessions end within {context.limits.session_grace_minutes} minutes of the removal",
            actual=f"The session was used {count(minutes, 'minute')} after the removal",
            impact="1 former member may still have access",
            error_messages="None (operation completed successfully)",
            screenshots="None; the session's times are in the timeline",
            requesting="Revocation of the session and of sessions in general when a member is removed",
        ),
    )


def _systemic(survivals: list[Survival], context: Context) -> Finding:
    shown = survivals[: context.limits.incident_members_most]
    users = {survival.user_id for survival in survivals}
    households = {survival.household_id for survival in survivals} - {""}
    first, last = min(s.removed_at for s in survivals), max(s.used_at for s in survivals)
    return find(
        META,
        context,
        {"operation": "session-survives-removal"},
        impact=Impact(users=len(users), households=len(households)),
        title="Sessions Survive the Removal of Members",
        households={survival.household_id for survival in shown},
        users={survival.user_id for survival in shown},
        first_seen=first,
        occurred_at=last,
        evidence={"count": len(survivals), "listed": len(shown), "first": first, "last": last},
        members=tuple(
            Member(
                subject={"user_id": survival.user_id, "session_id": survival.session_id},
                households=(survival.household_id,) if survival.household_id else (),
                users=(survival.user_id,),
            )
            for survival in shown
        ),
        story=Story(
            issue=f"{count(len(survivals), 'session')} of removed members were still used.",
            steps=(
                "Members were removed from their households",
                "System should have ended their sessions",
                f"{count(len(survivals), 'session')} were used more than "
                f"{context.limits.session_grace_minutes} minutes after the removal",
            ),
            expected="A removal ends the member's sessions",
            actual=f"{count(len(survivals), 'session')} of {count(len(users), 'user')} survived a removal",
            impact=f"{count(len(users), 'former member')} may still have access to {count(len(households), 'household')}",
            error_messages="None (operation completed successfully)",
            screenshots="None; the sessions are listed below",
            requesting="Revocation of these sessions, and of sessions in general when a member is removed",
        ),
    )


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("presence", used_on, aggregate, COLUMNS),),
    by_night_in_part="sessions of people who were removed before yesterday, where only what changed is looked at",
)
