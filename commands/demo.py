"""`demo`: a month of a small town's life, then two nights that are really scanned, and the page of it all."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from commands.desk import open_helpdesk_delivery
from commands.nightly import night
from commands.options import Settings
from commands.pages import TONIGHT, renew
from detectors.contract import Coverage
from detectors.registry import DETECTORS
from detectors.text.wording import count
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.ledger.records import Looked, Volume
from escalation.ledger.scrub import unpack
from escalation.ledger.volumes import EVENTS
from escalation.nights.night import run_night
from escalation.nights.windows_of_runs import next_window
from escalation.people.outcomes import outcome_of
from escalation.people.progress import acknowledge_ticket, resolve_ticket
from escalation.people.silences import close_ticket
from escalation.policy.policy import Policy, load_policy

DEMO = Path(__file__).parent.parent / "fixtures" / "demo"
NIGHTS = (
    ("night-1", datetime(2026, 2, 3, 3, tzinfo=UTC)),
    ("night-2", datetime(2026, 2, 4, 3, tzinfo=UTC)),
)
Deed = Mapping[str, str]


@click.command()
@click.pass_obj
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("out/demo"),
    show_default=True,
    help="Where its tickets, ledger and page go; made anew.",
)
def demo(settings: Settings, folder: Path) -> None:
    """Play a month of a small town with planted faults, its last two nights for real, and make the morning page of it."""
    made_here = folder / ".hearthwatch-demo"
    if folder.exists() and not made_here.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.UsageError(f"{folder} holds things that are not the demo's; name a folder that is new or empty")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made_here.touch()
    place = replace(settings, ledger=f"sqlite:///{folder / 'hearthwatch.db'}", queue=f"folder:{folder / 'queue'}")
    month = json.loads(gzip.decompress((DEMO / "month.json.gz").read_bytes()))
    _play_month(place, month)
    click.echo(
        f"{count(len(month['nights']), 'night')} before, from fixtures/demo/month.json.gz: {count(len(month['cases']), 'ticket')}."
    )
    for name, as_of in NIGHTS:
        click.echo(f"\n=== {name}: hearthwatch run --source fixtures/demo/{name} --as-of {as_of:%Y-%m-%dT%H:%M:%SZ}\n")
        place = replace(place, source=str(DEMO / name), as_of=as_of)
        night(place, "table", announced=False)
        if name == NIGHTS[0][0]:
            _a_day_at_work(place)
    renew(place, folder / "page")
    click.echo(f"\nThe tickets are in {folder / 'queue'}: one .md for people and one .json for programs each.")
    click.echo(
        f"Their lives: hearthwatch tickets list --as-of 2026-02-04T03:00Z --ledger sqlite:///{folder / 'hearthwatch.db'}"
    )
    click.echo(
        "Does one still hold? hearthwatch tickets verify TICKET --source fixtures/demo/night-2 --as-of 2026-02-04T03:00Z "
        f"--ledger sqlite:///{folder / 'hearthwatch.db'}"
    )
    click.echo(f"The page: {folder / 'page' / TONIGHT}")


def _play_month(settings: Settings, month: Mapping[str, Any]) -> None:
    """The recorded nights with what people did between them; no source is read."""
    policy = load_policy(settings.policy)
    helpdesk = open_helpdesk_delivery(settings, policy)
    deeds = list(month["deeds"])
    with open_ledger(settings.ledger) as ledger:
        for recorded in month["nights"]:
            at = datetime.fromisoformat(recorded["at"])
            while deeds and datetime.fromisoformat(deeds[0]["at"]) < at:
                _do(ledger, deeds.pop(0), policy)
            seen = (case["finding"] for case in month["cases"] if recorded["number"] in case["nights"])
            run_night(
                ledger,
                [unpack(finding) for finding in seen],
                _endings(recorded),
                policy,
                at,
                window=next_window(ledger, at, policy),
                helpdesk=helpdesk,
                looked=_looked(recorded),
            )
        for deed in deeds:
            _do(ledger, deed, policy)


def _endings(recorded: Mapping[str, Any]) -> list[Coverage]:
    found = []
    for detector in DETECTORS:
        if detector.id in recorded["failed"]:
            found.append(Coverage(detector=detector.id, status="failed", reason=recorded["failed"][detector.id]))
        elif detector.id in recorded["unwritten"]:
            reason = recorded["unwritten"][detector.id]
            found.append(Coverage(detector=detector.id, status="not_applicable", reason=reason))
        else:
            found.append(Coverage(detector=detector.id, status="ran"))
    return found


def _looked(recorded: Mapping[str, Any]) -> Looked:
    days = {date.fromisoformat(day): number for day, number in recorded["days"].items()}
    volumes = [Volume(table, rows) for table, rows in recorded["rows"].items()]
    first = datetime.combine(min(days), datetime.min.time(), UTC)
    volumes.append(Volume(EVENTS, sum(days.values()), days, first))
    at = datetime.fromisoformat(recorded["at"])
    return Looked(tuple(volumes), audited=True, reached=at, seconds=recorded["seconds"])


def _do(ledger: Ledger, deed: Deed, policy: Policy) -> None:
    """What somebody did about the ticket of a finding."""
    at, key = datetime.fromisoformat(deed["at"]), deed["fingerprint"]
    with ledger.begin() as tx:
        entry = tx.entries_for([key])[key]
        ticket = tx.ticket_by_row(entry.ticket_id or 0)
    abuse = ticket.team == "trust-safety"
    match deed["what"]:
        case "acknowledge":
            acknowledge_ticket(ledger, ticket.external_id, at)
        case "resolve":
            resolve_ticket(ledger, ticket.external_id, at)
        case "false-positive":
            why = "A shelter moves its foster families in spring; agreed with its manager"
            close_ticket(ledger, ticket.external_id, "false-positive", reason=why, author="kim", policy=policy, now=at)
        case "outcome":
            learned = outcome_of(
                ticket,
                outcome="The account was warned and has stopped"
                if abuse
                else "Repaired by hand, and the customer was told",
                action="warning" if abuse else None,
                learning="The app could ask before the tenth household of a day" if abuse else None,
                author="kim",
                policy=policy,
                now=at,
            )
            with ledger.begin() as tx:
                tx.add_outcome(learned)


def _a_day_at_work(settings: Settings) -> None:
    """Between the two nights people work: most tickets are taken in time, one is called repaired that is not."""
    with open_ledger(settings.ledger) as ledger:
        with ledger.begin() as tx:
            fresh = [one for one in tx.tickets(ended=False) if one.opened_at == settings.moment]
        for number, ticket in enumerate(_by_urgency(fresh)):
            if number % 6 == 5 or ticket.acknowledge_due is None:
                continue
            taken = ticket.opened_at + (ticket.acknowledge_due - ticket.opened_at) * 0.6
            acknowledge_ticket(ledger, ticket.external_id, taken)
            if number % 6 == 1:
                resolve_ticket(ledger, ticket.external_id, taken + (ticket.acknowledge_due - ticket.opened_at) * 8)


def _by_urgency(tickets: Iterable[Any]) -> list[Any]:
    return sorted(tickets, key=lambda one: (one.resolve_due is None, one.resolve_due, one.external_id))
