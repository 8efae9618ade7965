"""`ledger`: putting our own database right."""

from __future__ import annotations

from datetime import datetime

import click

from commands.options import Moment, Settings, global_options
from detectors.text.wording import count, stamp
from escalation.ledger.ledger import open_ledger
from escalation.nights.forgetting import after_moment, forget_after
from escalation.policy.policy import load_policy


@click.group("ledger")
def ledger_commands() -> None:
    """Put our own database right."""


@ledger_commands.command("forget-after")
@global_options()
@click.argument("moment", type=Moment(), metavar="TIME")
@click.option("--yes", is_flag=True, help="Do it without asking.")
def forget(settings: Settings, moment: datetime, yes: bool) -> None:
    """Forget the nights after TIME, for a run as of a day that had not come.

    Findings and tickets stay as they are, here and in the queue; where they have times after TIME, those become TIME, and
    such clocks begin there. The next run goes on from the last night that is left.
    """
    policy = load_policy(settings.policy)
    with open_ledger(settings.ledger, create=False) as ledger:
        found = after_moment(ledger, moment)
        about = f"{count(found.nights, 'night')} after {stamp(moment)}, with times in {count(found.tickets, 'ticket')}"
        if not found.nights:
            click.echo(f"nothing to forget: the ledger has no night after {stamp(moment)}")
            return
        if not yes:
            click.confirm(f"Forget {about}?", abort=True, err=True)
        forget_after(ledger, moment, policy)
    click.echo(f"forgotten: {about}")
