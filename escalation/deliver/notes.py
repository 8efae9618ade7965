"""The words of what is said on a ticket after it was made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from detectors.text.wording import count, listed, stamp
from escalation.decide.incidents import INCIDENT
from escalation.deliver.helpdesk import Note
from escalation.ledger.records import Decision, Entry, Linked, Ticket
from escalation.policy.policy import Policy


def note(
    ticket: Ticket,
    before: Entry | None,
    entry: Entry,
    decision: Decision,
    now: datetime,
    *,
    remaining: Sequence[Entry] = (),
    cause: Ticket | None = None,
) -> Note:
    """What a decision says on the ticket. `remaining` is what is still there, `cause` the ticket of the entry's cause."""
    lines = _lines(before, entry, decision, now, remaining, cause)
    if decision.action == "verify":
        ask = f"Write down what came of it and what was learned: hearthwatch tickets outcome {ticket.external_id}"
        lines.append(ask)
    return Note(
        external_id=ticket.external_id,
        team=ticket.team,
        severity=entry.severity,
        title=ticket.title,
        reason=decision.reason,
        at=now,
        lines=tuple(lines),
        reopens=decision.action == "reopen",
    )


def _lines(
    before: Entry | None,
    entry: Entry,
    decision: Decision,
    now: datetime,
    remaining: Sequence[Entry],
    cause: Ticket | None,
) -> list[str]:
    affected = f"Affected now: {entry.size} (when last said: {before.said_size if before else entry.size})."
    match decision.reason:
        case "back":
            return [f"It was fixed and is back: the scan of {stamp(now)} sees it again.", affected]
        case "still-seen":
            return [f"Marked as resolved, but the scan of {stamp(now)} still sees it: {entry.title}.", affected]
        case "closing-ended":
            return ["The time for which this was closed has passed, and it is still there.", affected]
        case "happened-again":
            when = f" at {stamp(entry.happened_at)}" if entry.happened_at else ""
            return [f"It happened again{when}.", affected]
        case "snooze-broken":
            return ["It was snoozed, but has become worse or changed its severity since.", affected]
        case "flapping":
            times = count(len(entry.returns), "time")
            return [f"Flapping: gone and back {times} within days. Nothing more is said about it until it settles."]
        case "more-urgent" | "less-urgent":
            return [f"Severity is now {entry.severity} (was {before.said_severity if before else '-'}).", affected]
        case "worse":
            return [f"It has become worse as of {stamp(now)}.", affected]
        case "better":
            return [f"It has become better as of {stamp(now)}.", affected]
        case "same-cause":
            other = f": see {cause.external_id}, {cause.title}" if cause else ""
            return [f"Its cause has been found{other}. Both are watched until they are fixed."]
        case "joined":
            found = f"{entry.title} ({about(entry)})"
            return [
                f"One more of this case, seen by the scan of {stamp(now)}: {found}. It is {entry.severity}.",
                affected,
            ]
        case "part-fixed":
            # Several of one detector are told apart by whom they are about.
            alike = len({one.title for one in (entry, *remaining)}) <= len(remaining)
            names = {
                one.fingerprint: f"{one.title} ({about(one)})" if alike else one.title for one in (entry, *remaining)
            }
            still = listed([names[one.fingerprint] for one in remaining])
            return [f"Fixed as of {stamp(now)}: {names[entry.fingerprint]}.", f"Still on this ticket: {still}."]
        case "rows-gone":
            return [
                f"No longer there: the scan of {stamp(now)} finds no row any more of what this was about ({about(entry)}).",
                "That is no repair, and nobody is told that it was one. Find out where they went, and resolve the ticket then.",
            ]
        case "trail-gone":
            return [
                f"The audit rows that showed it are no longer there, so the scan of {stamp(now)} cannot say whether it is repaired.",
                "Look for yourself, and resolve the ticket when it is.",
            ]
        case _:
            return [f"Fixed: the scan of {stamp(now)} looked and no longer sees it. Verified."]


def about(entry: Entry) -> str:
    """Whom or what an entry is about, in ids."""
    if entry.subject.get("operation") == INCIDENT:
        return listed([f"household {one}" for one in entry.households], 5)
    return listed([f"{key.removesuffix('_id').replace('_', ' ')} {one}" for key, one in entry.subject.items()])


def linked_note(older: Ticket, new: Ticket, link: Linked, now: datetime) -> Note:
    """What the older of two tickets says of the newer one: that it is there, and whom both are about."""
    both = [f"household {one}" for one in link.households] + [f"user {one}" for one in link.users]
    return Note(
        external_id=older.external_id,
        team=older.team,
        severity=older.severity,
        title=older.title,
        reason="linked",
        at=now,
        lines=(f"There is another ticket about {listed(both, 3)}: {new.external_id}, {new.title} ({new.severity}).",),
    )


def follow_up(ticket: Ticket, step: int, policy: Policy, now: datetime) -> Note:
    """The reminder of a missed acknowledgement, for the given step (1 is the first) of the ladder."""
    place = policy.slack(ticket.team, ticket.severity)
    contact = _contact(ticket, policy)
    due = stamp(ticket.acknowledge_due) if ticket.acknowledge_due else "-"
    return Note(
        external_id=ticket.external_id,
        team=ticket.team,
        severity=ticket.severity,
        title=ticket.title,
        reason="follow-up",
        at=now,
        lines=(f"{policy.follow_up[step - 1].says}: it was due {due}.", f"Contact: {contact}"),
        channel=place.channel if place else "",
        mention=place.mention if place else "",
    )


def _contact(ticket: Ticket, policy: Policy) -> str:
    """Whom to turn to: nobody who is on call, where the process tags nobody for this priority."""
    rules, place = policy.teams[ticket.team], policy.slack(ticket.team, ticket.severity)
    on_call = {one.mention for one in rules.slack.values()} - {""}
    if place is None or place.mention or not any(mention in rules.contact for mention in on_call):
        return rules.contact
    return f"Slack `{place.channel}` (nobody is on call for {ticket.severity})"


def external_id_of(fingerprint: str, generation: int) -> str:
    """The id by which every queue knows a ticket: from its primary finding's fingerprint, and which ticket of it."""
    return f"hw-{fingerprint[:16]}" + (f"-{generation}" if generation > 1 else "")
