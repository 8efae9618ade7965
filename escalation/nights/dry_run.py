"""Nights of the past played again with a policy that is being tried: in a ledger of their own, told to nobody."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from detectors.contract import Context, Coverage, Window
from detectors.findings import Found
from escalation.deliver.case_file import CaseFile
from escalation.deliver.helpdesk import HelpdeskDelivery, Note
from escalation.ledger.ledger import Ledger, open_ledger
from escalation.nights.night import run_night
from escalation.nights.told import Told
from escalation.policy.policy import Policy

AFTER_MIDNIGHT = timedelta(hours=3)
"""When a rehearsed night runs: late enough for the audit rows of its day."""

Look = Callable[[Window, datetime, Ledger], tuple[Sequence[Found], Sequence[Coverage]]]
"""One scan: of this window, as of this time; the ledger says what was known before."""


@dataclass(frozen=True, slots=True)
class Case:
    """A ticket that would have been made: its finding's identity, and what it is about (ids)."""

    fingerprint: str
    detector: str
    severity: str
    subject: dict[str, str]


@dataclass(frozen=True, slots=True)
class DryRunNight:
    """What one night would have done. `blind` are the detectors that could not look, with the reason."""

    window: Window
    findings: int
    new: int
    opened: tuple[Case, ...]
    commented: int
    blind: tuple[Coverage, ...]
    looked: bool
    """False where no detector could look, so that the numbers say nothing."""


@dataclass(frozen=True, slots=True)
class _Ref:
    id: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class _Untouched:
    status: Literal["open"] = "open"
    first_reply_at: datetime | None = None
    owner: str = ""


class _Nobody:
    """A queue that takes everything and keeps nothing; nobody ever works on its tickets."""

    def find(self, external_id: str) -> _Ref | None:
        return None

    def create(self, external_id: str, message: None) -> _Ref:
        return _Ref(external_id)

    def comment(self, ref: _Ref, key: str, message: None) -> None:
        return None

    def update(self, ref: _Ref, message: None) -> None:
        return None

    def state(self, ref: _Ref) -> _Untouched:
        return _Untouched()


def windows(context: Context, since: datetime, until: datetime) -> list[Window]:
    """The policy's days from that of `since` to the last that begins before `until`."""
    day, found = context.day(since), []
    while context.day_start(day) < until:
        following = day + timedelta(days=1)
        found.append(Window(context.day_start(day), context.day_start(following)))
        day = following
    return found


def dry_run(days: Iterable[Window], look: Look, policy: Policy, now: datetime) -> list[DryRunNight]:
    """Play the nights after `days` in their order, each no later than `now`. Raises what `look` raises."""

    def ticket(case: CaseFile, external_id: str) -> None:
        return None

    def note(said: Note) -> None:
        return None

    helpdesk: HelpdeskDelivery[_Ref, None] = HelpdeskDelivery(queue=_Nobody(), ref=_Ref, ticket=ticket, note=note)
    nights = []
    with tempfile.TemporaryDirectory() as folder, open_ledger(f"sqlite:///{Path(folder) / 'dry-run.db'}") as ledger:
        for window in days:
            as_of = min(window.end + AFTER_MIDNIGHT, max(now, window.end))
            findings, coverage = look(window, as_of, ledger)
            report = run_night(ledger, findings, coverage, policy, as_of, window=window, helpdesk=helpdesk)
            nights.append(
                DryRunNight(
                    window=window,
                    findings=len(report.findings),
                    new=sum(one.status == "new" for one in report.told),
                    opened=tuple(_case(one) for one in report.told if one.action == "open"),
                    commented=sum(one.action in ("comment", "reopen") for one in report.told),
                    blind=tuple(entry for entry in coverage if entry.status in ("failed", "not_applicable")),
                    looked=any(entry.status in ("ran", "proved") for entry in coverage),
                )
            )
    return nights


def _case(told: Told) -> Case:
    return Case(told.fingerprint, told.detector, told.severity, told.subject)
