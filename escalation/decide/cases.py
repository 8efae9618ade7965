"""Which findings are one case, and so one ticket. Pure.

Findings of one detector about one household are one case. Trust & Safety findings about one actor are one case, whatever
pattern each of them shows. The fingerprints stay those of the findings: a case is only where they are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from detectors.contract import PERSON, SEVERITY_ORDER, Severity, Team
from detectors.registry import BY_ID

CaseKey = tuple[str, str, str]
"""What a case is about: `actor` and the user, or a detector and the household, or a finding alone."""


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
    if told.team != "trust-safety":
        return None
    detector = BY_ID.get(told.detector)
    if detector is None:
        # A rule that is no more has left its subject alone.
        return subject.get("user_id")
    facts = {"subject": subject, "evidence": evidence}
    paths = (path for path, part in detector.meta.roles.items() if part == detector.meta.actor)
    named = {value for path in paths for value in _values(facts, path.split("."))}
    return next(iter(named)) if len(named) == 1 else None


def _values(facts: Any, path: Sequence[str]) -> set[str]:
    """The texts that stand at `path`, in each row where it leads through a list."""
    if isinstance(facts, list | tuple):
        return {value for row in facts for value in _values(row, path)}
    if not path:
        return {facts} if isinstance(facts, str) and facts else set()
    return _values(facts.get(path[0]), path[1:]) if isinstance(facts, Mapping) else set()


def order_of(told: Told, subject: Mapping[Any, str]) -> tuple[int, bool, str, str]:
    """Which finding of a case leads it: the most urgent one, and of these one whose subject is the actor."""
    return (SEVERITY_ORDER.index(told.severity), "user_id" not in subject, told.detector, told.fingerprint)
