"""What a night says of each finding: what was decided, and why."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.contract import Severity, Team
from escalation.ledger.records import Action, Decision, Entry, NightStatus, Reason, Ticket


@dataclass(frozen=True, slots=True)
class Told:
    """What tonight made of one finding, and why."""

    fingerprint: str
    detector: str
    team: Team
    severity: Severity
    title: str
    subject: dict[str, str]
    status: NightStatus
    action: Action
    reason: Reason
    external_id: str | None


def told_of_entry(entry: Entry, decision: Decision, ticket: Ticket | None) -> Told:
    """What is said of a finding, by its entry."""
    return Told(
        fingerprint=entry.fingerprint,
        detector=entry.detector,
        team=entry.team,
        severity=entry.severity,
        title=entry.title,
        subject=entry.subject,
        status=entry.status,
        action=decision.action,
        reason=decision.reason,
        external_id=ticket.external_id if ticket else None,
    )
