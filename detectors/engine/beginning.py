"""How a scan begins: what was seen of its source before anything is concluded from it, and how each detector starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from detectors.contract import Context, Detector
from detectors.engine.applicability import Outlook, believable, elements_of, health_of, needs_of, outlook
from detectors.engine.doubts import Doubt, doubts_of
from detectors.engine.endings import Ending, Endings, reason_of
from detectors.engine.row_counts import audit_span
from detectors.engine.scope import out_of_reach
from detectors.events import EVENT_TYPES, EventType
from detectors.passes.base import Scope
from detectors.source import Notice, QueryError, Source
from detectors.source.births import untold_births
from detectors.source.filled import is_big
from detectors.source.health import Health
from detectors.source.own_rows import Own
from detectors.source.trail import EVENTS, Trail, like_ours


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a scan knows before its rules look."""

    health: Health
    doubts: tuple[Doubt, ...]
    """Whose rows cannot be relied on."""
    endings: Endings
    context: Context
    audit_known: bool
    """Whether the source said from when to when it is audited; nothing is known of the trail where it did not."""
    reached: datetime | None
    """The time of the newest audit row."""


def begin(
    source: Source,
    detectors: Sequence[Detector],
    scope: Scope | None,
    changed: Scope | None,
    context: Context,
    at_once: int,
) -> Beginning:
    """Look at `source` and have its tables read as it writes them; `changed` is what a look at changes reads of its states.

    Raises SourceError if the source cannot be read, or if nothing that is read there can be believed.
    """
    limited = scope or changed
    own = None if limited is None else Own(limited.households, limited.users, words_alone=scope is None)
    health = health_of(source, detectors, context.limits, own, as_of=context.as_of, at_once=at_once)
    believable(source, health)
    source.tables = source.tables.respelled(health.spellings, health.zeros, health.once)
    endings = Endings()
    for detector in detectors:
        begins = outlook(detector, source.schema, context, health)
        if begins.status == "ran" and scope is not None and (why := out_of_reach(detector, source.tables)):
            begins = Outlook("not_applicable", why)
        endings[detector.id] = Ending(begins.status, begins.reason)
    never = _never_written(health.trail)
    span = _audit_span(source, context.as_of, detectors, endings)
    began, reached = span or (None, None)
    births = None
    # Asked for where some rule concludes from silence about who leads.
    if began is not None and EventType.LEAVE_STARTED in elements_of(detectors):
        births = _untold_births(source, health, began, scope is not None, context)
    health.notices += [births] if births else []
    return Beginning(
        health,
        doubts_of(source, noticed(source, health)),
        endings,
        replace(
            context,
            audit_began=began,
            audit_reached=reached,
            never_written=never,
            births_untold=births is not None,
            otherwise=source.schema.otherwise,
        ),
        span is not None,
        reached,
    )


def _never_written(trail: Trail | None) -> frozenset[str]:
    """The types of events whose absence says nothing: they were never written, or those that nobody knows may be them."""
    if trail is None:
        return frozenset()
    renamed = frozenset(ours for word in trail.unknown if (ours := like_ours(word)))
    return renamed | (EVENT_TYPES - trail.written if trail.complete else frozenset())


def _untold_births(source: Source, health: Health, began: datetime, limited: bool, context: Context) -> Notice | None:
    """What to say of a trail that does not tell of the households' beginnings; a `limited` scan reads no big table for it."""
    written = health.trail is not None and EventType.CREATED in health.trail.written
    if not written or context.so_far or (limited and is_big(source, EVENTS, source.tables.mapping.look_through_rows)):
        return None
    try:
        return untold_births(source, began, context.as_of)
    except QueryError as error:
        health.unseen.append(f"whether {EVENTS} tells how households began: {error}")
        return None


def noticed(source: Source, health: Health) -> tuple[Notice, ...]:
    """What there is to note of a source so far."""
    return (*source.notices, *health.notices)


def _audit_span(
    source: Source, as_of: datetime, detectors: Sequence[Detector], endings: Endings
) -> tuple[datetime | None, datetime | None] | None:
    """From when to when there are audit rows. Without it, silence of the trail cannot be told from a trail that had not begun."""
    try:
        return audit_span(source, as_of)
    except QueryError as error:
        for detector in detectors:
            reads_trail = any(need.startswith(f"{EVENTS}.") for need in needs_of(detector))
            if reads_trail and endings[detector.id].status == "ran":
                endings[detector.id].fail(reason_of(error, "looking for the start of the audit table"))
        return None
