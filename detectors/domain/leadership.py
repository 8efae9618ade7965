"""What the leadership rules share: who leads, and whether a change of leadership is still under way.

Nobody stands behind the rows of a deleted account: for these rules it is no active member.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, FromClause, Text, and_, cast, or_

from detectors.contract import Context
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Event, Membership
from detectors.events import LEADERSHIP_EVENTS, EventType


def not_plainly_led(household: FromClause, context: Context) -> ColumnElement[bool]:
    """A household with members whose leadership is not plainly right: exactly one active leader, named by leader_id.

    Wider than each leadership rule, so that one cheap aggregate serves them all; the rules decide.
    """
    columns = household.c
    plainly_led = and_(columns.active_leaders == 1, columns.sole_leader == cast(columns.leader_id, Text))
    contradictory = and_(columns.active_members > 0, or_(columns.leader_id.is_(None), plainly_led.is_not(True)))
    # Nobody misses the leader of a household that has no other active row.
    return or_(contradictory, and_(columns.leader_gone, columns.active_members > 1))


def in_flight(case: HouseholdCase, context: Context) -> bool:
    """Whether leadership may be changing at this moment: an operation takes up to the grace period."""
    household = case.household
    if household is not None and household.created_at > context.watermark:
        return True
    if all(member.joined_at > context.watermark for member in case.living):
        return True
    # A transfer moves updated_at before it writes any event. The time is a browser's: it can delay a finding, not more.
    if household is not None and household.updated_at and context.watermark < household.updated_at <= context.as_of:
        return True
    recent = [event for event in case.events_of(*LEADERSHIP_EVENTS) if event.at > context.watermark]
    return any(_concerns_a_leader(case, event) for event in recent)


def _concerns_a_leader(case: HouseholdCase, event: Event) -> bool:
    """Whether an event may be part of a change of leadership: an ordinary member comes and goes without one."""
    if event.type in {EventType.CREATED, EventType.LEADERSHIP_TRANSFERRED} or event.says("was_leader"):
        return True
    leader_id = case.household.leader_id if case.household else None
    had_the_role = {member.user_id for member in case.members if member.role == "leader"}
    return event.member_id == leader_id or event.member_id in had_the_role


def last_change(case: HouseholdCase) -> Event | None:
    """The last event that touched leadership: a leader's leave or removal, or a transfer."""
    changes = [event for event in _changes(case) if event.type != EventType.CREATED]
    return changes[-1] if changes else None


def _changes(case: HouseholdCase) -> list[Event]:
    """The events that touch leadership; an ordinary member who leaves or is removed does not."""
    leader_id = case.household.leader_id if case.household else None
    return [
        event
        for event in case.events_of(*LEADERSHIP_EVENTS)
        if not (event.type == EventType.LEFT and not event.says("was_leader") and event.user_id != leader_id)
        and not (event.type == EventType.MEMBER_REMOVED and event.member_id != leader_id)
    ]


def active_row(case: HouseholdCase, user_id: str | None) -> Membership | None:
    """The user's active row in this household; the one with the role of leader where there are several."""
    rows = [member for member in case.living if member.user_id == user_id]
    return max(rows, key=lambda member: member.leads, default=None)


def leads_effectively(case: HouseholdCase, user_id: str) -> bool:
    """Whether leader_id names `user_id`, an active member whose role is leader: the effective leader."""
    row = active_row(case, user_id)
    return case.household is not None and case.household.leader_id == user_id and row is not None and row.leads


def active_leaders(case: HouseholdCase) -> tuple[Membership, ...]:
    return tuple(member for member in case.living if member.leads)


def longest_standing(case: HouseholdCase) -> str:
    """The user id of the active member who joined first: the successor when none is designated.

    Temporary members may never lead, so they are passed over; empty where nobody is left.
    """
    heirs = [member for member in case.living if not member.is_temporary]
    return min(heirs, key=lambda member: (member.joined_at, member.user_id)).user_id if heirs else ""
