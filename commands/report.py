"""`report`: a period of nights in numbers, from the ledger alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from commands.options import Moment, Settings, global_options
from commands.scanning import empty
from escalation.ledger.ledger import open_ledger
from escalation.policy.policy import load_policy
from escalation.views.history import history_of

PERIOD = timedelta(days=30)


@click.command()
@global_options()
@click.option("--since", type=Moment(), help="Start of the period.  [default: 30 days before its end]")
@click.option("--until", type=Moment(), help="End of the period, exclusive.  [default: now]")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv", "markdown"]), default="table", show_default=True
)
def report(settings: Settings, since: datetime | None, until: datetime | None, form: str) -> None:
    """Say what became of a period's tickets: times against promises, false positives, what was learned."""
    # pandas takes a third of a second to load, and only this and the backtest need it.
    from reports.statistics import statistics  # noqa: PLC0415
    from reports.statistics_formats import FORMATS  # noqa: PLC0415

    policy = load_policy(settings.policy)
    end = until or settings.moment
    start = since or end - PERIOD
    if start >= end:
        raise click.UsageError(empty("period", start, end))
    with open_ledger(settings.ledger, exclusive=False, create=False) as ledger:
        history = history_of(ledger, start, end)
    numbers = statistics(history, policy, settings.moment)
    click.echo(FORMATS[form](numbers), nl=False)
