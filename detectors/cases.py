"""What a pass's key opens: the kind of case, and how its facts are fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from detectors.contract import CaseKind, Context
from detectors.facts import founder_cases, household_cases, user_cases
from detectors.facts_people import (
    conduct_cases,
    handed_over_cases,
    support_cases,
    target_cases,
    traveller_cases,
    troubled_cases,
    visited_cases,
)
from detectors.source import Source


class Case(Protocol):
    """The facts about one key."""

    @property
    def key(self) -> str: ...


Fetch = Callable[[Source, Sequence[str], Context], Iterable[Case]]

FETCHERS: dict[CaseKind, tuple[str, Fetch]] = {
    "household_id": ("households", lambda source, ids, context: household_cases(source, ids, context.settled)),
    "user_id": ("users", lambda source, ids, context: user_cases(source, ids, context.settled)),
    "founder": ("founders", lambda source, ids, context: founder_cases(source, ids, context.limits.fake_households)),
    "support_id": ("support requests", support_cases),
    "actor": ("actors", conduct_cases),
    "traveller": ("users on new networks or devices", traveller_cases),
    "target": ("users reported or acted against", target_cases),
    "troubled_household": ("households with removals", troubled_cases),
    "visited_household": ("households with visitors", visited_cases),
    "handed_over_household": ("households with a new leader", handed_over_cases),
}
"""By the kind of case: what it is about, and how their facts are fetched, in the order in which they are judged."""
