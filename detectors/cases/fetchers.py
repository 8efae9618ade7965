"""What a pass's key opens: the kind of case, and how its facts are fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from detectors.cases.household import creator_cases, household_cases, user_cases
from detectors.cases.people import (
    access_anomaly_cases,
    access_cases,
    conduct_cases,
    handed_over_cases,
    retaliation_cases,
    support_cases,
    target_cases,
)
from detectors.contract import CaseKind, Context
from detectors.source import Source


class Case(Protocol):
    """The facts about one key."""

    @property
    def key(self) -> str: ...


Fetch = Callable[[Source, Sequence[str], Context], Iterable[Case]]

FETCHERS: dict[CaseKind, tuple[str, Fetch]] = {
    "household_id": ("households", lambda source, ids, context: household_cases(source, ids, context.watermark)),
    "user_id": ("users", lambda source, ids, context: user_cases(source, ids, context.watermark)),
    "creator": ("creators", lambda source, ids, context: creator_cases(source, ids, context.limits.fake_households)),
    "support_id": ("support requests", support_cases),
    "actor": ("actors", conduct_cases),
    "anomaly": ("users on new networks or devices", access_anomaly_cases),
    "target": ("users reported or acted against", target_cases),
    "retaliation_household": ("households with removals", retaliation_cases),
    "accessed_household": ("households with visitors", access_cases),
    "handed_over_household": ("households with a new leader", handed_over_cases),
}
"""By the kind of case: what it is about, and how their facts are fetched, in the order in which they are evaluated."""
