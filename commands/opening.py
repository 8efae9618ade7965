"""Opening the source that a command is given, without what only scans need."""

from __future__ import annotations

from datetime import datetime

import click

from commands.options import Settings
from commands.stopping import cancelled_on_signal
from detectors.contract import Context, Window
from detectors.source import Source, open_source
from escalation.policy.policy import Policy


def opened(settings: Settings, policy: Policy, *, glance: bool = False) -> Source:
    if not settings.source:
        raise click.UsageError("name a source: --source URL-or-folder, or HEARTHWATCH_SOURCE in the environment")
    source = open_source(settings.source, policy.source, glance=glance)
    cancelled_on_signal(source)
    return source


def context_of(settings: Settings, policy: Policy, window: Window, *, as_of: datetime | None = None) -> Context:
    return Context(as_of=as_of or settings.moment, window=window, limits=policy.limits, environment=policy.environment)
