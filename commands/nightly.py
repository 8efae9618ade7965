"""`run`, the nightly job, and `demo`, which plays two nights of a small town."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from commands.desk import open_board, open_desk
from commands.options import EXIT_UNDELIVERED, Settings, Stop, global_options
from commands.scanning import context_of, document_of, finish, formatted, scanned
from commands.watched import Watch, watched
from detectors.contract import SEVERITY_ORDER, Detector, ScanDocument, Severity
from detectors.registry import DETECTORS
from detectors.runner import ScanResult, forgetful
from detectors.source import SourceError
from detectors.words import count
from escalation.ledger import Ledger, open_ledger
from escalation.night import NightReport, look_back_days, next_window, run_night
from escalation.policy import load_policy
from reports.metrics import Seen
from reports.night import summary

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
def run(settings: Settings, form: str, fail_on: Severity | None, metrics: Path | None) -> None:
    """The nightly job: scan, compare with the ledger, file tickets, follow up."""
    with watched(settings, metrics) as watch:
        _run(settings, form, fail_on, watch)


def _run(settings: Settings, form: str, fail_on: Severity | None, watch: Watch) -> None:
    report, document, watch.seen = _night(settings, form, announced=True)
    finish(document, None)
    if report.undelivered:
        lost = count(len(report.failed) + len(report.unannounced), "message")
        raise Stop(f"{lost} not delivered; the next run tries again", EXIT_UNDELIVERED)
    finish(document, fail_on)


def _night(settings: Settings, form: str, *, announced: bool) -> tuple[NightReport, ScanDocument, Seen]:
    policy = load_policy(settings.policy)
    desk = open_desk(settings, policy)
    board = open_board(policy) if announced else None
    with open_ledger(settings.ledger) as ledger:
        context = context_of(settings, policy, next_window(ledger, settings.moment, policy))
        days = look_back_days(ledger, settings.moment, policy)
        context = replace(context, limits=context.limits.model_copy(update={"state_lookback_days": days}))
        result, info = scanned(settings, policy, context, DETECTORS, recheck=known_households(ledger, DETECTORS))
        _not_suddenly_empty(ledger, result)
        report = run_night(
            ledger,
            result.findings,
            result.coverage,
            policy,
            context.as_of,
            window=context.window,
            desk=desk,
            board=board,
        )
    document = document_of(info, report.findings, result)
    click.echo(formatted(document, form), nl=False)
    click.echo(summary(report), nl=False, err=form != "table")
    return report, document, Seen(report, result.coverage, result.rows_read)


def _not_suddenly_empty(ledger: Ledger, result: ScanResult) -> None:
    """Raise SourceError if the households are gone all at once: an empty export repairs nothing."""
    empty = [name for name in ("households", "household_members") if result.rows_read.get(name) == 0]
    with ledger.begin() as tx:
        known = any(entry.present and entry.kind == "state" for entry in tx.entries().values())
    if empty and known:
        raise SourceError(
            f"{empty[0]} has no rows at all, though something was wrong there last time: this is an empty export, another "
            "database or a role that may not read; nothing was recorded (use a new --ledger if it is meant)"
        )


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
