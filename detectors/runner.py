"""One scan: the passes, then the facts of what they named, then the judges. Every detector's ending is recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from detectors.contract import Collect, Context, Coverage, Detector, Finding, Status
from detectors.facts import HouseholdCase, UserCase, household_cases, text_of, user_cases
from detectors.passes import PASSES, Pass, Rider, Scope, statement
from detectors.source import QueryError, Source, SourceError

logger = logging.getLogger("hearthwatch.scan")
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found, how each detector ended, and how many rows of each table it looked at."""

    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]
    rows_read: dict[str, int]


@dataclass(slots=True)
class _Ending:
    status: Status = "ran"
    reason: str | None = None
    findings: list[Finding] = field(default_factory=list)

    def fail(self, reason: str) -> None:
        self.status, self.reason = "failed", reason


def scan(
    source: Source,
    detectors: Sequence[Detector],
    context: Context,
    *,
    households: Sequence[str] = (),
    users: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> ScanResult:
    """Run `detectors` on `source`; with `households` or `users`, on what concerns those alone.

    Raises SourceError if the source cannot be read at all, SubjectError for an id that the source cannot hold. What
    fails for one detector is in its coverage entry and leaves the others' results intact.
    """
    scope = _scope(source, households, users) if households or users else None
    endings = {detector.id: _beginning(detector, source, context) for detector in detectors}
    context = replace(context, audit_began=_audit_began(source, detectors, endings), everything=scope is not None)
    progress("counting rows")
    rows_read = count_rows(source, scope)
    running = [detector for detector in detectors if endings[detector.id].status == "ran"]
    cases, waiting = _run_passes(source, running, scope, context, endings, progress)
    explained = _judge_cases(source, running, cases, context, endings, progress)
    for detector, collect, rows in waiting:
        _guarded(detector, endings, collect, rows, replace(context, explained=explained))
    if scope is not None:
        wanted = _Wanted(frozenset(households), frozenset(users), frozenset(scope.households))
        for ending in endings.values():
            ending.findings = [finding for finding in ending.findings if wanted.concerns(finding)]
    findings = sorted((f for ending in endings.values() for f in ending.findings), key=lambda f: f.sort_key)
    coverage = tuple(
        Coverage(detector=name, status=ending.status, reason=ending.reason, findings=len(ending.findings))
        for name, ending in endings.items()
    )
    return ScanResult(tuple(findings), coverage, rows_read)


def passes_of(detectors: Iterable[Detector]) -> dict[str, list[str]]:
    """Which detectors ride on which pass."""
    riders: dict[str, list[str]] = {name: [] for name in PASSES}
    for detector in detectors:
        for name in dict.fromkeys(ride.on for ride in detector.rides):
            riders[name].append(detector.id)
    return riders


def needs_of(detector: Detector) -> frozenset[str]:
    """The source columns that a detector and the passes it rides on read."""
    return detector.meta.needs.union(*(PASSES[ride.on].needs for ride in detector.rides))


def _beginning(detector: Detector, source: Source, context: Context) -> _Ending:
    pointless = detector.pointless(context.limits)
    if pointless:
        return _Ending("not_applicable", pointless)
    missing = source.schema.missing(needs_of(detector))
    if missing:
        return _Ending("not_applicable", f"needs {', '.join(missing)}")
    proof = detector.proved_by(source.schema)
    if proof:
        return _Ending("proved", f"made impossible by {proof}")
    return _Ending()


def _audit_began(source: Source, detectors: Sequence[Detector], endings: dict[str, _Ending]) -> datetime | None:
    if "household_events" not in source.tables:
        return None
    first = select(func.min(source.tables["household_events"].c.event_timestamp).label("began"))
    try:
        began: datetime | None = source.rows(first, "audit")[0]["began"]
    except QueryError as error:
        # Without it, silence of the trail cannot be told from a trail that had not begun.
        for detector in detectors:
            if endings[detector.id].status == "ran" and any(
                need.startswith("household_events.") for need in needs_of(detector)
            ):
                endings[detector.id].fail(_reason(error, "looking for the start of the audit table"))
        return None
    return None if began is None else began.astimezone(UTC)


def count_rows(source: Source, scope: Scope | None) -> dict[str, int]:
    """How many rows of each state table can be read (of `scope` alone, if given); a table that fails is left out.

    Raises SourceError if the source cannot be read at all.
    """
    counts: dict[str, int] = {}
    for name in ("households", "household_members", "household_join_requests"):
        table = source.tables[name]
        counted = select(func.count().label("number")).select_from(table)
        if scope is not None:
            key = table.c.id if name == "households" else table.c.household_id
            counted = counted.where(source.tables.households_in(key, scope.households))
        try:
            counts[name] = int(source.rows(counted, "rows read", whole=scope is None)[0]["number"])
        except QueryError:
            logger.debug("counting %s failed", name, exc_info=True)
    return counts


def _scope(source: Source, households: Sequence[str], users: Sequence[str]) -> Scope:
    """The named households and users, with the users' households and the households' users."""
    tables = source.tables
    for household in households:
        tables.check_household(household)
    for user in users:
        tables.check_user(user)
    members, led, requests = tables["household_members"], tables["households"], tables["household_join_requests"]
    their_households = set(households)
    if users:
        for column, user_column in (
            (members.c.household_id, members.c.user_id),
            (led.c.id, led.c.leader_id),
            (requests.c.household_id, requests.c.user_id),
        ):
            their_households |= _keys(source, column, tables.users_in(user_column, users))
    their_users = set(users)
    if households:
        their_users |= _keys(source, members.c.user_id, tables.households_in(members.c.household_id, households))
        their_users |= _keys(source, led.c.leader_id, tables.households_in(led.c.id, households))
    return Scope(tuple(sorted(their_households)), tuple(sorted(their_users)))


def _keys(source: Source, column: ColumnElement[Any], condition: ColumnElement[bool]) -> set[str]:
    rows = source.rows(select(column.label("key")).where(condition, column.is_not(None)).distinct(), "scope")
    return {text_of(row["key"]) for row in rows}


@dataclass(frozen=True, slots=True)
class _Wanted:
    households: frozenset[str]
    users: frozenset[str]
    of_users: frozenset[str]

    def concerns(self, finding: Finding) -> bool:
        mentioned = set(finding.households)
        if self.households & mentioned or self.users & set(finding.users):
            return True
        return bool(self.users) and finding.kind == "state" and bool(self.of_users & mentioned)


Cases = dict[str, dict[str, dict[str, Detector]]]
"""By kind of key, then by key: the detectors that want to judge that case."""
Waiting = list[tuple[Detector, Collect, list[Any]]]
"""The rides that come last, with their rows."""


def _run_passes(
    source: Source,
    detectors: Sequence[Detector],
    scope: Scope | None,
    context: Context,
    endings: dict[str, _Ending],
    progress: Progress,
) -> tuple[Cases, Waiting]:
    cases: Cases = {"household_id": {}, "user_id": {}}
    waiting: Waiting = []
    owners: dict[str, Detector] = {}
    for one in PASSES.values():
        riders: list[Rider] = []
        for detector in detectors:
            for place, ride in enumerate(detector.rides):
                if ride.on == one.id:
                    rider = Rider(f"f_{detector.id.replace('-', '_')}_{place}", ride)
                    owners[rider.flag] = detector
                    riders.append(rider)
        if riders:
            progress(f"reading {one.reads}")
            for rider, rows in _ride(source, one, riders, owners, scope, context, endings):
                if rider.ride.last and rider.ride.collect is not None:
                    waiting.append((owners[rider.flag], rider.ride.collect, rows))
                else:
                    _take(rider, rows, one, owners[rider.flag], context, cases, endings)
    return cases, waiting


def _ride(
    source: Source,
    one: Pass,
    riders: Sequence[Rider],
    owners: dict[str, Detector],
    scope: Scope | None,
    context: Context,
    endings: dict[str, _Ending],
) -> Iterable[tuple[Rider, list[Any]]]:
    """Each rider with its rows. If the pass fails, each rider rides alone, so that only the broken one fails."""
    try:
        whole = one.whole and scope is None
        rows = source.rows(statement(one, riders, source.tables, scope, context), f"pass {one.id}", whole=whole)
    except Exception as error:
        if isinstance(error, SourceError) and not isinstance(error, QueryError):
            raise
        if len(riders) > 1:
            for rider in riders:
                yield from _ride(source, one, [rider], owners, scope, context, endings)
        else:
            endings[owners[riders[0].flag].id].fail(_reason(error, f"pass {one.id}"))
        return
    for rider in riders:
        yield rider, [row for row in rows if row[rider.flag]]


def _take(
    rider: Rider,
    rows: list[Any],
    one: Pass,
    detector: Detector,
    context: Context,
    cases: Cases,
    endings: dict[str, _Ending],
) -> None:
    if rider.ride.collect is None:
        for row in rows:
            if row[one.key] is not None:
                cases[one.key].setdefault(text_of(row[one.key]), {})[detector.id] = detector
        return
    _guarded(detector, endings, rider.ride.collect, rows, context)


def _judge_cases(
    source: Source,
    detectors: Sequence[Detector],
    cases: Cases,
    context: Context,
    endings: dict[str, _Ending],
    progress: Progress,
) -> frozenset[str]:
    """Judge the cases; the correlation ids of the operations that state findings tell of."""
    explained: set[str] = set()
    for kind, fetch in (("household_id", household_cases), ("user_id", user_cases)):
        wanted = cases[kind]
        if not wanted:
            continue
        progress(f"looking closer at {len(wanted)} {'households' if kind == 'household_id' else 'users'}")
        try:
            found: Iterable[HouseholdCase | UserCase] = fetch(source, sorted(wanted))
            for case in found:
                key = case.household_id if isinstance(case, HouseholdCase) else case.user_id
                for detector in wanted[key].values():
                    if detector.judge is not None:
                        found_now = _guarded(detector, endings, detector.judge, case, context)
                        explained |= _operations_of(found_now, case, context)
        except QueryError as error:
            for name in {name for waiting in wanted.values() for name in waiting}:
                endings[name].fail(_reason(error, "fetching the facts"))
    return frozenset(explained)


def _operations_of(findings: Sequence[Finding], case: HouseholdCase | UserCase, context: Context) -> set[str]:
    """The correlation ids of the case's events at the time of its state findings."""
    moments = [finding.occurred_at for finding in findings if finding.kind == "state" and finding.occurred_at]
    near = (event for event in case.events if any(abs(event.at - at) <= context.limits.grace for at in moments))
    return {correlation for event in near if (correlation := event.text("correlation_id"))}


def _guarded(
    detector: Detector,
    endings: dict[str, _Ending],
    work: Callable[[Any, Context], Iterable[Finding]],
    on: Any,
    context: Context,
) -> Sequence[Finding]:
    """The findings of `work`, which are added to the detector's ending; its failure fails the detector alone."""
    ending = endings[detector.id]
    before = len(ending.findings)
    try:
        ending.findings.extend(work(on, context))
    except Exception as error:
        # Whatever a rule stumbles over is that rule's failure alone; the traceback is for --verbose.
        logger.debug("detector %s failed", detector.id, exc_info=True)
        ending.fail(_reason(error, "judging"))
    return ending.findings[before:]


def _reason(error: Exception, where: str) -> str:
    # An unexpected error's own text may quote rows, so only its type is passed on.
    return f"{where}: {error}" if isinstance(error, QueryError) else f"{where}: {type(error).__name__}"
