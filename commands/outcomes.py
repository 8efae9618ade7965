"""`tickets outcome`, and the options by which a command that settles a ticket takes the outcome along."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Any, TypeVar

import click

from commands.options import EXIT_USAGE, Settings, Stop, global_options
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.personal import without_people
from escalation.ledger.records import Ticket, TicketOutcome
from escalation.people.outcomes import outcome_of
from escalation.policy.policy import Policy, load_policy

Command = TypeVar("Command", bound=Callable[..., Any])


def outcome_options(command: Command) -> Command:
    """--outcome, --action and --learning."""
    for option in (
        click.option("--learning", help="What to remember for similar cases."),
        click.option("--action", help="What Trust & Safety did: warning, restriction, suspension, termination, none."),
        click.option("--outcome", help="What came of it."),
    ):
        command = option(command)
    return command


def given_outcome(
    settings: Settings,
    policy: Policy,
    ticket: Ticket,
    outcome: str | None,
    action: str | None,
    learning: str | None,
    author: str | None,
) -> TicketOutcome | None:
    """The outcome that the options say, None where they say nothing. Raises RefusedError, click.UsageError."""
    if outcome is None:
        if action is not None or learning is not None:
            raise click.UsageError("--action and --learning go with --outcome TEXT")
        return None
    return outcome_of(
        ticket,
        outcome=outcome,
        action=action,
        learning=learning,
        author=author or getpass.getuser(),
        policy=policy,
        now=settings.moment,
    )


def existing_ticket(ledger: Ledger, external_id: str) -> Ticket:
    """The ticket of that id. Raises Stop where there is none."""
    with ledger.begin() as tx:
        ticket = tx.ticket(external_id)
    if ticket is None:
        raise Stop(
            f"there is no ticket {without_people(external_id)!a}; `hearthwatch tickets list` shows those there are",
            EXIT_USAGE,
        )
    return ticket


@click.command("outcome")
@global_options()
@click.argument("ticket")
@outcome_options
@click.option("--author", help="Who says so.  [default: the user who runs this]")
def record(
    settings: Settings,
    ticket: str,
    outcome: str | None,
    action: str | None,
    learning: str | None,
    author: str | None,
) -> None:
    """Write down what came of a ticket and what was learned; without --outcome it asks."""
    policy = load_policy(settings.policy)
    with open_ledger(settings.ledger, exclusive=False, create=False) as ledger:
        known = existing_ticket(ledger, ticket)
    if outcome is None:
        outcome = click.prompt("What came of it", err=True)
        actions = [one.name for one in policy.teams[known.team].actions]
        if actions and action is None:
            said = click.prompt(f"Action ({', '.join(actions)})", default="", show_default=False, err=True)
            action = said or None
        if learning is None:
            learning = click.prompt("What to remember", default="", show_default=False, err=True) or None
    kept = given_outcome(settings, policy, known, outcome, action, learning, author)
    if kept is not None:
        with open_ledger(settings.ledger, create=False) as ledger, ledger.begin() as tx:
            tx.add_outcome(kept)
    click.echo(f"{ticket}: outcome written down")
