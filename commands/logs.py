"""What `--verbose` tells: where something went wrong, but never in another program's words, which may quote rows or secrets."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import TextIO

import click

from channels.protocol import DeliveryError
from channels.settings import ChannelSettingError
from detectors.source import SourceError, SubjectError
from escalation.errors import LedgerError, RefusedError
from escalation.policy.policy import PolicyError

OURS = (
    click.ClickException,
    ChannelSettingError,
    DeliveryError,
    LedgerError,
    PolicyError,
    RefusedError,
    SourceError,
    SubjectError,
)
"""Errors whose text was written here, for people to read."""
_TOLD = ("hearthwatch", "alembic")
"""The loggers that talk under --verbose; others are heard when they warn."""
_POOL = "sqlalchemy.pool"
"""It tells where a connection could not be closed in order. A signal that comes just then is told of by itself."""


def start_logging(*, verbose: bool) -> None:
    """Log to standard error; everything of ours if `verbose`, else what is a warning."""
    root = logging.getLogger()
    if not any(isinstance(handler, _StandardError) for handler in root.handlers):
        handler = _StandardError()
        handler.setFormatter(_Formatter("%(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)
    for name in _TOLD:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.WARNING)
    logging.getLogger(_POOL).setLevel(logging.WARNING if verbose else logging.CRITICAL)


def traceback_of(error: BaseException) -> str:
    """Where `error` and what caused it were raised, and of which kind they are; their text only if it is ours."""
    return "".join(_lines(error))


def _lines(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before)
        yield "\nand with that:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if isinstance(error, OURS):
        yield f"{kind}: {error}\n"
        return
    known = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    state = f", SQLSTATE {known}" if isinstance(known, str) else ""
    yield f"{kind}{state} (its text is left out, as it may quote data)\n"


class _Formatter(logging.Formatter):
    def formatException(self, ei: object) -> str:  # noqa: N802  # logging wants this name
        error = ei[1] if isinstance(ei, tuple) else None
        return traceback_of(error).rstrip("\n") if isinstance(error, BaseException) else ""


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # a plain attribute there
        return sys.stderr
