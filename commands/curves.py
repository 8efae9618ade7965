"""The curves of backtests in the pages' folder: a limit's latest one is kept, and the morning page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reports import files
from reports.neutral import visible

if TYPE_CHECKING:
    from escalation.policy.policy import Policy
    from reports.charts import Chart
    from reports.sweep import Curve

CURVES_MOST = 20
LONGEST = 100_000
"""Bytes of one curve."""


def keep(folder: Path, curve: Curve) -> None:
    """Keep `curve` in place of an earlier one of its limit. Raises UsageError where the folder cannot be written."""
    from reports.sweep import to_json  # noqa: PLC0415  # pandas and the templates come with it

    try:
        files.make_private(folder.absolute())
        files.put(folder / f"curve-{curve.limit}.json", to_json(curve))
    except OSError as error:
        raise click.UsageError(f"{folder} cannot be written: {error.strerror}") from error


def kept(folder: Path) -> Iterator[Curve]:
    """The curves in the folder; what is none is a warning."""
    from reports.sweep import from_json  # noqa: PLC0415  # as above

    for path in sorted(folder.glob("curve-*.json"))[:CURVES_MOST]:
        try:
            yield from_json(files.read(path, LONGEST))
        except (ValueError, OSError, files.OddFileError):
            click.echo(
                f"warning: {visible(str(path))}: is no curve that backtest --report has kept; remove it", err=True
            )


def drawn(curves: Iterable[Curve], policy: Policy) -> list[tuple[str, Chart]]:
    """Each curve with the words on which nights it is of, and a mark where the policy's limit stands today."""
    from reports.sweep import chart, played  # noqa: PLC0415  # as above

    limits = policy.limits.model_dump()
    return [(played(one), chart(one, limits.get(one.limit))) for one in curves]
