"""`escalate`: a person's own escalation, pre-filled from the data, filed like what a scan finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from channels.protocol import TicketRef
from commands.asking import asked, asked_ids, check_options, severities
from commands.desk import open_helpdesk_delivery, open_slack_delivery
from commands.failures import once_more
from commands.known_escalation import known_escalation
from commands.opening import context_of, opened
from commands.options import EXIT_UNDELIVERED, Moment, Settings, Stop, global_options
from detectors.contract import Finding, Team, Window
from detectors.engine.lookup import Lookup, look_up
from detectors.source import SourceError
from escalation.deliver.case_file import alone
from escalation.deliver.helpdesk import HelpdeskDelivery, deliver
from escalation.deliver.messenger import SlackDelivery, announce
from escalation.errors import LedgerError, NoLedgerError
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.records import Ticket
from escalation.people.person import add_comment, cautions, file, finding_of
from escalation.people.questions import (
    FIXED_SEVERITY,
    QUESTIONS,
    Escalation,
)
from escalation.people.suggest import suggestions
from escalation.policy.policy import Policy, load_policy
from reports import escalation as words
from reports import text
from reports.message import Message
from reports.neutral import visible

COMMANDS: dict[Team, str] = {
    "engineering": "eng",
    "trust-safety": "ts",
    "csm": "csm",
    "product": "pm",
    "legal": "legal",
}


@click.group(invoke_without_command=True)
@global_options()
@click.option("--issue", metavar="TEXT", help="Say which row of the process fits, and file nothing.")
def escalate(settings: Settings, issue: str | None) -> None:
    """Escalate something yourself: asked for what only you know, the rest comes from the data."""
    context = click.get_current_context()
    if issue is not None:
        if context.invoked_subcommand:
            raise click.UsageError("--issue looks for the team; leave out the one, or the other")
        policy = load_policy(settings.policy)
        click.echo(words.suggested(suggestions(issue, policy), policy, COMMANDS), nl=False)
    elif not context.invoked_subcommand:
        raise click.UsageError(f"name a team ({', '.join(COMMANDS.values())}), or describe it with --issue")


def _team_command(team: Team) -> click.Command:
    def run(settings: Settings, **given: Any) -> None:
        _escalate(settings, team, given)

    run.__doc__ = _HELP[team]
    command: Callable[..., None] = run
    for question in reversed(QUESTIONS[team]):
        asks = f"{question.asks}{' (repeatable)' if question.many else ''}"
        command = click.option(
            f"--{question.name.replace('_', '-')}",
            multiple=question.many,
            metavar="TEXT",
            help=asks if asks.endswith("?") else f"{asks}.",
        )(command)
    for option in reversed(_options(team)):
        command = option(command)
    return click.command(COMMANDS[team])(global_options()(command))


_HELP: dict[Team, str] = {
    "engineering": "Escalate to Engineering.",
    "trust-safety": "Escalate to Trust & Safety.",
    "csm": "Escalate to the Customer Success Manager.",
    "product": "Tell Product Management.",
    "legal": "Escalate to Legal (told by e-mail, never on Slack).",
}


def _options(team: Team) -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
        click.option(
            "--title", metavar="TEXT", help="The ticket's headline; the same one on the same ids is filed once."
        ),
        click.option("--household", "households", multiple=True, metavar="ID", help="Whom it is about (repeatable)."),
        click.option("--user", "users", multiple=True, metavar="ID", help="Whom it is about (repeatable)."),
        click.option("--when", type=Moment(), help="When it occurred; without a time zone it is UTC."),
        click.option("--author", help="Who escalates.  [default: the user who runs this]"),
        click.option("--troubleshooting-done", "troubleshot", is_flag=True, help="Basic troubleshooting was done."),
        click.option("--anyway", is_flag=True, help="File it although the same escalation is open already."),
        click.option("--add-comment", is_flag=True, help="If it is open already, add what is written as a comment."),
        click.option("--yes", is_flag=True, help="Do not ask before filing."),
        click.option("--non-interactive", "silent", is_flag=True, help="Ask nothing; needs --yes to file."),
    ]
    if team not in FIXED_SEVERITY:
        known = severities(team)
        kind = click.Choice(known, case_sensitive=False)
        shown = f"[{'|'.join(known)}]"
        options.insert(0, click.option("--severity", type=kind, metavar=shown, help="How urgent it is, in any case."))
    return options


for _team in COMMANDS:
    escalate.add_command(_team_command(_team))


def _escalate(settings: Settings, team: Team, given: dict[str, Any]) -> None:
    policy = load_policy(settings.policy)
    helpdesk, slack_delivery = open_helpdesk_delivery(settings, policy), open_slack_delivery(policy)
    check_options(team, given, settings.moment)
    users, households = asked_ids(team, given)
    # Looked up before the rest is asked, so that a wrong id costs nobody their answers.
    facts, blind = _looked_up(settings, policy, households, users)
    if facts is not None:
        users, households = facts.named_users, facts.named_households
    _warn_of_a_new_ledger(settings)
    escalation = asked(team, given, households, users, settings.moment, _newest(facts))
    known = known_escalation(settings, policy, escalation)
    current, key, past = known.current, known.key, known.past
    if current is not None and not given["anyway"]:
        _is_there(settings, policy, helpdesk, slack_delivery, current, escalation, given)
        return
    finding = finding_of(escalation, facts, blind, known.earlier(policy), key, settings.moment)
    click.echo(text.render(helpdesk.ticket(replace(alone(finding), linked=known.linked), f"hw-{key[:16]}")))
    typed = [escalation.title, *(one for some in escalation.answers.values() for one in some)]
    troubleshot = given["troubleshot"] or (
        not given["silent"] and click.confirm("Was basic troubleshooting done?", err=True)
    )
    personal = words.holds_personal(typed)
    warnings = cautions(
        escalation, policy, past, troubleshot=troubleshot, personal=personal, unrepaired=known.unrepaired
    )
    click.echo(words.warned(warnings), nl=False, err=True)
    click.echo(words.promised(finding, policy, settings.moment), nl=False)
    if not _confirmed(given, f"File this ticket for {policy.teams[team].name}?"):
        click.echo("Nothing was filed.", err=True)
        return
    _file(settings, policy, helpdesk, slack_delivery, finding, patient=not given["silent"])


def _warn_of_a_new_ledger(settings: Settings) -> None:
    """A mistyped address looks like a ledger in which nothing is known: then the same may be filed twice."""
    try:
        with open_ledger(settings.ledger, exclusive=False, create=False):
            pass
    except NoLedgerError as error:
        told = f"{error.where}: nothing is known there of what is open already, and filing this makes a new ledger"
        click.echo(f"warning: there is no ledger at {told}; is --ledger right?", err=True)


def _newest(facts: Lookup | None) -> datetime | None:
    """When the last thing happened that the data knows of the named people and households."""
    return max((entry.at for entry in facts.timeline), default=None) if facts is not None else None


def _looked_up(
    settings: Settings, policy: Policy, households: Sequence[str], users: Sequence[str]
) -> tuple[Lookup | None, str]:
    """What the source says, or why it could not be asked. Raises SubjectError for an id that it cannot hold."""
    if not (households or users):
        return None, "no id was named"
    if not settings.source:
        click.echo("warning: no source is named, so the ticket says that nobody looked", err=True)
        return None, "no source was named"
    context = context_of(settings, policy, Window(settings.moment, settings.moment))

    @once_more
    def facts_of_them() -> Lookup:
        with opened(settings, policy) as source:
            return look_up(source, households, users, context)

    try:
        facts = facts_of_them()
    except SourceError as error:
        click.echo(f"warning: {visible(str(error))}; the ticket says that nobody could look", err=True)
        return None, "the source could not be read"
    if facts.unknown:
        named = visible(", ".join(facts.unknown))
        click.echo(f"warning: the source holds nothing of {named}; is it written in full?", err=True)
    return facts, ""


def _is_there(
    settings: Settings,
    policy: Policy,
    helpdesk: HelpdeskDelivery[TicketRef, Message],
    slack_delivery: SlackDelivery[Any] | None,
    current: Ticket,
    escalation: Escalation,
    given: dict[str, Any],
) -> None:
    place = visible(current.ref_url or "not delivered yet")
    click.echo(f"It is there already: {current.external_id}, {current.status}, {place}")
    if given["silent"] and not given["add_comment"]:
        click.echo("--add-comment adds what you wrote to it, --anyway files another one", err=True)
        return
    if not given["add_comment"] and not click.confirm("Add what you wrote as a comment?", err=True):
        click.echo("Nothing was added; --anyway files another one.", err=True)
        return
    with open_ledger(settings.ledger) as ledger:
        add_comment(ledger, current, escalation, policy, settings.moment, announced=slack_delivery is not None)
        _, failed = deliver(ledger, helpdesk, {}, settings.moment)
        _announce(ledger, slack_delivery, policy, {}, settings.moment)
        with ledger.begin() as tx:
            held = any(row.ticket_id == current.id for row in tx.unsent("queue"))
    if any(one.external_id == current.external_id for one in failed):
        raise Stop(f"{current.external_id}: the comment was not delivered; the next run tries again", EXIT_UNDELIVERED)
    click.echo(f"{current.external_id}: {'snoozed, so the comment is sent afterwards' if held else 'commented'}")


def _confirmed(given: dict[str, Any], question: str) -> bool:
    if given["yes"]:
        return True
    if given["silent"]:
        raise click.UsageError("nothing was filed: --non-interactive asks nothing, so confirm with --yes")
    return click.confirm(question, err=True)


def _file(
    settings: Settings,
    policy: Policy,
    helpdesk: HelpdeskDelivery[TicketRef, Message],
    slack_delivery: SlackDelivery[Any] | None,
    finding: Finding,
    *,
    patient: bool,
) -> None:
    while True:
        try:
            with open_ledger(settings.ledger) as ledger:
                ticket = file(ledger, finding, policy, settings.moment, announced=slack_delivery is not None)
                sent, failed = deliver(ledger, helpdesk, {finding.fingerprint: finding}, settings.moment)
                _announce(ledger, slack_delivery, policy, {finding.fingerprint: finding}, settings.moment)
            break
        except LedgerError as error:
            # Nobody should have to type all of it again because the nightly run is at work.
            if not patient or not click.confirm(f"{error}. Try again?", err=True):
                raise
    external_id = f"hw-{finding.fingerprint[:16]}"
    if ticket is None:
        click.echo(f"It is there already: {external_id}, filed by somebody else just now")
        return
    why = next((one.error for one in failed if one.external_id == external_id), None)
    if why is not None:
        raise Stop(f"{external_id} is recorded, but was not delivered ({why}); the next run sends it", EXIT_UNDELIVERED)
    url = next((one.url for one in sent if one.external_id == external_id), "")
    click.echo(f"{external_id}: filed -> {visible(url)}")


def _announce(
    ledger: Ledger,
    slack_delivery: SlackDelivery[Any] | None,
    policy: Policy,
    findings: Mapping[str, Finding],
    now: datetime,
) -> None:
    """Tell Slack, too. The ticket is what counts: what fails here is warned of, and the next run tries again."""
    if slack_delivery is None:
        return
    _, failed = announce(ledger, slack_delivery, policy, findings, now)
    for one in failed:
        click.echo(f"warning: {one.external_id}: {visible(one.error)}; the next run tries again", err=True)
