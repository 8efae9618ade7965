"""`backtest`: a rule, or changed limits, tried on the nights of the past before they fire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

import click

from commands.believing import known_households
from commands.curves import keep
from commands.failures import once_more
from commands.opening import context_of, opened
from commands.options import EXIT_INCOMPLETE, Moment, Settings, Stop, global_options, progress
from commands.pages import give, output_option
from commands.scanning import named_detectors
from commands.sweeping import Sweep, SweepType, called_false
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
    "--sweep",
    type=SweepType(),
    metavar="NAME=5..20",
    help="Play the nights at each value of this limit: the curve of findings and tickets.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "markdown", "html"]),
    default="table",
    show_default=True,
    help="html draws the curve of a --sweep.",
)
@click.option(
    "--report",
    "pages",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the curve of a --sweep there: the morning page that `run --report` makes in DIR shows it.",
)
@output_option
def backtest(
    settings: Settings,
    names: Sequence[str],
    since: datetime,
    until: datetime,
    against: str | None,
    sweep: Sweep | None,
    form: str,
    pages: Path | None,
    output: Path | None,
) -> None:
    """Play past nights with --policy: what would have been found and filed. Reads only, tells nobody."""
    if sweep is not None and against is not None:
        raise click.UsageError("--sweep moves one limit of --policy; leave --against out")
    if sweep is None and form == "html":
        raise click.UsageError("--format html draws the curve of a --sweep; name one, or choose another format")
    if sweep is None and pages is not None:
        raise click.UsageError("--report keeps the curve of a --sweep: name one, or leave it out")
    detectors = named_detectors(names)
    if any(detector.meta.kind == "state" for detector in detectors):
        click.echo("note: rules about states see the tables as they are now, whichever night is played", err=True)
    if sweep is not None:
        written, plays = _swept(settings, detectors, since, until, sweep, form, pages)
    else:
        written, plays = _compared(settings, detectors, since, until, against, form)
    give(output, written)
    _say_what_could_not_look(entry for nights in plays for night in nights for entry in night.blind)


def _swept(
    settings: Settings,
    detectors: Sequence[Detector],
    since: datetime,
    until: datetime,
    sweep: Sweep,
    form: str,
    pages: Path | None,
) -> tuple[str, list[list[DryRunNight]]]:
    # pandas and the templates take half a second to load, and few commands need them.
    from reports.statistics_formats import FORMATS  # noqa: PLC0415
    from reports.sweep import numbers, swept, to_html  # noqa: PLC0415

    policy = load_policy(settings.policy)
    days = _days(settings, policy, since, until)
    policies = sweep.policies(policy)
    with _files(settings, policy) as files:
        plays = {value: _played_on(files, settings, one, detectors, days) for value, one in policies.items()}
    found = swept(sweep.limit, [one.id for one in detectors], plays, called_false(settings))
    if pages is not None:
        keep(pages, found)
    now = float(getattr(policy.limits, sweep.limit))
    return to_html(found, now) if form == "html" else FORMATS[form](numbers(found)), list(plays.values())


def _compared(
    settings: Settings, detectors: Sequence[Detector], since: datetime, until: datetime, against: str | None, form: str
) -> tuple[str, list[list[DryRunNight]]]:
    # pandas takes a third of a second to load, and few commands need it.
    from reports.backtest import compared  # noqa: PLC0415
    from reports.statistics_formats import FORMATS  # noqa: PLC0415

    policies = {"tried": load_policy(settings.policy)}
    if against is not None:
        policies["against"] = load_policy(None if against == PACKAGED else against)
    days = _days(settings, policies["tried"], since, until)
    plays = {name: _played(settings, policy, detectors, days) for name, policy in policies.items()}
    return FORMATS[form](compared(plays)), list(plays.values())


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
    with _files(settings, policy) as files:
        return _played_on(files, settings, policy, detectors, days)


def _played_on(
    files: Source | None, settings: Settings, policy: Policy, detectors: Sequence[Detector], days: Sequence[Window]
) -> list[DryRunNight]:
    with progress() as told:

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
