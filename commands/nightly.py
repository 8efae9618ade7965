"""`run`, the nightly job."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import click
from click.core import ParameterSource

from commands.believing import held_against, known_households, known_of, looked_of
from commands.desk import open_helpdesk_delivery, open_slack_delivery
from commands.opening import context_of
from commands.options import EXIT_UNDELIVERED, Moment, Settings, Stop, global_options, show
from commands.pages import paged
from commands.quick import explained, quick_look
from commands.scanning import document_of, finish, formatted, scanned
from commands.watched import Watch, quick_metrics, watched
from detectors.contract import SEVERITY_ORDER, ScanDocument, Severity
from detectors.engine.waiting_cases import Counting
from detectors.registry import DETECTORS
from detectors.text.wording import count
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.locks import PATIENCE_SECONDS, BusyError
from escalation.nights.night import NightReport, run_night
from escalation.nights.windows_of_runs import look_back_days, next_window
from escalation.policy.policy import load_policy
from reports.metrics import Seen
from reports.night import summary

FUTURE_TOLERATED = timedelta(hours=1)
"""Clocks differ by so much at most."""
WAITED = timedelta(seconds=PATIENCE_SECONDS)


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
    help="Write how it went for Prometheus; of --quick the variable is HEARTHWATCH_QUICK_METRICS.",
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
@click.option(
    "--accept-volume",
    is_flag=True,
    help="Take it once that a table has lost rows or is older, or that the data is elsewhere: it is really so.",
)
@click.option("--quick", is_flag=True, help="Look at what cannot wait for the night; meant for every few minutes.")
@click.option("--explain", is_flag=True, help="With --quick: show what it looks at and what it leaves; run nothing.")
def run(
    settings: Settings,
    form: str,
    fail_on: Severity | None,
    metrics: Path | None,
    since: datetime | None,
    pages: Path | None,
    accept_volume: bool,
    quick: bool,
    explain: bool,
) -> None:
    """The nightly job: scan, compare with the ledger, file tickets, follow up.

    With --quick the look in between, at what the process gives less than a day: see `run --quick --explain`.
    """
    if explain and not quick:
        raise click.UsageError("--explain tells of --quick: give both")
    if quick and (since is not None or accept_volume or pages is not None):
        raise click.UsageError("--since, --accept-volume and --report are the night's: leave them out, or --quick")
    if explain:
        click.echo(explained(DETECTORS), nl=False)
        return
    if settings.now is not None and settings.moment > settings.now + FUTURE_TOLERATED:
        raise click.UsageError(
            f"--as-of {settings.moment:%Y-%m-%d %H:%M} UTC has not come yet, and every later run would be refused; "
            "leave it out to run as of now"
        )
    if quick and click.get_current_context().get_parameter_source("metrics") is not ParameterSource.COMMANDLINE:
        metrics = quick_metrics(os.environ)
    with watched(settings, metrics, "quick" if quick else "night") as watch, paged(settings, pages):
        if quick:
            _quick(settings, form, fail_on, watch)
        else:
            _end(night(settings, form, announced=True, since=since, accept=accept_volume), fail_on, watch)


def _quick(settings: Settings, form: str, fail_on: Severity | None, watch: Watch) -> None:
    try:
        _end(quick_look(settings, form), fail_on, watch)
    except BusyError as error:
        watch.gave_way = True
        click.echo(f"note: {error}; this quick look gives way to it", err=True)


def _end(done: tuple[NightReport, ScanDocument, Seen], fail_on: Severity | None, watch: Watch) -> None:
    """End the command as the run did."""
    report, document, watch.seen = done
    finish(document, None, report.looked.disbelieved, report.looked.not_seen)
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
        settings = after_the_look(settings, ledger)
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


def after_the_look(settings: Settings, ledger: Ledger) -> Settings:
    """A night that has waited for a quick look is as of no earlier than that."""
    with ledger.begin() as tx:
        latest = tx.latest_look()
    if settings.as_of is not None or latest is None or not settings.moment < latest <= settings.moment + WAITED:
        return settings
    return replace(settings, as_of=latest)


def ever_known(ledger: Ledger) -> frozenset[str]:
    """The households of which the ledger has ever known anything by itself: their tickets tell of them alone."""
    with ledger.begin() as tx:
        return frozenset(tx.households())
