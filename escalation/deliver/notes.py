"""The words of reminders and references on a ticket, and its id."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from detectors.text.wording import listed, stamp
from escalation.decide.incidents import INCIDENT
from escalation.deliver.helpdesk import Note
from escalation.ledger.records import Entry, Linked, Ticket
from escalation.policy.policy import Policy


def about(entry: Entry, besides: Collection[str] = ()) -> str:
    """Whom or what an entry is about, in ids; without those that are known already."""
    if entry.subject.get("operation") == INCIDENT:
        return listed([f"household {one}" for one in entry.households], 5)
    told = {key: one for key, one in entry.subject.items() if one not in besides} or entry.subject
    return listed([f"{key.removesuffix('_id').replace('_', ' ')} {one}" for key, one in told.items()])


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
        # The process sets its names in marks of code, which stand raw in a text.
        return rules.contact.replace("`", "")
    return f"Slack {place.channel} (nobody is on call for {ticket.severity})"


def external_id_of(fingerprint: str, generation: int) -> str:
    """The id by which every queue knows a ticket: from its primary finding's fingerprint, and which ticket of it."""
    return f"hw-{fingerprint[:16]}" + (f"-{generation}" if generation > 1 else "")
