"""What all commands share: the global options, the clock they were given, and how a command ends."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console

from commands.logs import start_logging

EXIT_FAILURE, EXIT_USAGE, EXIT_SOURCE, EXIT_INCOMPLETE, EXIT_UNDELIVERED, EXIT_UNKNOWN = 1, 2, 3, 4, 5, 6
EXIT_FINDINGS = 10


class Stop(click.ClickException):
    """The end of a command: one line on standard error and a documented exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


@dataclass(frozen=True)
class Settings:
    """The global options, from the command line or the environment."""

    source: str | None = None
    ledger: str = "sqlite:///hearthwatch.db"
    queue: str = "folder:out/queue"
    policy: str | None = None
    as_of: datetime | None = None
    verbose: bool = False
    now: datetime | None = None
    """What the clock said when the program started; only cli.py reads it."""

    @property
    def moment(self) -> datetime:
        """The moment of the scan: --as-of, else now."""
        moment = self.as_of or self.now
        if moment is None:
            raise ValueError("cli.py gives every command the time")
        return moment


class Moment(click.ParamType[datetime]):
    """An ISO 8601 date or time; without a zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date or time such as 2026-02-03 or 2026-02-03T03:00:00Z", param, ctx)
        if not 1971 <= at.year <= 9000:
            self.fail(f"{value!r} is too far away", param, ctx)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def global_options(*, environment: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The global options, accepted before or after the command; the later one wins, then the environment's twin."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_settings(*args: Any, **values: Any) -> Any:
            context = click.get_current_context()
            given = {name: values.pop(name) for name in _GLOBAL}
            before = context.find_object(Settings) or Settings()
            context.obj = replace(before, **{name: value for name, value in given.items() if value is not None})
            # The group's own context is the one that hears of failures.
            context.find_root().obj = context.obj
            start_logging(verbose=context.obj.verbose)
            return command(context.obj, *args, **values)

        decorated: Callable[..., Any] = with_settings
        for name, extra in reversed(_GLOBAL.items()):
            twin = f"HEARTHWATCH_{name.upper()}"
            # The group alone reads the twin; with the command it would win over an option before the command.
            told = {} if environment else {"help": f"{extra['help']}  [env var: {twin}]"}
            read = {"envvar": twin, "show_envvar": True} if environment else {}
            decorated = click.option(f"--{name.replace('_', '-')}", **{**extra, **told, **read})(decorated)
        return decorated

    return decorate


_GLOBAL: dict[str, dict[str, Any]] = {
    "source": {"metavar": "URL|FOLDER", "help": "PostgreSQL or Spark URL, or a folder of CSV or Parquet files."},
    "ledger": {"metavar": "URL", "help": "Our own database.  [default: sqlite:///hearthwatch.db]"},
    "queue": {"metavar": "WHERE", "help": "Where tickets go.  [default: folder:out/queue]"},
    "policy": {"metavar": "FILE", "help": "A TOML file laid over the packaged policy."},
    "as_of": {"type": Moment(), "help": "The moment of the scan.  [default: now]"},
    "verbose": {"is_flag": True, "default": None, "help": "Talk more, and show tracebacks."},
}


def show(text: str, *, err: bool = False) -> None:
    """Write a result. Whoever reads it may leave early (`| head`): how the command ends is to be known all the same."""
    try:
        click.echo(text, nl=False, err=err)
        sys.stdout.flush()
    except BrokenPipeError:
        forget_output()


def forget_output() -> None:
    """Where nothing can be written, no later write and no last flush of the interpreter's is to fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """What the scan is doing, where a person looks at it. A recorded terminal would keep each picture of it."""
    if not (sys.stderr.isatty() and sys.stdin.isatty()) or "CI" in os.environ:
        yield lambda _: None
        return
    with Console(stderr=True).status("opening the source") as status:
        yield status.update
