"""`run`, the nightly job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import click

from commands.believing import held_against, known_of, looked_of
from commands.desk import open_helpdesk_delivery, open_slack_delivery
from commands.options import EXIT_UNDELIVERED, Moment, Settings, Stop, global_options, show
from commands.pages import paged
from commands.scanning import context_of, document_of, finish, formatted, scanned
from commands.watched import Watch, watched
from detectors.contract import SEVERITY_ORDER, Detector, ScanDocument, Severity
from detectors.engine.runner import Counting, forgetful
from detectors.registry import DETECTORS
from detectors.text.wording import count
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.nights.night import NightReport, look_back_days, next_window, run_night
from escalation.policy.policy import load_policy
from reports.metrics import Seen
from reports.night import summary

FUTURE_TOLERATED = timedelta(hours=1)
"""Clocks differ by so much at most."""


@click.command()
@global_options()
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv", "markdown"]), default="table", show_default=True
)
@click.option("--fail-on", type=click.Choice(SEVERITY_ORDER), help="Exit 10 if there is a finding this urgent or more.")
@click.option(
    "--metrics",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="HEARTHWATCH_METRICS",
    show_envvar=True,
    metavar="FILE.prom",
    help="Write how it went for Prometheus.",
)
@click.option(
    "--since",
    type=Moment(),
    help="Start of the window, for what no run has seen.  [default: where the last complete run ended]",
)
@click.option(
    "--report",
    "pages",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the morning page there: tonight's, the last 90 nights' and an index.",
)
@click.option("--accept-volume", is_flag=True, help="Take it once that a table has lost rows: they are really gone.")
def run(
    settings: Settings,
    form: str,
    fail_on: Severity | None,
    metrics: Path | None,
    since: datetime | None,
    pages: Path | None,
    accept_volume: bool,
) -> None:
    """The nightly job: scan, compare with the ledger, file tickets, follow up."""
    if settings.now is not None and settings.moment > settings.now + FUTURE_TOLERATED:
        raise click.UsageError(
            f"--as-of {settings.moment:%Y-%m-%d %H:%M} UTC has not come yet, and every later run would be refused; "
            "leave it out to run as of now"
        )
    with watched(settings, metrics) as watch, paged(settings, pages):
        _run(settings, form, fail_on, watch, since=since, accept=accept_volume)


def _run(
    settings: Settings, form: str, fail_on: Severity | None, watch: Watch, *, since: datetime | None, accept: bool
) -> None:
    report, document, watch.seen = night(settings, form, announced=True, since=since, accept=accept)
    finish(document, None, report.looked.disbelieved)
    if report.undelivered:
        lost = (*report.failed, *report.unannounced)
        told = f"{count(len(lost), 'message')} not delivered ({lost[0].error}); they are kept, and each run tries again"
        raise Stop(told, EXIT_UNDELIVERED)
    finish(document, fail_on)


def night(
    settings: Settings, form: str, *, announced: bool, since: datetime | None = None, accept: bool = False
) -> tuple[NightReport, ScanDocument, Seen]:
    policy = load_policy(settings.policy)
    helpdesk = open_helpdesk_delivery(settings, policy)
    slack_delivery = open_slack_delivery(policy) if announced else None
    with open_ledger(settings.ledger) as ledger:
        context = context_of(settings, policy, next_window(ledger, settings.moment, policy, since=since))
        days = look_back_days(ledger, settings.moment, policy)
        context = replace(context, limits=context.limits.model_copy(update={"state_lookback_days": days}))
        known = known_of(ledger, policy, context.as_of)
        result, info = scanned(
            settings,
            policy,
            context,
            DETECTORS,
            recheck=known_households(ledger, DETECTORS),
            days=known.days(context.as_of),
            after=held_against(known, DETECTORS, accept=accept),
            counting=Counting(closely=ever_known(ledger)),
        )
        report = run_night(
            ledger,
            result.findings,
            result.coverage,
            policy,
            context.as_of,
            window=context.window,
            helpdesk=helpdesk,
            slack_delivery=slack_delivery,
            looked=replace(looked_of(result, known, DETECTORS, accept=accept), seconds=info.seconds),
            alike=result.alike,
        )
    document = document_of(info, report.findings, result)
    show(formatted(document, form))
    show(summary(report), err=form != "table")
    return report, document, Seen(report, result.coverage, result.rows_read)


def known_households(ledger: Ledger, detectors: Sequence[Detector]) -> dict[str, list[str]]:
    """The households in which something was last seen that may have left the look-back, by detector."""
    households: dict[str, list[str]] = {name: [] for name in forgetful(detectors)}
    with ledger.begin() as tx:
        for entry in tx.entries().values():
            if entry.present and entry.kind == "state" and entry.detector in households:
                households[entry.detector].extend(entry.households)
    return households


def ever_known(ledger: Ledger) -> frozenset[str]:
    """The households of which the ledger has ever known anything by itself: their tickets tell of them alone."""
    with ledger.begin() as tx:
        return frozenset(tx.households())
