"""`household`: support's one screen."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from commands.failures import once_more
from commands.opening import context_of, opened
from commands.options import EXIT_UNKNOWN, Settings, Stop, global_options, show
from detectors.contract import Window
from detectors.engine.household_view import Looked, look
from detectors.source import ONE_HOUSEHOLD
from escalation.errors import LedgerError
from escalation.ledger.ledger import open_ledger
from escalation.policy.policy import Policy, load_policy
from escalation.views.household import HouseholdTickets, household_tickets
from reports.household import NOBODY, Screen, to_json, to_table

LONGEST = 1000
"""Characters of what is looked for."""


@click.command()
@global_options()
@click.argument("who", metavar="ID|CODE|EMAIL|-")
@click.argument("more", nargs=-1, metavar="")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def household(settings: Settings, who: str, more: tuple[str, ...], form: str) -> None:
    """Support's one screen: who is in it, who leads, what is open, what to tell the customer.

    Named by the household's id, its invite code, or a member's id or e-mail address; `-` reads it from standard input, so
    that an address stands in no list of processes. Ends with 6 where nobody has it.
    """
    if more:
        # What else was typed may be the rest of somebody's address, so that it is not repeated.
        raise click.UsageError("name one household, user, code or address; put what holds blanks into quotes")
    policy = load_policy(settings.policy)
    named = (sys.stdin.readline(LONGEST + 1).lstrip("\ufeff") if who == "-" else who).strip()
    if not named or len(named) > LONGEST:
        raise click.UsageError("name a household's id, an invite code, a user's id or an e-mail address")
    looked = _looked(settings, policy, named)
    if looked.kind is None:
        click.echo(NOBODY)
        raise Stop("nobody has it; is it written in full?", EXIT_UNKNOWN)
    ids = {looked.user_id, *(home.household_id for home in looked.households)} - {""}
    tickets, blind = _tickets(settings, policy, ids)
    show({"table": to_table, "json": to_json}[form](Screen(looked, tickets, blind, settings.moment)))


@once_more
def _looked(settings: Settings, policy: Policy, named: str) -> Looked:
    with opened(settings, policy, glance=ONE_HOUSEHOLD) as source:
        return look(source, named, context_of(settings, policy, Window(settings.moment, settings.moment)))


def _tickets(settings: Settings, policy: Policy, ids: Iterable[str]) -> tuple[HouseholdTickets | None, str]:
    """What the ledger knows, or why it could not be asked: support's customer waits meanwhile."""
    try:
        with open_ledger(settings.ledger, exclusive=False, create=False) as ledger:
            return household_tickets(ledger, policy, ids, settings.moment), ""
    except LedgerError as error:
        return None, str(error)
