"""`backtest`: a rule, or changed limits, tried on the nights of the past before they fire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime

import click

from commands.believing import known_households
from commands.failures import once_more
from commands.options import EXIT_INCOMPLETE, Moment, Settings, Stop, global_options, progress
from commands.scanning import context_of, named_detectors, opened
from detectors.contract import Coverage, Detector, Window
from detectors.engine.runner import scan as run_scan
from detectors.findings import Found
from detectors.source import Source
from escalation.ledger.ledger import Ledger
from escalation.nights.dry_run import DryRunNight, dry_run, windows
from escalation.policy.policy import Policy, load_policy

NIGHTS_MOST = 92
"""So many nights are played at most: each of them reads the source like a nightly run."""
PACKAGED = "default"


@click.command()
@global_options()
@click.option("--detector", "names", multiple=True, required=True, metavar="ID", help="The rule to try (repeatable).")
@click.option("--since", type=Moment(), required=True, help="The first day.")
@click.option("--until", type=Moment(), required=True, help="The end, exclusive; at most 92 days later.")
@click.option(
    "--against",
    metavar="FILE",
    help=f"Another policy to lay beside --policy, such as the one in force; '{PACKAGED}' is the packaged one.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv", "markdown"]), default="table", show_default=True
)
def backtest(
    settings: Settings, names: Sequence[str], since: datetime, until: datetime, against: str | None, form: str
) -> None:
    """Play past nights with --policy: what would have been found and filed. Reads only, tells nobody."""
    # pandas takes a third of a second to load, and only this and the report need it.
    from reports.backtest import compared  # noqa: PLC0415
    from reports.statistics_formats import FORMATS  # noqa: PLC0415

    detectors = named_detectors(names)
    policies = {"tried": load_policy(settings.policy)}
    if against is not None:
        policies["against"] = load_policy(None if against == PACKAGED else against)
    days = _days(settings, policies["tried"], since, until)
    if any(detector.meta.kind == "state" for detector in detectors):
        click.echo("note: rules about states see the tables as they are now, whichever night is played", err=True)
    plays = {name: _played(settings, policy, detectors, days) for name, policy in policies.items()}
    numbers = compared(plays)
    click.echo(FORMATS[form](numbers), nl=False)
    _say_what_could_not_look(entry for nights in plays.values() for night in nights for entry in night.blind)


def _days(settings: Settings, policy: Policy, since: datetime, until: datetime) -> list[Window]:
    if since >= until:
        raise click.UsageError("the period is empty: --until must come after --since")
    if until > settings.moment:
        raise click.UsageError(f"--until is in the future; the latest is {settings.moment:%Y-%m-%dT%H:%M:%SZ}")
    if (until - since).days > NIGHTS_MOST:
        raise click.UsageError(f"the period is longer than {NIGHTS_MOST} days; choose a shorter one")
    return windows(context_of(settings, policy, Window(since, until)), since, until)


def _played(
    settings: Settings, policy: Policy, detectors: Sequence[Detector], days: Sequence[Window]
) -> list[DryRunNight]:
    with _files(settings, policy) as files, progress() as told:

        @once_more
        def look(window: Window, as_of: datetime, ledger: Ledger) -> tuple[Sequence[Found], Sequence[Coverage]]:
            told(f"the night after {window.start:%Y-%m-%d}")
            context = context_of(settings, policy, window, as_of=as_of)
            with nullcontext(files) if files else opened(settings, policy) as source:
                result = run_scan(source, detectors, context, recheck=known_households(ledger, detectors))
            return result.findings, result.coverage

        return dry_run(days, look, policy, settings.moment)


@contextmanager
def _files(settings: Settings, policy: Policy) -> Iterator[Source | None]:
    """The source if it is a folder, which is loaded once; of a server each night takes a short snapshot of its own."""
    with opened(settings, policy) as source:
        shared = source if source.engine == "duckdb" else None
        if shared is not None:
            yield shared
            return
    yield None


def _say_what_could_not_look(blind: Iterator[Coverage]) -> None:
    reasons = {(entry.detector, entry.status): entry.reason for entry in blind}
    for (detector, status), reason in reasons.items():
        if status == "not_applicable":
            click.echo(f"note: {detector} could not look: {reason}", err=True)
    failed = [f"{detector} ({reason})" for (detector, status), reason in reasons.items() if status == "failed"]
    if failed:
        raise Stop(f"incomplete: {', '.join(failed)}", EXIT_INCOMPLETE)
