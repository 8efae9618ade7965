"""What a run leaves for those who watch the cron job: a heartbeat and a file of metrics. Neither changes how it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from channels.heartbeat import QUICK_URL, URL, beat, heartbeat_url
from channels.protocol import DeliveryError
from channels.settings import ChannelSettingError
from commands.failures import exit_code_of
from commands.options import EXIT_FINDINGS, Settings
from commands.stopping import StoppedError
from escalation.ledger.records import Look
from reports import metrics
from reports.files import OddFileError
from reports.neutral import visible


@dataclass
class Watch:
    """What the run has seen so far."""

    seen: metrics.Seen | None = None
    gave_way: bool = False
    """True for a quick look that another run has kept from looking."""


def quick_metrics(environment: Mapping[str, str]) -> Path | None:
    """The file of a quick look's metrics: what the environment names for nights is the nights' own."""
    named = environment.get("HEARTHWATCH_QUICK_METRICS", "")
    return Path(named) if named else None


@contextmanager
def watched(settings: Settings, file: Path | None, look: Look) -> Iterator[Watch]:
    """Tell the heartbeat, and the file of metrics if there is one, how the run inside ends, however it ends."""
    try:
        url = heartbeat_url(os.environ, QUICK_URL if look == "quick" else URL)
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
            _write(file, settings, code, time.monotonic() - began, watch, look, well=well and not watch.gave_way)
        # Who has not looked is neither well nor ill; if that goes on, the watcher misses the beat.
        if url is not None and not watch.gave_way:
            _beat(url, code, look, well=well)


def _write(file: Path, settings: Settings, code: int, seconds: float, watch: Watch, look: Look, *, well: bool) -> None:
    try:
        metrics.write(file, settings.now or settings.moment, code, seconds, watch.seen, well=well, look=look)
    except OddFileError as error:
        click.echo(f"warning: no metrics written: {visible(str(error))}", err=True)
    except OSError as error:
        click.echo(f"warning: {visible(str(file))}: no metrics written: {error.strerror}", err=True)


def _beat(url: str, code: int, look: Look, *, well: bool) -> None:
    try:
        beat(url, code, well=well, name=QUICK_URL if look == "quick" else URL)
    except DeliveryError as error:
        click.echo(f"warning: no heartbeat sent: {visible(str(error))}", err=True)
