"""`run --quick`: the look between the nights, at what the process gives less than a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import click

from commands.believing import held_against, known_households, known_of, looked_of
from commands.changes import bookmark_of, counted_by_night, feed_of
from commands.desk import open_helpdesk_delivery, open_slack_delivery
from commands.opening import context_of
from commands.options import Settings
from commands.scanning import document_of, formatted, scanned
from detectors.contract import Context, Coverage, Detector, ScanDocument, ScanInfo, Window
from detectors.engine.by_day import by_day, coverage_by_day, left_to_night
from detectors.engine.feed import Fed
from detectors.engine.result import ScanResult
from detectors.findings import Found
from detectors.registry import DETECTORS
from detectors.source import Source
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.nights.night import NightReport, run_night
from escalation.nights.windows_of_runs import look_back_days, quick_windows
from escalation.policy.policy import Policy, load_policy
from reports.metrics import Seen
from reports.night import summary


def explained(detectors: Iterable[Detector]) -> str:
    """What a quick look asks, in whole or in part, and what it leaves to the night, each with the reason."""
    asked, left = [], []
    for detector in detectors:
        reason = left_to_night(detector)
        if reason is None:
            rest = f" (but for {detector.by_night_in_part})" if detector.by_night_in_part else ""
            asked.append(f"  {detector.id}{rest}")
        else:
            left.append(f"  {detector.id}: {reason}")
    return "\n".join(["a quick look asks:", *asked, "it leaves to the night:", *left]) + "\n"


def quick_look(settings: Settings, form: str) -> tuple[NightReport, ScanDocument, Seen]:
    """One quick look, from the scan to the last message. Raises BusyError where another run is at work."""
    policy = load_policy(settings.policy)
    helpdesk, slack_delivery = open_helpdesk_delivery(settings, policy), open_slack_delivery(policy)
    with open_ledger(settings.ledger, create=False, look="quick") as ledger:
        windows = quick_windows(ledger, settings.moment, policy)
        known = known_of(ledger, policy, settings.moment)
        result, info = _looked(settings, policy, ledger, windows)
        report = run_night(
            ledger,
            result.findings,
            result.coverage,
            policy,
            settings.moment,
            window=windows[0],
            helpdesk=helpdesk,
            slack_delivery=slack_delivery,
            looked=replace(
                looked_of(result, known, DETECTORS, accept=False),
                left=counted_by_night(known, result),
                bookmark=bookmark_of(known, result),
            ),
            look="quick",
        )
    result = replace(result, coverage=coverage_by_day(DETECTORS, result.coverage))
    document = document_of(info, report.findings, result)
    click.echo(formatted(document, form), nl=False)
    click.echo(summary(report), nl=False, err=form != "table")
    return report, document, Seen(report, result.coverage, result.rows_read)


def _looked(
    settings: Settings, policy: Policy, ledger: Ledger, windows: Sequence[Window]
) -> tuple[ScanResult, ScanInfo]:
    """What is wrong now and what happened in the first of `windows`, with what happened in the others."""
    asked = by_day(DETECTORS)
    known = known_of(ledger, policy, settings.moment)
    days = look_back_days(ledger, settings.moment, policy, "quick")
    recheck = known_households(ledger, asked)

    def look(window: Window, detectors: Sequence[Detector], given: Fed | None = None) -> tuple[ScanResult, ScanInfo]:
        context = _context(settings, policy, window, days)
        feed = replace(feed_of(ledger, known, context, policy, asked), given=given)

        def after(source: Source, result: ScanResult) -> ScanResult:
            left = counted_by_night(known, result)
            entries = tuple(one for one in known.entries if one.fingerprint not in left)
            return held_against(replace(known, entries=entries), detectors, accept=False)(source, result)

        return scanned(
            settings,
            policy,
            context,
            detectors,
            recheck=recheck,
            days=known.days(context.as_of),
            after=after,
            feed=feed,
            # What there is to note of the source, the night says.
            notes=False,
        )

    result, info = look(windows[0], asked)
    fed = result.fed
    if fed is not None and fed.reason is not None and info.engine == "postgresql":
        click.echo(f"note: this look reads everything: {fed.reason}", err=True)
    occurrences = [one for one in asked if one.meta.kind == "occurrence"]
    for window in windows[1:]:
        earlier, _ = look(window, occurrences, fed if fed is not None and fed.scope is not None else None)
        result = _together(result, earlier)
    return result, info


def _context(settings: Settings, policy: Policy, window: Window, days: int) -> Context:
    context = context_of(settings, policy, window)
    limits = context.limits.model_copy(update={"state_lookback_days": days})
    return replace(context, limits=limits, late=timedelta(hours=policy.nights.late_hours))


def _together(result: ScanResult, earlier: ScanResult) -> ScanResult:
    """One result of two windows: of what was met in both, the later one tells."""
    found = {one.fingerprint for one in result.findings}
    more: tuple[Found, ...] = tuple(one for one in earlier.findings if one.fingerprint not in found)
    ended = {entry.detector: entry for entry in earlier.coverage}
    return replace(
        result,
        findings=(*result.findings, *more),
        coverage=tuple(_worse(entry, ended.get(entry.detector)) for entry in result.coverage),
        disbelieved={**result.disbelieved, **earlier.disbelieved},
    )


def _worse(entry: Coverage, other: Coverage | None) -> Coverage:
    return other if other is not None and other.status == "failed" else entry
