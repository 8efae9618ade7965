"""Which findings are one case, and so one ticket. Pure.

Findings of one detector about one household are one case. Trust & Safety findings about one actor are one case, whatever
pattern each of them shows. The fingerprints stay those of the findings: a case is only where they are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from detectors.contract import PERSON, SEVERITY_ORDER, Severity, Team

CaseKey = tuple[str, str, str]
"""What a case is about: `actor` and the user, or a detector and the household, or a finding alone."""

_ACTOR_IN: Mapping[str, tuple[str, ...]] = {
    "abuse-report": ("subject_user_id",),
    "invite-code-sharing": ("leader_id",),
    "punitive-removals": ("removed", "by"),
    "unauthorised-transfer": ("transfers", "actor"),
}
"""Where the evidence names the actor of a detector whose subject is somebody or something else."""
_ABOUT_TARGETS = frozenset({"coordinated-harassment"})
"""The Trust & Safety detectors whose subject is the person that others acted against."""


class Told(Protocol):
    """What a finding and a ledger's entry both say of themselves."""

    @property
    def detector(self) -> str: ...
    @property
    def team(self) -> Team: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def households(self) -> tuple[str, ...]: ...


def case_of(told: Told, subject: Mapping[Any, str], evidence: Mapping[str, Any]) -> CaseKey:
    """The case of a finding or an entry; groups, and what people escalate themselves, are each a case of their own."""
    alone = ("finding", told.detector, told.fingerprint)
    if told.detector == PERSON or "operation" in subject:
        return alone
    actor = actor_of(told, subject, evidence)
    if actor is not None:
        return ("actor", told.team, actor)
    household = subject.get("household_id") or (told.households[0] if len(told.households) == 1 else None)
    return ("household", told.detector, household) if household else alone


def actor_of(told: Told, subject: Mapping[Any, str], evidence: Mapping[str, Any]) -> str | None:
    """The one person whose acts a Trust & Safety finding tells of, if it tells of one."""
    if told.team != "trust-safety" or told.detector in _ABOUT_TARGETS:
        return None
    if told.detector in _ACTOR_IN:
        named = _values(evidence, _ACTOR_IN[told.detector])
        return next(iter(named)) if len(named) == 1 else None
    return subject.get("user_id")


def _values(evidence: Any, path: tuple[str, ...]) -> set[str]:
    """The texts that stand at `path`, in each row where it leads through a list."""
    if isinstance(evidence, list | tuple):
        return {value for row in evidence for value in _values(row, path)}
    if not path:
        return {evidence} if isinstance(evidence, str) and evidence else set()
    return _values(evidence.get(path[0]), path[1:]) if isinstance(evidence, Mapping) else set()


def order_of(told: Told, subject: Mapping[Any, str]) -> tuple[int, bool, str, str]:
    """Which finding of a case leads it: the most urgent one, and of these one whose subject is the actor."""
    return (SEVERITY_ORDER.index(told.severity), "user_id" not in subject, told.detector, told.fingerprint)
