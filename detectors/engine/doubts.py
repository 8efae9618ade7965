"""Households of which a row cannot be relied on: nothing that rests on it is said of them, and nothing of it is called fixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from detectors.contract import Detector
from detectors.engine.applicability import needs_of
from detectors.engine.homes import homes_resting_on
from detectors.findings import Found
from detectors.source import Notice, Source
from detectors.source.base import ONLY_TOLD
from detectors.text.wording import count

_ROLE = "household_members.role"
"""Passes read it beside others; only the rules that name it conclude from it."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Whose rows cannot be relied on in `columns` (table.column), and why."""

    columns: frozenset[str]
    reason: str
    households: frozenset[str]


def rests_on(detector: Detector, columns: Iterable[str]) -> bool:
    """Whether a detector concludes from one of `columns` (table.column), or consults its table as a whole."""
    named, known = detector.meta.needs, needs_of(detector) | detector.meta.consults
    return any(
        one in (named if one == _ROLE else known) or (one not in ONLY_TOLD and one.partition(".")[0] in known)
        for one in columns
    )


def doubts_of(source: Source, notices: Iterable[Notice]) -> tuple[Doubt, ...]:
    """What `notices` tell of single households' and people's rows; people stand for the households that they are in."""
    return tuple(
        Doubt(one.columns, one.said, one.households | homes_resting_on(source, sorted(one.users)))
        for one in notices
        if one.columns and (one.households or one.users)
    )


def doubt_about(detector: Detector, households: Collection[str], doubts: Iterable[Doubt]) -> str | None:
    """Why nothing may be said of `households` by what `detector` rests on, or None."""
    return next(
        (one.reason for one in doubts if not one.households.isdisjoint(households) and rests_on(detector, one.columns)),
        None,
    )


def without_doubtful(
    findings: Sequence[Found], detectors: Mapping[str, Detector], doubts: Sequence[Doubt]
) -> tuple[list[Found], list[Notice]]:
    """`findings` that rest on no doubtful row, and a line on those that do."""
    if not doubts:
        return list(findings), []
    concerning = {
        name: doubtful
        for name, one in detectors.items()
        if (doubtful := [doubt for doubt in doubts if rests_on(one, doubt.columns)])
    }
    kept, held = [], Counter[str]()
    for finding in findings:
        if any(not doubt.households.isdisjoint(finding.households) for doubt in concerning.get(finding.detector, ())):
            held[finding.detector] += 1
        else:
            kept.append(finding)
    return kept, list(_held_back(held))


def _held_back(held: Counter[str]) -> Iterator[Notice]:
    if held:
        number = held.total()
        rest = "it rests" if number == 1 else "they rest"
        said = f"{count(number, 'finding')} of {', '.join(sorted(held))} held back, as {rest} on rows that cannot be relied on"
        yield Notice("households", said, remedy="the notes on these rows say what to do")


def doubtful_homes(doubts: Iterable[Doubt]) -> frozenset[str]:
    """All households that are in doubt for something."""
    return frozenset().union(*(one.households for one in doubts))
