"""A look at what changed since an earlier one: which households' rows must be judged again, and why if all must.

What was wrong at the earlier look is known. What has become wrong since then shows in a row that was written or deleted,
in an audit row that came, or in a time that has passed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from array import array
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select

from detectors.cases.household import text_of
from detectors.contract import Context
from detectors.engine.scope import scope_of
from detectors.events import LOGINS, VIEWS, EventType
from detectors.passes.base import Scope
from detectors.source import QueryError, Source, SubjectError
from detectors.source.row_versions import (
    BUCKETS,
    FAR,
    RELATIONS,
    SERVER,
    Compared,
    Since,
    Sums,
    Written,
    compared_in,
    incomparable,
    owners_in,
    statement,
    written,
)
from detectors.source.trail import EVENTS

MOST_CHANGED = 25_000
"""Households. Where more changed, reading all costs no more."""
_TELL_NOTHING = (*VIEWS, *LOGINS, EventType.PET_ACTIVITY_LOGGED, EventType.API_REQUEST, EventType.SESSION_USED)
"""The most frequent types of audit rows: no state becomes wrong by them."""
FIRST_LOOK = "no look has left anything to compare with"


@dataclass(frozen=True, slots=True)
class Bookmark:
    """What a look leaves for the next one: which row versions it saw, what it held, and by which rules it judged."""

    as_of: datetime
    watermark: datetime
    server: str
    least: int
    next: int
    rules: str
    outlook: str
    signs: frozenset[str]
    audit_began: datetime | None
    sums: Mapping[str, Sums]
    listed: frozenset[str] = frozenset()
    """Households in which something is wrong that no finding names by itself: rows of incidents."""

    def dumped(self) -> str:
        plain = {
            "as_of": self.as_of.isoformat(),
            "watermark": self.watermark.isoformat(),
            "audit_began": self.audit_began and self.audit_began.isoformat(),
            "server": self.server,
            "least": self.least,
            "next": self.next,
            "rules": self.rules,
            "outlook": self.outlook,
            "signs": sorted(self.signs),
            "listed": sorted(self.listed),
            "sums": {name: [_packed(one.rows), _packed(one.checks)] for name, one in self.sums.items()},
        }
        return json.dumps(plain, separators=(",", ":"))


def loaded(told: str | None) -> Bookmark | None:
    """The bookmark that was `dumped`; None for one that cannot be read."""
    try:
        plain = json.loads(told or "")
        return Bookmark(
            as_of=datetime.fromisoformat(plain["as_of"]),
            watermark=datetime.fromisoformat(plain["watermark"]),
            audit_began=plain["audit_began"] and datetime.fromisoformat(plain["audit_began"]),
            server=plain["server"],
            least=plain["least"],
            next=plain["next"],
            rules=plain["rules"],
            outlook=plain["outlook"],
            signs=frozenset(plain["signs"]),
            listed=frozenset(plain["listed"]),
            sums={name: Sums(*map(_unpacked, packed)) for name, packed in plain["sums"].items()},
        )
    except (ValueError, KeyError, TypeError, zlib.error):
        return None


def _packed(numbers: array[int]) -> str:
    return base64.b64encode(zlib.compress(numbers.tobytes(), 1)).decode("ascii")


def _unpacked(packed: str) -> array[int]:
    numbers = array("q", zlib.decompress(base64.b64decode(packed)))
    if len(numbers) != BUCKETS:
        raise ValueError("another number of buckets")
    return numbers


@dataclass(frozen=True, slots=True)
class Feed:
    """What a look at changes goes by: the last bookmark, the rules of now, and what is known to be wrong."""

    rules: str
    bookmark: Bookmark | None
    late: timedelta
    households: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    """The detectors of which a finding about a whole group is known."""
    given: Scope | None = None
    """What an earlier scan of the same look has been told; nothing is asked again."""


@dataclass(frozen=True, slots=True)
class Fed:
    """What the feed told. Without a `scope` everything must be looked at, for this `reason`; what it tells of now is the next bookmark's."""

    reason: str | None
    scope: Scope | None = None
    server: str | None = None
    least: int = 0
    next: int = 0
    sums: Mapping[str, Sums] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, int]:
        """How many rows the state tables hold."""
        return {name: one.total for name, one in self.sums.items() if name != "users"}

    def whole(self, reason: str) -> Fed:
        return replace(self, reason=reason, scope=None)

    def bookmark(self, context: Context, rules: str, outlook: str, signs: frozenset[str]) -> Bookmark | None:
        """What this look leaves for the next one; None where nothing can be compared."""
        if self.server is None:
            return None
        return Bookmark(
            as_of=context.as_of,
            watermark=context.watermark,
            server=self.server,
            least=self.least,
            next=self.next,
            rules=rules,
            outlook=outlook,
            signs=signs,
            audit_began=context.audit_began,
            sums=self.sums,
        )


def read_feed(source: Source, feed: Feed, context: Context, at_once: int) -> Fed:
    """What changed in `source` since the feed's bookmark, with all that is known to be wrong. The source has been widened."""
    if feed.given is not None:
        return Fed(None, feed.given)
    if source.engine != "postgresql":
        return Fed("files have no row versions")
    try:
        here = _server(source)
    except QueryError as error:
        return Fed(f"the server does not say who it is, or which transactions it has seen: {error}")
    unfit = incomparable(source.tables, _kinds(source, here))
    if unfit is not None:
        return Fed(unfit)
    now = Fed(_distrusted(feed, here, context), server=here["server"], least=here["least"], next=here["next"])
    bookmark = feed.bookmark if now.reason is None else None
    try:
        told = _compare(source, bookmark, context, at_once)
        now = replace(now, sums={one.table: each.sums for one, each in told})
        if bookmark is None:
            return now
        return _scoped(source, feed, bookmark, context, now, told)
    except QueryError as error:
        return Fed(f"the versions of the rows could not be read: {error}")


def _server(source: Source) -> dict[str, Any]:
    (server,) = source.rows(SERVER, "feed")
    places = sorted((name, *found.place) for name, found in source.schema.tables.items() if found.place)
    asked = RELATIONS.bindparams(
        bindparam("schemas", [place[1] for place in places]), bindparam("names", [place[2] for place in places])
    )
    relations = {(row["schema_name"], row["name"]): (row["oid"], row["kind"]) for row in source.rows(asked, "feed")}
    tables = {name: relations.get((schema, table)) for name, schema, table in places}
    columns = {name: sorted(found.columns.items()) for name, found in source.schema.tables.items()}
    same = ("system", "timeline", "started", "standby", "database")
    return {
        "server": digest_of([[server[one] for one in same], sorted(tables.items()), sorted(columns.items())]),
        "least": int(server["least"]),
        "next": int(server["next"]),
        "kinds": {name: found[1] for name, found in tables.items() if found},
    }


def _kinds(source: Source, here: Mapping[str, Any]) -> Mapping[str, str]:
    return dict(here["kinds"])


def digest_of(told: Any) -> str:
    """A short name for what is equal again only if all of it is."""
    plain = json.dumps(
        told, sort_keys=True, default=lambda one: sorted(map(str, one)) if isinstance(one, frozenset) else str(one)
    )
    return hashlib.sha256(plain.encode()).hexdigest()[:32]


def _distrusted(feed: Feed, here: Mapping[str, Any], context: Context) -> str | None:
    """Why the last bookmark says nothing of now, or None."""
    bookmark = feed.bookmark
    if bookmark is None:
        return FIRST_LOOK
    if bookmark.server != here["server"]:
        return "the server was restarted, restored, promoted or exchanged, or its tables were made anew, since the last look"
    if here["next"] < bookmark.next or here["least"] < bookmark.least or here["next"] - bookmark.least > FAR:
        return "the server's transactions have been counted anew since the last look"
    if bookmark.rules != feed.rules:
        return "the rules, the policy or the look-back have changed since the last look"
    if bookmark.as_of > context.as_of:
        return "the last look was of a later time"
    return None


def _compare(
    source: Source, bookmark: Bookmark | None, context: Context, at_once: int
) -> list[tuple[Compared, Written]]:
    since = None if bookmark is None else Since(bookmark.least, bookmark.watermark, context.watermark)

    def one_table(one: Compared) -> tuple[Compared, Written]:
        before = None if bookmark is None else bookmark.sums.get(one.table)
        return one, written(source.rows(statement(source.tables, one, since), "feed"), before)

    with ThreadPoolExecutor(max_workers=at_once) as pool:
        return list(pool.map(one_table, compared_in(source.schema)))


def _scoped(
    source: Source, feed: Feed, bookmark: Bookmark, context: Context, now: Fed, told: Sequence[tuple[Compared, Written]]
) -> Fed:
    households, users = set(feed.households | bookmark.listed), set(feed.users)
    for one, each in told:
        if one.table not in bookmark.sums:
            return now.whole("the source has other tables than at the last look")
        (users if one.names == "users" else households).update(each.owners)
    households |= _told_of(source, feed, bookmark, context)
    if len(households) <= MOST_CHANGED:
        households |= _of_buckets(source, told, "households")
        users |= _of_buckets(source, told, "users")
    if len(households) + len(users) > MOST_CHANGED:
        return now.whole(f"more than {MOST_CHANGED:,} households or accounts changed since the last look")
    plain = source.tables
    try:
        return replace(
            now,
            scope=scope_of(source, [*map(plain.plain_household_id, households)], [*map(plain.plain_user_id, users)]),
        )
    except SubjectError:
        return now.whole("an id that is known to the ledger is none of this source's")


def _of_buckets(source: Source, told: Sequence[tuple[Compared, Written]], names: str) -> set[str]:
    """The households (or users) in the buckets from which rows were lost, in whichever table they are left."""
    fit = [(one, each) for one, each in told if one.names == names]
    buckets = sorted({bucket for _, each in fit for bucket in each.lost})
    if not buckets:
        return set()
    asked = [owners_in(source.tables, one, buckets) for one, _ in fit]
    return {text_of(row["owner"]) for each in asked for row in source.rows(each, "feed") if row["owner"] is not None}


def _told_of(source: Source, feed: Feed, bookmark: Bookmark, context: Context) -> set[str]:
    """The households of which audit rows have come since the last look, as late as they may, or are in flight no more."""
    if EVENTS not in source.tables:
        return set()
    events = source.tables[EVENTS]
    home = events.c.household_id
    came = (
        select(home.label("home"))
        .where(
            events.c.event_timestamp > bookmark.watermark - feed.late,
            events.c.event_timestamp <= context.as_of,
            func.coalesce(events.c.event_type, "").not_in(
                [source.tables.mapping.event_name(one) for one in _TELL_NOTHING]
            ),
            home.is_not(None),
        )
        .distinct()
    )
    return {text_of(row["home"]) for row in source.rows(came, "feed")}
