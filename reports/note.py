"""What is added to a ticket later: a comment of a night, or a follow-up of the ladder."""

from __future__ import annotations

from escalation.deliver.helpdesk import Note
from escalation.ledger.records import Ticket
from escalation.policy.policy import Policy
from reports.message import Message, Section


def note_message(note: Note, policy: Policy) -> Message:
    """The message of a note, under the ticket's own tag and reference."""
    return Message(
        tag=policy.teams[note.team].tag,
        title=note.title,
        team=note.team,
        severity=note.severity,
        reference=note.external_id,
        blocks=(
            Section(
                f"{_heading(note)} ({note.at:%Y-%m-%d %H:%M} UTC)",
                note.lines,
                # Who is to be reminded, and where: nothing from the data.
                ours=note.reason == "follow-up",
            ),
        ),
        reopens=note.reopens,
    )


def _heading(note: Note) -> str:
    return ", ".join((note.reason, *note.also)).replace("-", " ").capitalize()


def standing_message(ticket: Ticket, policy: Policy) -> Message:
    """How a ticket stands, where more need not be said: settled, and how, or open again."""
    if ticket.status == "verified":
        stands = "Settled: fixed, and verified by a scan."
    elif ticket.ended:
        stands = f"Settled: closed{f' as {ticket.closed_as}' if ticket.closed_as else ''}."
    else:
        stands = "Open again."
    return Message(
        tag=policy.teams[ticket.team].tag,
        title=ticket.title,
        team=ticket.team,
        severity=ticket.severity,
        reference=ticket.external_id,
        blocks=(Section(stands, ("What was said about it is in the thread and in the ticket.",)),),
    )
