"""Leadership that moved without any event."""

from __future__ import annotations

from detectors.contract import Context
from detectors.domain.erasure import anonymised
from detectors.domain.household import HouseholdCase
from detectors.domain.leadership import in_flight, leads_effectively
from detectors.domain.membership import is_creator
from detectors.events import EventType

TRANSFER = EventType.LEADERSHIP_TRANSFERRED
LEAVING = (EventType.LEAVE_STARTED, EventType.LEFT)


def taken_silently(home: HouseholdCase, context: Context) -> bool:
    """Whether somebody leads who did not create the household, without a trace of how they came to it."""
    household, began = home.household, context.audit_began
    if household is None or household.leader_id is None or began is None or household.created_at <= began:
        return False
    if not context.never_written.isdisjoint({EventType.LEAVE_STARTED, TRANSFER}):
        return False
    leader = household.leader_id
    if in_flight(home, context) or not leads_effectively(home, leader):
        return False
    if context.births_untold and not home.events_of(EventType.CREATED):
        return False
    creators = creators_of(home, context)
    if not creators or leader in creators or anonymised(home, TRANSFER, *LEAVING):
        return False
    transfers = home.events_of(TRANSFER)
    if not {event.text("to_user_id") for event in transfers} <= written_there(home):
        # It went to somebody, who may be written there in another way.
        return False
    led = creators | {event.text("to_user_id") for event in transfers}
    led |= {row.user_id for row in home.members if row.role == "leader"}
    led.discard(leader)
    if led & home.gone.keys():
        # A deleted account leads nobody: its successor may have been named by hand.
        return False
    left = [e for e in home.events_of(*LEAVING) if e.user_id in led]
    if transfers:
        # Where leadership went after an earlier leave is known; what happened after the last transfer is not.
        last = transfers[-1]
        left = [e for e in left if e.at > last.at and e.user_id != last.text("from_user_id")]
    return not left and not any(event.text("to_user_id") == leader for event in transfers)


def written_there(home: HouseholdCase) -> set[str]:
    """Whom the household knows as a column writes them: where rows are deleted on leaving, what people did or asked is left."""
    rows = {row.user_id for row in home.members} | {request.user_id for request in home.requests}
    return rows | {event.user_id for event in home.events}


def creators_of(home: HouseholdCase, context: Context) -> set[str]:
    """Who may have created the household: whose row was written with it, and whom the trail names."""
    creators = {row.user_id for row in home.members if is_creator(home, row, context)}
    return creators | {event.user_id for event in home.events_of(EventType.CREATED)} - {""}
