"""Members who joined before anything tells how people were let in: requests and audit rows are often purged after a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, and_, cast, exists, func, or_, select, true

from detectors.contract import Context
from detectors.events import EventType
from detectors.findings import Found
from detectors.source import Notice, QueryError, Source
from detectors.source.trail import EVENTS
from detectors.text.wording import count

_RULE = "member-without-approval"
_STRAY = 5
"""So many old rows a purge may have spared."""
_MEMBERS, _HOMES = 10, 5
"""So many members, of so many households, did not all slip in one by one."""
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Purged:
    """Findings without those of which nothing can tell; by their fingerprints why, and what to say of them."""

    findings: list[Found]
    withheld: dict[str, str]
    notices: list[Notice]


def without_purged(source: Source, findings: Sequence[Found], context: Context) -> Purged:
    """`findings` without members who joined before the first approval that requests or audit rows tell of, if many did."""
    mine = [finding for finding in findings if finding.detector == _RULE]
    whole = Purged(list(findings), {}, [])
    if not mine:
        return whole
    try:
        began = _first_told(source, context)
        early = began and _early(source, began, sorted({home for finding in mine for home in finding.households}))
        gone = {
            one.fingerprint for one in mine if (one.subject["household_id"], one.subject["user_id"]) in (early or ())
        }
        # Asked last, as it looks through the table where there is nothing to be found.
        told = _evidence(source, began) if began is not None and gone else ""
    except QueryError:
        return whole
    if began is None or not told:
        return whole
    reason = (
        f"household_join_requests and {EVENTS} tell of no approval before {began:%Y-%m-%d %H:%M} UTC, though at least {told} "
        "joined before that: rows were purged"
    )
    said = f"{reason}; {count(len(gone), 'finding')} of {_RULE} held back"
    kept = [finding for finding in findings if finding.fingerprint not in gone]
    return Purged(
        kept, dict.fromkeys(gone, reason), [Notice("household_join_requests", said, remedy="keep approved requests")]
    )


def _first_told(source: Source, context: Context) -> datetime | None:
    """From when on requests or audit rows tell of approvals, but for a few stray ones."""
    asked = source.tables["household_join_requests"].c
    ways = [select(asked.requested_at.label("at")).where(asked.status == "approved", asked.requested_at.is_not(None))]
    if EVENTS in source.tables:
        events = source.tables[EVENTS].c
        # A trail that tells how households began has what was approved since its first row; another may lack it.
        kept = source.tables.event_is(EventType.JOIN_REQUEST_APPROVED) if context.births_untold else true()
        ways.append(select(events.event_timestamp.label("at")).where(kept, events.event_timestamp <= context.as_of))
    firsts = [source.rows(way.order_by("at").limit(_STRAY), "purged") for way in ways]
    return min((rows[-1]["at"] for rows in firsts if len(rows) == _STRAY), default=None)


def _evidence(source: Source, began: datetime) -> str:
    """How many ordinary members without an approval, of how many households, joined before that; empty where they are few."""
    members, homes = source.tables["household_members"].c, source.tables["households"].c
    asked = source.tables["household_join_requests"].c
    # Requests that were dated anew tell how their people came, whenever that was.
    let_in = exists().where(
        asked.household_id == members.household_id, asked.user_id == members.user_id, asked.status == "approved"
    )
    beside = and_(homes.id == members.household_id, homes.leader_id != members.user_id)
    some = (
        select(members.household_id, members.user_id)
        .join_from(members.household_id.table, homes.id.table, beside)
        .where(
            members.joined_at < began,
            members.status == "active",
            members.role == "member",
            ~let_in,
            or_(members.is_temporary.is_(None), members.is_temporary.is_(False)),
        )
        .limit(_LOOKED_AT)
        .subquery("some")
    )
    counted = select(func.count().label("members"), func.count(some.c.household_id.distinct()).label("homes"))
    (row,) = source.rows(counted.select_from(some), "purged")
    if row["members"] < _MEMBERS or row["homes"] < _HOMES:
        return ""
    return f"{count(row['members'], 'member')} of {count(row['homes'], 'household')}"


def _early(source: Source, began: datetime, homes: list[str]) -> set[tuple[str, str]]:
    """Who joined which of these households before that."""
    members = source.tables["household_members"].c
    early = select(
        cast(members.household_id, Text).label("home"),
        cast(members.user_id, Text).label("who"),
        func.max(members.joined_at).label("last"),
    ).where(source.tables.households_in(members.household_id, homes), members.status == "active")
    each = early.group_by(members.household_id, members.user_id)
    return {(row["home"], row["who"]) for row in source.rows(each, "purged") if row["last"] < began}
