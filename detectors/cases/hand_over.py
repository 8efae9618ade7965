"""A household whose leadership moved, with what its leaders did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from detectors.cases.audit_rows import activity_of_users, addresses_of
from detectors.cases.household import household_cases_by_id
from detectors.cases.rows import batches, session_owners, sessions_of
from detectors.cases.silence import in_holes, went_on
from detectors.contract import Context
from detectors.domain.household import HouseholdCase
from detectors.domain.records import Event, Session
from detectors.domain.values import LONG_AGO
from detectors.events import EventType
from detectors.source import Source


@dataclass(frozen=True, slots=True)
class HandedOverCase:
    """A household whose leadership moved, with its leaders' own activity and the owners of the sessions they used.

    `sessions` and `earlier_addresses` (those from before the activity) are of leaders whose login failed or whose password
    was reset.
    """

    key: str
    home: HouseholdCase
    activity: Mapping[str, tuple[Event, ...]]
    session_owner: Mapping[str, str]
    sessions: Mapping[str, tuple[Session, ...]]
    earlier_addresses: Mapping[str, frozenset[str]]
    unheard: bool = False
    """Whether the household's own row was written when the audit trail, which names no transfer to its leader, told nothing."""


def handed_over_cases(source: Source, ids: Sequence[str], context: Context) -> Iterator[HandedOverCase]:
    """The cases of households whose leadership moved. An old leader's habits are known where there was trouble before."""
    for some in batches(ids):
        homes = household_cases_by_id(source, some, context)
        moved = [
            (event.text("from_user_id"), event.at)
            for home in homes.values()
            for event in home.events_of(EventType.LEADERSHIP_TRANSFERRED)
            if event.at in context.window and source.tables.is_user_id(event.text("from_user_id"))
        ]
        activity, troubled = _before_hand_overs(source, moved, context)
        used = {
            e.text("session_id")
            for home in homes.values()
            for e in home.events_of(EventType.LEADERSHIP_TRANSFERRED, EventType.LEAVE_STARTED)
        }
        owners = session_owners(source, sorted(used - {""}))
        sessions = sessions_of(source, troubled)
        earlier = addresses_of(source, troubled, LONG_AGO, context.window.start - context.back("habits"))
        unheard = _unheard(source, homes, context)
        for key in some:
            yield HandedOverCase(key, homes[key], activity, owners, sessions, earlier, key in unheard)


def _unheard(source: Source, homes: Mapping[str, HouseholdCase], context: Context) -> set[str]:
    """Households without a transfer to their leader whose row was written after the trail's end, or in a hole of it."""
    if context.so_far:
        return set()
    written = {
        key: row.updated_at
        for key, home in homes.items()
        if (row := home.household) is not None
        and row.updated_at is not None
        and row.updated_at > row.created_at + context.limits.grace
        and not any(
            event.text("to_user_id") == row.leader_id for event in home.events_of(EventType.LEADERSHIP_TRANSFERRED)
        )
    }
    end = context.audit_reached and context.audit_reached + context.limits.grace
    later = {key for key, at in written.items() if end is not None and at > end}
    holes = in_holes(source, (at for key, at in written.items() if key not in later))
    if not (end and later and went_on(source, end)):
        later = set()
    return later | {key for key, at in written.items() if at in holes}


def _before_hand_overs(
    source: Source, moved: Sequence[tuple[str, datetime]], context: Context
) -> tuple[dict[str, tuple[Event, ...]], list[str]]:
    """What the old leaders did in the last hours, or for as long as habits count, and whom of them that goes for.

    It goes for those of whom a login failed or whose password was reset just before. `moved` says who handed over and when.
    """
    trouble = context.back("trouble before a hand-over")
    until = context.window.end
    leaders = sorted({leader for leader, _ in moved} - {""})
    activity = activity_of_users(source, leaders, context.window.start - trouble, until)
    troublesome = {EventType.LOGIN_FAILED, *context.limits.reset_events}
    troubled = sorted(
        {
            leader
            for leader, at in moved
            if any(event.type in troublesome and at - trouble < event.at <= at for event in activity.get(leader, ()))
        }
    )
    return activity | activity_of_users(
        source, troubled, context.window.start - context.back("habits"), until
    ), troubled
