"""What the program knows: detectors and their pages, the policy in force, and what the doctor finds of a source."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap

import click

from commands.desk import mail_is_set_up, opened_queue, opened_slack, slack_channels
from commands.opening import context_of, opened
from commands.options import EXIT_SOURCE, EXIT_UNDELIVERED, Settings, Stop, global_options
from commands.scaffold import new_detector
from commands.scanning import named_detectors, window_of
from detectors.advice import SURE, readable
from detectors.contract import TEAMS, Team
from detectors.engine.doctor import examine
from detectors.registry import BY_ID, DETECTORS
from detectors.text.wording import count
from escalation.policy.checks import check
from escalation.policy.policy import Policy, load_policy
from reports.neutral import visible


@click.command()
@global_options()
@click.option("--channels", is_flag=True, help="Look at queue, e-mail and Slack instead of the source. Sends nothing.")
def doctor(settings: Settings, channels: bool) -> None:
    """Say what the source holds and allows, and which detectors can run, with the remedy in each line."""
    policy = load_policy(settings.policy)
    if channels:
        _check_channels(settings, policy)
        return
    problems = 0
    context = context_of(settings, policy, window_of(settings, policy, None, None))
    with opened(settings, policy) as source:
        for check in examine(source, policy.source, DETECTORS, context):
            problems += check.verdict == "problem"
            _say(check.verdict, f"{check.topic}: {check.found}{f'  -> {check.remedy}' if check.remedy else ''}")
    if problems:
        raise Stop(f"{count(problems, 'problem')} to solve first", EXIT_SOURCE)


def _say(verdict: str, told: str) -> None:
    """One check: a line where a program reads, and in a terminal indented lines of its width."""
    line = f"{verdict:7}  {visible(told)}"
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(line, width, subsequent_indent=" " * 9, break_on_hyphens=False)
    click.echo(line)


def _check_channels(settings: Settings, policy: Policy) -> None:
    checks = opened_queue(settings, policy).check()
    slack = opened_slack()
    if slack is not None:
        checks += slack.check(slack_channels(policy))
    for one in checks:
        _say("ok" if one.ok else "problem", f"{one.name}: {one.text}")
    for name in (() if mail_is_set_up() else ("e-mail",)) + (() if slack is not None else ("Slack",)):
        _say("note", f"{name}: not set up; see docs/connect.md")
    bad = sum(not one.ok for one in checks)
    if bad:
        raise Stop(f"{count(bad, 'problem')} to solve first", EXIT_UNDELIVERED)


@click.group()
def detectors() -> None:
    """List and explain the detectors."""


@detectors.command("list")
@click.option("--team", type=click.Choice(TEAMS), help="Only this team's.")
def list_detectors(team: Team | None) -> None:
    """Every detector, in the order of the process document."""
    for detector in DETECTORS:
        meta = detector.meta
        if team in (None, meta.team):
            click.echo(f"{meta.id:28} {meta.team:13} {meta.severity:9} {meta.title}")


@detectors.command("explain")
@click.argument("name", metavar="ID")
def explain_detector(name: str) -> None:
    """The page of one detector."""
    (detector,) = named_detectors((name,))
    meta = detector.meta
    click.echo(
        f"{meta.id} · {meta.team} · {meta.severity} · {meta.kind}\nProcess: {meta.process}\n"
        f"{SURE[meta.sure]}. It would be wrong if {meta.refuted_by}.\n\n{readable(detector.page.strip())}"
    )


detectors.add_command(new_detector)


@click.group("policy")
def policy_commands() -> None:
    """Show and check the policy in force."""


@policy_commands.command("show")
@global_options()
@click.argument("key", required=False)
def show_policy(settings: Settings, key: str | None) -> None:
    """The effective values (of KEY and below) and where each came from."""
    shown = 0
    for name, value, origin in load_policy(settings.policy).values():
        if key is None or name == key or name.startswith(f"{key}."):
            shown += 1
            click.echo(f"{name} = {json.dumps(value, ensure_ascii=False, default=str)}  ({origin})")
    if not shown:
        raise click.UsageError(f"the policy has no key {key!r}; `hearthwatch policy show` lists them all")


@policy_commands.command("check")
@global_options()
def check_policy(settings: Settings) -> None:
    """Find contradictions and what is never used."""
    remarks = check(load_policy(settings.policy), BY_ID)
    for remark in remarks:
        click.echo(remark)
    click.echo(f"the policy is valid; {len(remarks)} remark{'' if len(remarks) == 1 else 's'}", err=True)
