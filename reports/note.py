"""What is added to a ticket later: a comment of a night, or a follow-up of the ladder."""

from __future__ import annotations

from escalation.desk import Note
from escalation.policy import Policy
from reports.message import Message, Section


def note_message(note: Note, policy: Policy) -> Message:
    """The message of a note, under the ticket's own tag and reference."""
    return Message(
        tag=policy.teams[note.team].tag,
        title=note.title,
        team=note.team,
        severity=note.severity,
        reference=note.external_id,
        blocks=(Section(f"{note.reason.replace('-', ' ').capitalize()} ({note.at:%Y-%m-%d %H:%M} UTC)", note.lines),),
    )
