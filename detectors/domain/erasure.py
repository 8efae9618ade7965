"""What is left of somebody who had their data erased: audit rows with a type, a household and a time, and nothing else.

The app deletes their member rows and join requests, and takes their name and all metadata out of what they did. It does so
in no transaction, so that any part of it may be missing.
"""

from __future__ import annotations

from detectors.domain.household import HouseholdCase
from detectors.domain.records import Event
from detectors.events import LIFECYCLE, LIVED_IN, EventType
from detectors.source.erased import MARKS

_ACTS = frozenset((*LIFECYCLE, *LIVED_IN)) - {EventType.CREATE_FAILED}
"""What somebody who is logged in does: the app always writes who."""


def is_anonymised(event: Event) -> bool:
    """Whether an act bears the app's mark and no actor; `source.erased` tells it of rows.

    One without the mark says nothing: the column may be mapped wrongly, or one type of event may never fill it.
    """
    return event.type in _ACTS and not event.user_id and any(event.text(mark) for mark in MARKS)


def anonymised(case: HouseholdCase, *types: str) -> tuple[Event, ...]:
    """The acts, of some types or of all, that have been anonymised, oldest first."""
    return tuple(event for event in case.events if is_anonymised(event) and (not types or event.type in types))


def may_be_erased(case: HouseholdCase, user_id: str) -> bool:
    """Whether all that a person without a member row did may have been anonymised: nothing is theirs, and some acts are nobody's."""
    if any(user_id in (event.user_id, event.member_id) for event in case.events):
        return False
    return not any(row.user_id == user_id for row in case.members) and bool(anonymised(case))
