"""`run`, the nightly job, and `demo`, which plays two nights of a small town."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from commands.believing import held_against, known_of, looked_of
from commands.desk import open_board, open_desk
from commands.options import EXIT_UNDELIVERED, Moment, Settings, Stop, global_options
from commands.scanning import context_of, document_of, finish, formatted, scanned
from commands.watched import Watch, watched
from detectors.contract import SEVERITY_ORDER, Detector, ScanDocument, Severity
from detectors.registry import DETECTORS
from detectors.runner import forgetful
from detectors.words import count
from escalation.ledger import Ledger, open_ledger
from escalation.night import NightReport, look_back_days, next_window, run_night
from escalation.policy import load_policy
from reports.metrics import Seen
from reports.night import summary

FUTURE_TOLERATED = timedelta(hours=1)
"""Clocks differ by so much at most."""
DEMO = Path(__file__).parent.parent / "fixtures" / "demo"


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
@click.option("--accept-volume", is_flag=True, help="Take it once that a table has lost rows: they are really gone.")
def run(
    settings: Settings,
    form: str,
    fail_on: Severity | None,
    metrics: Path | None,
    since: datetime | None,
    accept_volume: bool,
) -> None:
    """The nightly job: scan, compare with the ledger, file tickets, follow up."""
    if settings.now is not None and settings.moment > settings.now + FUTURE_TOLERATED:
        raise click.UsageError(
            f"--as-of {settings.moment:%Y-%m-%d %H:%M} UTC has not come yet, and every later run would be refused; "
            "leave it out to run as of now"
        )
    with watched(settings, metrics) as watch:
        _run(settings, form, fail_on, watch, since=since, accept=accept_volume)


def _run(
    settings: Settings, form: str, fail_on: Severity | None, watch: Watch, *, since: datetime | None, accept: bool
) -> None:
    report, document, watch.seen = _night(settings, form, announced=True, since=since, accept=accept)
    finish(document, None, report.looked.disbelieved)
    if report.undelivered:
        lost = (*report.failed, *report.unannounced)
        told = f"{count(len(lost), 'message')} not delivered ({lost[0].error}); the next run tries again"
        raise Stop(told, EXIT_UNDELIVERED)
    finish(document, fail_on)


def _night(
    settings: Settings, form: str, *, announced: bool, since: datetime | None = None, accept: bool = False
) -> tuple[NightReport, ScanDocument, Seen]:
    policy = load_policy(settings.policy)
    desk = open_desk(settings, policy)
    board = open_board(policy) if announced else None
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
        )
        report = run_night(
            ledger,
            result.findings,
            result.coverage,
            policy,
            context.as_of,
            window=context.window,
            desk=desk,
            board=board,
            looked=replace(looked_of(result, known, DETECTORS, accept=accept), seconds=info.seconds),
        )
    document = document_of(info, report.findings, result)
    click.echo(formatted(document, form), nl=False)
    click.echo(summary(report), nl=False, err=form != "table")
    return report, document, Seen(report, result.coverage, result.rows_read)


def known_households(ledger: Ledger, detectors: Sequence[Detector]) -> dict[str, list[str]]:
    """The households in which something was last seen that may have left the look-back, by detector."""
    households: dict[str, list[str]] = {name: [] for name in forgetful(detectors)}
    with ledger.begin() as tx:
        for entry in tx.entries().values():
            if entry.present and entry.kind == "state" and entry.detector in households:
                households[entry.detector].extend(entry.households)
    return households


@click.command()
@click.pass_obj
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("out/demo"),
    show_default=True,
    help="Where its tickets and ledger go; made anew.",
)
def demo(settings: Settings, folder: Path) -> None:
    """Play two nights of a small town with planted faults: what is found, which tickets are made, what is new."""
    made_here = folder / ".hearthwatch-demo"
    if folder.exists() and not made_here.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.UsageError(f"{folder} holds things that are not the demo's; name a folder that is new or empty")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made_here.touch()
    for night, as_of in (
        ("night-1", datetime(2026, 2, 3, 3, tzinfo=UTC)),
        ("night-2", datetime(2026, 2, 4, 3, tzinfo=UTC)),
    ):
        click.echo(
            f"\n=== {night}: hearthwatch run --source fixtures/demo/{night} --as-of {as_of:%Y-%m-%dT%H:%M:%SZ}\n"
        )
        place = replace(
            settings,
            source=str(DEMO / night),
            ledger=f"sqlite:///{folder / 'hearthwatch.db'}",
            queue=f"folder:{folder / 'queue'}",
            as_of=as_of,
        )
        _night(place, "table", announced=False)
    click.echo(f"\nThe tickets are in {folder / 'queue'}: one .md for people and one .json for programs each.")
    click.echo(
        f"Their lives: hearthwatch tickets list --as-of 2026-02-04T03:00Z --ledger sqlite:///{folder / 'hearthwatch.db'}"
    )
