"""`report`: a period of nights in numbers, from the ledger alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click

from commands.options import Moment, Settings, global_options
from commands.pages import give, output_option, page_of
from commands.scanning import empty
from escalation.ledger.ledger import open_ledger
from escalation.policy.policy import Policy, load_policy
from escalation.views.history import history_of

PERIOD = timedelta(days=30)


@click.command()
@global_options()
@click.option("--since", type=Moment(), help="Start of the period.  [default: 30 days before its end]")
@click.option("--until", type=Moment(), help="End of the period, exclusive.  [default: now]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "markdown", "html"]),
    default="table",
    show_default=True,
)
@output_option
def report(settings: Settings, since: datetime | None, until: datetime | None, form: str, output: Path | None) -> None:
    """Say what became of a period's tickets: times against promises, false positives, what was learned.

    With `--format html` the morning page: tonight, each ticket, 90 nights of trends and who could look.
    """
    policy = load_policy(settings.policy)
    if form == "html":
        if since is not None or until is not None:
            raise click.UsageError("the page shows the last 90 days; leave --since and --until out, or say --as-of")
        written, _ = page_of(settings, policy, settings.moment)
    else:
        written = _figures(settings, policy, since, until, form)
    give(output, written)


def _figures(settings: Settings, policy: Policy, since: datetime | None, until: datetime | None, form: str) -> str:
    # pandas takes a third of a second to load, and only this and the backtest need it.
    from reports.statistics import statistics  # noqa: PLC0415
    from reports.statistics_formats import FORMATS  # noqa: PLC0415

    end = until or settings.moment
    start = since or end - PERIOD
    if start >= end:
        raise click.UsageError(empty("period", start, end))
    with open_ledger(settings.ledger, exclusive=False, create=False) as ledger:
        history = history_of(ledger, start, end)
    numbers = statistics(history, policy, settings.moment)
    return FORMATS[form](numbers)
