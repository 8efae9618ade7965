"""What a run leaves for those who watch the cron job: a heartbeat and a file of metrics. Neither changes how it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from channels.heartbeat import beat, heartbeat_url
from channels.protocol import DeliveryError
from channels.settings import ChannelSettingError
from commands.failures import exit_code_of
from commands.options import EXIT_FINDINGS, Settings
from commands.stopping import StoppedError
from reports import metrics
from reports.files import OddFileError
from reports.neutral import visible


@dataclass
class Watch:
    """What the run has seen so far."""

    seen: metrics.Seen | None = None


@contextmanager
def watched(settings: Settings, file: Path | None) -> Iterator[Watch]:
    """Tell the heartbeat, and the file of metrics if there is one, how the run inside ends, however it ends."""
    try:
        url = heartbeat_url(os.environ)
    except ChannelSettingError as error:
        raise click.UsageError(str(error)) from error
    watch, code, began = Watch(), 0, time.monotonic()
    try:
        yield watch
    except BaseException as error:
        code = error.exit_code if isinstance(error, StoppedError) else exit_code_of(error)
        raise
    finally:
        # Findings at or above --fail-on are what the run was asked for.
        well = code in (0, EXIT_FINDINGS)
        if file is not None:
            _write(file, settings, code, time.monotonic() - began, watch.seen, well=well)
        if url is not None:
            _beat(url, code, well=well)


def _write(file: Path, settings: Settings, code: int, seconds: float, seen: metrics.Seen | None, *, well: bool) -> None:
    try:
        metrics.write(file, settings.now or settings.moment, code, seconds, seen, well=well)
    except OddFileError as error:
        click.echo(f"warning: no metrics written: {visible(str(error))}", err=True)
    except OSError as error:
        click.echo(f"warning: {visible(str(file))}: no metrics written: {error.strerror}", err=True)


def _beat(url: str, code: int, *, well: bool) -> None:
    try:
        beat(url, code, well=well)
    except DeliveryError as error:
        click.echo(f"warning: no heartbeat sent: {visible(str(error))}", err=True)
