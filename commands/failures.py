"""What a failure means to whoever called: one line and a documented exit code."""

from __future__ import annotations

import errno
import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from commands.options import EXIT_FAILURE, EXIT_SOURCE, EXIT_USAGE, Stop
from detectors.source import LostError, SourceError, SubjectError
from escalation.errors import LedgerError, LedgerUsageError, RefusedError
from escalation.policy.policy import PolicyError

P = ParamSpec("P")
T = TypeVar("T")
RESTART_SECONDS = 3.0
"""How long a server that ended our connections has for coming up again."""


def once_more(read: Callable[P, T]) -> Callable[P, T]:
    """Whatever opens the source and reads it, done once more from the start if the connection was lost."""

    @functools.wraps(read)
    def twice(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except LostError as error:
            click.echo(f"note: {error}; beginning again", err=True)
        time.sleep(RESTART_SECONDS)
        return read(*args, **kwargs)

    return twice


def stop_of(error: Exception) -> Stop:
    """The end that an error of our own comes to."""
    match error:
        case Stop():
            return error
        case SourceError():
            return Stop(str(error), EXIT_SOURCE)
        case SubjectError() | PolicyError() | RefusedError() | LedgerUsageError():
            return Stop(str(error), EXIT_USAGE)
        case LedgerError():
            return Stop(str(error), EXIT_FAILURE)
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return Stop("no space is left where this writes to; what was recorded stays, run again", EXIT_FAILURE)
        case PermissionError() if error.filename:
            return Stop(
                f"this user may not use {error.filename}: give it the right to, or name another place", EXIT_FAILURE
            )
        case _:
            # An unexpected error's own text may quote rows or secrets.
            return Stop("our own failure; run again with --verbose for the traceback", EXIT_FAILURE)


def exit_code_of(error: BaseException) -> int:
    """The exit code with which the program ends because of `error`."""
    if isinstance(error, click.ClickException):
        return error.exit_code
    return stop_of(error).exit_code if isinstance(error, Exception) else EXIT_FAILURE
