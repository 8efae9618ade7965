"""`tickets list`: what is open, whom it is about, who has it, and what is put off; narrowed down as asked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import click

from commands.options import Settings, global_options, show
from detectors.contract import SEVERITY_ORDER, TEAMS
from escalation.ledger.ledger import open_ledger
from escalation.policy.policy import load_policy
from escalation.views.digest import InProgress, in_progress
from reports import ticket_list

STATES = ("open", "acknowledged", "resolved", "snoozed")
NOBODY = "nobody"


@click.command("list")
@global_options()
@click.option("--overdue", "only_overdue", is_flag=True, help="Only those with a promise that is broken.")
@click.option("--household", "households", multiple=True, metavar="ID", help="Only what names it (repeatable).")
@click.option("--user", "users", multiple=True, metavar="ID", help="Only what names this user (repeatable).")
@click.option("--team", "teams", type=click.Choice(TEAMS), multiple=True, help="Only this team's (repeatable).")
@click.option(
    "--severity", "severities", type=click.Choice(SEVERITY_ORDER), multiple=True, help="Only these (repeatable)."
)
@click.option("--owner", "owners", multiple=True, metavar="NAME", help="Only this person's; `nobody` for untaken ones.")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only these (repeatable).")
@click.option("--format", "form", type=click.Choice(list(ticket_list.LISTS)), default="table", show_default=True)
def list_tickets(settings: Settings, form: str, **chosen: Any) -> None:
    """The tickets in progress: the longest overdue first, then by what is due next."""
    policy = load_policy(settings.policy)
    with open_ledger(settings.ledger, exclusive=False, create=False) as ledger:
        lines = in_progress(ledger, policy, settings.moment)
    show(ticket_list.LISTS[form]([line for line in lines if _is_chosen(line, **chosen)]))


def _is_chosen(
    line: InProgress,
    *,
    only_overdue: bool,
    households: Collection[str],
    users: Collection[str],
    teams: Collection[str],
    severities: Collection[str],
    owners: Collection[str],
    states: Collection[str],
) -> bool:
    """Whether a ticket is one of those that were asked for; several values of one option are alternatives."""
    ticket = line.ticket
    is_now = {ticket.status, "snoozed" if line.silence else ""}
    wanted: tuple[tuple[Collection[str], Collection[str]], ...] = (
        (households, line.households),
        (users, line.users),
        (teams, (ticket.team,)),
        (severities, (ticket.severity,)),
        (owners, (ticket.owner or NOBODY,)),
        (states, is_now),
    )
    return (bool(line.overdue) or not only_overdue) and all(not asked or set(asked) & set(has) for asked, has in wanted)
