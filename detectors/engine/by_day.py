"""What a look during the day can judge: rules whose findings nothing that comes later in the day takes back."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.contract import Coverage, Detector, Severity
from detectors.engine.result import ScanResult
from detectors.limits import Limits

STATES: frozenset[Severity] = frozenset({"P0", "P1", "Immediate"})
OCCURRENCES: frozenset[Severity] = frozenset({"P0", "Immediate", "Same-day"})
LEFT = "left to the night"


def left_to_night(detector: Detector) -> str | None:
    """Why a look during the day leaves a detector to the night; None for those that it asks."""
    meta = detector.meta
    if detector.mark is not None:
        return None
    if detector.by_night:
        return detector.by_night
    urgent = STATES if meta.kind == "state" else OCCURRENCES
    return None if meta.severity in urgent else f"{meta.severity} can wait for it"


def by_day(detectors: Iterable[Detector]) -> list[Detector]:
    return [detector for detector in detectors if left_to_night(detector) is None]


def coverage_by_day(detectors: Iterable[Detector], looked: Iterable[Coverage]) -> tuple[Coverage, ...]:
    """How each of `detectors` ended a look during the day, in their order."""
    endings = {entry.detector: entry for entry in looked}
    return tuple(
        _with_its_rest(detector, endings[detector.id])
        if detector.id in endings
        else Coverage(detector=detector.id, status="not_applicable", reason=f"{LEFT}: {left_to_night(detector)}")
        for detector in detectors
    )


def _with_its_rest(detector: Detector, ending: Coverage) -> Coverage:
    if ending.status != "ran" or not detector.by_night_in_part:
        return ending
    reasons = filter(None, (ending.reason, f"{LEFT}: {detector.by_night_in_part}"))
    return ending.model_copy(update={"reason": "; ".join(reasons)})


def seen_in_part(detectors: Iterable[Detector], result: ScanResult, limits: Limits) -> frozenset[str]:
    """The detectors of whose groups a look sees a part at most, as it judges what changed and no more."""
    if result.fed is None or result.fed.scope is None:
        return frozenset()
    return frozenset(
        detector.id
        for detector in detectors
        if any(subscription.in_part(limits) for subscription in detector.subscriptions)
    )
