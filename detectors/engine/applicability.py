"""Whether a detector can run on a source: what it needs, and whether the source has ever written it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from detectors.contract import NEVER_WROTE, Context, Detector, Groups, Meta, Status
from detectors.limits import Limits
from detectors.passes import PASSES
from detectors.source import CANONICAL, Schema, Source, SourceError
from detectors.source.app import UNFIT
from detectors.source.first_rows import is_column
from detectors.source.health import Health, look_at
from detectors.source.own_rows import Own
from detectors.source.spelling import shown
from detectors.source.trail import EVENTS, Trail
from detectors.text.wording import listed


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a detector's scan begins. The reason says why it does not run, or what it does not look at."""

    status: Status = "ran"
    reason: str | None = None


def needs_of(detector: Detector) -> frozenset[str]:
    """The source columns that a detector and the passes that it has a condition on cannot do without."""
    return detector.meta.needs.union(
        *(PASSES[subscription.on].needs for subscription in detector.subscriptions if not subscription.optional)
    )


def tables_of(detector: Detector) -> frozenset[str]:
    """The canonical tables on which a detector's verdict rests: where their rows are missing, it saw nothing."""
    return frozenset(need.split(".")[0] for need in needs_of(detector) | detector.meta.consults)


def lacking(detector: Detector, schema: Schema) -> list[str]:
    """What the source lacks of what the detector needs; empty if it can run."""
    beside = {
        each for each in detector.meta.consults if each.partition(".")[2] and each.partition(".")[0] in schema.tables
    }
    missing = schema.missing(needs_of(detector) | beside)
    if detector.inspect and not schema.has_catalog:
        missing.append("the catalog of a database server (files have no indexes)")
    return missing


def health_of(
    source: Source,
    detectors: Iterable[Detector],
    limits: Limits,
    own: Own | None = None,
    *,
    as_of: datetime,
    at_once: int = 1,
) -> Health:
    """What `source` holds of the words and events that `detectors` ask for. Raises SourceError if it cannot be read."""
    return look_at(source, words_of(limits), elements_of(detectors), own, as_of=as_of, at_once=at_once)


def believable(source: Source, health: Health) -> None:
    """Raise SourceError where nothing that is read from `source` can be believed: the first fault, and how many more."""
    if health.faults:
        more = f" (and {len(health.faults) - 1} more: see `hearthwatch doctor`)" if len(health.faults) > 1 else ""
        raise SourceError(f"{source.label}: {health.faults[0]}{more}")


def _in_part(detector: Detector, schema: Schema, health: Health) -> str | None:
    """What a detector does not look at, although it runs, as the source lacks it or never wrote it."""
    unseen = [
        f"{PASSES[subscription.on].reads} (needs {', '.join(missing)})"
        for subscription in detector.subscriptions
        if subscription.optional and (missing := schema.missing(PASSES[subscription.on].needs))
    ]
    unseen += [
        f"{words} (needs {', '.join(missing)})"
        for words, columns in detector.meta.partly.items()
        if (missing := schema.missing(columns))
    ]
    unseen += [
        f"{words} ({UNFIT[fact]})" for fact, words in detector.meta.partly_where.items() if fact in schema.otherwise
    ]
    blind = [(way, sees(groups, health)) for way, groups in detector.meta.ways.items()]
    unseen += [f"{way} ({reason})" for way, reason in blind if reason]
    return f"without {'; '.join(unseen)}" if unseen else None


def _blind(detector: Detector, health: Health) -> str | None:
    """Why what the source never wrote leaves a detector nothing to conclude from, or None."""
    ways = detector.meta.ways.values()
    reasons = [reason for groups in ways if (reason := sees(groups, health))]
    if reasons and len(reasons) == len(ways):
        every = frozenset(element for groups in ways for group in groups for element in group)
        return sees(detector.meta.events, health) or sees((every,), health) or reasons[0]
    return sees(detector.meta.events, health)


def _speechless(detector: Detector, health: Health) -> str | None:
    """Why nobody can tell which requests to support are open, or None."""
    found, place = health.spoken.get("support_requests"), "support_requests.status"
    words = found.unknown.get(place) if found else None
    if found and words and words.total() == found.rows and any(one.on == "support" for one in detector.subscriptions):
        return f"{place} holds no word that is known: {shown(words)}; say in the policy what they mean, [source.words.{place}]"
    return None


def outlook(detector: Detector, schema: Schema, context: Context, health: Health) -> Outlook:
    """Whether a detector can run, perhaps in part, or why there is nothing that it could look at or find."""
    pointless = detector.pointless(context.limits)
    if pointless:
        return Outlook("not_applicable", pointless)
    foreign = sorted(detector.meta.not_where & schema.otherwise)
    if foreign:
        return Outlook("not_applicable", UNFIT[foreign[0]])
    missing = lacking(detector, schema)
    if missing:
        return Outlook("not_applicable", f"needs {', '.join(missing)}")
    needed = {need.split(".")[0] for need in needs_of(detector)} - tables_of_ways(detector.meta)
    empty = sorted(needed & health.empty)
    if empty:
        return Outlook("not_applicable", f"{listed(empty)} {'has' if len(empty) == 1 else 'have'} no rows")
    proof = detector.proved_by(schema)
    if proof:
        return Outlook("proved", f"made impossible by {proof}")
    blind = _blind(detector, health) or _speechless(detector, health)
    if blind:
        return Outlook("not_applicable", blind)
    return Outlook(reason=_in_part(detector, schema, health))


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
    trail = health.trail or Trail()
    written = trail.written
    told = [f"{table} has no rows" for table in sorted(group & CANONICAL.keys())]
    columns = {element for element in group if is_column(element)}
    told += [f"{column} is empty in every row" for column in sorted(columns)]
    elements = sorted(group - CANONICAL.keys() - columns)
    never = sorted({element.partition(".")[0] for element in elements} - written)
    if never:
        told.append(f"{NEVER_WROTE} {_either(never)}")
    for element in elements:
        event_type, _, keys = element.partition(".")
        if event_type in written:
            who = "nobody whom another table knows as" if f"{event_type}.{keys}" in trail.strangers else ""
            told.append(f"{event_type} {f'names {who}' if who else 'never names'} {_either(keys.split('|'))}")
    return listed(told, 3)


def _either(names: list[str]) -> str:
    shown = names if len(names) <= 3 else [*names[:2], f"any of {len(names) - 2} more"]
    return " or ".join(shown)
