"""Unauthorised leadership transfer

Problem
-------
Leadership of a household moved although its leader did not hand it over: a hijacked account, or a hole in the app. The
new leader can remove everybody.

Fires when
----------
In the window a transfer was written
- *not-by-old-leader*: by somebody else than the old leader, who had not started to leave and did not leave;
- *foreign-session*: from a session that belongs to somebody else than the old leader;
- *new-address*: it, or the leave that it belongs to, from an IP address that the old leader had never used, within an hour
  after failed logins (two or more) or a password reset.
Or *no-event*, at any time: the effective leader is not the creator, the household is younger than the audit table, no
transfer names the leader and nobody who led before started to leave or left (since the last transfer, where there is one);
also where the creator still has the role beside them, as a hand-over always starts with household_leave_started.

Stays silent when
-----------------
The old leader left, from where they always are. Nobody known acted (an event without an actor proves nothing), or the
event names nobody whom the household's rows or acts know. For *new-address*: no earlier address of the old leader is
known. For *no-event*: the creator is unknown, or the account of somebody who led before is deleted, or a transfer or a
leave has lost its actor and is marked as anonymised, or a transfer names nobody whom they know, or the trail tells
neither how the household began nor how many others did; or the household's row was last written (updated_at) after the
newest audit row, or amid 20 hours or more of which nothing was audited, though as long before and after much was, and
so were two other households or more, but not most. Also within the grace period. Where the source never wrote
household_leave_started (for *not-by-old-leader*: household_left neither, for *no-event*: or holds a type that nobody
knows and that may be a transfer), its absence says nothing, and only the other ways are looked at.

Evidence
--------
Which of the four it is, the old and the new leader, who acted, from which address and session, the audit trail.

What to do
----------
1. Ask Engineering to freeze the leader functions of household {household_id} until this is decided.
2. Ask the old leader, by an address that was theirs before the transfer, whether they handed over.
3. If they did not: ask Engineering to give leadership back and to end the new leader's sessions; decide on an action
   against that account.
4. If they did: close this ticket as expected.

How to check
------------
    SELECT h.id, h.leader_id, e.event_timestamp, e.event_type, e.user_id
      FROM households h
      LEFT JOIN household_events e ON e.household_id = h.id
       AND e.event_type IN ('household_created', 'household_leave_started', 'household_left', 'household_leadership_transferred')
     WHERE h.id = :household_id
     ORDER BY e.event_timestamp
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause

from detectors.cases.hand_over import HandedOverCase
from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Story, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Event
from detectors.domain.spans import habit
from detectors.events import EventType
from detectors.limits import Limits
from detectors.rules.trust_safety._silent_transfer import LEAVING, TRANSFER, creators_of, taken_silently, written_there
from detectors.text.addresses import plain_address
from detectors.text.wording import listed, stamp

META = Meta(
    id="unauthorised-transfer",
    title="Unauthorised Leadership Transfer",
    team="trust-safety",
    severity="Immediate",
    kind="occurrence",
    subject=("household_id",),
    needs=frozenset({"household_events.metadata", "households.leader_id", "household_members.role"}),
    consults=frozenset({"users", "sessions"}),
    events=(frozenset({f"{TRANSFER}.to_user_id"}),),
    ways={
        "hand-overs by somebody else than the old leader": (frozenset(LEAVING), frozenset({f"{TRANSFER}.user_id"})),
        "transfers from a foreign session": (frozenset(f"{event}.session_id" for event in (TRANSFER, *LEAVING)),),
        "transfers from a new address": (frozenset(f"{event}.ip_address" for event in (TRANSFER, *LEAVING)),),
        "leaders of whom no event tells": (frozenset({EventType.LEAVE_STARTED}),),
    },
    roles={
        "evidence.transfers.new_leader": "new leader",
        "evidence.transfers.old_leader": "old leader",
        "evidence.transfers.actor": "moved leadership",
    },
    actor="moved leadership",
    not_where=frozenset({"leaders_by_role", "several_leaders", "rows_are_deleted"}),
    sure="inferred",
    refuted_by="the old leader handed over by themselves, and the app lost the event",
    process="Trust & Safety Escalations, Immediate: Unauthorized leadership transfers",
)


def handed_over(hand_over: FromClause, context: Context) -> ColumnElement[bool]:
    return hand_over.c.handed_over_household.is_not(None)


def leads_unannounced(household: FromClause, context: Context) -> ColumnElement[bool]:
    return household.c.leader_unannounced.is_(True)


def evaluate(case: HandedOverCase, context: Context) -> Iterator[Finding]:
    moves = [
        {"way": way, "old_leader": event.text("from_user_id"), "new_leader": event.text("to_user_id"), **_trace(event)}
        for event in case.home.events_of(TRANSFER)
        if event.at in context.window and event.at <= context.watermark
        for way in ways(case, event, context)
    ]
    told = not (context.so_far or case.unheard)
    if not moves and told and case.home.household and taken_silently(case.home, context):
        before = _led_before(case.home, context)
        moves = [{"way": "no-event", "old_leader": before, "new_leader": case.home.household.leader_id}]
    if moves:
        yield _finding(case, moves, context)


def _no_leave_can_follow(event: Event, context: Context) -> bool:
    """Whether the leave that would explain a transfer has been written, if there is one."""
    explains = timedelta(minutes=context.limits.leave_explains_minutes)
    return not context.so_far or event.at <= context.heard - explains


def ways(case: HandedOverCase, event: Event, context: Context) -> Iterator[str]:
    """In which ways a transfer event is suspicious, if any."""
    old = event.text("from_user_id")
    if not old or old == event.text("to_user_id") or event.user_id in context.limits.service_accounts:
        return
    if written_there(case.home).isdisjoint({old, event.text("to_user_id")}):
        # The event writes people in another way; of a leader who was removed since, the row may be deleted.
        return
    left = _own_leave(case.home, old, event, context)
    by_another = event.user_id and event.user_id != old and not left
    if by_another and not context.never_written.issuperset(LEAVING) and _no_leave_can_follow(event, context):
        yield "not-by-old-leader"
    sessions = {e.text("session_id") for e in (event, *left)} - {""}
    if any(case.session_owner.get(session, old) != old for session in sessions):
        yield "foreign-session"
    if event.at <= context.heard and _from_new_address(case, event, left, context):
        yield "new-address"


def _own_leave(home: HouseholdCase, old: str, event: Event, context: Context) -> list[Event]:
    explains = timedelta(minutes=context.limits.leave_explains_minutes)
    return [
        e
        for e in home.events_of(*LEAVING)
        if e.user_id == old
        and -explains < e.at - event.at < (explains if e.type == EventType.LEFT else _later(context))
    ]


def _later(context: Context) -> timedelta:
    return context.limits.grace + timedelta(microseconds=1)


def _trouble(limits: Limits) -> timedelta:
    """How long before a hand-over failed logins and resets throw a doubt on it."""
    return timedelta(minutes=limits.transfer_after_failures_minutes)


def _from_new_address(case: HandedOverCase, event: Event, left: list[Event], context: Context) -> bool:
    limits, old = context.limits, event.text("from_user_id")
    since = event.at - _trouble(limits)
    addresses = {plain_address(one.text("ip_address")) for one in (event, *left)} - {""}
    theirs = case.activity.get(old, ())
    recent = [e for e in theirs if since < e.at <= event.at]
    failures = [e for e in recent if e.type == EventType.LOGIN_FAILED]
    resets = [e for e in recent if e.type in limits.reset_events]
    if len(failures) < limits.failed_logins_before_transfer:
        failures = []
    if not addresses or not failures + resets:
        return False
    trouble_began = min(e.at for e in failures + resets)
    known = {e.text("ip_address") for e in theirs if e.at < trouble_began and e.type != EventType.LOGIN_FAILED}
    known |= {session.ip_address for session in case.sessions.get(old, ()) if session.created_at < trouble_began}
    known = {plain_address(address) for address in known} - {""} | case.earlier_addresses.get(old, frozenset())
    return bool(known) and not addresses <= known


def _led_before(home: HouseholdCase, context: Context) -> str | None:
    """Who led last as far as anything tells: whom the last transfer names, else the creator."""
    transfers, creators = home.events_of(TRANSFER), creators_of(home, context)
    named = transfers[-1].text("to_user_id") if transfers else ""
    return named or (creators.pop() if len(creators) == 1 and not transfers else None)


def _trace(event: Event) -> dict[str, Any]:
    return {
        "at": event.at,
        "actor": event.user_id or None,
        "ip_address": event.text("ip_address") or None,
        "session_id": event.text("session_id") or None,
    }


_WORDS = {
    "not-by-old-leader": "leadership was moved by somebody else than the old leader, who had not started to leave",
    "foreign-session": "the transfer came from a session that belongs to somebody else",
    "new-address": "the transfer came from an IP address new to the old leader, after failed logins or a reset",
    "no-event": "somebody leads who did not create the household, and no event says how they came to it",
}


def _finding(case: HandedOverCase, moves: list[dict[str, Any]], context: Context) -> Finding:
    home = case.home
    happened = [move["at"] for move in moves if "at" in move]
    people = {str(move[key]) for move in moves for key in ("old_leader", "new_leader", "actor") if move.get(key)}
    found = list(dict.fromkeys(str(move["way"]) for move in moves))
    return find(
        META,
        context,
        {"household_id": case.key},
        impact=Impact(users=len(home.affected), households=1),
        households=[case.key],
        users=people,
        first_seen=min(happened, default=None),
        occurred_at=max(happened, default=None),
        evidence={"ways": found, "transfers": moves, "leader_id": home.household and home.household.leader_id},
        timeline=timeline(home.events),
        story=Story(
            pattern=f"Leadership changed hands without the old leader: {'; '.join(_WORDS[way] for way in found)}",
            evidence=tuple(_line(move) for move in moves),
            suspected_violation="Account compromise or unauthorised takeover of a household",
            reporter="Internal monitoring alert",
            requesting="Freeze of leader functions, contact with the old leader, and return of leadership if confirmed",
            affected_users=tuple(sorted(people)),
        ),
    )


def _line(move: dict[str, Any]) -> str:
    if "at" not in move:
        before = f"; {move['old_leader']} led before" if move["old_leader"] else ""
        return f"{move['new_leader']} leads; no transfer event names them{before}"
    details = [f"{key} {move[key]}" for key in ("actor", "ip_address", "session_id") if move[key]]
    return f"{stamp(move['at'])}: from {move['old_leader']} to {move['new_leader']} ({listed(details) or 'no trace'})"


DETECTOR = Detector(
    META,
    __doc__,
    (
        Subscription("hand-overs", handed_over),
        Subscription("households", leads_unannounced, by_night=lambda _: True, opens="handed_over_household"),
    ),
    evaluate,
    looks_back={
        "trouble before a hand-over": _trouble,
        "habits": lambda limits: max(habit(limits), _trouble(limits)),
    },
    by_night_in_part="leaders of whom no event tells, and transfers that a leave may still explain",
)
