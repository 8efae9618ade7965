"""What the detectors conclude from, and whether a source has ever written it: words, types of events, metadata keys."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.contract import Detector, Groups, Meta
from detectors.limits import Limits
from detectors.source import CANONICAL
from detectors.source.filled import is_column
from detectors.source.health import Health
from detectors.source.trail import EVENTS, Trail
from detectors.words import listed


def elements_of(detectors: Iterable[Detector]) -> set[str]:
    """Every type of event (or type.key, or table.column) that one of `detectors` concludes from."""
    metas = [detector.meta for detector in detectors]
    groups = [group for meta in metas for all_of in (meta.events, *meta.ways.values()) for group in all_of]
    return {element for group in groups for element in group} - CANONICAL.keys()


def tables_of_ways(meta: Meta) -> frozenset[str]:
    """The tables whose rows are one way among others: where they are empty, the detector may still have another."""
    ways = [frozenset().union(*groups) & CANONICAL.keys() for groups in meta.ways.values()]
    apart = [tables for tables in ways if tables and EVENTS not in tables]
    return frozenset().union(*ways) | (frozenset({EVENTS}) if apart else frozenset())


def words_of(limits: Limits) -> dict[str, tuple[str, ...]]:
    """The words that the policy's limits name beside those that are known, by table.column."""
    categories = [words for name, words in limits if name.endswith("_categories")]
    return {
        "support_requests.category": tuple(word for words in categories for word in words),
        "support_requests.status": tuple(limits.closed_statuses),
        f"{EVENTS}.event_type": tuple(limits.reset_events),
    }


def sees(groups: Groups, health: Health) -> str | None:
    """Why the source can't tell of one of `groups`, in words; None where it holds some of each."""
    for group in groups:
        if group and all(_lacks(element, health) for element in group):
            return _reason(group, health)
    return None


def _lacks(element: str, health: Health) -> bool:
    if element in CANONICAL:
        return element in health.empty
    if is_column(element):
        return element in health.unfilled
    return health.trail is not None and health.trail.lacks(element)


def _reason(group: frozenset[str], health: Health) -> str:
    written = (health.trail or Trail()).written
    told = [f"{table} has no rows" for table in sorted(group & CANONICAL.keys())]
    columns = {element for element in group if is_column(element)}
    told += [f"{column} is empty in every row" for column in sorted(columns)]
    elements = sorted(group - CANONICAL.keys() - columns)
    never = sorted({element.partition(".")[0] for element in elements} - written)
    if never:
        told.append(f"the source never wrote {_either(never)}")
    for element in elements:
        event_type, _, keys = element.partition(".")
        if event_type in written:
            told.append(f"{event_type} never names {_either(keys.split('|'))}")
    return listed(told, 3)


def _either(names: list[str]) -> str:
    shown = names if len(names) <= 3 else [*names[:2], f"any of {len(names) - 2} more"]
    return " or ".join(shown)
