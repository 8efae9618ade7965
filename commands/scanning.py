"""`scan` and what it shares with the nightly run: the context, the window and the document of one scan."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from commands.failures import once_more
from commands.opening import context_of, opened
from commands.options import (
    EXIT_FINDINGS,
    EXIT_INCOMPLETE,
    EXIT_UNKNOWN,
    Moment,
    Settings,
    Stop,
    global_options,
    progress,
    show,
)
from detectors.contract import (
    SEVERITY_ORDER,
    TEAMS,
    Context,
    Detector,
    Finding,
    ScanDocument,
    ScanInfo,
    Severity,
    Window,
    WindowInfo,
)
from detectors.engine.applicability import lacking
from detectors.engine.feed import Feed
from detectors.engine.result import ScanResult
from detectors.engine.runner import scan as run_scan
from detectors.engine.subscribed import passes_of
from detectors.engine.waiting_cases import Counting
from detectors.registry import BY_ID, DETECTORS
from detectors.source import CANONICAL, NEWS, ONE_HOUSEHOLD, WHOLE, Notice, Source, SourceError
from detectors.source.base import and_others
from detectors.text.wording import count
from escalation.decide.incidents import one_per_cause
from escalation.decide.volume import STATE_TABLES, what_to_do
from escalation.policy.policy import Policy, load_policy
from reports import scan_formats, terminal
from reports.reach import trail_ended

After = Callable[[Source, ScanResult], ScanResult]
"""What is made of a scan's result while its source is still open."""
NOTHING: Mapping[str, str] = MappingProxyType({})
MISSING_NAMED = 6
NOBODY = "no such household: the source holds no household, member or request of this id"
SCOPED_DAYS = timedelta(days=30)
"""A scan of one household or user looks at its patterns over this many days."""


def unchanged(_: Source, result: ScanResult) -> ScanResult:
    return result


def refuse_empty(source: Source, result: ScanResult, *, unexpected: bool = False, more: str = "") -> ScanResult:
    """The result, with a note where there is no household to watch. Raises SourceError where that would read as a clean source.

    So it would where nothing was found and nothing failed, and where there `unexpected`ly are none any more.
    """
    if any(result.rows_read.get(table) != 0 for table in STATE_TABLES):
        return result
    said = "households and household_members have no rows at all"
    why = "this is an empty export, another database or schema, or a role that may not read; check --source and the mapping"
    # What the catalog alone tells, such as an index that lacks, is there in an empty schema, too.
    said_more = any("table" not in one.subject for one in result.findings) or any(
        entry.status == "failed" for entry in result.coverage
    )
    if unexpected or not said_more:
        raise SourceError(f"{source.label}: {said}: {why}{more}")
    return replace(
        result, notices=(*result.notices, Notice("households", said, remedy=f"unless the app has none, {why}"))
    )


@click.command()
@global_options()
@click.option("--detector", "names", multiple=True, metavar="ID", help="Only this detector (repeatable).")
@click.option(
    "--team", "teams", multiple=True, type=click.Choice(TEAMS), help="Only this team's findings (repeatable)."
)
@click.option(
    "--severity", "severities", multiple=True, type=click.Choice(SEVERITY_ORDER), help="Only these (repeatable)."
)
@click.option("--household", "households", multiple=True, metavar="ID", help="Only what concerns it (repeatable).")
@click.option("--user", "users", multiple=True, metavar="ID", help="Only what concerns this user (repeatable).")
@click.option("--since", type=Moment(), help="Start of the window.  [default: the day that just closed]")
@click.option("--until", type=Moment(), help="End of the window, exclusive.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv", "markdown"]), default="table", show_default=True
)
@click.option("--fail-on", type=click.Choice(SEVERITY_ORDER), help="Exit 10 if there is a finding this urgent or more.")
@click.option(
    "--explain-passes", is_flag=True, help="Show which detectors have a condition on which pass; scan nothing."
)
def scan(settings: Settings, form: str, fail_on: Severity | None, explain_passes: bool, **chosen: Any) -> None:
    """Detect and show; writes nothing."""
    detectors = named_detectors(chosen["names"])
    if explain_passes:
        for name, subscribers in passes_of(detectors).items():
            click.echo(f"{name}: {', '.join(subscribers) or '(nobody)'}")
        walkers = [detector.id for detector in detectors if not detector.subscriptions]
        if walkers:
            click.echo(f"no pass, but the catalog or others' findings: {', '.join(walkers)}")
        return
    policy = load_policy(settings.policy)
    scoped = bool(chosen["households"] or chosen["users"])
    looked_at = window_of(settings, policy, chosen["since"], chosen["until"], scoped=scoped)
    context = context_of(settings, policy, looked_at)
    result, info = scanned(
        settings,
        policy,
        context,
        detectors,
        chosen["households"],
        chosen["users"],
        after=unchanged if scoped else refuse_empty,
        counting=Counting(),
    )
    if not scoped:
        ended = trail_ended(looked_at, result.reached, audited=result.audit_began is not None)
        if ended:
            click.echo(f"note: {ended}", err=True)
        _compare_with_ledger(settings.ledger, policy, context.as_of, result)
    # What was found; which team gets it on whose ticket is the night's business.
    told = one_per_cause(result.findings, policy.limits, policy.environment, alike=result.alike, both_teams=True)
    document = document_of(info, told, result)
    if chosen["teams"] or chosen["severities"]:
        teams, severities = chosen["teams"] or TEAMS, chosen["severities"] or SEVERITY_ORDER
        kept = tuple(f for f in document.findings if f.team in teams and f.severity in severities)
        document = document.model_copy(update={"findings": kept})
    unknown = scoped and not any(result.rows_read.values())
    # A table without findings would read as if somebody had looked.
    show(f"{NOBODY}\n" if unknown and form == "table" else formatted(document, form))
    finish(document, fail_on)
    if unknown:
        raise Stop("the source holds no household, member or request of that id; is it written in full?", EXIT_UNKNOWN)


def _compare_with_ledger(url: str, policy: Policy, as_of: datetime, result: ScanResult) -> None:
    """Say what a run with the ledger in a file would not believe of the tables. A server is not waited for."""
    if not url.startswith("sqlite:///") or not Path(url.removeprefix("sqlite:///")).is_file():
        return
    from commands.believing import told_by_ledger  # noqa: PLC0415  # many scans have no ledger, and start faster without

    for line in told_by_ledger(url, policy, as_of, result):
        click.echo(f"note: {line}", err=True)


def named_detectors(names: Sequence[str]) -> list[Detector]:
    unknown = [name for name in names if name not in BY_ID]
    if unknown:
        near = difflib.get_close_matches(unknown[0], BY_ID, 1)
        hint = f"did you mean {near[0]}?" if near else "`hearthwatch detectors list` shows them all"
        raise click.UsageError(f"there is no detector {unknown[0]!r}; {hint}")
    return [detector for detector in DETECTORS if not names or detector.id in names]


def window_of(
    settings: Settings, policy: Policy, since: datetime | None, until: datetime | None, *, scoped: bool = False
) -> Window:
    as_of = settings.moment
    closed = context_of(settings, policy, Window(as_of, as_of))
    midnight = closed.day_start(closed.day(as_of))
    end = until or (as_of if scoped or since else midnight)
    start = since or (end - SCOPED_DAYS if scoped else closed.day_start(closed.day(end - timedelta(microseconds=1))))
    if start >= end:
        raise click.UsageError(empty("window", start, end))
    return Window(start, end)


def empty(period: str, start: datetime, end: datetime) -> str:
    """What to say of a `period` that ends before it starts, with both ends as they were understood."""
    return (
        f"the {period} is empty: it starts at {start:%Y-%m-%d %H:%M:%S} UTC and ends at {end:%Y-%m-%d %H:%M:%S} UTC; "
        "give an earlier --since or a later --until"
    )


@once_more
def scanned(
    settings: Settings,
    policy: Policy,
    context: Context,
    detectors: Sequence[Detector],
    households: Sequence[str] = (),
    users: Sequence[str] = (),
    recheck: Mapping[str, Sequence[str]] | None = None,
    days: Collection[date] = (),
    after: After = unchanged,
    counting: Counting | None = None,
    *,
    feed: Feed | None = None,
    notes: bool = True,
) -> tuple[ScanResult, ScanInfo]:
    """What the scan found, each finding by itself, and how it went. `after` may look once more while the source is open."""
    started = time.perf_counter()
    glance = ONE_HOUSEHOLD if households or users else WHOLE if feed is None else NEWS
    with opened(settings, policy, glance=glance) as source, progress() as told:
        result = run_scan(
            source,
            detectors,
            context,
            households=households,
            users=users,
            recheck=recheck,
            days=days,
            progress=told,
            counting=counting,
            feed=feed,
        )
        result = after(source, result)
        if notes:
            _say_what_is_missing(source, detectors)
            for notice in result.notices:
                click.echo(f"note: {notice.line}", err=True)
        return result, ScanInfo(
            source=source.label,
            as_of=context.as_of,
            window=WindowInfo(start=context.window.start, end=context.window.end),
            engine=source.engine,
            rows_read=result.rows_read,
            seconds=round(time.perf_counter() - started, 3),
        )


def _say_what_is_missing(source: Source, detectors: Sequence[Detector]) -> None:
    """One line on the tables and columns that are not there, where detectors cannot look without them."""
    lacks = (lacking(one, source.schema) for one in detectors)
    blind = Counter(what for each in lacks for what in each if what.partition(" ")[0].partition(".")[0] in CANONICAL)
    if blind:
        told = and_others([f"without {what} {number}" for what, number in sorted(blind.items())], MISSING_NAMED)
        click.echo(
            f"note: {told} of {count(len(detectors), 'detector')} cannot look; see `hearthwatch doctor`", err=True
        )


def document_of(info: ScanInfo, findings: Sequence[Finding], result: ScanResult) -> ScanDocument:
    """The published document of a scan whose findings are one for each cause."""
    in_order = tuple(sorted(findings, key=lambda finding: finding.sort_key))
    return ScanDocument(scan=info, findings=in_order, coverage=result.coverage)


def formatted(document: ScanDocument, form: str) -> str:
    if form == "table":
        tty = sys.stdout.isatty()
        return terminal.render(
            document,
            width=shutil.get_terminal_size().columns if tty else 80,
            colour=tty and "NO_COLOR" not in os.environ,
        )
    return {"json": scan_formats.to_json, "csv": scan_formats.to_csv, "markdown": scan_formats.to_markdown}[form](
        document
    )


def finish(
    document: ScanDocument,
    fail_on: Severity | None,
    disbelieved: Mapping[str, str] = NOTHING,
    unseen: Sequence[str] = (),
) -> None:
    """End the command as its document says: incomplete, with a line for each table that was not believed, or with findings.

    `unseen` are the lines on what could not be seen as it was before.
    """
    failed = [entry for entry in document.coverage if entry.status == "failed"]
    lines = [*(what_to_do(reason) for reason in disbelieved.values()), *unseen]
    reasons: dict[str | None, list[str]] = {}
    for entry in failed:
        if not any(reason in (entry.reason or "") for reason in disbelieved.values()):
            reasons.setdefault(entry.reason, []).append(entry.detector)
    if reasons:
        said = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
        lines.append(f"incomplete: {said}")
    if lines:
        for line in lines[:-1]:
            click.echo(f"hearthwatch: {line}", err=True)
        raise Stop(lines[-1], EXIT_INCOMPLETE)
    if fail_on and any(SEVERITY_ORDER.index(f.severity) <= SEVERITY_ORDER.index(fail_on) for f in document.findings):
        raise Stop(f"there are findings at or above {fail_on}", EXIT_FINDINGS)
