"""`tickets`: what is open, why, whether it still holds, and what people decide about it."""

from __future__ import annotations

import getpass
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

import click

from commands.believing import held_against_in_part, known_of, on_trail
from commands.listing import list_tickets
from commands.opening import context_of
from commands.options import EXIT_INCOMPLETE, EXIT_USAGE, Moment, Settings, Stop, global_options
from commands.outcomes import existing_ticket, given_outcome, outcome_options, record
from commands.scanning import named_detectors, scanned, window_of
from detectors.contract import TEAMS, Team
from detectors.engine.result import ScanResult
from detectors.text.wording import count
from escalation.decide.remains import trail_is_gone
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.personal import without_people
from escalation.ledger.records import Entry
from escalation.people.progress import acknowledge_ticket, resolve_ticket
from escalation.people.silences import close_ticket, lift_silences, silence_ticket
from escalation.policy.policy import load_policy
from escalation.views.digest import digest
from escalation.views.review import TicketStory, recheck, scope_of, story_of, window_seen
from reports import ticket_list
from reports.digest import FORMATS


@click.group()
def tickets() -> None:
    """Show tickets, check them against the source, and put them off or close them."""


@tickets.command("digest")
@global_options()
@click.option("--team", "teams", type=click.Choice(TEAMS), multiple=True, help="Only this team's (repeatable).")
@click.option("--since", type=Moment(), help="From when on what was settled is told.  [default: a day before]")
@click.option("--format", "form", type=click.Choice(["table", "markdown"]), default="table", show_default=True)
def show_digest(settings: Settings, teams: tuple[Team, ...], since: datetime | None, form: str) -> None:
    """What is open with each team: how old, how much overdue, due next, put off; and whom to tell what was settled."""
    policy = load_policy(settings.policy)
    start = since or settings.moment - timedelta(days=1)
    if start >= settings.moment:
        raise click.UsageError("--since is not before the digest's own time")
    with open_ledger(settings.ledger, exclusive=False, create=False) as ledger:
        found = digest(ledger, policy, start, settings.moment, teams)
    click.echo(FORMATS[form](found, policy), nl=False)


@tickets.command("show")
@global_options()
@click.argument("ticket")
def show_ticket(settings: Settings, ticket: str) -> None:
    """One ticket: its life, its findings, and each night's decision with its reason."""
    click.echo(ticket_list.story(_story(settings, ticket)), nl=False)


@tickets.command("verify")
@global_options()
@click.argument("ticket")
def verify_ticket(settings: Settings, ticket: str) -> None:
    """Check every claim of a ticket against the source now: still true, changed (what), or fixed."""
    policy = load_policy(settings.policy)
    with open_ledger(settings.ledger, exclusive=False, create=False) as ledger:
        story = _story_in(settings, ledger, ticket)
        known = known_of(ledger, policy, settings.moment)
        scope = scope_of(story.entries)
        if not scope.detectors:
            click.echo(ticket_list.rechecked(recheck(story.entries, (), (), policy)), nl=False)
            return
        scoped = bool(scope.households or scope.users)
        window = window_seen(ledger, story.entries, policy) or window_of(settings, policy, None, None, scoped=scoped)
        context = context_of(settings, policy, window)
        detectors = named_detectors(scope.detectors)
        result, _ = scanned(
            settings,
            policy,
            context,
            detectors,
            scope.households,
            scope.users,
            days=known.days(context.as_of),
            after=held_against_in_part(known, detectors, story.entries),
        )
        trail_gone = _trail_gone(ledger, story.entries, result, on_trail(detectors), context.as_of)
    found = recheck(
        story.entries,
        result.findings,
        result.coverage,
        policy,
        gone=result.gone,
        trail_gone=trail_gone,
        thinned=result.thinned,
        unseen=result.unseen,
    )
    click.echo(ticket_list.rechecked(found), nl=False)
    why = [
        *(f"{reason}; deliver the whole table and verify again" for reason in result.disbelieved.values()),
        *(
            f"{reason}; deliver what the ticket rests on as before and verify again"
            for reason in result.unseen.values()
        ),
    ]
    if why:
        raise Stop(why[0], EXIT_INCOMPLETE)
    unseen = sum(one.outcome == "not looked at" for one in found)
    if unseen:
        raise Stop(
            f"incomplete: {unseen} of {count(len(found), 'claim')} could not be looked at, for the reasons above",
            EXIT_INCOMPLETE,
        )


def _trail_gone(
    ledger: Ledger, entries: Iterable[Entry], result: ScanResult, detectors: Collection[str], as_of: datetime
) -> frozenset[str]:
    """The fingerprints of what was shown by audit rows that are no longer there."""
    with ledger.begin() as tx:
        now = max(filter(None, (result.audit_began, tx.audit_began_by(as_of))), default=None)
        return frozenset(
            one.fingerprint
            for one in entries
            if one.detector in detectors and trail_is_gone(one, tx.audit_began_by(one.last_seen_at), now)
        )


def _silencing(kind: Any, help_text: str) -> click.Command:
    @click.command(kind, help=help_text)
    @global_options()
    @click.argument("ticket")
    @click.option("--until", type=Moment(), help="When it ends.")
    @click.option("--days", type=click.IntRange(1, 180), help="Or in how many days.")
    @click.option("--reason", required=True, help="Why.")
    @click.option("--author", help="Who says so.  [default: the user who runs this]")
    def silence(
        settings: Settings, ticket: str, until: datetime | None, days: int | None, reason: str, author: str | None
    ) -> None:
        if until is not None and days is not None:
            raise click.UsageError("--until and --days both say when it ends: give one of them")
        if until is None and days is None:
            raise click.UsageError("say when it ends: --until TIME or --days N")
        end = until or settings.moment + timedelta(days=days or 0)
        policy = load_policy(settings.policy)
        with open_ledger(settings.ledger, create=False) as ledger:
            silence_ticket(
                ledger,
                ticket,
                kind,
                until=end,
                reason=reason,
                author=author or getpass.getuser(),
                policy=policy,
                now=settings.moment,
            )
        click.echo(f"{ticket}: {kind} until {end:%Y-%m-%d %H:%M} UTC")

    return silence


tickets.add_command(_silencing("snooze", "Put a ticket off; it comes back by itself, at once if it gets worse."))
tickets.add_command(_silencing("dismiss", "Say that nothing is to be done about it, until a date."))


@tickets.command("unsnooze")
@global_options()
@click.argument("ticket")
@click.option("--reason", default="no longer needed", show_default=True, help="Why.")
@click.option("--author", help="Who says so.  [default: the user who runs this]")
def unsnooze(settings: Settings, ticket: str, reason: str, author: str | None) -> None:
    """End what was snoozed or dismissed on a ticket before its time."""
    with open_ledger(settings.ledger, create=False) as ledger:
        lifted = lift_silences(ledger, ticket, reason=reason, author=author or getpass.getuser(), now=settings.moment)
    click.echo(f"{ticket}: {count(lifted, 'silence')} lifted; the next run says what there is to say")


@tickets.command("acknowledge")
@global_options()
@click.argument("ticket")
def acknowledge(settings: Settings, ticket: str) -> None:
    """Say that somebody is at it, where the queue cannot tell (e-mail)."""
    with open_ledger(settings.ledger, create=False) as ledger:
        acknowledge_ticket(ledger, ticket, settings.moment)
    click.echo(f"{ticket}: acknowledged")


@tickets.command("resolve")
@global_options()
@click.argument("ticket")
@click.option("--author", help="Who says so.  [default: the user who runs this]")
@outcome_options
def resolve(settings: Settings, ticket: str, author: str | None, **outcome: Any) -> None:
    """Say that it is repaired or decided, where the queue cannot tell; the next run verifies or reopens it."""
    policy = load_policy(settings.policy)
    with open_ledger(settings.ledger, create=False) as ledger:
        kept = given_outcome(settings, policy, existing_ticket(ledger, ticket), author=author, **outcome)
        resolve_ticket(ledger, ticket, settings.moment)
        if kept is not None:
            with ledger.begin() as tx:
                tx.add_outcome(kept)
    click.echo(f"{ticket}: resolved; the next run verifies it")


@tickets.command("close")
@global_options()
@click.argument("ticket")
@click.option(
    "--as", "closing", type=click.Choice(["duplicate", "false-positive", "accepted-risk", "expected"]), required=True
)
@click.option("--of", "duplicate_of", metavar="TICKET", help="The ticket it is a duplicate of.")
@click.option("--reason", required=True, help="Why.")
@click.option("--author", help="Who says so.  [default: the user who runs this]")
@outcome_options
def close(
    settings: Settings,
    ticket: str,
    closing: Any,
    duplicate_of: str | None,
    reason: str,
    author: str | None,
    **outcome: Any,
) -> None:
    """Close a ticket that is not to be repaired."""
    policy = load_policy(settings.policy)
    with open_ledger(settings.ledger, create=False) as ledger:
        kept = given_outcome(settings, policy, existing_ticket(ledger, ticket), author=author, **outcome)
        close_ticket(
            ledger,
            ticket,
            closing,
            reason=reason,
            author=author or getpass.getuser(),
            policy=policy,
            now=settings.moment,
            duplicate_of=duplicate_of,
        )
        if kept is not None:
            with ledger.begin() as tx:
                tx.add_outcome(kept)
    click.echo(f"{ticket}: closed as {closing}")


tickets.add_command(list_tickets)
tickets.add_command(record)


def _story(settings: Settings, ticket: str) -> TicketStory:
    with open_ledger(settings.ledger, exclusive=False, create=False) as ledger:
        return _story_in(settings, ledger, ticket)


def _story_in(settings: Settings, ledger: Ledger, ticket: str) -> TicketStory:
    story = story_of(ledger, ticket, settings.moment)
    if story is None:
        raise Stop(
            f"there is no ticket {without_people(ticket)!r}; `hearthwatch tickets list` shows those there are",
            EXIT_USAGE,
        )
    return story
