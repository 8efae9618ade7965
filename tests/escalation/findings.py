"""Findings for the escalation's tests, without a detector."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from detectors.contract import Finding, Impact, Severity, Story, SubjectKey, Team, fingerprint

NOON = datetime(2026, 2, 2, 12, tzinfo=UTC)

TEAM_AND_SEVERITY: dict[str, tuple[Team, Severity]] = {
    "multiple-leaders": ("engineering", "P0"),
    "no-leader": ("engineering", "P0"),
    "orphaned-household": ("engineering", "P0"),
    "transfer-failed": ("engineering", "P0"),
    "duplicate-member": ("engineering", "P0"),
    "self-approved-request": ("engineering", "P0"),
    "members-without-household": ("engineering", "P0"),
    "scraping": ("trust-safety", "Next-day"),
    "member-of-many-households": ("engineering", "P0"),
    "member-without-approval": ("engineering", "P0"),
    "rate-limit-bypass": ("engineering", "P0"),
    "removal-not-applied": ("engineering", "P1"),
    "approval-not-applied": ("engineering", "P1"),
    "concurrent-conflict": ("engineering", "P2"),
    "unauthorised-transfer": ("trust-safety", "Immediate"),
    "fake-households": ("trust-safety", "Same-day"),
    "mass-creation": ("trust-safety", "Same-day"),
    "mass-removal": ("trust-safety", "Same-day"),
    "punitive-removals": ("trust-safety", "Immediate"),
}
OCCURRENCES = {
    "unauthorised-transfer",
    "mass-creation",
    "mass-removal",
    "fake-households",
    "punitive-removals",
    "rate-limit-bypass",
}


def finding(
    detector: str,
    subject: dict[SubjectKey, str] | None = None,
    *,
    household: str | None = None,
    user: str | None = None,
    **more: Any,
) -> Finding:
    """A finding about `household` and/or `user` (its subject, unless `subject` says another one)."""
    team, severity = TEAM_AND_SEVERITY[detector]
    about: dict[SubjectKey, str] = {}
    if household is not None:
        about["household_id"] = household
    if user is not None:
        about["user_id"] = user
    subject = subject or about
    fields: dict[str, Any] = {
        "severity": severity,
        "kind": "occurrence" if detector in OCCURRENCES else "state",
        "households": (household,) if household else (),
        "users": (user,) if user else (),
        "title": f"Some {detector}",
        "occurred_at": NOON,
        "impact": Impact(users=1 if user else 0, households=1 if household else 0),
        "story": Story(issue=f"{detector} it is", expected="all is well", actual="it is not"),
        **more,
    }
    return Finding(
        detector=detector,
        team=team,
        subject=subject,
        fingerprint=fingerprint(detector, "production", subject),
        **fields,
    )
