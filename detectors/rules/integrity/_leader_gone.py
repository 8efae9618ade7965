"""Whose leave it was where leader_id names somebody who is no member any more."""

from __future__ import annotations

from datetime import timedelta

from detectors.contract import Context
from detectors.domain.household import HouseholdCase
from detectors.domain.leadership import active_leaders, active_row
from detectors.domain.records import Event
from detectors.events import EventType
from detectors.rules.integrity._transfer_story import Failure


def leader_gone(case: HouseholdCase, leader_id: str | None, context: Context) -> Failure:
    """Who is no member and named by leader_id: a leader who left, or a successor who had left before leadership came to them."""
    departures = [
        event for event in case.events_of(EventType.LEFT, EventType.MEMBER_REMOVED) if event.member_id == leader_id
    ]
    gone = departures[-1] if departures else None
    came = _hand_over(case, leader_id)
    if came is not None and gone is not None and _left_as_member(case, gone, came, context):
        return Failure("leader-gone", None, came.text("from_user_id") or came.user_id, leader_id, came)
    transfers = case.events_of(EventType.LEADERSHIP_TRANSFERRED)
    last = transfers[-1] if transfers and transfers[-1].text("from_user_id") == leader_id else None
    left_by_it = last is not None and (gone is None or abs(gone.at - last.at) <= context.limits.grace)
    if last is not None and left_by_it and active_row(case, last.text("to_user_id")):
        return Failure("leader-gone", None, leader_id, last.text("to_user_id"), gone or last)
    return Failure("leader-gone", None, leader_id, None, gone)


def _hand_over(case: HouseholdCase, leader_id: str | None) -> Event | None:
    """The last transfer, if it names `leader_id`; else the last start of a leave by somebody who still has the role."""
    transfers = case.events_of(EventType.LEADERSHIP_TRANSFERRED)
    if transfers and transfers[-1].text("to_user_id") == leader_id:
        return transfers[-1]
    leaders = {leader.user_id for leader in active_leaders(case)}
    started = [event for event in case.events_of(EventType.LEAVE_STARTED) if event.user_id in leaders]
    return started[-1] if started else None


def _left_as_member(case: HouseholdCase, gone: Event, hand_over: Event, context: Context) -> bool:
    """Whether somebody went before leadership came to them: the app reads the list of members before it takes the lock.

    Two operations that overlap may write their events in either order.
    """
    if any(row.joined_at > gone.at for row in case.members if row.user_id == gone.member_id):
        return False
    if gone.type == EventType.LEFT:
        meanwhile = gone.text("was_leader") != "" and not gone.says("was_leader")
    else:
        meanwhile = gone.user_id == hand_over.user_id
    return gone.at <= hand_over.at + (context.limits.grace if meanwhile else timedelta())
