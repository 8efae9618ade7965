"""What `escalate` asks a person: by options, and by prompts for what the options leave out."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click

from commands.options import Moment
from detectors.contract import SEVERITY_ORDER, Severity, Team
from escalation.people.questions import (
    FIXED_SEVERITY,
    QUESTIONS,
    AnswerError,
    Escalation,
    Question,
    checked_about,
    checked_id,
    checked_text,
    checked_time,
    escalation_of,
)


def severities(team: Team) -> list[Severity]:
    """The priorities that a person can choose for the team."""
    own = {"engineering": ("P0", "P1", "P2"), "trust-safety": ("Immediate", "Same-day", "Next-day")}
    return [one for one in SEVERITY_ORDER if one in own.get(team, ("Immediate", "Next-day"))]


def check_options(team: Team, given: dict[str, Any], now: datetime) -> None:
    """Complain of what the options lack or say wrongly, before anything is looked up or asked.

    Raises click.UsageError.
    """
    if given["silent"]:
        _complain_of_what_is_missing(team, given)
    try:
        for name in ("title", "author", *(one.name for one in QUESTIONS[team])):
            said = given[name]
            for one in said if isinstance(said, tuple) else [said] * (said is not None):
                checked_text(name, one)
        checked_time(given["when"], now)
    except AnswerError as error:
        raise click.UsageError(str(error)) from error


def _complain_of_what_is_missing(team: Team, given: dict[str, Any]) -> None:
    wanted = ["title", *(one.name for one in QUESTIONS[team] if not one.optional)]
    if team not in FIXED_SEVERITY:
        wanted.append("severity")
    if team == "engineering":
        wanted.append("when")
    missing = [f"--{name.replace('_', '-')}" for name in wanted if given[name] in (None, ())]
    if missing:
        raise click.UsageError(f"--non-interactive asks nothing, so give {', '.join(missing)}")


def asked_ids(team: Team, given: dict[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    """The named users and households, asked for where no option names any. Raises click.UsageError."""
    users, households = list(given["users"]), list(given["households"])
    if not (given["silent"] or users or households):
        users, households = _ids_prompted("user"), _ids_prompted("household")
    try:
        checked_about(team, households, users)
        return [checked_id("user", one) for one in users], [checked_id("household", one) for one in households]
    except AnswerError as error:
        raise click.UsageError(str(error)) from error


def _ids_prompted(what: str) -> list[str]:
    def several(typed: str) -> list[str]:
        return [_again(checked_id, what, one) for one in typed.split()]

    asks = f"{what.capitalize()} IDs (separated by spaces; nothing if there is none)"
    found: list[str] = click.prompt(asks, default="", show_default=False, value_proc=several, err=True)
    return found


def _again(check: Callable[[str, str], str], name: str, typed: str) -> str:
    """What was typed, or the reason why the prompt asks again."""
    try:
        return check(name, typed)
    except AnswerError as error:
        raise click.BadParameter(str(error)) from error


def asked(
    team: Team,
    given: dict[str, Any],
    households: Sequence[str],
    users: Sequence[str],
    now: datetime,
    newest: datetime | None,
) -> Escalation:
    """What the options say, and what they do not say from the person. `newest` is when their last known event was.

    Raises click.UsageError for what cannot be used.
    """
    silent: bool = given["silent"]
    severity = FIXED_SEVERITY.get(team) or given["severity"]
    if severity is None:
        severity = click.prompt("Severity", type=click.Choice(severities(team), case_sensitive=False), err=True)
    title = given["title"] or _prompted("title", "Title (it is kept: no names)", optional=False)
    when = given["when"]
    if when is None and team == "engineering":
        when = _time_prompted(now, newest)
    answers = {one.name: _answers(one, given[one.name], silent=silent) for one in QUESTIONS[team]}
    try:
        return escalation_of(
            team,
            severity,
            title,
            given["author"] or getpass.getuser(),
            answers,
            households=households,
            users=users,
            occurred_at=when,
            now=now,
        )
    except AnswerError as error:
        raise click.UsageError(str(error)) from error


def _time_prompted(now: datetime, newest: datetime | None) -> datetime:
    """The time that the person says; the last known event's is proposed."""

    def value(typed: str) -> datetime:
        at = Moment().convert(typed, None, None)
        try:
            checked_time(at, now)
        except AnswerError as error:
            raise click.BadParameter(str(error)) from error
        return at

    proposed = f"{newest:%Y-%m-%dT%H:%M:%SZ}" if newest is not None and newest <= now else None
    asks = "When the issue occurred (with timezone)"
    at: datetime = click.prompt(asks, default=proposed, value_proc=value, err=True)
    return at


def _answers(question: Question, given: Any, *, silent: bool) -> tuple[str, ...]:
    if given:
        return tuple(given) if question.many else (given,)
    if silent:
        return ()
    said = [_prompted(question.name, question.asks, optional=question.optional)]
    while question.many and (more := _prompted(question.name, "  and then (nothing to go on)", optional=True)):
        said.append(more)
    return tuple(filter(None, said))


def _prompted(name: str, asks: str, *, optional: bool) -> str:
    def value(typed: str) -> str:
        return "" if optional and not typed.strip() else _again(checked_text, name, typed)

    found: str = click.prompt(asks, default="" if optional else None, show_default=False, value_proc=value, err=True)
    return found
