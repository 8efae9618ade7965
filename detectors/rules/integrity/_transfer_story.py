"""The ticket's words for a failed leadership transfer: what the user did, which step is missing, who is stuck."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from detectors.contract import Story
from detectors.domain.household import HouseholdCase
from detectors.domain.leadership import active_leaders, active_row, longest_standing
from detectors.domain.records import Event
from detectors.events import EventType
from detectors.text.wording import count, listed

Kind = Literal["role-not-moved", "old-leader-remains", "leader-gone", "no-transfer", "transfer-not-in-force"]


@dataclass(frozen=True, slots=True)
class Failure:
    """`step` is the last step of the leave sequence (1-4) that was carried out, None where that cannot be told."""

    kind: Kind
    step: int | None
    old_leader: str | None
    new_leader: str | None
    event: Event | None


_STEPS_DONE = {
    1: "leader_id was moved to the successor, then the sequence stopped before the successor's role was set",
    2: "leader_id and the successor's role were set, then the sequence stopped before the transfer was recorded",
    3: "Leadership was moved and recorded, then the sequence stopped before the old leader's row was removed",
    4: "Leadership transfer did not occur",
}

_STOPPED = {
    1: "1 of 4: leader_id names the successor, and nothing more was done: the successor's role was never set",
    2: "2 of 4: leader_id and the successor's role were set; no transfer was written (3), and the old leader's row keeps its role and is active (4)",
    3: "3 of 4: leadership was moved and written down; the old leader's row was never removed (4)",
    4: "4 of 4: the leaver's row was removed before anybody was promoted: steps 1 to 3 are missing",
}
"""The step of a leave that was the last one to be done, and what is missing."""
_NOBODY_PROMOTED = (
    "The row of the member whom leader_id names was removed (the last step of 4) before anybody was promoted"
)
_NOT_DONE = {
    1: "leader_id does not name the successor (1)",
    2: "the successor's role is not leader (2)",
    3: "no transfer was written (3)",
    4: "the old leader's row is active (4)",
}


def tell(case: HouseholdCase, failure: Failure) -> Story:
    """The words for `failure`, from the household's state and audit trail."""
    members = len(case.affected)
    leaderless = _leaderless(case)
    stuck = count(members, "member")
    return Story(
        issue=_issue(failure, leaderless),
        steps=_steps(case, failure),
        expected=_expected(case, failure),
        actual=_actual(case, failure),
        stopped=_stopped(case, failure),
        impact=f"{stuck} cannot manage household settings"
        if leaderless
        else f"{stuck} of a household with unclear leadership",
        error_messages=_errors(case, failure),
        screenshots=f"Attached (household member list showing {'no leader badge' if leaderless else 'the leader badges'})",
        requesting="Emergency fix to assign leader and investigation into why "
        + (
            "the transfer stopped half way"
            if failure.kind != "no-transfer"
            else "the designated successor was not promoted"
            if _designated(case, failure)
            else "auto-promotion failed"
        ),
        affected_users=_who(failure),
        decides={"heir": _heir(case, failure)},
    )


def _stopped(case: HouseholdCase, failure: Failure) -> str:
    """Which of the four steps the data shows: where both people are known, each is looked at by itself."""
    if failure.step:
        return _STOPPED[failure.step]
    if failure.new_leader is None:
        return _NOBODY_PROMOTED
    rows = [member for member in case.members if member.user_id == failure.new_leader]
    done = {
        1: case.household is not None and case.household.leader_id == failure.new_leader,
        2: any(member.role == "leader" for member in rows if member.active or not active_row(case, failure.new_leader)),
        3: any(
            event.text("to_user_id") == failure.new_leader for event in case.events_of(EventType.LEADERSHIP_TRANSFERRED)
        ),
        4: active_row(case, failure.old_leader) is None,
    }
    missing = [_NOT_DONE[step] for step, is_done in done.items() if not is_done]
    steps = [str(step) for step, is_done in done.items() if is_done]
    which = f"Step {steps[0]} of 4 alone was done" if len(steps) == 1 else f"Steps {listed(steps)} of 4 were done"
    return (f"{which}: {listed(missing)}" if missing else "All 4 steps were done") + _for_nobody(case, failure)


def _for_nobody(case: HouseholdCase, failure: Failure) -> str:
    """What keeps the successor from leading, where they are no living member."""
    if failure.new_leader in case.gone:
        return ", for a successor whose account is deleted"
    return "" if active_row(case, failure.new_leader) else ", for a successor who was no longer a member"


def _leaderless(case: HouseholdCase) -> bool:
    row = active_row(case, case.household.leader_id if case.household else None)
    return row is None or not active_leaders(case)


def _who(failure: Failure) -> tuple[str, ...]:
    if failure.kind == "no-transfer":
        return (failure.old_leader or "",)
    return tuple(sorted({user for user in (failure.old_leader, failure.new_leader) if user}))


def _issue(failure: Failure, leaderless: bool) -> str:
    outcome = "Household now has no leader." if leaderless else "Household's leadership is now contradictory."
    match failure.kind:
        case "no-transfer":
            return f"User left household but leadership did not transfer. {outcome}"
        case "leader-gone" if failure.new_leader:
            return f"Leadership was handed over but leader_id names somebody who is no longer a member. {outcome}"
        case "leader-gone":
            return f"The leader is no longer a member but leadership did not transfer. {outcome}"
        case "transfer-not-in-force":
            return f"A leadership transfer was recorded but is not in force. {outcome}"
        case _:
            return f"User handed leadership over but the transfer stopped half way. {outcome}"


def _steps(case: HouseholdCase, failure: Failure) -> tuple[str, ...]:
    if failure.kind == "transfer-not-in-force":
        return (
            f"Leadership moved from {failure.old_leader or '(unknown)'} to {failure.new_leader}, says the audit trail",
            f"System should have left {failure.new_leader} as leader until the next change",
            "No later event explains why they do not lead",
        )
    started = _leave_started(case, failure)
    removed = failure.event is not None and failure.event.type == EventType.MEMBER_REMOVED
    steps = [
        "User was household leader",
        "User was removed from the household" if removed else 'User clicked "Leave Household"',
    ]
    designated = _designated(case, failure)
    if started:
        steps.append("Designated a successor" if designated else "Did not designate successor")
    else:
        steps.append("Whether a successor was designated was not recorded")
    steps.append(
        f"System should have {'promoted the designated successor' if designated else 'auto-promoted longest-standing member'}"
    )
    if failure.kind == "leader-gone" and failure.new_leader:
        gone = active_row(case, failure.new_leader) is None
        steps.append(
            f"Leadership went to {failure.new_leader}, who was no longer a member"
            if gone
            else f"The transfer to {failure.new_leader} was recorded, and leader_id was not moved"
        )
    else:
        steps.append(_STEPS_DONE.get(failure.step or 4, _STEPS_DONE[4]))
    return tuple(steps)


def _leave_started(case: HouseholdCase, failure: Failure) -> list[Event]:
    return [event for event in case.events_of(EventType.LEAVE_STARTED) if event.user_id == failure.old_leader]


def _designated(case: HouseholdCase, failure: Failure) -> bool:
    """Whether the old leader named a successor when they last started to leave."""
    started = _leave_started(case, failure)
    return bool(started) and started[-1].says("has_successor")


def _heir(case: HouseholdCase, failure: Failure) -> str:
    """Who is to lead where nobody does: the rows name somebody unless the leader went before anybody was promoted."""
    if failure.kind not in ("no-transfer", "leader-gone", "transfer-not-in-force"):
        return "named"
    old, new = active_row(case, failure.old_leader), active_row(case, failure.new_leader)
    if failure.new_leader:
        return "longest-standing" if not new else "asked" if old else "recorded"
    return "designated" if _designated(case, failure) else "longest-standing"


def _expected(case: HouseholdCase, failure: Failure) -> str:
    if failure.kind == "no-transfer":
        return (
            f"{'The designated successor' if _designated(case, failure) else 'Longest-standing member'} becomes leader"
        )
    named = failure.new_leader if active_row(case, failure.new_leader) else None
    heir = named or longest_standing(case) or "An active member"
    return f"{heir} is the leader: leader_id names them, and theirs is the only active row with the role of leader"


def _actual(case: HouseholdCase, failure: Failure) -> str:
    leader_id = case.household.leader_id if case.household else None
    leaders = [leader.user_id for leader in active_leaders(case)]
    if leader_id is None:
        return "Household has no leader (leader_id is null)"
    row = active_row(case, leader_id)
    if leader_id in case.gone:
        return f"Household has no leader (leader_id names {leader_id}, whose account was deleted)"
    if row is None:
        return f"Household has no leader (leader_id names {leader_id}, who is no longer an active member)"
    if not leaders:
        return f"Household has no leader (leader_id names {leader_id}, whose role is {row.role}; nobody has the role of leader)"
    verb = "has" if len(leaders) == 1 else "have"
    return f"leader_id names {leader_id}, whose role is {row.role}; {listed(leaders)} {verb} the role of leader"


def _errors(case: HouseholdCase, failure: Failure) -> str:
    near = [
        event for event in case.events if failure.event and abs(event.at - failure.event.at) <= timedelta(minutes=5)
    ]
    codes = sorted({code for event in near if (code := event.text("error_code"))})
    if codes:
        return listed(codes)
    completed = failure.event is not None and failure.event.type != EventType.LEAVE_STARTED
    return "None (operation completed successfully)" if completed else "None recorded"
