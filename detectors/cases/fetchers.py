"""What a pass's key opens: the kind of case, and how its facts are fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from detectors.cases.access import access_cases
from detectors.cases.conduct import conduct_cases
from detectors.cases.creator import creator_cases
from detectors.cases.habits import access_anomaly_cases
from detectors.cases.hand_over import handed_over_cases
from detectors.cases.household import household_cases
from detectors.cases.retaliation import retaliation_cases
from detectors.cases.support import support_cases
from detectors.cases.target import target_cases
from detectors.cases.user import user_cases
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
