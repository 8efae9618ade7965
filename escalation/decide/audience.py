"""Who may be told what came of a ticket. What protects people must never reach those whom it protects against. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from detectors.contract import PERSON, SubjectKey, Team
from escalation.decide.incidents import INCIDENT
from escalation.policy.policy import Policy

Audience = Literal["affected", "reporter", "nobody"]
"""The users and households that it names; only whoever wrote to support about it; or no customer at all."""
REPORTER_ONLY: tuple[Team, ...] = ("trust-safety", "legal")
"""The teams whose tickets name people who must not be told."""
_CUSTOMERS: tuple[SubjectKey, ...] = ("household_id", "user_id", "request_id", "support_id", "invite_code", "feature")
"""What a finding about customers is about. Tables, operations, windows, prefixes and addresses are nobody's."""


def audience_of(
    team: Team, detector: str, subject: Mapping[str, str] | Mapping[SubjectKey, str], policy: Policy
) -> Audience:
    """Who may be told about a finding of `detector` that is about `subject`.

    A security finding names the actor, or victim and actor beside each other, and the data does not say who is who: a
    rate-limit-bypass is about the one who bypassed. So only whoever reported it hears of it, as with abuse.
    """
    if team in REPORTER_ONLY or policy.is_security(detector):
        return "reporter"
    about_customers = any(key in subject for key in _CUSTOMERS) or subject.get("operation") == INCIDENT
    return "affected" if detector == PERSON or about_customers else "nobody"


def widest(audiences: Iterable[Audience]) -> Audience:
    """Who may be told of a ticket with several findings: one that must not be told to all is told to none of them."""
    found = set(audiences)
    if "reporter" in found:
        return "reporter"
    return "affected" if "affected" in found else "nobody"
