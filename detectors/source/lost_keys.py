"""Audit rows of late whose metadata lacks what it always told: an app that was deployed on that day writes it otherwise.

Rules see such an act and not whom it is about. Where no row ever named a key, the trail itself says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import func, select

from detectors.events import EventType
from detectors.source.base import Notice, Source
from detectors.source.trail import EVENTS, PROBED, Trail, tells

_ALWAYS: dict[str, tuple[tuple[str, ...], ...]] = {
    EventType.MEMBER_REMOVED: (("member_id",),),
    EventType.JOIN_REQUEST_APPROVED: (("new_member_id", "request_id"),),
    EventType.JOIN_REQUEST_REJECTED: (("requester_id", "request_id"),),
    EventType.LEADERSHIP_TRANSFERRED: (("to_user_id",), ("from_user_id",)),
    EventType.RATE_LIMIT_EXCEEDED: (("limit_type",),),
    EventType.INVITE_CODE_VALIDATED: (("valid",),),
}
"""What each row of a type tells, by one of several keys: without it nothing can be concluded from the row."""
_LATELY = timedelta(days=8)


def lost_keys(source: Source, trail: Trail | None, as_of: datetime) -> Iterator[Notice]:
    """A notice for each of these keys that some rows of late lack, and others have. Raises QueryError."""
    if trail is None or not trail.written or "metadata" not in source.schema.tables[EVENTS].columns:
        return
    tables = source.tables.respelled({f"{EVENTS}.event_type": trail.spellings})
    asked = [(one, keys) for one in _ALWAYS if one in trail.written for keys in _ALWAYS[one]]
    parts = []
    for place, (event_type, keys) in enumerate(asked):
        rows = tables[EVENTS].c
        # Of very many rows some answer.
        late = (
            select(tells(rows.metadata, keys).label("tells"))
            .where(tables.event_is(event_type), rows.event_timestamp > as_of - _LATELY, rows.event_timestamp <= as_of)
            .limit(PROBED)
            .subquery(f"late_{place}")
            .c
        )
        ever = select(rows.metadata).where(tables.event_is(event_type)).limit(PROBED).subquery(f"ever_{place}").c
        parts += [
            select(func.count()).where(late.tells).scalar_subquery().label(f"told_{place}"),
            select(func.count()).where(late.tells.is_(False)).scalar_subquery().label(f"lack_{place}"),
            select(tells(ever.metadata, keys)).where(tells(ever.metadata, keys)).exists().label(f"ever_{place}"),
        ]
    if not parts:
        return
    (row,) = source.rows(select(*parts), "words")
    lacking = [
        f"{' or '.join(keys)} in {row[f'lack_{place}']:,} of {row[f'lack_{place}'] + row[f'told_{place}']:,} rows of {event_type}"
        for place, (event_type, keys) in enumerate(asked)
        if row[f"lack_{place}"] and (row[f"told_{place}"] or row[f"ever_{place}"])
    ]
    if lacking:
        yield Notice(
            EVENTS,
            f"{EVENTS}.metadata of the last {_LATELY.days} days lacks {', '.join(lacking)}, though others tell it: these rows were written "
            "otherwise, and whom they are about is not seen",
            frozenset({f"{EVENTS}.metadata"}),
            "have the app write these keys as before, or map a view in which all rows have them",
        )
