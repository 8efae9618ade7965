"""Opening the source that a command is given, without what only scans need."""

from __future__ import annotations

import os
from datetime import datetime

import click

from channels.settings import ChannelSettingError, secret
from commands.options import Settings
from commands.stopping import cancelled_on_signal
from detectors.contract import Context, Window
from detectors.source import WHOLE, Glance, Source, open_source
from detectors.source.spark.address import TOKEN, is_spark
from escalation.policy.policy import Policy


def opened(settings: Settings, policy: Policy, *, glance: Glance = WHOLE) -> Source:
    if not settings.source:
        raise click.UsageError("name a source: --source URL-or-folder, or HEARTHWATCH_SOURCE in the environment")
    token = _token() if is_spark(settings.source) else ""
    source = open_source(settings.source, policy.source, glance=glance, token=token)
    cancelled_on_signal(source)
    return source


def _token() -> str:
    """What a Spark server wants to see, from the environment or a file that it names; empty where none is given."""
    given = any(os.environ.get(name, "").strip() for name in (TOKEN, f"{TOKEN}_FILE"))
    try:
        return secret(os.environ, TOKEN) if given else ""
    except ChannelSettingError as error:
        raise click.UsageError(str(error)) from error


def context_of(settings: Settings, policy: Policy, window: Window, *, as_of: datetime | None = None) -> Context:
    return Context(as_of=as_of or settings.moment, window=window, limits=policy.limits, environment=policy.environment)
