"""`backtest --sweep`: one limit of the policy at each of several values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from pydantic import ValidationError

from commands.options import Settings
from detectors.limits import Limits
from escalation.errors import LedgerUsageError
from escalation.ledger.ledger import open_ledger
from escalation.policy.policy import Policy

VALUES_MOST = 25
"""Each value plays every night again."""
_SWEEP = re.compile(r"([a-z_]+)=(\d{1,9})\.\.(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Sweep:
    """A limit and its values, the least first."""

    limit: str
    values: tuple[int, ...]

    def policies(self, policy: Policy) -> Mapping[int, Policy]:
        """The policy with each of the values. Raises UsageError for one that the limit cannot have."""
        return {value: policy.model_copy(update={"limits": self._with(policy.limits, value)}) for value in self.values}

    def _with(self, limits: Limits, value: int) -> Limits:
        try:
            return Limits.model_validate({**limits.model_dump(), self.limit: value})
        except ValidationError as error:
            raise click.UsageError(f"--sweep: {self.limit} cannot be {value}: {error.errors()[0]['msg']}") from None


class SweepType(click.ParamType[Sweep]):
    """`NAME=5..20`."""

    name = "sweep"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Sweep:
        if isinstance(value, Sweep):
            return value
        found = _SWEEP.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is no limit with its values, such as creations_per_day=5..20", param, ctx)
        limit, first, last = found[1], int(found[2]), int(found[3])
        if not isinstance(getattr(Limits(), limit, None), int | float) or isinstance(getattr(Limits(), limit), bool):
            self.fail(
                f"the policy has no limit {limit!r} that is a number; `hearthwatch policy show` lists them", param, ctx
            )
        if not 0 < last - first < VALUES_MOST:
            self.fail(f"{first}..{last} is not 2 to {VALUES_MOST} values, the least first", param, ctx)
        return Sweep(limit, tuple(range(first, last + 1)))


def called_false(settings: Settings) -> frozenset[str]:
    """The findings whose ticket people have closed as a false positive; none where there is no ledger yet."""
    try:
        with open_ledger(settings.ledger, exclusive=False, create=False) as ledger, ledger.begin() as tx:
            closed = [one for one in tx.tickets() if one.closed_as == "false-positive"]
            on_them = {entry.fingerprint for one in closed for entry in tx.entries_on(one) if entry.team == one.team}
            return frozenset(on_them | {one.fingerprint for one in closed})
    except LedgerUsageError:
        return frozenset()
