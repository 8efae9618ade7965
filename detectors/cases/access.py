"""A household with what was done inside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import and_

from detectors.cases.audit_rows import read_events
from detectors.cases.household import household_cases_by_id
from detectors.cases.rows import batches
from detectors.contract import Context
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Event
from detectors.domain.retries import without_retries
from detectors.events import INSIDE
from detectors.source import Source


@dataclass(frozen=True, slots=True)
class AccessCase:
    """A household with what was done inside it in the window."""

    key: str
    home: HouseholdCase
    actions: tuple[Event, ...]


def access_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[AccessCase]:
    """The cases of households in which something was done in the window by somebody who may not belong."""
    for some in batches(ids):
        homes = household_cases_by_id(source, some, context)
        table = source.tables["household_events"]
        actions = read_events(
            source,
            and_(
                source.tables.households_in(table.c.household_id, some),
                source.tables.event_is(*INSIDE, common=True),
                table.c.event_timestamp >= context.window.start,
                table.c.event_timestamp < context.window.end,
            ),
        )
        by_home: dict[str, list[Event]] = defaultdict(list)
        for event in actions:
            by_home[event.household_id].append(event)
        for key in some:
            yield AccessCase(key, homes[key], without_retries(by_home[key]))
