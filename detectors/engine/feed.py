"""A look at what changed since an earlier one: which households' rows must be judged again, and why if all must.

What was wrong at the earlier look is known. What has become wrong since then shows in a row that was written or deleted,
in an audit row that came, or in a time that has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, func, or_, select, true

from detectors.contract import Context
from detectors.domain.values import text_of
from detectors.engine.bookmark import Begins, Bookmark, digest_of
from detectors.engine.comparing import Told, compare
from detectors.engine.foreseen import Foreseen
from detectors.engine.involved import NONE_KNOWN, Ties
from detectors.engine.scope import scope_of
from detectors.events import LOGINS, VIEWS, EventType
from detectors.passes.base import Scope
from detectors.source import QueryError, Source, SubjectError
from detectors.source.bucket_sums import Sums
from detectors.source.identity import may_ask
from detectors.source.row_versions import (
    FAR,
    RELATIONS,
    SERVER,
    has_versions,
    incomparable,
    newer_than,
    owners_in,
)
from detectors.source.trail import EVENTS

MOST_CHANGED = 60_000
"""Households. By so many a look costs half of what reading all does, and takes 250 MB."""
_TELL_NOTHING = (*VIEWS, *LOGINS, EventType.PET_ACTIVITY_LOGGED, EventType.API_REQUEST, EventType.SESSION_USED)
"""The most frequent types of audit rows: no state becomes wrong by them."""
FIRST_LOOK = "no look has left anything to compare with"


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
    frequent: frozenset[str] = frozenset()
    """The detectors that have found so much in this window that all of it must be counted together."""
    again: frozenset[str] = frozenset()
    """The users and households of which occurrences of this window are known."""
    given: Fed | None = None
    """What an earlier scan of the same look has been told; nothing is asked again."""

    def judged(self, fed: Fed, context: Context) -> Context:
        """The context of a look at what the feed told; unchanged where it looks at everything."""
        if fed.scope is None or self.bookmark is None:
            return context
        return replace(
            context,
            changed=frozenset(fed.scope.households),
            rewritten=fed.rewritten,
            visited=fed.visited,
            # From then on audit rows may have come, late as they may be.
            news_from=self.bookmark.watermark - self.late,
            again=self.again,
        )

    def ties(self, context: Context) -> Ties:
        """The connected accounts that an earlier look of the day has found."""
        then = self.bookmark
        return then.ties if then is not None and context.day(then.as_of) == context.day(context.as_of) else NONE_KNOWN

    def outdated(self, fed: Fed, begins: Begins) -> str | None:
        """Why what the rules conclude from is not what it was at the last look, or None."""
        then = self.bookmark
        if then is None or fed.scope is None or self.given is not None:
            return None
        if begins.repeated:
            return f"rows are held twice ({', '.join(sorted(begins.repeated))}), and which one counts has no version"
        earlier = then.audit_began is not None and (begins.audit_began or then.audit_began) < then.audit_began
        if begins.outlook == then.outlook and begins.signs <= then.signs and not earlier:
            return None
        return "what the rules can look at, or how the source spells its words, has changed since the last look"


@dataclass(frozen=True, slots=True)
class Fed:
    """What the feed told. Without a `scope` everything must be looked at, for this `reason`; what it tells of now is the next bookmark's."""

    reason: str | None
    scope: Scope | None = None
    rewritten: frozenset[str] = frozenset()
    """The households of `scope` of which rows were written or lost."""
    visited: frozenset[str] = frozenset()
    """The households of which any audit row has come, whatever it tells."""
    server: str | None = None
    least: int = 0
    next: int = 0
    sums: Mapping[str, Sums] = field(default_factory=dict)
    foreseen: Mapping[str, Foreseen] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, int]:
        """How many rows the state tables hold."""
        return {name: one.total for name, one in self.sums.items() if name != "users"}

    def whole(self, reason: str) -> Fed:
        return replace(self, reason=reason, scope=None)

    def bookmark(self, feed: Feed, begins: Begins, context: Context, ties: Ties) -> Bookmark | None:
        """What this look leaves for the next one; None where nothing can be compared."""
        if self.server is None:
            return None
        # Of a part of the rows not all that is odd is seen.
        signs = begins.signs if self.scope is None or feed.bookmark is None else feed.bookmark.signs
        return Bookmark(
            as_of=context.as_of,
            watermark=context.watermark,
            server=self.server,
            least=self.least,
            next=self.next,
            rules=feed.rules,
            outlook=begins.outlook,
            signs=signs,
            audit_began=begins.audit_began,
            sums=self.sums,
            ties=ties,
            foreseen=self.foreseen,
        )


def read_feed(source: Source, feed: Feed, context: Context, at_once: int) -> Fed:
    """What changed in `source` since the feed's bookmark, with all that is known to be wrong. The source has been widened."""
    if feed.given is not None:
        return Fed(None, feed.given.scope, feed.given.rewritten, feed.given.visited)
    if source.engine != "postgresql":
        return Fed("only rows of PostgreSQL have versions")
    try:
        if not may_ask(source):
            return Fed(
                "this role may not ask the server who it is: grant it pg_control_system and pg_control_checkpoint"
            )
        here = _server(source)
    except QueryError as error:
        return Fed(f"the server does not say who it is, or which transactions it has seen: {error}")
    unfit = incomparable(source.tables, here["kinds"])
    if unfit is not None:
        return Fed(unfit)
    now = Fed(_distrusted(feed, here, context), server=here["server"], least=here["least"], next=here["next"])
    bookmark = feed.bookmark if now.reason is None else None
    try:
        told = compare(source, bookmark, context, at_once)
        now = replace(
            now,
            sums={one.table: each.sums for one, each, _ in told},
            foreseen={one.table: ahead for one, _, ahead in told if ahead is not None},
        )
        if bookmark is None:
            return now
        audited = _audited(source, feed, bookmark, context, here["kinds"])
        return _scoped(source, feed, bookmark, now, told, audited)
    except QueryError as error:
        return Fed(f"the versions of the rows could not be read: {error}")


def _server(source: Source) -> dict[str, Any]:
    (server,) = source.rows(SERVER, "feed")
    places = sorted((name, *found.place) for name, found in source.schema.tables.items() if found.place)
    asked = RELATIONS.bindparams(
        bindparam("schemas", [place[1] for place in places]), bindparam("names", [place[2] for place in places])
    )
    told = ("oid", "kind", "columns", "labels")
    relations = {(row["schema_name"], row["name"]): [row[one] for one in told] for row in source.rows(asked, "feed")}
    tables = {name: relations.get((schema, table)) for name, schema, table in places}
    columns = {name: sorted(found.columns.items()) for name, found in source.schema.tables.items()}
    same = ("system", "timeline", "started", "standby", "database")
    return {
        "server": digest_of([[server[one] for one in same], sorted(tables.items()), sorted(columns.items())]),
        "least": int(server["least"]),
        "next": int(server["next"]),
        "kinds": {name: found[1] for name, found in tables.items() if found},
    }


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


def _scoped(
    source: Source,
    feed: Feed,
    bookmark: Bookmark,
    now: Fed,
    told: Sequence[Told],
    audited: Mapping[str, bool],
) -> Fed:
    """`now` with the households that are judged; `audited` are those of new audit rows, and whether a state may be wrong by them."""
    rewritten, users = set[str](), set(feed.users)
    for one, each, _ in told:
        if one.table not in bookmark.sums:
            return now.whole("the source has other tables than at the last look")
        (users if one.names == "users" else rewritten).update(each.owners)
    if len(rewritten) <= MOST_CHANGED:
        rewritten |= _of_buckets(source, told, "households")
        users |= _of_buckets(source, told, "users")
    households = rewritten | feed.households | bookmark.listed | {home for home, telling in audited.items() if telling}
    if len(households) + len(users) > MOST_CHANGED:
        return now.whole(f"more than {MOST_CHANGED:,} households or accounts changed since the last look")
    plain = source.tables
    try:
        rewritten = {plain.plain_household_id(one) for one in rewritten}
        households = {plain.plain_household_id(one) for one in households}
        visited = frozenset(map(plain.plain_household_id, audited))
        scope = scope_of(source, sorted(households), [*map(plain.plain_user_id, users)])
        return replace(now, scope=scope, rewritten=frozenset(rewritten), visited=visited)
    except SubjectError:
        return now.whole("an id that is known to the ledger is none of this source's")


def _of_buckets(source: Source, told: Sequence[Told], names: str) -> set[str]:
    """The households (or users) in the buckets from which rows were lost, in whichever table they are left."""
    fit = [(one, each) for one, each, _ in told if one.names == names]
    buckets = sorted({bucket for _, each in fit for bucket in each.lost})
    if not buckets:
        return set()
    asked = [owners_in(source.tables, one, buckets) for one, _ in fit]
    return {text_of(row["owner"]) for each in asked for row in source.rows(each, "feed") if row["owner"] is not None}


def _audited(
    source: Source, feed: Feed, bookmark: Bookmark, context: Context, kinds: Mapping[str, str]
) -> dict[str, bool]:
    """The households of which audit rows have come since the last look, as late as they may, or are in flight no more.

    With whether any of these may tell that a state has become wrong. Where the audit table's rows have no versions, all
    that may be so late count as come.
    """
    if EVENTS not in source.tables:
        return {}
    tables = source.tables
    read: Callable[[str], ColumnElement[Any]] = tables[EVENTS].c.__getitem__
    new: ColumnElement[bool] = true()
    if has_versions(tables, kinds, EVENTS, "household_id", "event_timestamp"):
        read = partial(tables.raw, EVENTS)
        new = or_(newer_than(bookmark.least), read("event_timestamp") > bookmark.watermark)
    home, at, kind = (read(column) for column in ("household_id", "event_timestamp", "event_type"))
    telling = func.coalesce(cast(kind, Text), "").not_in([tables.mapping.event_name(one) for one in _TELL_NOTHING])
    came = (
        select(home.label("home"), func.bool_or(telling).label("telling"))
        .where(at > bookmark.watermark - feed.late, at <= context.as_of, new, home.is_not(None))
        .group_by(home)
    )
    return {text_of(row["home"]): row["telling"] for row in source.rows(came, "feed")}
