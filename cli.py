"""hearthwatch: the composition root. It reads the clock, puts the commands together and turns failures into exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, NoReturn

import click

from commands.failures import stop_of
from commands.logs import traceback_of
from commands.options import EXIT_FAILURE, Settings, Stop, forget_output, global_options
from commands.stopping import StoppedError, stopped, stopped_by_signals
from escalation.ledger.personal import without_people

COMMANDS = {
    "demo": "commands.demo:demo",
    "scan": "commands.scanning:scan",
    "run": "commands.nightly:run",
    "tickets": "commands.tickets:tickets",
    "escalate": "commands.escalate:escalate",
    "household": "commands.household:household",
    "report": "commands.report:report",
    "backtest": "commands.backtest:backtest",
    "detectors": "commands.knowledge:detectors",
    "policy": "commands.knowledge:policy_commands",
    "doctor": "commands.knowledge:doctor",
    "ledger": "commands.ledger:ledger_commands",
}
"""Where each is. Only the one that is asked for is imported, as a customer waits for it."""


class Commands(click.Group):
    """The group that turns whatever goes wrong into one line on standard error and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        try:
            _check_texts(args[0] if args and args[0] is not None else sys.argv[1:])
            with stopped_by_signals():
                code = super().main(*args, **{**extra, "standalone_mode": False})
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "hearthwatch"
            _end(f"{without_people(error.format_message())} (see `{where} --help`)", error.exit_code)
        except click.ClickException as error:
            _stopped_end()
            _end(error.format_message(), error.exit_code)
        except StoppedError as error:
            _end(str(error), error.exit_code)
        except click.Abort as error:
            if isinstance(error.__cause__, StoppedError):
                _end(str(error.__cause__), error.__cause__.exit_code)
            _stopped_end()
            _end("stopped by the user", EXIT_FAILURE)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            # What cannot be written is to be known here and not at the interpreter's end.
            sys.stdout.flush()
            return result
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except StoppedError as error:
            raise Stop(str(error), error.exit_code) from error
        except BrokenPipeError:
            # Whoever read our output has enough of it; there is nobody left to tell.
            forget_output()
            ctx.exit(0)
        except Exception as error:
            if stopped() is not None:
                raise click.Abort from error
            settings = ctx.obj if isinstance(ctx.obj, Settings) else Settings()
            if settings.verbose:
                click.echo(traceback_of(error), err=True, nl=False)
            if isinstance(error, OSError):
                _last_flush()
            raise stop_of(error) from error


def _stopped_end() -> None:
    """End as the signal asks that has come, whatever became of it on its way; return where none has."""
    signal_end = stopped()
    if signal_end is not None:
        _end(str(signal_end), signal_end.exit_code)


def _check_texts(arguments: Sequence[str]) -> None:
    """Raise UsageError for an argument, or a variable of ours, that no ledger, ticket or log could hold."""
    given = {f"argument {number}": value for number, value in enumerate(arguments, start=1)}
    given |= {name: value for name, value in os.environ.items() if name.startswith("HEARTHWATCH_")}
    for name, value in given.items():
        if not value.isascii() and value.encode(errors="replace").decode() != value:
            raise click.UsageError(f"{name} is no text in UTF-8; type it again, or rename the file that it names")


def _last_flush() -> None:
    """Write what is left, or nothing any more."""
    try:
        sys.stdout.flush()
    except OSError:
        forget_output()


def _end(message: str, code: int) -> NoReturn:
    click.echo(f"hearthwatch: {' '.join(message.split())}", err=True)
    sys.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hearthwatch")
@global_options(environment=True)
def main(settings: Settings) -> None:
    """Watch the household tables of PetForce and file escalation tickets that are already filled in.

    Exit codes: 0 done · 1 our own failure · 2 usage · 3 the source could not be read, or not be believed · 4 incomplete: a
    detector failed, or what a ticket rests on was not believed or not there to be seen · 5 tickets made but not all
    delivered · 6 nobody has the household, user, code or address that was named · 10 findings at or above --fail-on · 129, 130, 143 stopped by a signal.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    click.get_current_context().obj = replace(settings, now=now)


if __name__ == "__main__":
    main()
