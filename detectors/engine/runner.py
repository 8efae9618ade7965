"""One scan: the passes, then the facts of what they named, then the rules. Every detector's ending is recorded."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import date
from typing import Any

from detectors.cases.fetchers import FETCHERS
from detectors.contract import CaseKind, Context, Coverage, Detector
from detectors.domain.values import text_of
from detectors.engine.applicability import needs_of, tables_of
from detectors.engine.aside import Aside, Counted
from detectors.engine.beginning import begin, noticed
from detectors.engine.blind_spots import Spot, blind_spots
from detectors.engine.bookmark import begins_of
from detectors.engine.doubts import doubtful_homes, without_doubtful
from detectors.engine.feed import Fed, Feed, read_feed
from detectors.engine.guards import ended_at_once, few_collections
from detectors.engine.involved import NONE_KNOWN, ties_of, with_people
from detectors.engine.marks import marked_by
from detectors.engine.purged import without_purged
from detectors.engine.reading import Answer, PassReader
from detectors.engine.result import ScanResult
from detectors.engine.row_counts import HOUSEHOLD_COLUMN, unseen
from detectors.engine.scope import Wanted, left_out, scope_of
from detectors.engine.subscribed import Subscribers, aggregates_history, opened, opens, spans_of, subscribed
from detectors.engine.waiting_cases import Cases, Counting
from detectors.findings import Found, Keeper, in_order
from detectors.passes import Pass, Subscriber
from detectors.passes.base import Scope
from detectors.source import Notice, Source

logger = logging.getLogger("hearthwatch.scan")
Progress = Callable[[str], None]


def scan(
    source: Source,
    detectors: Sequence[Detector],
    context: Context,
    *,
    households: Sequence[str] = (),
    users: Sequence[str] = (),
    recheck: Mapping[str, Sequence[str]] | None = None,
    days: Collection[date] = (),
    progress: Progress = lambda _: None,
    counting: Counting | None = None,
    feed: Feed | None = None,
) -> ScanResult:
    """Run `detectors` on `source`; with `households` or `users`, on what concerns those alone.

    `recheck` names households, by detector id, that are evaluated whether or not a pass names them: what is known to be
    wrong there may have left the look-back and still be wrong. `days` are those (UTC) whose audit rows are counted.
    With `counting`, of very many findings that are alike a part is made and the others are counted (`ScanResult.alike`).
    With a `feed`, states are evaluated where something has changed or is known to be wrong, if the feed can tell where.

    Raises SourceError if the source cannot be read at all, SubjectError for an id that the source cannot hold. What
    fails for one detector is in its coverage entry and leaves the others' results intact.
    """
    with few_collections():
        return _scan(source, detectors, context, households, users, recheck or {}, days, progress, counting, feed)


def _scan(
    source: Source,
    detectors: Sequence[Detector],
    context: Context,
    households: Sequence[str],
    users: Sequence[str],
    recheck: Mapping[str, Sequence[str]],
    days: Collection[date],
    progress: Progress,
    counting: Counting | None,
    feed: Feed | None,
) -> ScanResult:
    households = [source.tables.plain_household_id(household) for household in households]
    users = [source.tables.plain_user_id(user) for user in users]
    scope = scope_of(source, households, users) if households or users else None
    context = replace(context, everything=scope is not None, spans=spans_of(detectors, context.limits))
    at_once = source.widen()
    fed = None if feed is None else read_feed(source, feed, context, at_once)
    plain = source.tables
    run = _Run(source, detectors, scope, context, progress, recheck, counting, at_once, feed, fed)
    if feed is not None and fed is not None and (why := feed.outdated(fed, run.begins)):
        fed = fed.whole(why)
        # As respelled, they would hide what is odd about them.
        source.tables = plain
        run = _Run(source, detectors, scope, context, progress, recheck, counting, at_once, feed, fed)
    if scope is not None:
        source.notices += left_out(source)
    run.inspect_schema()
    counted = run.read(days)
    run.cases.settle_alike()
    findings: list[Found] = [finding for ending in run.endings.values() for finding in ending.findings]
    if scope is not None:
        wanted = Wanted(frozenset(households), frozenset(users), frozenset(scope.households))
        findings = [finding for finding in findings if wanted.concerns(finding)]
    findings, held_back = without_doubtful(run.marked(in_order(findings)), run.by_id, run.outset.doubts)
    purged = without_purged(source, findings, run.outset.context)
    known_ties = NONE_KNOWN if feed is None else feed.ties(context)
    findings = with_people(
        source, detectors, purged.findings, context, ties=scope is None, known_ties=known_ties, at_once=at_once
    )
    return ScanResult(
        tuple(findings),
        run.coverage(findings),
        counted.rows,
        (*run.notices, *held_back, *purged.notices),
        spots=run.spots,
        doubts=run.outset.doubts,
        withheld=purged.withheld,
        unknown_types=run.unknown_types,
        tables=frozenset(source.schema.tables),
        event_days=counted.days if run.outset.audit_known else {},
        audit_began=run.outset.context.audit_began,
        newest=counted.newest,
        reached=run.outset.reached,
        alike=run.cases.alike,
        fed=fed,
        in_part=frozenset(run.in_part),
        bookmark=None if feed is None or fed is None else fed.bookmark(feed, run.begins, context, ties_of(findings)),
    )


class _Run:
    """The state of one scan while it runs."""

    def __init__(
        self,
        source: Source,
        detectors: Sequence[Detector],
        scope: Scope | None,
        context: Context,
        progress: Progress,
        recheck: Mapping[str, Sequence[str]],
        counting: Counting | None,
        at_once: int,
        feed: Feed | None = None,
        fed: Fed | None = None,
    ) -> None:
        self._source, self._scope, self._progress = source, scope, progress
        self._at_once, self._fed = at_once, fed
        self._changed = None if fed is None else fed.scope
        self.by_id = {detector.id: detector for detector in detectors}
        self.outset = begin(source, detectors, scope, self._changed, context, at_once)
        self.endings, self._context = self.outset.endings, self.outset.context
        if feed is not None and fed is not None:
            self._context = feed.judged(fed, self._context)
        self.begins = begins_of(self.endings, self._context, self.outset.health)
        self._running = [detector for detector in detectors if self.endings[detector.id].status == "ran"]
        self._waiting: list[Answer] = []
        if counting is not None:
            counting = replace(counting, closely=counting.closely | doubtful_homes(self.outset.doubts))
        self.cases = self._cases_to_recheck(recheck, counting if scope is None else None)
        self._passes = PassReader(
            source,
            scope,
            self._context,
            self.endings,
            self._changed,
            feed.groups if feed else (),
            feed.frequent if feed else (),
        )
        self.in_part: set[str] = set()

    def inspect_schema(self) -> None:
        """The rules about the schema itself; they say nothing about single households."""
        for detector in self._running:
            if detector.inspect and self._scope is None:
                for finding in self.endings.guarded(detector, detector.inspect, self._source.schema, self._context):
                    self.endings[detector.id].evaluated.add(finding)

    def read(self, days: Collection[date]) -> Counted:
        """Every pass that somebody has a condition on, and what its rows lead to.

        Returns what was counted besides. What fires becomes a case, or is aggregated at once, or waits for all else.
        """
        with ThreadPoolExecutor(max_workers=self._at_once) as pool, ended_at_once(self._source):
            explained, counted = self._read_and_evaluate(pool, self._aside(days))
            counted.remark()
        late = replace(self._context, explained=frozenset(explained))
        for subscriber, detector, rows in self._waiting:
            self._aggregate(subscriber, detector, rows, late)
        return counted

    def _aside(self, days: Collection[date]) -> Aside:
        """What is counted besides; a look at changes counts what it has been told of."""
        known = self.outset.health.rows if self._fed is None else {**self._fed.rows, **self.outset.health.rows}
        asked = frozenset[str]().union(*map(tables_of, self.by_id.values()))
        tables = asked if self._changed is None else HOUSEHOLD_COLUMN.keys() & known.keys()
        return Aside(self._source, self._scope, self._context, known, tables, days, whole=self._changed is None)

    def _read_and_evaluate(self, pool: ThreadPoolExecutor, aside: Aside) -> tuple[set[str], Counted]:
        """Read the passes, and evaluate a kind of case as soon as no pass is left that may name one.

        A detector waits for one kind only and so is never asked twice at once. What is counted `aside` begins after the
        last pass has: few passes take long, and something must fill the time of those that wait for them.
        """
        counted: Counted | None = None
        left = deque(subscribed(self._running, self._source.schema, self._context))
        opening = Counter(kind for _, subscribers in left for kind in opened(subscribers))
        explained: set[str] = set()
        running: dict[Future[Any], tuple[Pass, Subscribers] | None] = {
            pool.submit(self.cases.evaluate, kind): None for kind in FETCHERS if self._ready(kind, opening)
        }
        while left or running:
            # One more than can run, so that no thread waits for this one; a kind of case is next in line after it.
            while left and len(running) <= self._at_once:
                next_one = left.popleft()
                self._progress(f"reading {next_one[0].reads}")
                running[pool.submit(self._passes.read, *next_one)] = next_one
            if not left and counted is None:
                counted = aside.begin(pool)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                read = running.pop(future)
                if read is None:
                    explained |= future.result()
                    continue
                self._take(future.result())
                kinds = opened(read[1])
                opening.subtract(kinds)
                for kind in kinds:
                    if self._ready(kind, opening):
                        self._progress(f"looking closer at {self.cases.number(kind)} {FETCHERS[kind][0]}")
                        running[pool.submit(self.cases.evaluate, kind)] = None
        return explained, counted or aside.begin(pool)

    def _ready(self, kind: CaseKind, opening: Counter[CaseKind]) -> bool:
        """Whether there are cases of a kind and no pass is left that may name another."""
        return bool(self.cases.number(kind)) and not opening[kind]

    def _take(self, answered: Sequence[Answer]) -> None:
        for subscriber, detector, rows in answered:
            kind = opens(subscriber.subscription)
            if kind is not None:
                for key in rows:
                    if key is not None:
                        self.cases.name(kind, text_of(key), detector)
            elif subscriber.subscription.last:
                self._waiting.append((subscriber, detector, rows))
            else:
                self._aggregate(subscriber, detector, rows, self._context)

    def _aggregate(self, subscriber: Subscriber, detector: Detector, rows: list[Any], context: Context) -> None:
        if subscriber.subscription.aggregate is not None:
            keeper = self.endings[detector.id].found[subscriber.flag] = Keeper()
            for finding in self.endings.guarded(detector, subscriber.subscription.aggregate, rows, context):
                keeper.add(finding)
                if self._changed is not None and subscriber.subscription.in_part(context.limits):
                    self.in_part.add(finding.fingerprint)

    def _cases_to_recheck(self, recheck: Mapping[str, Sequence[str]], counting: Counting | None) -> Cases:
        """The households that a detector evaluates although no pass named them; those whose old events its pass must read are known."""
        known = {home for d in self._running if aggregates_history(d) for home in recheck.get(d.id, ())}
        self._context = replace(self._context, known=frozenset(known))
        cases = Cases(self._source, self._running, self.endings, self._context, counting)
        for detector in self._running:
            if detector.evaluate and any(opens(one) == "household_id" for one in detector.subscriptions):
                for household in recheck.get(detector.id, ()):
                    cases.name("household_id", household, detector)
        return cases

    def marked(self, findings: list[Found]) -> list[Found]:
        """`findings` with what the marking detectors add to them."""
        for detector in self._running:
            if detector.mark is not None:
                findings = marked_by(
                    self._source, detector, detector.mark, self.endings[detector.id], findings, self._context
                )
        return findings

    def coverage(self, findings: Sequence[Found]) -> tuple[Coverage, ...]:
        """How each detector ended, with the number of its findings or marks among `findings`."""
        return self.endings.coverage(findings, self.cases.alike, self._noticed)

    @property
    def spots(self) -> dict[str, dict[str, Spot]]:
        return blind_spots(self.by_id.values(), self._source.schema, self.outset.health, self.notices)

    @property
    def unknown_types(self) -> bool:
        return self.outset.health.trail is not None and bool(self.outset.health.trail.unknown)

    @property
    def notices(self) -> tuple[Notice, ...]:
        return noticed(self._source, self.outset.health)

    def _noticed(self, name: str) -> list[str]:
        """What was noticed about the columns that a detector needs, and that nothing of what it looks for could be seen."""
        needs = needs_of(self.by_id[name])
        noticed = [notice.said for notice in self.notices if notice.columns & needs]
        if self.outset.reached is not None and self.outset.reached < self._context.window.start:
            noticed += unseen(self.by_id[name].meta.kind, needs, self.outset.reached)
        return noticed
