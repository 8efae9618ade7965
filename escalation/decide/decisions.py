"""Whether anybody is told tonight of one finding, on which ticket, and why. Pure functions; what has changed: observations.

Every decision has a named reason. What mutes comes before what has been said already, so that a silence never hides
behind a repetition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from escalation.decide.observations import Observation, more_urgent
from escalation.ledger.records import Action, Decision, Entry, Look, Reason, Silence, Ticket
from escalation.policy.policy import Policy

DOUBLED = 100
"""By so many per cent a finding must have grown before a quick look says so: the night says less."""


def is_broken(silence: Silence, entry: Entry, policy: Policy, look: Look = "night") -> bool:
    """True for a snooze whose finding has become more urgent since, or has grown; a dismissal holds to its end.

    Many findings count a whole household, so that somebody who only joined it is one more: that wakes nobody. Growth is more
    than one, and what the policy calls growth.
    """
    if silence.kind != "snooze" or silence.severity is None or silence.size is None:
        return False
    grown = entry.size > silence.size + 1 and _has_changed(silence.size, entry.size, policy, look)
    return more_urgent(entry.severity, silence.severity) or grown


def _has_changed(size: int, now: int, policy: Policy, look: Look) -> bool:
    """Whether what affected `size` affects by so much more or less that it is said. A quick look waits until it has doubled."""
    percent = policy.nights.growth_percent if look == "night" else max(policy.nights.growth_percent, DOUBLED)
    return abs(now - size) * 100 >= percent * size


def in_force(silence: Silence | None, now: datetime) -> bool:
    """True while a silence mutes its finding: from its making until just before its end. One that broke was ended."""
    return silence is not None and silence.made_at <= now < silence.ends_at


def is_held(primary: str, entries: Iterable[Entry], silences: Mapping[str, Silence], now: datetime) -> bool:
    """True while nothing may be said on a ticket: everything on it that is there by itself is muted."""
    return held_until(primary, entries, silences, now) is not None


def held_until(
    primary: str, entries: Iterable[Entry], silences: Mapping[str, Silence], now: datetime
) -> datetime | None:
    """When the first of the silences ends for which nothing may be said on a ticket; None where something may.

    `primary` is the fingerprint the ticket was made for, which decides where nothing is there any more. What is another
    team's, and is on the ticket because it came of the same acts, decides nothing.
    """
    on_ticket = list(entries)
    teams = {entry.team for entry in on_ticket if entry.fingerprint == primary}
    on_ticket = [entry for entry in on_ticket if not teams or entry.team in teams]
    there = [entry for entry in on_ticket if entry.present and entry.explained_by is None]
    deciding = there or [entry for entry in on_ticket if entry.fingerprint == primary]
    muting = [silences.get(entry.fingerprint) for entry in deciding]
    ends = [one.ends_at for one in muting if one is not None and in_force(one, now)]
    return min(ends) if ends and len(ends) == len(deciding) else None


def decide(
    before: Entry | None,
    entry: Entry,
    observation: Observation,
    ticket: Ticket | None,
    silence: Silence | None,
    policy: Policy,
    now: datetime,
    *,
    others_present: bool = False,
    said: bool = False,
    look: Look = "night",
) -> Decision:
    """What is done tonight about a finding, and why. `entry` is what `observe` made of the entry `before`.

    `ticket` is the ticket that the finding is on, `silence` the latest one made for it. `others_present` says that
    something else on the ticket is still there, `said` that it was told already since it was last seen that it is lost.
    A quick `look` says less: what grows is said when it has doubled, and what was resolved has until night to be repaired.
    """
    if observation == "not-looked-at":
        return Decision("none", "not-looked-at")
    if observation == "absent":
        return _absent(entry, ticket, others_present=others_present, newly_gone=before is not None and before.present)
    if observation != "seen" and observation != "explained":
        watched = ticket is not None and not ticket.ended
        return Decision("comment" if watched and not said else "none", observation)
    broken = silence is not None and in_force(silence, now) and is_broken(silence, entry, policy, look)
    if silence is not None and in_force(silence, now) and not broken:
        return Decision("none", "snoozed" if silence.kind == "snooze" else "dismissed")
    if observation == "explained":
        return _explained(before, entry, ticket)
    if ticket is None:
        return Decision("open", _first_reason(before, silence, broken=broken))
    again = _happened_anew(before, entry, ticket, policy, look)
    if ticket.status == "missing":
        return _on_deleted_ticket(entry, again=again)
    decision = _on_ticket(entry, ticket, policy, broken=broken, again=again, look=look)
    # What was deleted after it had ended cannot be reopened.
    deleted = decision.action == "reopen" and ticket.queue_status == "missing"
    return Decision("open", decision.reason) if deleted else decision


def _explained(before: Entry | None, entry: Entry, ticket: Ticket | None) -> Decision:
    newly = before is not None and before.explained_by is None
    told = newly and ticket is not None and not ticket.ended and ticket.fingerprint == entry.fingerprint
    return Decision("comment", "same-cause") if told else Decision("none", "explained")


def _happened_anew(before: Entry | None, entry: Entry, ticket: Ticket, policy: Policy, look: Look) -> bool:
    """Whether an occurrence is more than what its ticket tells of: on a later day, or after people had ended the ticket.

    What goes on for the rest of a day, as quick looks and the night find it, is one occurrence that grows.
    """
    if entry.kind != "occurrence" or entry.status != "back":
        return False
    if before is None or before.happened_at is None or entry.happened_at is None:
        return True
    ended = ticket.ended_at or ticket.resolved_at
    if ended is not None and (look == "night" or entry.happened_at > ended):
        return True
    zone = ZoneInfo(policy.limits.time_zone)
    day = before.happened_at.astimezone(zone).date()
    # Only a quick look sees something on the day on which it happens.
    going_on = look == "quick" or before.last_seen_at.astimezone(zone).date() == day
    return not going_on or entry.happened_at.astimezone(zone).date() > day


def _first_reason(before: Entry | None, silence: Silence | None, *, broken: bool) -> Reason:
    """Why something that is on no ticket gets one."""
    if silence is not None:
        return "snooze-broken" if broken else "silence-ended"
    return "new" if before is None or before.present else "back"


def _on_deleted_ticket(entry: Entry, *, again: bool) -> Decision:
    """Whoever deleted the ticket knows of what was on it; only what says more than that ticket did is news.

    A state that was gone is on no deleted ticket any more (see `has_left`), so that it comes back by itself.
    """
    if more_urgent(entry.severity, entry.said_severity):
        return Decision("open", "more-urgent")
    return Decision("open", "happened-again") if again else Decision("none", "ticket-deleted")


def has_left(before: Entry | None, entry: Entry, ticket: Ticket) -> bool:
    """True for what comes back to a ticket that was deleted: it is no longer what the ticket was deleted for."""
    return ticket.status == "missing" and before is not None and not before.present and entry.present


def _on_ticket(entry: Entry, ticket: Ticket, policy: Policy, *, broken: bool, again: bool, look: Look) -> Decision:
    finished = ticket.ended or ticket.status == "resolved"
    if entry.status == "flapping":
        if entry.flapping_said:
            return Decision("none", "flapping")
        return Decision("reopen" if finished else "comment", "flapping")
    if finished:
        return _on_finished_ticket(entry, ticket, again=again, look=look)
    return Decision("comment", "snooze-broken") if broken else _on_open_ticket(entry, policy, again=again, look=look)


def _absent(entry: Entry, ticket: Ticket | None, *, others_present: bool, newly_gone: bool) -> Decision:
    if entry.kind == "occurrence":
        return Decision("none", "done" if ticket is not None and ticket.ended else "happened-once")
    if ticket is None or ticket.ended:
        return Decision("none", "fixed-before")
    if others_present:
        return Decision("comment", "part-fixed") if newly_gone else Decision("none", "fixed-before")
    return Decision("none", "flapping") if entry.status == "flapping" else Decision("verify", "fixed")


def _on_finished_ticket(entry: Entry, ticket: Ticket, *, again: bool, look: Look) -> Decision:
    if entry.kind == "occurrence":
        return Decision("reopen", "happened-again") if again else Decision("none", "done")
    reason: Reason = "still-seen"
    if ticket.status == "verified":
        reason = "back"
    elif ticket.closed_as is not None:
        reason = "closing-ended"
    elif look == "quick":
        return Decision("none", "still-there")
    return Decision("reopen", reason)


def _on_open_ticket(entry: Entry, policy: Policy, *, again: bool, look: Look) -> Decision:
    told: tuple[Action, Reason] = ("none", "still-there")
    if entry.severity != entry.said_severity:
        told = ("comment", "more-urgent" if more_urgent(entry.severity, entry.said_severity) else "less-urgent")
    elif again or (entry.status == "back" and entry.kind == "state"):
        # A state comes back to an open ticket where something else has kept the ticket open.
        told = ("comment", "happened-again" if entry.kind == "occurrence" else "back")
    elif entry.size != entry.said_size:
        reason: Reason = "worse" if entry.size > entry.said_size else "better"
        told = (
            ("comment", reason)
            if _has_changed(entry.said_size, entry.size, policy, look)
            else ("none", "little-change")
        )
    return Decision(*told)
