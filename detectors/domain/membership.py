"""Who belongs to a household, and how they came to: what the rules about memberships and answers share."""

from __future__ import annotations

from datetime import datetime

from detectors.contract import Context
from detectors.domain.erasure import may_be_erased
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Event, JoinRequest, Membership
from detectors.events import BELONGING, EventType


def is_creator(case: HouseholdCase, row: Membership, context: Context) -> bool:
    """Whether the row was written together with the household, or the audit trail names its person."""
    if case.household is None:
        return False
    apart = abs((row.joined_at - case.household.created_at).total_seconds())
    named = any(event.user_id == row.user_id for event in case.events_of(EventType.CREATED))
    return named or apart <= context.limits.creator_seconds


def added_by_leader(case: HouseholdCase, row: Membership, context: Context) -> bool:
    """Whether the row is a sitter's whom a leader, present or past, added; where nobody is named, that is assumed."""
    if not row.is_temporary:
        return False
    if row.invited_by is None or row.invited_by in leaders_ever(case) or may_be_erased(case, row.invited_by):
        return True
    return any(member.user_id == row.invited_by and is_creator(case, member, context) for member in case.members)


def leaders_ever(case: HouseholdCase) -> set[str]:
    """Everybody who leads the household or has led it: past leaders' rows keep the role, and events name them."""
    ever = {member.user_id for member in case.members if member.role == "leader"}
    ever |= {event.user_id for event in case.events_of(EventType.CREATED)}
    for event in case.events_of(EventType.LEADERSHIP_TRANSFERRED):
        ever |= {event.text("from_user_id"), event.text("to_user_id")}
    if case.household is not None and case.household.leader_id is not None:
        ever.add(case.household.leader_id)
    return ever - {""}


def belonged_ever(case: HouseholdCase) -> set[str]:
    """Everybody who is or was a member of the household, by its rows or by its audit trail."""
    ever = {member.user_id for member in case.members} | leaders_ever(case)
    ever |= {event.user_id for event in case.events_of(EventType.LEFT, EventType.LEAVE_STARTED)}
    ever |= {event.text("new_member_id") for event in case.events_of(EventType.JOIN_REQUEST_APPROVED)}
    ever |= {event.text("member_id") for event in case.events_of(EventType.MEMBER_REMOVED)}
    return ever - {""}


def last_inside(case: HouseholdCase, user_id: str) -> datetime | None:
    """When the audit trail last shows a person without a member row as a member; None if it never does."""
    told = [
        event.at
        for event in case.events_of(*BELONGING)
        if user_id in (event.user_id, event.member_id, event.text("from_user_id"), event.text("to_user_id"))
    ]
    if user_id in case.inside:
        told.append(case.inside[user_id])
    return max(told, default=None)


def was_lived_in(case: HouseholdCase, *, by_requests: bool = False) -> bool:
    """Whether the audit trail tells of members: there are deployments that delete the rows of those who go.

    Where they delete with them what they did, approved requests tell it (`by_requests`).
    """
    if by_requests and any(request.status == "approved" for request in case.requests):
        return True
    return bool(case.inside) or any(not event.text("error_code") for event in case.events_of(*BELONGING))


def answers(case: HouseholdCase, request: JoinRequest, event_type: str) -> tuple[Event, ...]:
    """The events of one type that name the request, oldest first."""
    return tuple(event for event in case.events_of(event_type) if event.text("request_id") == request.id)


def approval_event(case: HouseholdCase, user_id: str) -> Event | None:
    """The latest event that says that `user_id` was let in: it names them, or a request of theirs."""
    theirs = {request.id for request in case.requests if request.user_id == user_id}
    for event in reversed(case.events_of(EventType.JOIN_REQUEST_APPROVED)):
        if event.text("new_member_id") == user_id or event.text("request_id") in theirs:
            return event
    return None


def answer_in_flight(case: HouseholdCase, request: JoinRequest, context: Context) -> bool:
    """Whether the answer to a request may still be under way.

    The answer's event counts. Without one only the browser's clock may know; it can delay a finding by one scan at most.
    """
    told = [
        event
        for kind in (EventType.JOIN_REQUEST_APPROVED, EventType.JOIN_REQUEST_REJECTED)
        for event in answers(case, request, kind)
    ]
    if told:
        return max(event.at for event in told) > context.watermark
    just_now = request.responded_at is not None and context.watermark < request.responded_at <= context.as_of
    return just_now or request.requested_at > context.watermark
