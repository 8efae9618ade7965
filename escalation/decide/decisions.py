"""What one night makes of one finding: first what has changed, then whether anybody is told. Pure functions.

Every decision has a named reason. What mutes comes before what has been said already, so that a silence never hides
behind a repetition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from detectors.contract import SEVERITY_ORDER, Finding, Severity
from detectors.text.wording import stamp
from escalation.ledger.records import Action, Decision, Entry, Look, NightStatus, Reason, Silence, Ticket
from escalation.ledger.scrub import scrub, scrub_subject
from escalation.policy.policy import Policy
from escalation.policy.process import Nights

Observation = Literal["seen", "explained", "absent", "rows-gone", "rows-fewer", "trail-gone", "not-looked-at"]
"""How tonight's scan met a finding: as itself, as part of another one, not at all, or its detector could not look.

What is absent because the rows that it was about are gone was not repaired. Where some of the rows behind it are gone, or the
audit rows that showed it, nobody can say whether it was.
"""
LOST: tuple[Observation, ...] = ("rows-gone", "rows-fewer", "trail-gone")
"""What nobody can look at any more: a person must say what became of it."""
DOUBLED = 100
"""By so many per cent a finding must have grown before a quick look says so: the night says less."""
IDS_KEPT = 50
"""How many ids of a finding's households and users an entry keeps."""


def size_of(finding: Finding) -> int:
    """How much is affected: the largest of users, households and grouped rows."""
    counted = finding.evidence.get("count") if finding.members else None
    rows = counted if isinstance(counted, int) else len(finding.members)
    return max(finding.impact.users, finding.impact.households, rows)


def happened_at(finding: Finding) -> datetime | None:
    """The latest time at which it is known to have happened."""
    last = finding.evidence.get("last")
    return last if isinstance(last, datetime) else finding.occurred_at


def more_urgent(one: Severity, than: Severity) -> bool:
    return SEVERITY_ORDER.index(one) < SEVERITY_ORDER.index(than)


def first_entry(finding: Finding, now: datetime, *, explained_by: str | None = None) -> Entry:
    """The entry of a finding that the ledger does not know yet."""
    return Entry(
        fingerprint=finding.fingerprint,
        detector=finding.detector,
        team=finding.team,
        kind=finding.kind,
        severity=finding.severity,
        size=size_of(finding),
        title=str(scrub(finding.title)),
        subject=scrub_subject(finding.subject),
        households=finding.households[:IDS_KEPT],
        users=finding.users[:IDS_KEPT],
        claims=claims_of(finding),
        status="new",
        present=True,
        first_seen_at=now,
        last_seen_at=now,
        happened_at=happened_at(finding),
        said_severity=finding.severity,
        said_size=size_of(finding),
        explained_by=explained_by,
    )


def dated(finding: Finding, entry: Entry | None, last_look: datetime | None, now: datetime) -> Finding:
    """A state with the time at which a look first saw it. `last_look` is when the last complete look before that one was.

    Where no event tells when it began, its ticket says between which looks that was: in the same words on every night, as
    it may arrive later than it was made.
    """
    if finding.kind != "state":
        return finding
    seen = first_seen(entry, now)
    if last_look is not None:
        observed = f"Not there at the look of {stamp(last_look)}, there at {stamp(seen)}"
    else:
        unknown = "" if finding.occurred_at is not None else "; since when is not known"
        observed = f"There at the first look, {stamp(seen)}{unknown}"
    story = finding.story.model_copy(update={"observed": observed})
    return finding.model_copy(update={"first_seen": seen, "story": story})


def first_seen(entry: Entry | None, now: datetime) -> datetime:
    """When a look first saw what is there tonight."""
    return entry.first_seen_at if entry is not None and entry.present else now


def claims_of(finding: Finding) -> dict[str, Any]:
    """The finding's evidence as JSON types, without personal values and long lists."""
    plain: Mapping[str, Any] = finding.model_dump(mode="json", include={"evidence"})["evidence"]
    kept: dict[str, Any] = scrub(plain)
    return {key: value for key, value in kept.items() if not isinstance(value, list) or len(value) <= IDS_KEPT}


def observe(
    entry: Entry | None,
    observation: Observation,
    finding: Finding | None,
    nights: Nights,
    now: datetime,
    *,
    cause: str | None = None,
) -> Entry:
    """The entry after tonight. `finding` is given when it was seen, `cause` (a fingerprint) when it was explained.

    Raises:
        ValueError: a finding that is not known was not seen either.
    """
    if entry is None:
        if finding is None:
            raise ValueError("nothing is known of what was not seen")
        return first_entry(finding, now, explained_by=cause)
    if observation == "not-looked-at" or observation in LOST:
        return replace(entry, status="not-looked-at")
    gone = observation == "absent"
    returns = tuple(at for at in entry.returns if now - at < timedelta(days=nights.flapping_days))
    if not gone and not entry.present:
        returns = (*returns, now)
    flapping = len(returns) >= nights.flapping_times
    entry = replace(entry, returns=returns, flapping_said=entry.flapping_said and flapping)
    if gone:
        if entry.kind == "occurrence":
            return replace(entry, status="still-there", explained_by=None)
        return replace(entry, status="flapping" if flapping else "gone", present=False, explained_by=None)
    status: NightStatus = "still-there" if entry.present else "back"
    entry = replace(
        entry,
        present=True,
        first_seen_at=first_seen(entry, now),
        last_seen_at=now,
        explained_by=cause if observation == "explained" else None,
    )
    if observation == "explained" or finding is None:
        return replace(entry, status="flapping" if flapping else status)
    happened = happened_at(finding)
    if entry.kind == "occurrence" and happened is not None and happened > (entry.happened_at or happened):
        status = "back"
    elif _seen_in_part(entry, finding):
        return replace(entry, status="flapping" if flapping else status)
    elif status == "still-there":
        status = _compared(entry, finding)
    return replace(
        entry,
        status="flapping" if flapping else status,
        severity=finding.severity,
        size=size_of(finding),
        title=str(scrub(finding.title)),
        households=finding.households[:IDS_KEPT],
        users=finding.users[:IDS_KEPT],
        claims=claims_of(finding),
        happened_at=max(filter(None, (happened, entry.happened_at)), default=None),
    )


def _seen_in_part(entry: Entry, finding: Finding) -> bool:
    """True for what happened once and is met again by a window that holds only a part of it: that is not getting better."""
    less_urgent = more_urgent(entry.severity, finding.severity)
    return entry.kind == "occurrence" and (less_urgent or size_of(finding) < entry.size)


def _compared(entry: Entry, finding: Finding) -> NightStatus:
    if finding.severity != entry.severity:
        return "worse" if more_urgent(finding.severity, entry.severity) else "better"
    size = size_of(finding)
    if size == entry.size:
        return "still-there"
    return "worse" if size > entry.size else "better"


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
    if observation == "rows-gone" or observation == "rows-fewer" or observation == "trail-gone":
        watched = ticket is not None and not ticket.ended
        return Decision("comment" if watched and not said else "none", observation)
    if observation == "absent":
        newly_gone = before is not None and before.present
        return _absent(entry, ticket, others_present=others_present, newly_gone=newly_gone)
    broken = silence is not None and in_force(silence, now) and is_broken(silence, entry, policy, look)
    if silence is not None and in_force(silence, now) and not broken:
        return Decision("none", "snoozed" if silence.kind == "snooze" else "dismissed")
    if observation == "explained":
        newly = before is not None and before.explained_by is None
        told = newly and ticket is not None and not ticket.ended and ticket.fingerprint == entry.fingerprint
        return Decision("comment", "same-cause") if told else Decision("none", "explained")
    if ticket is None:
        return Decision("open", _first_reason(before, silence, broken=broken))
    again = _happened_anew(before, entry, ticket, policy, look)
    if ticket.status == "missing":
        return _on_deleted_ticket(entry, again=again)
    decision = _on_ticket(entry, ticket, policy, broken=broken, again=again, look=look)
    # What was deleted after it had ended cannot be reopened.
    deleted = decision.action == "reopen" and ticket.queue_status == "missing"
    return Decision("open", decision.reason) if deleted else decision


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
