"""What the detectors conclude from, and whether a source has ever written it: words, types of events, metadata keys."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.contract import Detector, Groups
from detectors.limits import Limits
from detectors.source.trail import EVENTS, Trail
from detectors.words import listed


def elements_of(detectors: Iterable[Detector]) -> set[str]:
    """Every type of event (or type.key) that one of `detectors` concludes from."""
    metas = [detector.meta for detector in detectors]
    groups = [group for meta in metas for all_of in (meta.events, *meta.ways.values()) for group in all_of]
    return {element for group in groups for element in group}


def words_of(limits: Limits) -> dict[str, tuple[str, ...]]:
    """The words that the policy's limits name beside those that are known, by table.column."""
    categories = [words for name, words in limits if name.endswith("_categories")]
    return {
        "support_requests.category": tuple(word for words in categories for word in words),
        "support_requests.status": tuple(limits.closed_statuses),
        f"{EVENTS}.event_type": tuple(limits.reset_events),
    }


def sees(groups: Groups, trail: Trail) -> str | None:
    """Why the trail can't tell of one of `groups`, in words; None where it holds some of each."""
    for group in groups:
        if group and all(trail.lacks(element) for element in group):
            return _reason(group, trail)
    return None


def _reason(group: frozenset[str], trail: Trail) -> str:
    types = sorted({element.partition(".")[0] for element in group})
    never = [event_type for event_type in types if event_type not in trail.written]
    told = []
    if never:
        told.append(f"the source never wrote {_either(never)}")
    for element in sorted(group):
        event_type, _, keys = element.partition(".")
        if event_type in trail.written:
            told.append(f"{event_type} never names {_either(keys.split('|'))}")
    return listed(told[:3])


def _either(names: list[str]) -> str:
    shown = names if len(names) <= 3 else [*names[:2], f"any of {len(names) - 2} more"]
    return " or ".join(shown)
