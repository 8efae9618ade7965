"""Whether what showed a state is still in the source: only then can its absence mean that it was repaired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from detectors.contract import belonging
from escalation.ledger.records import Entry

ROWS_GONE = "its rows are no longer in the source"
ROWS_FEWER = "rows that stood behind it are no longer in the source"
NOBODY_LEFT = "nobody alive is left in it"
ACCOUNT_DELETED = "somebody who belongs to it has deleted their account since it was last seen"
TRAIL_GONE = "the audit rows that showed it are no longer there"
WORDS = {
    "rows-gone": ROWS_GONE,
    "rows-fewer": ROWS_FEWER,
    "nobody-left": NOBODY_LEFT,
    "account-deleted": ACCOUNT_DELETED,
    "trail-gone": TRAIL_GONE,
}
RESOLVED = "resolved by a person; {}"
"""Why a ticket was closed of which nothing is left that a scan could look at."""
HOUSEHOLD_MISSING = "members-without-household"
"""The detector whose findings say that there is no household row: only the member rows can show what became of it."""
OF_MEMBERS = frozenset(
    {"duplicate-member", "member-without-approval", "removal-not-applied", "temporary-access-expired"}
)
"""The detectors whose findings are about one person's rows in one household. These may be another's now, as where accounts are merged."""
_OWN_ROWS = {"request_id": "household_join_requests", "support_id": "support_requests"}


def rows_to_look_for(entries: Iterable[Entry]) -> dict[str, set[str]]:
    """By table, the ids whose rows must be there still for the absence of these entries to mean anything."""
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        own = [(table, entry.subject[key]) for key, table in _OWN_ROWS.items() if key in entry.subject]
        if "support_id" not in entry.subject:
            own += [("households", one) for one in entry.households if entry.detector != HOUSEHOLD_MISSING]
            own += [("household_members", one) for one in entry.households if entry.users]
            own += [("household_members", one) for one in _person_of(entry)]
        for table, one in own:
            wanted.setdefault(table, set()).add(one)
    return wanted


def _person_of(entry: Entry) -> list[str]:
    own = entry.detector in OF_MEMBERS and {"household_id", "user_id"} <= entry.subject.keys()
    return [belonging(entry.subject["household_id"], entry.subject["user_id"])] if own else []


def rows_are_gone(entry: Entry, gone: Mapping[str, frozenset[str]]) -> bool:
    """True where no row is left of what the entry is about: of its request or person, or of any of its households or their members."""
    for key, table in _OWN_ROWS.items():
        if entry.subject.get(key) in gone.get(table, ()):
            return True
    if "support_id" in entry.subject or not entry.households:
        return False
    if any(one in gone.get("household_members", ()) for one in _person_of(entry)):
        return True
    bare = gone.get("households", frozenset()) if entry.detector != HOUSEHOLD_MISSING else frozenset()
    empty = gone.get("household_members", frozenset()) if entry.users else frozenset()
    return all(one in bare or one in empty for one in entry.households)


def trail_is_gone(entry: Entry, then: datetime | None, now: datetime | None) -> bool:
    """True where the audit table reached back to what the entry tells of when it was last seen, and now does not.

    `then` and `now` are from when on it could be relied on (see audit_began_by).
    """
    moment = entry.happened_at or entry.first_seen_at
    return then is not None and now is not None and then <= moment < now
