"""How each detector's scan is ending: what it has found so far, or why it failed. One failure leaves the others alone."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from detectors.contract import Context, Coverage, Detector, Finding, Status
from detectors.findings import Alike, Found, Keeper, whole
from detectors.source import QueryError

logger = logging.getLogger("hearthwatch.scan")


@dataclass(slots=True)
class Ending:
    """How one detector's scan is ending, while it goes on."""

    status: Status = "ran"
    reason: str | None = None
    found: dict[str, Keeper] = field(default_factory=dict)
    """What was aggregated, by subscription."""
    evaluated: Keeper = field(default_factory=Keeper)
    marked: int = 0

    def fail(self, reason: str) -> None:
        self.status, self.reason = "failed", reason

    def told(self, noticed: list[str]) -> str | None:
        """The reason, and of one that ran what was noticed where it looked."""
        if self.status != "ran":
            return self.reason
        return "; ".join(filter(None, (self.reason, *noticed))) or None

    @property
    def findings(self) -> list[Found]:
        """Each subject once, in an order that does not depend on which pass ended first."""
        return _one_per_subject(
            [*(one for subscription in sorted(self.found) for one in self.found[subscription]), *self.evaluated]
        )


class Endings(dict[str, Ending]):
    """The endings of a scan's detectors, by their ids."""

    def guarded(
        self, detector: Detector, work: Callable[[Any, Context], Iterable[Finding]], on: Any, context: Context
    ) -> Iterator[Finding]:
        """The findings of `work`, one by one; its failure fails the detector alone and leaves what was found before."""
        try:
            yield from work(on, context)
        except Exception as error:
            # Whatever a rule stumbles over is that rule's failure alone; the traceback is for --verbose.
            logger.debug("detector %s failed", detector.id, exc_info=True)
            self[detector.id].fail(reason_of(error, "judging"))

    def coverage(
        self, findings: Iterable[Found], alike: Iterable[Alike], noticed: Callable[[str], list[str]]
    ) -> tuple[Coverage, ...]:
        """How each ended, with the number of its `findings` and of those that were counted. `noticed` says what it looked at."""
        number = Counter(finding.detector for finding in findings)
        for one in alike:
            number[one.like.detector] += one.number
        return tuple(
            Coverage(
                detector=name,
                status=ending.status,
                reason=ending.told(noticed(name)),
                findings=number[name] + ending.marked,
            )
            for name, ending in self.items()
        )


def _one_per_subject(findings: list[Found]) -> list[Found]:
    """Findings with one subject, from different subscriptions of a detector, as one: the first, with the others' evidence added."""
    kept: dict[str, Found] = {}
    for finding in findings:
        first = kept.setdefault(finding.fingerprint, finding)
        if first is not finding:
            told = whole(first)
            kept[finding.fingerprint] = told.model_copy(
                update={
                    "households": tuple(sorted({*first.households, *finding.households})),
                    "users": tuple(sorted({*first.users, *finding.users})),
                    "evidence": {**whole(finding).evidence, **told.evidence},
                }
            )
    return list(kept.values())


def reason_of(error: Exception, where: str) -> str:
    """Why a detector failed, in words that quote no row."""
    # An unexpected error's own text may quote rows.
    return f"{where}: {error if isinstance(error, QueryError) else 'our own failure; --verbose shows where'}"
