"""One scan: the passes, then the facts of what they named, then the judges. Every detector's ending is recorded."""

from __future__ import annotations

import gc
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from detectors.cases.fetchers import FETCHERS, Case
from detectors.cases.rows import CASES_AT_ONCE, users_by_id
from detectors.cases.user import UserCase
from detectors.contract import CaseKind, Context, Coverage, Detector, Finding, Mark, Status, Subscription
from detectors.domain.household import HouseholdCase
from detectors.domain.values import text_of
from detectors.engine.alike import SPARE, Group, groups
from detectors.engine.applicability import Outlook, believable, health_of, needs_of, outlook
from detectors.engine.blind_spots import Spot, Spots, blind_spots
from detectors.engine.doubts import Doubt, doubtful_homes, doubts_of, without_doubtful
from detectors.engine.involved import with_people
from detectors.engine.lost_metadata import lost_rows, notice_of
from detectors.engine.row_counts import audit_span, count_event_days, count_rows
from detectors.engine.scope import Wanted, left_out, out_of_reach, scope_of
from detectors.events import EVENT_TYPES
from detectors.findings import Alike, Brief, Found, Keeper, in_order, whole
from detectors.passes import PASSES, Pass, Subscriber, statement
from detectors.passes.base import Scope
from detectors.source import Notice, QueryError, SlowError, Source, SourceError
from detectors.source.health import Own
from detectors.source.trail import EVENTS

logger = logging.getLogger("hearthwatch.scan")
Progress = Callable[[str], None]
Subscribers = Sequence[tuple[Subscriber, Detector]]
_NOBODY: tuple[Detector, ...] = ()
NO_SAMPLE: Mapping[str, tuple[Group, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found, how each detector ended, and how many rows of each table it looked at.

    The audit table is too big to be counted as a whole: `event_days` has its rows on the days that were asked for.
    """

    findings: tuple[Found, ...]
    coverage: tuple[Coverage, ...]
    rows_read: dict[str, int]
    notices: tuple[Notice, ...] = ()
    tables: frozenset[str] = frozenset()
    """The canonical tables that the source has."""
    event_days: Mapping[date, int] = field(default_factory=dict)
    audit_began: datetime | None = None
    reached: datetime | None = None
    """The time of the newest audit row at or before the scan's: at least up to there the source is complete."""
    disbelieved: Mapping[str, str] = field(default_factory=dict)
    """The tables whose rows cannot be all there, each with the reason (see belief.py)."""
    behind: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By fingerprint, how many rows stand behind a state finding, by table (see behind.py)."""
    thinned: frozenset[str] = frozenset()
    """The fingerprints that were asked after behind which rows are missing that were there before."""
    spots: Mapping[str, Spots] = field(default_factory=dict)
    """By detector, what it does not look at here (see blind_spots.py)."""
    doubts: tuple[Doubt, ...] = ()
    """The households of which some rows cannot be relied on."""
    unknown_types: bool = False
    """Whether the audit table holds types of events that nobody knows: one of ours may be among them by another name."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """By fingerprint of a state that was asked after and not found, why it could not be seen here as it was before."""
    gone: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By table the ids that were asked after and of which it holds no row any more."""
    alike: tuple[Alike, ...] = ()
    """What was counted besides the findings."""


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
) -> ScanResult:
    """Run `detectors` on `source`; with `households` or `users`, on what concerns those alone.

    `recheck` names households, by detector id, that are judged whether or not a pass names them: what is known to be
    wrong there may have left the look-back and still be wrong. `days` are those (UTC) whose audit rows are counted.
    With `counting`, of very many findings that are alike a part is made and the others are counted (`ScanResult.alike`).

    Raises SourceError if the source cannot be read at all, SubjectError for an id that the source cannot hold. What
    fails for one detector is in its coverage entry and leaves the others' results intact.
    """
    with _few_collections():
        return _scan(source, detectors, context, households, users, recheck or {}, days, progress, counting)


@contextmanager
def _ended_at_once(source: Source) -> Iterator[None]:
    """What ends a scan ends its other statements too: nobody waits for their rows any more."""
    try:
        yield
    except BaseException:
        source.cancel()
        raise


@contextmanager
def _few_collections() -> Iterator[None]:
    """Rows are made by the hundred thousand and hold no cycles: looking for garbage among them is time lost."""
    before = gc.get_threshold()
    if gc.isenabled():
        gc.set_threshold(max(before[0], 100_000), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


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
) -> ScanResult:
    households = [source.tables.plain_household_id(household) for household in households]
    users = [source.tables.plain_user_id(user) for user in users]
    scope = scope_of(source, households, users) if households or users else None
    run = _Run(source, detectors, scope, replace(context, everything=scope is not None), progress)
    if counting is not None and scope is None:
        run.counting = replace(counting, closely=counting.closely | doubtful_homes(run.doubts))
    if scope is not None:
        source.notices += left_out(source)
    run.inspect_schema()
    rows_read, event_days = run.read(recheck, days)
    run.settle_alike()
    findings: list[Found] = [finding for ending in run.endings.values() for finding in ending.findings]
    if scope is not None:
        wanted = Wanted(frozenset(households), frozenset(users), frozenset(scope.households))
        findings = [finding for finding in findings if wanted.concerns(finding)]
    findings, held_back = without_doubtful(run.marked(in_order(findings)), run.by_id, run.doubts)
    findings = with_people(source, detectors, findings, context, ties=scope is None)
    return ScanResult(
        tuple(findings),
        run.coverage(findings),
        rows_read,
        (*run.notices, *held_back),
        spots=run.spots,
        doubts=run.doubts,
        unknown_types=run.unknown_types,
        tables=frozenset(source.schema.tables),
        event_days=event_days if run.audit_known else {},
        audit_began=run.audit_began,
        reached=run.reached,
        alike=run.alike,
    )


def passes_of(detectors: Iterable[Detector]) -> dict[str, list[str]]:
    """Which detectors ride on which pass."""
    subscribers: dict[str, list[str]] = {name: [] for name in PASSES}
    for detector in detectors:
        for name in dict.fromkeys(subscription.on for subscription in detector.subscriptions):
            subscribers[name].append(detector.id)
    return subscribers


def forgetful(detectors: Iterable[Detector]) -> frozenset[str]:
    """The ids of the detectors that look back so far and no further: what they know must be given to `recheck`."""
    return frozenset(
        detector.id
        for detector in detectors
        if detector.meta.kind == "state"
        and any(PASSES[subscription.on].history for subscription in detector.subscriptions)
    )


@dataclass(frozen=True, slots=True)
class Counting:
    """That households in the same state may be counted, where they are very many."""

    beyond: int = 2_000
    """From so many cases on."""
    closely: frozenset[str] = frozenset()
    """Households that are judged one by one nevertheless."""


@dataclass(slots=True)
class Ending:
    """How one detector's scan is ending, while it goes on."""

    status: Status = "ran"
    reason: str | None = None
    found: dict[str, Keeper] = field(default_factory=dict)
    """What was collected, by ride."""
    evaluated: Keeper = field(default_factory=Keeper)
    marked: int = 0

    def fail(self, reason: str) -> None:
        self.status, self.reason = "failed", reason

    @property
    def findings(self) -> list[Found]:
        """Each subject once, in an order that does not depend on which pass ended first."""
        return _one_per_subject(
            [*(one for subscription in sorted(self.found) for one in self.found[subscription]), *self.evaluated]
        )


class _Run:
    """The state of one scan while it runs."""

    def __init__(
        self, source: Source, detectors: Sequence[Detector], scope: Scope | None, context: Context, progress: Progress
    ) -> None:
        self._source, self._scope, self._progress = source, scope, progress
        self._at_once = source.widen()
        self.by_id = {detector.id: detector for detector in detectors}
        own = None if scope is None else Own(scope.households, scope.users)
        self._health = health_of(source, detectors, context.limits, own, as_of=context.as_of, at_once=self._at_once)
        believable(source, self._health)
        source.tables = source.tables.respelled(self._health.spellings, self._health.zeros, self._health.once)
        self.doubts = doubts_of(source, self.notices)
        self.endings = {}
        for detector in detectors:
            begins = outlook(detector, source.schema, context, self._health)
            if begins.status == "ran" and scope is not None and (why := out_of_reach(detector, source.tables)):
                begins = Outlook("not_applicable", why)
            self.endings[detector.id] = Ending(begins.status, begins.reason)
        trail = self._health.trail
        never = EVENT_TYPES - trail.written if trail is not None and trail.complete else frozenset()
        self.audit_known = True
        self.audit_began, self.reached = self._audit_span(context.as_of, detectors)
        self._context = replace(context, audit_began=self.audit_began, never_written=never)
        self._running = [detector for detector in detectors if self.endings[detector.id].status == "ran"]
        self._cases: dict[CaseKind, dict[str, tuple[Detector, ...]]] = {kind: {} for kind in FETCHERS}
        self._combined: dict[tuple[str, ...], tuple[Detector, ...]] = {}
        self._together: dict[tuple[int, str], tuple[Detector, ...]] = {}
        self._waiting: list[tuple[Subscriber, Detector, list[Any]]] = []
        self.counting: Counting | None = None
        self._groups: list[Group] = []
        self.alike: tuple[Alike, ...] = ()

    def _audit_span(self, as_of: datetime, detectors: Sequence[Detector]) -> tuple[datetime | None, datetime | None]:
        """From when to when there are audit rows. Without it, silence of the trail cannot be told from a trail that had not begun."""
        try:
            return audit_span(self._source, as_of)
        except QueryError as error:
            self.audit_known = False
            for detector in detectors:
                reads_trail = any(need.startswith(f"{EVENTS}.") for need in needs_of(detector))
                if reads_trail and self.endings[detector.id].status == "ran":
                    self.endings[detector.id].fail(_reason(error, "looking for the start of the audit table"))
            return None, None

    def inspect_schema(self) -> None:
        """The rules about the schema itself; they say nothing about single households."""
        for detector in self._running:
            if detector.inspect and self._scope is None:
                for finding in self._guarded(detector, detector.inspect, self._source.schema, self._context):
                    self.endings[detector.id].evaluated.add(finding)

    def read(
        self, recheck: Mapping[str, Sequence[str]], days: Collection[date]
    ) -> tuple[dict[str, int], dict[date, int]]:
        """Every pass that somebody rides on, and what its rows lead to; the rows of each table, and the audit rows of `days`.

        What fires becomes a case, or is collected at once, or waits until all else is judged. A kind of case is judged as
        soon as no pass is left that may name one: a detector waits for one kind only and so is never asked twice at once.
        """
        self._add_cases(recheck)
        left = deque(self._subscribed())
        opening = Counter(kind for _, subscribers in left for kind in _opened(subscribers))
        explained: set[str] = set()
        with ThreadPoolExecutor(max_workers=self._at_once) as pool, _ended_at_once(self._source):
            counted = pool.submit(count_rows, self._source, self._scope, self._health.rows)
            by_day = pool.submit(count_event_days, self._source, days)
            lost = pool.submit(lost_rows, self._source, self._scope, self._context)
            running: dict[Future[Any], tuple[Pass, Subscribers] | None] = {
                pool.submit(self._evaluate_kind, kind): None for kind in self._cases if self._ready(kind, opening)
            }
            while left or running:
                # One more than can run, so that no thread waits for this one; a kind of case is next in line after it.
                while left and len(running) <= self._at_once:
                    next_one = left.popleft()
                    self._progress(f"reading {next_one[0].reads}")
                    running[pool.submit(self._read_pass, *next_one)] = next_one
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    subscribed = running.pop(future)
                    if subscribed is None:
                        explained |= future.result()
                        continue
                    one, subscribers = subscribed
                    self._take(one, future.result())
                    opened = _opened(subscribers)
                    opening.subtract(opened)
                    for kind in opened:
                        if self._ready(kind, opening):
                            self._progress(f"looking closer at {len(self._cases[kind])} {FETCHERS[kind][0]}")
                            running[pool.submit(self._evaluate_kind, kind)] = None
            rows_read, event_days = counted.result(), by_day.result()
            self._source.notices.extend(filter(None, [notice_of(self._source, self._context, lost.result())]))
        late = replace(self._context, explained=frozenset(explained))
        for subscriber, detector, rows in self._waiting:
            self._aggregate(subscriber, detector, rows, late)
        return rows_read, event_days

    def _ready(self, kind: CaseKind, opening: Counter[CaseKind]) -> bool:
        """Whether there are cases of a kind and no pass is left that may name another."""
        return bool(self._cases[kind]) and not opening[kind]

    def _subscribed(self) -> list[tuple[Pass, list[tuple[Subscriber, Detector]]]]:
        """The passes with their riders: what opens cases first, kind by kind, so that those are judged while others read."""
        subscribed = [(one, subscribers) for one in PASSES.values() if (subscribers := self._subscribers(one))]
        kinds = list(FETCHERS)
        return sorted(subscribed, key=lambda each: min(map(kinds.index, _opened(each[1])), default=len(kinds)))

    def _subscribers(self, one: Pass) -> list[tuple[Subscriber, Detector]]:
        return [
            (Subscriber(f"f_{detector.id.replace('-', '_')}_{place}", subscription), detector)
            for detector in self._running
            for place, subscription in enumerate(detector.subscriptions)
            if subscription.on == one.id and not (subscription.optional and self._source.schema.missing(one.needs))
        ]

    def _read_pass(self, one: Pass, subscribers: Subscribers) -> list[tuple[Subscriber, Detector, list[Any]]]:
        """Each rider with its rows, or with their keys where that is all that it needs. If the pass fails, each rides alone, so that only the broken one fails.

        What ran out of time would do so again for nearly each of them.
        """
        reach = one.reach if self._scope is None and not self._reads_a_part_of_a_day(one) else "picked"
        try:
            combined = statement(
                one, [subscriber for subscriber, _ in subscribers], self._source.tables, self._scope, self._context
            )
            rows = self._source.rows(combined, f"pass {one.id}", reach=reach)
        except Exception as error:
            if isinstance(error, SourceError) and not isinstance(error, QueryError):
                raise
            if len(subscribers) > 1 and not isinstance(error, SlowError):
                return [answered for alone in subscribers for answered in self._read_pass(one, [alone])]
            logger.debug("pass %s failed", one.id, exc_info=True)
            for _, detector in subscribers:
                self.endings[detector.id].fail(_reason(error, f"pass {one.id}"))
            return []
        return [
            (
                subscriber,
                detector,
                [row if subscriber.subscription.aggregate else row[one.key] for row in rows if row[subscriber.flag]],
            )
            for subscriber, detector in subscribers
        ]

    def _reads_a_part_of_a_day(self, one: Pass) -> bool:
        """Whether a look during the day asks for little of the audit table: an index finds it, however long the history is."""
        return self._context.so_far and any(need.startswith(f"{EVENTS}.") for need in one.needs)

    def _take(self, one: Pass, answered: Sequence[tuple[Subscriber, Detector, list[Any]]]) -> None:
        for subscriber, detector, rows in answered:
            kind = _kind(subscriber.subscription)
            if kind is not None:
                for key in rows:
                    if key is not None:
                        self._name(kind, text_of(key), detector)
            elif subscriber.subscription.last:
                self._waiting.append((subscriber, detector, rows))
            else:
                self._aggregate(subscriber, detector, rows, self._context)

    def _name(self, kind: CaseKind, key: str, detector: Detector) -> None:
        """Have `detector` judge a case. The same few combinations wait for very many cases, so each is kept once."""
        waiting = self._cases[kind].get(key, _NOBODY)
        # By identity: comparing detectors takes longer than all the rest.
        together = self._together.get((id(waiting), detector.id))
        if together is None:
            together = waiting if any(one is detector for one in waiting) else (*waiting, detector)
            together = self._combined.setdefault(tuple(one.id for one in together), together)
            self._together[id(waiting), detector.id] = together
        self._cases[kind][key] = together

    def _aggregate(self, subscriber: Subscriber, detector: Detector, rows: list[Any], context: Context) -> None:
        if subscriber.subscription.aggregate is not None:
            keeper = self.endings[detector.id].found[subscriber.flag] = Keeper()
            for finding in self._guarded(detector, subscriber.subscription.aggregate, rows, context):
                keeper.add(finding)

    def _add_cases(self, recheck: Mapping[str, Sequence[str]]) -> None:
        """Households that a detector judges although no pass named them, or whose old events its pass must read."""
        known = {home for d in self._running if _aggregates_history(d) for home in recheck.get(d.id, ())}
        self._context = replace(self._context, known=frozenset(known))
        for detector in self._running:
            if detector.evaluate and any(
                _kind(subscription) == "household_id" for subscription in detector.subscriptions
            ):
                for household in recheck.get(detector.id, ()):
                    self._name("household_id", household, detector)

    def _evaluate_kind(self, kind: CaseKind) -> set[str]:
        """The correlation ids of the operations that the state findings of these cases tell of."""
        wanted = self._cases[kind]
        grouped = self._grouped(wanted) if kind == "household_id" else []
        later = {one: wanted.pop(one) for group in grouped for one in group.rest}
        sample = {one: (group, place) for group in grouped for place, one in enumerate(group.ids[: group.evaluated])}
        explained = self._judge(kind, wanted, sample)
        self._groups = [group for group in grouped if group.agreed]
        for group in self._groups:
            for one in group.rest:
                del later[one]
        return explained | self._judge(kind, later)

    def _grouped(self, wanted: Mapping[str, tuple[Detector, ...]]) -> list[Group]:
        counting = self.counting
        if counting is None or len(wanted) <= counting.beyond:
            return []
        marking = [detector for detector in self._running if detector.mark is not None]
        try:
            return groups(self._source, wanted, self._context, marking, counting.closely)
        except QueryError:
            logger.debug("telling shapes failed", exc_info=True)
            return []

    def settle_alike(self) -> None:
        """Count what is alike. A household about which something else was found is judged by itself: that may explain it."""
        if not self._groups:
            return
        elsewhere: dict[str, set[str]] = {}
        for ending in self.endings.values():
            for one in ending.findings:
                for home in {*one.households, *(home for row in one.members for home in row.households)}:
                    elsewhere.setdefault(home, set()).add(one.detector)
        again: dict[str, tuple[Detector, ...]] = {}
        for group in self._groups:
            theirs = {finding.detector for finding in group.first}
            told = sum(not elsewhere.get(home, set()) <= theirs for home in group.ids[: group.evaluated])
            # An incident lists as many as ever, and is one whatever else explains some of them.
            taken = group.without(set(group.rest) if told > SPARE else elsewhere)
            if len(group.rest) <= group.evaluated:
                taken += group.without(set(group.rest))
            again |= dict.fromkeys(taken, group.waiting)
        self._judge("household_id", again)
        self.alike = tuple(one for group in self._groups for one in group.counted() if one.number)

    def _judge(
        self,
        kind: CaseKind,
        wanted: dict[str, tuple[Detector, ...]],
        sample: Mapping[str, tuple[Group, int]] = NO_SAMPLE,
    ) -> set[str]:
        explained = set[str]()
        concerned = {detector.id for waiting in set(wanted.values()) for detector in waiting}
        try:
            for case in FETCHERS[kind][1](self._source, sorted(wanted), self._context):
                found = self._evaluated(case, wanted.pop(case.key))
                if case.key in sample:
                    group, place = sample[case.key]
                    group.note(place, found)
                if isinstance(case, HouseholdCase | UserCase):
                    explained |= _operations_of(found, case, self._context)
        except Exception as error:
            if isinstance(error, SourceError) and not isinstance(error, QueryError):
                raise
            logger.debug("fetching the facts failed", exc_info=True)
            for name in concerned:
                self.endings[name].fail(_reason(error, "fetching the facts"))
        return explained

    def _evaluated(self, case: Case, detectors: Iterable[Detector]) -> list[Finding]:
        found: list[Finding] = []
        for detector in detectors:
            if detector.evaluate is not None:
                for finding in self._guarded(detector, detector.evaluate, case, self._context):
                    self.endings[detector.id].evaluated.add(finding)
                    found.append(finding)
        return found

    def marked(self, findings: list[Found]) -> list[Found]:
        """`findings` with what the marking detectors add to them."""
        for detector in self._running:
            if detector.mark is not None:
                findings = self._mark(detector, detector.mark, findings)
        return findings

    def _mark(self, detector: Detector, mark: Mark, findings: list[Found]) -> list[Found]:
        marked: list[Found] = []
        ending, keeper = self.endings[detector.id], Keeper()
        try:
            for start in range(0, len(findings), CASES_AT_ONCE):
                some = findings[start : start + CASES_AT_ONCE]
                people = {user for one in some for user in one.users if self._source.tables.is_user_id(user)}
                accounts = {
                    user: account
                    for user, account in users_by_id(self._source, sorted(people)).items()
                    if detector.remarkable(account, self._context)
                }
                for one in some:
                    known = whole(one) if not accounts.keys().isdisjoint(one.users) else None
                    new = known and mark(known, accounts, self._context)
                    if new is None or new is known:
                        marked.append(one)
                    else:
                        marked.append(keeper.brief(new) if isinstance(one, Brief) else new)
                        ending.marked += 1
        except Exception as error:
            logger.debug("marking failed", exc_info=True)
            ending.fail(_reason(error, "marking"))
            ending.marked = 0
            return findings
        return marked

    def coverage(self, findings: Sequence[Found]) -> tuple[Coverage, ...]:
        """How each detector ended, with the number of its findings or marks among `findings`."""
        number = Counter(finding.detector for finding in findings)
        for one in self.alike:
            number[one.like.detector] += one.number
        return tuple(
            Coverage(
                detector=name,
                status=ending.status,
                reason=self._told_of(name, ending),
                findings=number[name] + ending.marked,
            )
            for name, ending in self.endings.items()
        )

    @property
    def spots(self) -> dict[str, dict[str, Spot]]:
        return blind_spots(self.by_id.values(), self._source.schema, self._health, self.notices)

    @property
    def unknown_types(self) -> bool:
        return self._health.trail is not None and bool(self._health.trail.unknown)

    @property
    def notices(self) -> tuple[Notice, ...]:
        return (*self._source.notices, *self._health.notices)

    def _told_of(self, name: str, ending: Ending) -> str | None:
        """The ending's reason, with what was noticed about the columns that the detector needs."""
        if ending.status != "ran":
            return ending.reason
        needs = needs_of(self.by_id[name])
        noticed = [notice.said for notice in self.notices if notice.columns & needs]
        return "; ".join(filter(None, (ending.reason, *noticed))) or None

    def _guarded(
        self, detector: Detector, work: Callable[[Any, Context], Iterable[Finding]], on: Any, context: Context
    ) -> Iterator[Finding]:
        """The findings of `work`, one by one; its failure fails the detector alone and leaves what was found before."""
        try:
            yield from work(on, context)
        except Exception as error:
            # Whatever a rule stumbles over is that rule's failure alone; the traceback is for --verbose.
            logger.debug("detector %s failed", detector.id, exc_info=True)
            self.endings[detector.id].fail(_reason(error, "judging"))


def _kind(subscription: Subscription) -> CaseKind | None:
    """The kind of case that a ride opens; None where it collects."""
    if subscription.aggregate is not None:
        return None
    key = PASSES[subscription.on].key
    return subscription.opens or (None if key == "prefix" else key)


def _opened(subscribers: Subscribers) -> set[CaseKind]:
    return {kind for subscriber, _ in subscribers if (kind := _kind(subscriber.subscription)) is not None}


def _aggregates_history(detector: Detector) -> bool:
    return any(PASSES[subscription.on].history and subscription.aggregate for subscription in detector.subscriptions)


def _one_per_subject(findings: list[Found]) -> list[Found]:
    """Findings with one subject, from different rides of a detector, as one: the first, with the others' evidence added."""
    kept: dict[str, Found] = {}
    for finding in findings:
        first = kept.setdefault(finding.fingerprint, finding)
        if first is not finding:
            told = whole(first)
            kept[finding.fingerprint] = told.model_copy(
                update={
                    "households": tuple(sorted({*first.households, *finding.households})),
                    "users": tuple(sorted({*first.users, *finding.users})),
                    "evidence": {**whole(finding).evidence, **told.evidence},
                }
            )
    return list(kept.values())


def _operations_of(findings: Sequence[Finding], case: HouseholdCase | UserCase, context: Context) -> set[str]:
    """The correlation ids of the case's events at the time of its state findings."""
    moments = [finding.occurred_at for finding in findings if finding.kind == "state" and finding.occurred_at]
    near = (event for event in case.events if any(abs(event.at - at) <= context.limits.grace for at in moments))
    return {correlation for event in near if (correlation := event.text("correlation_id"))}


def _reason(error: Exception, where: str) -> str:
    # An unexpected error's own text may quote rows.
    return f"{where}: {error if isinstance(error, QueryError) else 'our own failure; --verbose shows where'}"
