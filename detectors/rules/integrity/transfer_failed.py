"""Leadership transfer failure

Problem
-------
A leader left, or leadership was handed over, and the household came out of it half changed. The app writes a leave in
four steps without a transaction: (1) leader_id names the successor, (2) the successor's role becomes leader, (3) the
event household_leadership_transferred is written, (4) the leaver's member row becomes removed. A process can stop
between any two of them.

Fires when
----------
- *role-not-moved*: leader_id's active row is not 'leader' while another active row is (stopped after step 1);
- *old-leader-remains*: there are several active leaders and leader_id is one of them after a transfer, or after one of
  the others started to leave, or although another of them is the creator, from whom it must have been moved (stopped
  after step 2 or 3), or after a transfer by somebody who had to start leaving twice (each attempt promoted somebody);
- *leader-gone*: leader_id's row is 'removed' while members remain;
- *no-transfer*: a leader left (household_left, was_leader) with members remaining, no transfer was written within two
  minutes before or after, and nobody leads now;
- *transfer-not-in-force*: the last transfer event's to_user_id does not lead now, no later event explains it, and nobody
  leads effectively or still the old leader does, though the person named is a member.

Stays silent when
-----------------
leader_id and the active leader agree, as after an ordinary transfer; every past leader leaves a 'removed' row with the
role of leader, which means nothing. Somebody else leads effectively again, repaired by hand. A member whose account is
deleted is no active member: they lead and succeed nobody, and their deletion explains that they no longer do. A member who held a stray role of leader and left says was_leader too: while
somebody leads effectively, a leave without a transfer is no failure. Silent while leadership may be changing, and where
a leader's row is younger than the grace period. Without an audit table the first three are all that can be seen.

Evidence
--------
Which of the five it is, the step of the leave sequence that was reached, leader_id and the active leaders, who was to
lead, the longest-standing member, the audit trail.

What to do
----------
1. If failure is role-not-moved: give {new_leader|the successor whom leader_id names} the role of leader in household
   {household_id}.
2. If failure is role-not-moved or old-leader-remains: set the row of {old_leader|the leaver} to removed; if they are to
   stay, to the role member.
3. If heir is recorded: in one transaction: let leader_id of household {household_id} name
   {new_leader|the person whom the transfer names}, and give {new_leader|the person whom the transfer names} the role of
   leader, as the transfer says.
4. If heir is longest-standing: in one transaction: let leader_id of household {household_id} name
   {longest_standing_member|the longest-standing active member}, and give
   {longest_standing_member|the longest-standing active member} the role of leader.
5. If heir is designated: in one transaction: let leader_id of household {household_id} name the successor whom the
   leaver designated, and give that member the role of leader; ask Support to ask the leaver who it is.
6. If heir is asked: ask Support which of the two is meant to lead household {household_id},
   {old_leader|the old leader} or {new_leader|the person whom the transfer names}, and set leader_id and the roles to
   that person, in one transaction.
7. If failure is role-not-moved or old-leader-remains: do it in one transaction.
8. Find out why the app's sequence stopped, which has no transaction and will stop half way again: the server's log and
   the deployments around the last moment of the audit trail.

How to check
------------
    SELECT h.id, h.leader_id, m.user_id AS has_the_role
      FROM households h
      LEFT JOIN household_members m ON m.household_id = h.id AND m.status = 'active' AND m.role = 'leader'
     WHERE h.id = :household_id
       AND (h.leader_id IS NULL OR m.user_id IS NULL OR m.user_id <> h.leader_id
            OR (h.leader_id = :old_leader AND h.leader_id <> :new_leader))

    SELECT h.id, h.leader_id, m.user_id AS has_the_role
      FROM households h
      LEFT JOIN household_members m ON m.household_id = h.id AND m.status = 'active' AND m.role = 'leader'
     WHERE h.id = :household_id AND (h.leader_id IS NULL OR m.user_id IS NULL OR m.user_id <> h.leader_id)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import ColumnElement, FromClause, or_

from detectors.cases.timeline import timeline
from detectors.contract import Context, Detector, Finding, Impact, Meta, Subscription, find
from detectors.domain.household import HouseholdCase
from detectors.domain.leadership import (
    active_leaders,
    active_row,
    in_flight,
    leads_effectively,
    longest_standing,
    not_plainly_led,
)
from detectors.domain.membership import is_creator
from detectors.domain.records import Event, Membership
from detectors.events import EventType
from detectors.rules.integrity._leader_gone import leader_gone
from detectors.rules.integrity._transfer_story import Failure, Kind, tell

META = Meta(
    id="transfer-failed",
    title="Household Leadership Transfer Failure",
    team="engineering",
    severity="P0",
    kind="state",
    subject=("household_id",),
    needs=frozenset({"households.leader_id", "household_members.role", "household_members.status"}),
    consults=frozenset({"users", "household_events"}),
    among_the_living="each",
    ways={
        "who leads now": (),
        "leaves of leaders without a transfer": (frozenset({"household_left.was_leader"}),),
        "transfers that are not in force": (frozenset({"household_leadership_transferred.to_user_id"}),),
    },
    not_where=frozenset({"leaders_by_role"}),
    sure="rows",
    refuted_by="leadership was meant to stand like this, and was set by hand",
    process="Engineering Escalations, P0: Leadership transfer failures",
)


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def last_transfer_not_in_force(transfer: FromClause, context: Context) -> ColumnElement[bool]:
    return or_(transfer.c.leader_id.is_(None), transfer.c.leader_id != transfer.c.to_user_id)


def evaluate(case: HouseholdCase, context: Context) -> Iterator[Finding]:
    if case.household is None or not case.living or in_flight(case, context):
        return
    if any(leader.joined_at > context.watermark for leader in active_leaders(case)):
        return
    failure = find_failure(case, context)
    if failure is None:
        return
    leader_id = case.household.leader_id
    stuck = sorted(case.affected)
    happened = failure.event.at if failure.event else None
    yield find(
        META,
        context,
        {"household_id": case.household_id},
        impact=Impact(users=len(stuck), households=1),
        households=[case.household_id],
        users=[failure.old_leader or "", failure.new_leader or "", leader_id or "", *stuck],
        first_seen=happened,
        occurred_at=happened,
        evidence={
            "failure": failure.kind,
            "step_reached": failure.step,
            "leader_id": leader_id,
            "active_leaders": [leader.user_id for leader in active_leaders(case)],
            "old_leader": failure.old_leader,
            "new_leader": failure.new_leader,
            "longest_standing_member": longest_standing(case),
            "stuck_members": stuck,
        },
        timeline=timeline(case.events),
        story=tell(case, failure),
    )


def find_failure(case: HouseholdCase, context: Context) -> Failure | None:
    """Which failure of a transfer the household shows; None if none."""
    leader_id = case.household.leader_id if case.household else None
    leaders = {leader.user_id for leader in active_leaders(case)}
    row = active_row(case, leader_id)
    if row is not None and not row.leads and leaders:
        leaving = [e.user_id for e in case.events_of(EventType.LEAVE_STARTED) if e.user_id in leaders]
        return _failure(case, "role-not-moved", 1, leaving[-1] if leaving else min(leaders), leader_id)
    if row is not None and row.leads and len(leaders) > 1:
        remains = _old_leader_remains(case, leaders - {row.user_id}, row, context)
        if remains:
            return remains
    if row is not None and row.leads and len(leaders) == 1:
        return _not_in_force(case)
    # A stray second leader who leaves says was_leader too; where leader_id's own row leads, that is no failed transfer.
    left = None if row is not None and row.leads else _leader_left_without_transfer(case, context)
    if left is not None:
        return Failure("no-transfer", 4, left.user_id, None, left)
    theirs = [member for member in case.members if member.user_id == leader_id]
    # A deleted account whose row is active has not left: that is no-leader.
    if theirs and not any(member.active for member in theirs):
        return leader_gone(case, leader_id, context)
    return _not_in_force(case)


def _failure(case: HouseholdCase, kind: Kind, step: int, old: str, new: str | None) -> Failure:
    started = [
        event
        for event in case.events_of(EventType.LEAVE_STARTED, EventType.LEFT, EventType.LEADERSHIP_TRANSFERRED)
        if old in (event.user_id, event.text("from_user_id"))
    ]
    return Failure(kind, step, old, new, started[-1] if started else None)


def _old_leader_remains(case: HouseholdCase, others: set[str], leader: Membership, context: Context) -> Failure | None:
    leader_id = leader.user_id
    for event in reversed(case.events_of(EventType.LEADERSHIP_TRANSFERRED, EventType.LEAVE_STARTED)):
        if event.type == EventType.LEAVE_STARTED:
            if event.user_id in others:
                return Failure("old-leader-remains", 2, event.user_id, leader_id, event)
        elif event.text("to_user_id") in others:
            # They led since; that leader_id names another was not recorded.
            return Failure("old-leader-remains", 2, event.text("to_user_id"), leader_id, event)
        elif event.text("from_user_id") in others:
            return Failure("old-leader-remains", 3, event.text("from_user_id"), leader_id, event)
    twice = _left_in_two_attempts(case, leader_id, context)
    if twice is not None:
        return Failure("old-leader-remains", 2, twice.text("from_user_id"), leader_id, twice)
    # Step 2 comes before any event is sure to be there; but leader_id is the creator's until a transfer moves it.
    creators = {row.user_id for row in case.members if is_creator(case, row, context)}
    if len(creators) == 1 and creators <= others:
        return Failure("old-leader-remains", 2, creators.pop(), leader_id, None)
    return None


def _left_in_two_attempts(case: HouseholdCase, leader_id: str, context: Context) -> Event | None:
    """The last transfer to the leader, if who made it had started to leave more than once.

    An attempt that stopped after step 2 leaves its successor the role, and the next one may choose somebody else.
    """
    transfers = case.events_of(EventType.LEADERSHIP_TRANSFERRED)
    last = next((event for event in reversed(transfers) if event.text("to_user_id") == leader_id), None)
    if last is None:
        return None
    started = [
        event
        for event in case.events_of(EventType.LEAVE_STARTED)
        if event.user_id == last.text("from_user_id") and event.at <= last.at + context.limits.grace
    ]
    return last if len(started) > 1 else None


def _leader_left_without_transfer(case: HouseholdCase, context: Context) -> Event | None:
    """The last leave of a leader, if members stayed behind and no transfer was written within the grace period of it."""
    leaves = [event for event in case.events_of(EventType.LEFT) if event.says("was_leader")]
    if not leaves:
        return None
    left = leaves[-1]
    stayed = any(member.joined_at <= left.at and member.user_id != left.user_id for member in case.living)
    transferred = any(
        abs(event.at - left.at) <= context.limits.grace for event in case.events_of(EventType.LEADERSHIP_TRANSFERRED)
    )
    return left if stayed and not transferred else None


def _not_in_force(case: HouseholdCase) -> Failure | None:
    """The last transfer, if the person it names does not lead and nothing explains why.

    Leaving, being removed or deleting their account later explains it. So does somebody else who leads effectively, as that
    was repaired by hand, unless it is the old leader: then nothing of the transfer was carried out. Whoever has no active
    row went at an unknown time, and their own hand-over may have lost its event. An id that is malformed names nobody.
    """
    transfers = case.events_of(EventType.LEADERSHIP_TRANSFERRED)
    if not transfers:
        return None
    last = transfers[-1]
    named = last.text("to_user_id")
    known = any(member.user_id == named for member in case.members)
    if leads_effectively(case, named) or not (known or _UUID.fullmatch(named)):
        return None
    leader_id = case.household.leader_id if case.household else None
    gone = known and active_row(case, named) is None
    deleted = case.gone.get(named)
    departed = (deleted is not None and deleted >= last.at) or any(
        event.member_id == named and event.at >= last.at
        for event in case.events_of(EventType.LEFT, EventType.MEMBER_REMOVED)
    )
    elsewhere = gone or leader_id != last.text("from_user_id")
    if departed or (elsewhere and leads_effectively(case, leader_id or "")):
        return None
    return Failure("transfer-not-in-force", None, last.text("from_user_id"), named, last)


DETECTOR = Detector(
    META,
    __doc__,
    (Subscription("households", not_plainly_led), Subscription("transfers", last_transfer_not_in_force, optional=True)),
    evaluate,
    by_shape=True,
)
